//! What surrounds pods is followed too: owners, namespaces with their labels, Services. What may not
//! be seen is done without.

use std::net::IpAddr;

use kubezonnet_model::{NodeName, Protocol, Site, UnknownReason};
use kubezonnet_testkit::kube::object::{
    bare, endpoints, labelled, namespace, node, owned_by, pod, service, with_addresses,
};
use kubezonnet_testkit::kube::{FakeKube, Kind, recorded};
use kubezonnet_topology::{FailureReason, Source};
use serde_json::Value;

use super::following::Following;

const RECORDED_REPLICA_SET: &str = "15f67928-6e4d-4828-ab90-c80d73199375";

/// A pod that a ReplicaSet or Job owns.
fn of(api_version: &str, kind: &str, owner: &str, name: &str, address: &str) -> Value {
    let pod = pod("shop", name, &format!("uid-of-{name}"), "node-a");
    let pod = with_addresses(pod, &[address]);
    owned_by(pod, api_version, kind, owner, &format!("uid-of-{owner}"))
}

/// The same, as a Deployment's pods are labelled.
fn hashed(pod: Value, hash: &str) -> Value {
    labelled(pod, "pod-template-hash", hash)
}

fn owner(name: &str) -> Value {
    bare("shop", name, &format!("uid-of-{name}"))
}

async fn fake_with_owners() -> FakeKube {
    let fake = FakeKube::start().await.unwrap();
    fake.upsert(
        Kind::Node,
        node("node-a", "n1", "zone-a", &["192.168.50.11"]),
    );
    let sets = [
        ("web-5d9c", "Deployment", "web"),
        ("api-77aa", "Rollout", "api"),
    ];
    for (set, kind, top) in sets {
        let set = owned_by(
            owner(set),
            "example.com/v1",
            kind,
            top,
            &format!("uid-of-{top}"),
        );
        fake.upsert(Kind::ReplicaSet, set);
    }
    fake.upsert(Kind::ReplicaSet, owner("lone-5d9c"));
    let nightly = owned_by(
        owner("nightly-1"),
        "batch/v1",
        "CronJob",
        "nightly",
        "uid-of-nightly",
    );
    fake.upsert(Kind::Job, nightly);
    fake.upsert(Kind::Job, owner("once"));
    let pods = [
        hashed(
            of("apps/v1", "ReplicaSet", "web-5d9c", "web-a", "10.1.0.1"),
            "5d9c",
        ),
        of("apps/v1", "ReplicaSet", "api-77aa", "api-a", "10.1.0.2"),
        hashed(
            of("apps/v1", "ReplicaSet", "lone-5d9c", "lone-a", "10.1.0.3"),
            "5d9c",
        ),
        of("batch/v1", "Job", "nightly-1", "nightly-1-a", "10.1.0.4"),
        of("batch/v1", "Job", "once", "once-a", "10.1.0.5"),
        // Another kind of Job, whatever the uid.
        of(
            "batch.volcano.sh/v1alpha1",
            "Job",
            "nightly-1",
            "train-a",
            "10.1.0.6",
        ),
        of(
            "apps/v1",
            "StatefulSet",
            "database",
            "database-0",
            "10.1.0.7",
        ),
        with_addresses(pod("shop", "bare", "uid-of-bare", "node-a"), &["10.1.0.8"]),
    ];
    for pod in pods {
        fake.upsert(Kind::Pod, pod);
    }
    fake
}

#[tokio::test]
async fn a_pod_belongs_to_what_owns_its_owner() {
    let fake = fake_with_owners().await;

    let following = Following::synced(&fake).await;

    let expected = [
        ("10.1.0.1", "Deployment web"),
        ("10.1.0.2", "Rollout api"),
        ("10.1.0.3", "ReplicaSet lone-5d9c"),
        ("10.1.0.4", "CronJob nightly"),
        ("10.1.0.5", "Job once"),
        ("10.1.0.6", "Job nightly-1"),
        ("10.1.0.7", "StatefulSet database"),
        ("10.1.0.8", "Pod bare"),
    ];
    for (address, workload) in expected {
        assert_eq!(following.workload(address), workload, "{address}");
    }
    assert_eq!(following.topology.read().sizes().ownerless, 0);
    for kind in [Kind::ReplicaSet, Kind::Job] {
        assert!(!fake.asked_whole(kind), "{kind:?}");
    }
    assert!(fake.asked_whole(Kind::Pod));
}

