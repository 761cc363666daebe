//! What a file tells beside nodes and pods.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kubezonnet_model::{NodeName, PodUid, Protocol, Timestamp, Window};

use super::document::parse;
use crate::{KeptLabel, KeptLabels, Topology};

const UID: &str = "960c5a2e-d69d-4cd1-b82a-e7f62b00c93f";

const NOW: Window = Window {
    start: Timestamp(10),
    end: Timestamp(20),
};

fn example() -> String {
    let page = include_str!("../../../../docs/topology-file.md");
    let example = page.split("```yaml\n").nth(1).unwrap();
    example.split("```").next().unwrap().to_owned()
}

/// A topology that keeps the label `team`, as the text says.
fn topology(text: &str) -> Topology {
    let labels = KeptLabels::new([KeptLabel::team("team").unwrap()]).unwrap();
    let topology = Topology::keeping(labels);
    parse(text).unwrap().give_to(&topology, Timestamp(10));
    topology
}

#[test]
fn nobody_who_reads_waits_for_the_whole_file() {
    const PODS: usize = 20_000;
    let pods: Vec<_> = (0..PODS)
        .map(|number| format!("- {{namespace: shop, name: p{number}, node: n1}}\n"))
        .collect();
    let text = format!("nodes: [{{name: n1}}]\npods:\n{}", pods.concat());
    let view = parse(&text).unwrap();
    let topology = Topology::new();
    let reads = AtomicBool::new(false);

    let is_seen_on_the_way = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            loop {
                let pods = topology.read().sizes().pods;
                reads.store(true, Ordering::Release);
                if pods > 0 {
                    return pods < PODS;
                }
            }
        });
        while !reads.load(Ordering::Acquire) {
            thread::yield_now();
        }
        view.give_to(&topology, Timestamp(10));
        reader.join().unwrap()
    });

    assert!(is_seen_on_the_way);
    assert_eq!(topology.read().sizes().pods, PODS);
}

#[test]
fn labels_of_pods_and_namespaces_are_kept() {
    let topology = topology(&example());

    let index = topology.read();
    let team = |address: &str| match index.find(address.parse().unwrap(), NOW) {
        crate::HolderRef::Pod(pod, _) => pod.labels.get(0).map(ToString::to_string),
        other => panic!("no pod holds {address}, but {other:?}"),
    };
    assert_eq!(team("10.67.1.1").as_deref(), Some("retail"));
    assert_eq!(team("10.67.2.1").as_deref(), Some("shop-platform"));
}

#[test]
fn a_pod_in_its_nodes_network_is_found_by_its_uid() {
    let topology = topology(&example());

    let index = topology.read();
    let (uid, node) = (
        PodUid::parse(UID).unwrap(),
        NodeName::new("node-b").unwrap(),
    );
    let (pod, site) = index.pod_by_uid(uid, NOW, &node).unwrap();
    assert_eq!(pod.name.as_str(), "proxy");
    assert_eq!(site.zone().unwrap().as_str(), "zone-b");
}

#[test]
fn a_service_is_where_the_pods_behind_it_are_until_it_is_left_out() {
    let topology = topology(&example());
    let service = |address: &str| {
        let index = topology.read();
        let (service, site) = index.service_at(address.parse().unwrap())?;
        Some((
            service.name.to_string(),
            site.node().map(ToString::to_string),
        ))
    };
    let expected = ("web".to_owned(), Some("node-a".to_owned()));
    assert_eq!(service("10.96.0.7"), Some(expected));
    {
        let index = topology.read();
        let endpoint = "fd67:1::1".parse().unwrap();
        assert!(index.service_of(endpoint, Protocol::TCP, 8080).is_some());
        assert!(index.service_of(endpoint, Protocol::UDP, 8080).is_none());
    }

    parse("nodes: []")
        .unwrap()
        .give_to(&topology, Timestamp(30));
    topology.prune(Timestamp(31));

    assert_eq!(service("10.96.0.7"), None);
}

#[test]
fn mistakes_in_namespaces_and_services_are_named_with_their_line() {
    let cases = [
        (
            "namespaces: [{name: a}, {name: a}]",
            "namespace a is listed already in line 2",
        ),
        (
            "services: [{namespace: a, name: b}, {namespace: a, name: b}]",
            "Service a/b is listed already in line 2",
        ),
        (
            "services: [{namespace: a, name: b, addresses: [10.0.0.1]}, {namespace: a, name: c, addresses: [10.0.0.1]}]",
            "10.0.0.1 is held already by Service a/b in line 2",
        ),
        (
            "services: [{namespace: a, name: b, endpoints: [10.0.0.1, 10.0.0.1]}]",
            "10.0.0.1 is an endpoint of Service a/b twice",
        ),
        (
            "services: [{namespace: a, name: b, endpoints: [here]}]",
            "\"here\" is no IPv4 or IPv6 address",
        ),
        (
            "services: [{namespace: a, name: b, ports: [{protocol: tcp}]}]",
            "unknown variant",
        ),
    ];
    for (line, expected) in cases {
        let problem = parse(&format!("nodes: []\n{line}")).unwrap_err();

        assert!(problem.message.contains(expected), "{line}: {problem:?}");
        assert_eq!(problem.line, Some(2), "{line}");
    }
}

#[test]
fn a_uid_is_told_once_and_is_one() {
    let pod =
        |name: &str, uid: &str| format!("- {{namespace: a, name: {name}, node: n, uid: {uid}}}");
    let file = |pods: [String; 2]| format!("nodes: [{{name: n}}]\npods:\n{}", pods.join("\n"));

    let twice = parse(&file([pod("b", UID), pod("c", &UID.replace('-', ""))])).unwrap_err();
    let none = parse(&file([pod("b", UID), pod("c", "x")])).unwrap_err();

    assert_eq!(
        twice.message,
        format!("{UID} is the uid of pod a/b in line 3")
    );
    assert_eq!(
        none.message,
        "\"x\" is no uid: expected 32 hexadecimal digits"
    );
    assert_eq!((twice.line, none.line), (Some(4), Some(4)));
}
