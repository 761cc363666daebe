//! A topology follows Kubernetes over real HTTPS, through all that an API server does.
#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::time::Duration;

use kubezonnet_model::{Endpoint, Timestamp, Window, Zone};
use kubezonnet_testkit::kube::object::{in_phase, node, pod, with_addresses};
use kubezonnet_testkit::kube::{FakeKube, Kind, recorded};
use kubezonnet_topology::kubernetes::InitialList;
use kubezonnet_topology::{FailureReason, Holder, Source};
use serde_json::Value;

use self::following::{Following, RECORDED};

mod following;
mod surroundings;

/// Pods, nodes, `ReplicaSets`, Jobs, Services and `EndpointSlices`.
const WATCHES: usize = 6;

fn web(name: &str, address: &str) -> Value {
    let pod = pod("shop", name, &format!("uid-of-{name}"), "node-a");
    with_addresses(pod, &[address])
}

async fn fake_with_one_pod() -> FakeKube {
    let fake = FakeKube::start().await.unwrap();
    fake.upsert(
        Kind::Node,
        node("node-a", "n1", "zone-a", &["192.168.50.11"]),
    );
    fake.upsert(Kind::Pod, web("web-0", "10.1.0.7"));
    fake
}

async fn fake_as_recorded() -> FakeKube {
    let fake = FakeKube::start().await.unwrap();
    for node in recorded::nodes() {
        fake.upsert(Kind::Node, node);
    }
    for pod in recorded::pods() {
        fake.upsert(Kind::Pod, pod);
    }
    fake
}

/// That the recorded cluster is in the topology.
fn assert_as_recorded(following: &Following) {
    let owners = [
        ("10.244.1.11", "pod-a1"),
        ("fd00:244:2::12", "pod-b2"),
        ("10.244.3.12", "pod-c2"),
        ("192.168.50.13", "node-c"),
        ("fd50::11", "node-a"),
    ];
    for (address, owner) in owners {
        assert_eq!(following.owner(address), owner, "{address}");
    }
    assert_eq!(following.zone_of("node-b"), Zone::new("zone-b").ok());
    let sizes = following.topology.read().sizes();
    assert_eq!((sizes.pods, sizes.nodes, sizes.addresses), (8, 3, 22));
}

#[tokio::test]
async fn everything_is_listed_page_by_page() {
    let fake = fake_as_recorded().await;

    let following = Following::of(fake.kubeconfig(), InitialList::Pages(3)).await;
    following
        .until("synced", |it| it.topology.is_synced())
        .await;

    assert_as_recorded(&following);
    let requests = fake.requests();
    let pages = requests
        .iter()
        .filter(|request| request.starts_with("/api/v1/pods?") && request.contains("limit=3"));
    assert_eq!(pages.count(), 3, "{requests:?}");
}

#[tokio::test]
async fn everything_is_listed_as_a_stream() {
    let fake = fake_as_recorded().await;

    let following = Following::of(fake.kubeconfig(), InitialList::Streaming).await;
    following
        .until("synced", |it| it.topology.is_synced())
        .await;

    assert_as_recorded(&following);
    let streams = |request: &String| request.contains("sendInitialEvents=true");
    assert!(fake.requests().iter().all(streams), "{:?}", fake.requests());
    fake.upsert(Kind::Pod, web("web-0", "10.1.0.7"));
    following
        .until("added", |it| it.owner("10.1.0.7") == "web-0")
        .await;
}

#[tokio::test]
async fn changes_are_followed_as_they_come() {
    let fake = fake_with_one_pod().await;
    let following = Following::synced(&fake).await;
    assert_eq!(following.owner("10.1.0.7"), "web-0");
    following.set_clock(1_000);

    fake.upsert(Kind::Pod, web("web-1", "10.1.0.8"));
    following
        .until("added", |it| it.owner("10.1.0.8") == "web-1")
        .await;

    following.set_clock(2_000);
    fake.upsert(Kind::Pod, in_phase(web("web-1", "10.1.0.8"), "Succeeded"));
    following
        .until("completed", |it| it.owner("10.1.0.8") == "Nobody")
        .await;

    fake.delete(Kind::Pod, "shop/web-0");
    following
        .until("deleted", |it| it.owner("10.1.0.7") == "Nobody")
        .await;

    fake.upsert(
        Kind::Node,
        node("node-a", "n1", "zone-b", &["192.168.50.11"]),
    );
    let zone_b = Zone::new("zone-b").ok();
    following
        .until("relabelled", |it| it.zone_of("node-a") == zone_b)
        .await;

    fake.delete(Kind::Node, "node-a");
    following
        .until("node deleted", |it| it.owner("192.168.50.11") == "Nobody")
        .await;

    assert_eq!(following.owner_within("10.1.0.8", 1_200, 1_800), "web-1");
    assert_eq!(
        following.owner_within("192.168.50.11", 1_200, 1_800),
        "node-a"
    );
    assert_eq!(following.topology.counts(Source::Pods).events, 3);
    assert_eq!(following.topology.counts(Source::Nodes).events, 2);
}