#[tokio::test]
async fn an_owner_told_of_after_its_pod_renews_it() {
    let fake = fake_with_owners().await;
    let following = Following::synced(&fake).await;

    let late = of("apps/v1", "ReplicaSet", "late-1", "late-a", "10.1.0.9");
    fake.upsert(Kind::Pod, late);
    let there = |it: &Following| it.owner("10.1.0.9") == "late-a";
    following.until("the pod is there", there).await;
    assert_eq!(following.workload("10.1.0.9"), "ReplicaSet late-1");
    assert_eq!(following.topology.read().sizes().ownerless, 1);

    let set = owned_by(
        owner("late-1"),
        "argoproj.io/v1alpha1",
        "Rollout",
        "late",
        "uid-of-late",
    );
    fake.upsert(Kind::ReplicaSet, set);
    let renewed = |it: &Following| it.workload("10.1.0.9") == "Rollout late";
    following.until("renewed", renewed).await;
    assert_eq!(following.topology.read().sizes().ownerless, 0);

    // The pod outlives what owned it.
    fake.delete(Kind::ReplicaSet, "shop/late-1");
    let deleted = |it: &Following| it.topology.counts(Source::ReplicaSets).events == 2;
    following.until("deleted", deleted).await;
    assert_eq!(following.workload("10.1.0.9"), "Rollout late");
}

#[tokio::test]
async fn what_may_not_be_seen_is_done_without_until_it_may() {
    let fake = fake_with_owners().await;
    let hidden = [
        (Kind::ReplicaSet, Source::ReplicaSets),
        (Kind::Job, Source::Jobs),
        (Kind::Service, Source::Services),
        (Kind::EndpointSlice, Source::EndpointSlices),
    ];
    for (kind, _) in hidden {
        fake.forbid_kind(kind, true);
    }

    let following = Following::synced(&fake).await;

    for (_, source) in hidden {
        assert!(
            following.failures(source, FailureReason::Forbidden) >= 1,
            "{source:?}"
        );
    }
    let expected = [
        ("10.1.0.1", "Deployment web"),
        ("10.1.0.2", "ReplicaSet api-77aa"),
        ("10.1.0.4", "Job nightly-1"),
        ("10.1.0.7", "StatefulSet database"),
    ];
    for (address, workload) in expected {
        assert_eq!(following.workload(address), workload, "{address}");
    }
    assert_eq!(following.topology.read().sizes().ownerless, 5);

    for (kind, _) in hidden {
        fake.forbid_kind(kind, false);
    }
    let seen = |it: &Following| it.topology.read().sizes().ownerless == 0;
    following.until("seen", seen).await;
    assert_eq!(following.workload("10.1.0.2"), "Rollout api");
    assert_eq!(following.workload("10.1.0.4"), "CronJob nightly");
    assert_eq!(following.workload("10.1.0.3"), "ReplicaSet lone-5d9c");
}

#[tokio::test]
async fn labels_are_a_pods_own_or_else_its_namespaces() {
    let fake = fake_with_owners().await;
    fake.upsert(
        Kind::Namespace,
        labelled(namespace("shop"), "team", "retail"),
    );
    let own = pod("shop", "own", "uid-of-own", "node-a");
    let own = labelled(with_addresses(own, &["10.1.0.9"]), "team", "search");
    fake.upsert(Kind::Pod, labelled(own, "app.kubernetes.io/name", "own"));

    let labels = ["team=team", "app=app.kubernetes.io/name"];
    let following = Following::keeping(&fake, &labels).await;

    let values = |it: &Following, address| {
        let pod = it.pod(address);
        let value = |place| pod.labels.get(place).map(ToString::to_string);
        (value(0).unwrap_or_default(), value(1).unwrap_or_default())
    };
    let pair = |team: &str, app: &str| (team.to_owned(), app.to_owned());
    assert_eq!(values(&following, "10.1.0.9"), pair("search", "own"));
    assert_eq!(values(&following, "10.1.0.1"), pair("retail", ""));
    assert!(!fake.asked_whole(Kind::Namespace));

    fake.upsert(
        Kind::Namespace,
        labelled(namespace("shop"), "team", "sales"),
    );
    let relabelled = |it: &Following| values(it, "10.1.0.1") == pair("sales", "");
    following.until("relabelled", relabelled).await;
    assert_eq!(values(&following, "10.1.0.9"), pair("search", "own"));

    fake.delete(Kind::Namespace, "shop");
    let deleted = |it: &Following| it.topology.counts(Source::Namespaces).events == 2;
    following.until("deleted", deleted).await;
    assert_eq!(values(&following, "10.1.0.1"), pair("sales", ""));
}

