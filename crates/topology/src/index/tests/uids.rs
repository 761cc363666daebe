//! Pods by uid and by name, whatever their addresses.

use kubezonnet_model::{Name, NodeName, PodUid, Timestamp, Window};

use super::{E, HOST, after, node, pod};
use crate::{PodState, TopologyIndex};

const UID: &str = "960c5a2e-d69d-4cd1-b82a-e7f62b00c93f";
const DIGEST: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

fn proxy() -> PodState {
    PodState {
        uid: UID.to_owned(),
        host_network: true,
        ..pod("proxy", HOST)
    }
}

fn static_pod(uid: &str, node: &str, created: u64) -> PodState {
    PodState {
        uid: uid.to_owned(),
        digest: PodUid::parse(DIGEST),
        node: NodeName::new(node).ok(),
        created: Some(Timestamp(created)),
        host_network: true,
        ..pod("etcd", HOST)
    }
}

/// The uid of the pod that was there in the window as `node-a` calls it, or `none`.
fn found(index: &TopologyIndex, uid: &str, start: u64, end: u64) -> String {
    found_by("node-a", index, uid, start, end)
}

/// The same as that node calls it.
fn found_by(node: &str, index: &TopologyIndex, uid: &str, start: u64, end: u64) -> String {
    let node = NodeName::new(node).unwrap();
    let window = Window {
        start: Timestamp(start),
        end: Timestamp(end),
    };
    let found = index.pod_by_uid(PodUid::parse(uid).unwrap(), window, &node);
    found.map_or("none".to_owned(), |(pod, _)| pod.uid.to_string())
}

#[test]
fn a_pod_is_found_by_its_uid_with_its_nodes_site() {
    let index = after(vec![
        (5, E::Node(node("node-a", "zone-a", HOST))),
        (10, E::Pod(proxy())),
    ]);
    let window = Window {
        start: Timestamp(10),
        end: Timestamp(20),
    };

    let (pod, site) = index
        .pod_by_uid(
            PodUid::parse(UID).unwrap(),
            window,
            &NodeName::new("node-b").unwrap(),
        )
        .unwrap();

    assert_eq!(pod.name.as_str(), "proxy");
    assert_eq!(site.zone().unwrap().as_str(), "zone-a");
    assert_eq!(found(&index, DIGEST, 10, 20), "none");
}

#[test]
fn a_pod_that_is_over_is_found_until_it_is_pruned() {
    let completed = PodState {
        completed: true,
        ..proxy()
    };
    let deleted = |mut index: TopologyIndex| {
        index.delete_pod(UID, Timestamp(20));
        index
    };
    let indexes = [
        after(vec![(10, E::Pod(proxy())), (20, E::Pod(completed.clone()))]),
        after(vec![(20, E::Pod(completed.clone()))]),
        after(vec![(20, E::Pods(vec![completed]))]),
        after(vec![(10, E::Pod(proxy())), (20, E::Pods(vec![]))]),
        deleted(after(vec![(10, E::Pod(proxy()))])),
    ];
    for (step, mut index) in indexes.into_iter().enumerate() {
        assert_eq!(found(&index, UID, 12, 18), UID, "{step}");
        // A socket's last packets come after its pod.
        assert_eq!(found(&index, UID, 20, 30), UID, "{step}");
        assert!(!index.has_pod("shop", "proxy"), "{step}");

        index.prune(Timestamp(20));
        assert_eq!(found(&index, UID, 12, 18), UID, "{step}");
        index.prune(Timestamp(21));
        assert_eq!(found(&index, UID, 12, 18), "none", "{step}");

        index.apply_pod(proxy(), Timestamp(19));
        let is_late = step != 3 && step != 4;
        assert_eq!(found(&index, UID, 12, 18) == "none", is_late, "{step}");
    }
}

#[test]
fn a_static_pod_is_found_by_the_digest_of_its_manifest() {
    let mut index = after(vec![(10, E::Pod(static_pod(UID, "node-a", 5)))]);
    assert_eq!(found(&index, DIGEST, 12, 20), UID);
    assert_eq!(found(&index, UID, 12, 20), UID);
    assert_eq!(found(&index, DIGEST, 1, 5), "none");

    // The mirror is made anew, by the kubelet or by somebody who deleted it.
    index.delete_pod(UID, Timestamp(30));
    index.apply_pod(static_pod("second", "node-a", 30), Timestamp(31));
    assert_eq!(found(&index, DIGEST, 15, 25), UID);
    assert_eq!(found(&index, DIGEST, 25, 35), "second");
    assert_eq!(found(&index, DIGEST, 35, 45), "second");

    index.prune(Timestamp(40));
    assert_eq!(found(&index, DIGEST, 15, 25), "none");
    assert_eq!(found(&index, DIGEST, 35, 45), "second");
}

#[test]
fn of_a_manifest_that_several_nodes_read_each_node_has_a_pod_of_its_own() {
    let mut index = after(vec![(10, E::Pod(static_pod("second", "node-b", 5)))]);
    let of = |index: &TopologyIndex| {
        let nodes = ["node-a", "node-b", "node-c"];
        nodes.map(|node| found_by(node, index, DIGEST, 12, 20))
    };
    assert_eq!(of(&index), ["none", "second", "none"]);

    index.apply_pod(static_pod("first", "node-a", 5), Timestamp(12));

    assert_eq!(of(&index), ["first", "second", "none"]);
}

#[test]
fn a_pod_is_there_by_name_as_long_as_one_of_that_name_runs() {
    let again = PodState {
        uid: "another".to_owned(),
        ..pod("web", "10.1.0.8")
    };
    let mut index = after(vec![(10, E::Pod(pod("web", "10.1.0.7")))]);
    assert!(index.has_pod("shop", "web"));
    assert!(!index.has_pod("shop", "api") && !index.has_pod("lab", "web"));

    index.apply_pod(again, Timestamp(20));
    index.delete_pod("uid-of-web", Timestamp(21));
    assert!(index.has_pod("shop", "web"));

    index.delete_pod("another", Timestamp(30));
    assert!(!index.has_pod("shop", "web"));
}

#[test]
fn a_pod_that_is_called_otherwise_is_there_by_its_new_name() {
    let renamed = PodState {
        name: Name::new("api").unwrap(),
        ..pod("web", "10.1.0.7")
    };

    let index = after(vec![
        (10, E::Pod(pod("web", "10.1.0.7"))),
        (20, E::Pod(renamed)),
    ]);

    assert!(index.has_pod("shop", "api") && !index.has_pod("shop", "web"));
    assert!(index.has_workload("shop", "Pod", "api") && !index.has_workload("shop", "Pod", "web"));
}

#[test]
fn names_are_found_among_thousands() {
    let name = |number: u32| format!("web-{number}");
    let mut index = TopologyIndex::new();
    for number in 0..5_000 {
        index.apply_pod(pod(&name(number), ""), Timestamp(10));
    }
    for number in (0..5_000).step_by(2) {
        index.delete_pod(&format!("uid-of-web-{number}"), Timestamp(20));
    }

    for number in 0..5_000 {
        assert_eq!(index.has_pod("shop", &name(number)), number % 2 == 1);
    }
}