#[tokio::test]
async fn a_bookmark_says_where_the_next_watch_goes_on() {
    let fake = fake_with_one_pod().await;
    let following = Following::synced(&fake).await;
    following
        .until("watched", |_| fake.open_watches() == WATCHES)
        .await;

    // Only nodes change: without a bookmark the watch of pods would stand at an old version.
    fake.upsert(
        Kind::Node,
        node("node-b", "n2", "zone-b", &["192.168.50.12"]),
    );
    fake.upsert(
        Kind::Node,
        node("node-c", "n3", "zone-c", &["192.168.50.13"]),
    );
    fake.bookmark();
    fake.end_watches();

    let goes_on = |request: &String| {
        request.starts_with("/api/v1/pods?") && request.contains("resourceVersion=4")
    };
    let watched_again = |_: &Following| fake.requests().iter().any(goes_on);
    following
        .until("watched from the bookmark", watched_again)
        .await;
    assert_eq!(following.relists(Source::Pods), 1);
}

#[tokio::test]
async fn a_history_that_ended_within_the_watch_is_listed_anew() {
    let fake = fake_with_one_pod().await;
    let following = Following::synced(&fake).await;
    following
        .until("watched", |_| fake.open_watches() == WATCHES)
        .await;

    fake.expire_history();

    let listed = |it: &Following| it.relists(Source::Pods) == 2 && it.relists(Source::Nodes) == 2;
    following.until("listed anew", listed).await;
    assert_eq!(following.failures(Source::Pods, FailureReason::Expired), 1);
    assert_eq!(following.owner("10.1.0.7"), "web-0");
    assert_eq!(following.topology.read().sizes().past, 0);
}

#[tokio::test]
async fn what_went_while_the_history_ended_is_swept() {
    let mut fake = fake_with_one_pod().await;
    fake.upsert(Kind::Pod, web("web-1", "10.1.0.8"));
    let following = Following::synced(&fake).await;
    following.set_clock(1_000);

    fake.down().await;
    fake.delete(Kind::Pod, "shop/web-0");
    fake.upsert(Kind::Pod, web("web-2", "10.1.0.9"));
    fake.expire_history_quietly();
    fake.up().await.unwrap();

    following
        .until("swept", |it| it.owner("10.1.0.7") == "Nobody")
        .await;
    assert_eq!(following.owner("10.1.0.8"), "web-1");
    assert_eq!(following.owner("10.1.0.9"), "web-2");
    assert_eq!(following.owner_within("10.1.0.7", 200, 800), "web-0");
    assert!(following.failures(Source::Pods, FailureReason::Expired) >= 1);
}

#[tokio::test]
async fn a_watch_that_is_refused_for_its_version_is_listed_anew() {
    let fake = fake_with_one_pod().await;
    let following = Following::synced(&fake).await;
    following
        .until("watched", |_| fake.open_watches() == WATCHES)
        .await;

    fake.refuse_watches(Some(410));
    fake.end_watches();
    following
        .until("listed anew", |it| it.relists(Source::Pods) >= 2)
        .await;

    fake.refuse_watches(None);
    fake.upsert(Kind::Pod, web("web-1", "10.1.0.8"));
    following
        .until("added", |it| it.owner("10.1.0.8") == "web-1")
        .await;
    assert!(following.failures(Source::Pods, FailureReason::Expired) >= 1);
}

#[tokio::test]
async fn a_cut_connection_goes_on_where_it_was() {
    let mut fake = fake_with_one_pod().await;
    let following = Following::synced(&fake).await;
    following
        .until("watched", |_| fake.open_watches() == WATCHES)
        .await;

    fake.drop_connections().await.unwrap();
    fake.upsert(Kind::Pod, web("web-1", "10.1.0.8"));
    fake.delete(Kind::Pod, "shop/web-0");

    following
        .until("added", |it| it.owner("10.1.0.8") == "web-1")
        .await;
    following
        .until("deleted", |it| it.topology.read().sizes().pods == 1)
        .await;
    assert_eq!(following.relists(Source::Pods), 1);
}