#[tokio::test]
async fn namespaces_are_not_asked_for_where_no_label_is_kept() {
    let fake = fake_with_owners().await;

    let following = Following::synced(&fake).await;

    assert!(following.pod("10.1.0.1").labels.0.is_none());
    let asked = |request: &String| request.starts_with("/api/v1/namespaces?");
    assert!(!fake.requests().iter().any(asked), "{:?}", fake.requests());
}

fn service_at(following: &Following, address: &str) -> Option<(String, Site)> {
    let index = following.topology.read();
    let (service, site) = index.service_at(address.parse().unwrap())?;
    let name = format!("{}/{}", service.namespace, service.name);
    Some((name, site.clone()))
}

fn service_of(following: &Following, address: &str, port: u16) -> Option<String> {
    let index = following.topology.read();
    let address: IpAddr = address.parse().unwrap();
    let service = index.service_of(address, Protocol::TCP, port)?;
    Some(format!("{}/{}", service.namespace, service.name))
}

#[tokio::test]
async fn recorded_services_and_owners_are_understood() {
    let fake = FakeKube::start().await.unwrap();
    for (kind, objects) in [
        (Kind::Node, recorded::nodes()),
        (Kind::Pod, recorded::pods()),
        (Kind::ReplicaSet, recorded::replica_sets()),
        (Kind::Service, recorded::services()),
        (Kind::EndpointSlice, recorded::endpoint_slices()),
    ] {
        for object in objects {
            fake.upsert(kind, object);
        }
    }
    let web = with_addresses(pod("lab-net", "web-a", "u1", "node-a"), &["10.244.1.21"]);
    let set = "web-5d9c7b6f48";
    let web = owned_by(web, "apps/v1", "ReplicaSet", set, RECORDED_REPLICA_SET);
    fake.upsert(Kind::Pod, web);

    let following = Following::synced(&fake).await;

    assert_eq!(following.workload("10.244.1.21"), "Deployment web");
    for address in ["10.96.88.34", "fd00:96::12ad"] {
        let (name, site) = service_at(&following, address).unwrap();
        assert_eq!(name, "lab-net/web");
        assert_eq!(site.node(), NodeName::new("node-a").ok().as_ref());
    }
    let (name, site) = service_at(&following, "10.96.0.1").unwrap();
    assert_eq!(name, "default/kubernetes");
    assert_eq!(site, Site::Unknown(UnknownReason::ServiceAddress));
    let api = service_of(&following, "10.99.0.1", 6443);
    assert_eq!(api.as_deref(), Some("default/kubernetes"));
    let web = service_of(&following, "10.244.1.21", 8080);
    assert_eq!(web.as_deref(), Some("lab-net/web"));
    assert_eq!(service_of(&following, "10.244.1.21", 80), None);
}

#[tokio::test]
async fn services_are_followed_as_they_change() {
    let fake = fake_with_owners().await;
    fake.upsert(Kind::Service, service("shop", "web", "s1", &["10.96.0.7"]));
    let slice = |addresses: &[(&str, &str)]| endpoints("shop", "web", "e1", addresses, 8080);
    fake.upsert(Kind::EndpointSlice, slice(&[("10.1.0.1", "node-a")]));
    let following = Following::synced(&fake).await;
    assert_eq!(service_at(&following, "10.96.0.7").unwrap().0, "shop/web");
    assert!(service_of(&following, "10.1.0.1", 8080).is_some());

    fake.upsert(Kind::EndpointSlice, slice(&[("10.1.0.2", "node-a")]));
    let moved = |it: &Following| service_of(it, "10.1.0.2", 8080).is_some();
    following.until("moved", moved).await;
    assert_eq!(service_of(&following, "10.1.0.1", 8080), None);

    fake.delete(Kind::EndpointSlice, "shop/web-x7k2p");
    let deleted = |it: &Following| service_of(it, "10.1.0.2", 8080).is_none();
    following.until("slice deleted", deleted).await;
    fake.delete(Kind::Service, "shop/web");
    let deleted = |it: &Following| it.topology.read().sizes().services == 0;
    following.until("deleted", deleted).await;
    assert_eq!(service_at(&following, "10.96.0.7").unwrap().0, "shop/web");
}