#[tokio::test]
async fn an_api_server_that_is_down_at_start_is_waited_for() {
    let mut fake = FakeKube::start_down().unwrap();
    fake.upsert(Kind::Pod, web("web-0", "10.1.0.7"));

    let following = Following::of(fake.kubeconfig(), InitialList::default()).await;
    let refused = |it: &Following| it.failures(Source::Pods, FailureReason::Connection) >= 1;
    following.until("refused", refused).await;
    assert!(!following.topology.is_synced());
    assert_eq!(following.topology.age(Timestamp(u64::MAX)), None);

    fake.up().await.unwrap();

    following
        .until("synced", |it| it.topology.is_synced())
        .await;
    assert_eq!(following.owner("10.1.0.7"), "web-0");
    let now = Timestamp(RECORDED + 250);
    assert_eq!(
        following.topology.age(now),
        Some(Duration::from_millis(250))
    );
}

#[tokio::test]
async fn an_api_server_that_restarts_is_followed_on() {
    let mut fake = fake_with_one_pod().await;
    let following = Following::synced(&fake).await;

    fake.down().await;
    let broken = |it: &Following| it.failures(Source::Pods, FailureReason::Connection) >= 1;
    following.until("noticed", broken).await;
    assert_eq!(following.owner("10.1.0.7"), "web-0");
    fake.upsert(Kind::Pod, web("web-1", "10.1.0.8"));
    fake.up().await.unwrap();

    following
        .until("added", |it| it.owner("10.1.0.8") == "web-1")
        .await;
    assert!(!following.task.is_finished());
}

#[tokio::test]
async fn a_stranger_is_told_so_and_tries_on() {
    let fake = fake_with_one_pod().await;

    let stranger = fake.kubeconfig_of_a_stranger().unwrap();
    let following = Following::of(stranger, InitialList::default()).await;

    for source in [Source::Pods, Source::Nodes] {
        let twice = |it: &Following| it.failures(source, FailureReason::Unauthorized) >= 2;
        following.until("refused twice", twice).await;
    }
    assert!(!following.topology.is_synced());
    assert_eq!(following.topology.read().sizes().pods, 0);
}

#[tokio::test]
async fn an_object_that_cannot_be_is_left_out_and_counted() {
    let fake = fake_with_one_pod().await;
    let following = Following::synced(&fake).await;

    let mut nameless = web("web-1", "10.1.0.8");
    nameless["metadata"]["uid"] = Value::Null;
    fake.upsert(Kind::Pod, nameless);
    fake.upsert(Kind::Pod, web("web-2", "10.1.0.9"));

    following
        .until("added", |it| it.owner("10.1.0.9") == "web-2")
        .await;
    assert_eq!(following.owner("10.1.0.8"), "Nobody");
    assert_eq!(
        following.failures(Source::Pods, FailureReason::Malformed),
        1
    );
}

#[tokio::test]
async fn each_window_of_the_recorded_hand_over_has_its_owner() {
    let fake = fake_as_recorded().await;
    let following = Following::synced(&fake).await;

    // One change a second: created, running, completed; the next created, running; the first
    // about to be deleted, deleted; an unrelated one.
    for (count, (change, pod)) in (1..).zip(recorded::pod_changes()) {
        following.set_clock(count * 1_000);
        fake.replay(Kind::Pod, change, pod);
        let told = |it: &Following| it.topology.counts(Source::Pods).events == count;
        following.until("the change is told", told).await;
    }

    let (first, second) = ("web-5d9c7b6f48-aaaaa", "web-5d9c7b6f48-bbbbb");
    let windows = [
        ((1_000, 2_000), first),
        ((2_000, 3_000), first),
        ((2_500, 4_500), first),
        ((2_500, 5_500), "Reused"),
        ((4_500, 5_500), second),
        ((5_000, 6_000), second),
        ((6_500, 7_500), second),
        ((8_000, 9_000), second),
    ];
    for address in ["10.244.1.21", "fd00:244:1::21"] {
        for ((start, end), owner) in windows {
            let found = following.owner_within(address, start, end);
            assert_eq!(found, owner, "{address} from {start} to {end}");
        }
    }
    let index = following.topology.read();
    let window = Window {
        start: Timestamp(RECORDED + 8_000),
        end: Timestamp(RECORDED + 9_000),
    };
    match index.holder("10.244.1.21".parse().unwrap(), window) {
        Holder::Held {
            endpoint: Endpoint::Pod(pod),
            site,
        } => {
            let workload = &pod.workload;
            assert_eq!(workload.kind.as_str(), "Deployment");
            assert_eq!(workload.name.as_str(), "web");
            assert_eq!(site.zone(), Zone::new("zone-a").ok().as_ref());
        }
        other => panic!("the second pod holds it, got {other:?}"),
    }
}
