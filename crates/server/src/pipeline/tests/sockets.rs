//! Pods on their node's network, told apart by whose socket it was.

use kubezonnet_model::{InterfaceClass, Name, Namespace, ObservationPoint, SocketOwner};
use kubezonnet_topology::PodState;

use super::*;
use crate::testing::{add_host_pod, durable, host_uid};

/// From a socket of the node to the uplink.
const FROM_HOST: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Host,
    output: InterfaceClass::Uplink,
};

fn of_pod(number: u8) -> SocketOwner {
    SocketOwner::Pod(host_uid(number))
}

/// Two pods on the network of `n1`, one on that of `n2`.
fn host_pods() -> Topology {
    let topology = cluster();
    add_host_pod(&topology, "proxy", "n1", 1);
    add_host_pod(&topology, "exporter", "n1", 2);
    add_host_pod(&topology, "elsewhere", "n2", 3);
    topology
}

/// What each subject sent and received, in order: its labels, direction, and bytes.
fn sums(pipeline: &Pipeline) -> Vec<(String, &'static str, u64)> {
    let mut sums: Vec<_> = pipeline
        .snapshot()
        .series
        .iter()
        .flat_map(|(subject, traffic)| {
            let subject = subject.labels().join("/");
            let cells = traffic.cells();
            cells
                .map(move |(direction, _, sum)| (subject.clone(), direction.as_str(), sum.bytes))
                .collect::<Vec<_>>()
        })
        .collect();
    sums.sort_unstable();
    sums
}

fn sum(subject: &str, direction: &'static str, bytes: u64) -> (String, &'static str, u64) {
    (subject.to_owned(), direction, bytes)
}

/// What was counted of the nodes' own sockets, by whose they are.
fn by_owner(pipeline: &Pipeline) -> Vec<(&'static str, u64)> {
    let totals = pipeline.snapshot().totals;
    let host = totals.host.columns().map(|(owner, sum)| (owner, sum.bytes));
    host.filter(|(_, bytes)| *bytes > 0).collect()
}

#[test]
fn each_pod_on_the_nodes_network_has_what_its_own_sockets_sent_and_received() {
    let pipeline = pipeline(&host_pods());
    let report = Report::of("n1", 1)
        .record("10.66.0.1", "10.67.2.1", FROM_HOST, 1000)
        .socket(of_pod(1))
        .record("10.66.0.1", "10.67.2.1", FROM_HOST, 200)
        .socket(of_pod(2))
        .record("10.66.0.1", "10.67.2.1", FROM_HOST, 30)
        .socket(SocketOwner::System)
        .record("10.67.1.1", "10.66.0.1", POD_TO_HOST, 4)
        .socket(of_pod(2))
        .record("10.67.3.1", "10.66.0.1", TO_HOST, 5000)
        .socket(of_pod(1));

    apply(&pipeline, &report);

    let expected = [
        sum("_node_/n1", "egress", 30),
        sum("kube-system/exporter", "egress", 200),
        sum("kube-system/exporter", "ingress", 4),
        sum("kube-system/proxy", "egress", 1000),
        sum("kube-system/proxy", "ingress", 5000),
        sum("shop/p1", "egress", 4),
        sum("shop/p2", "ingress", 1230),
        sum("shop/p3", "egress", 5000),
    ];
    assert_eq!(sums(&pipeline), expected);
    assert_eq!(booked(&pipeline, Disposition::CrossZone), 1230);
    assert_eq!(booked(&pipeline, Disposition::SameNode), 4);
    assert_eq!(booked(&pipeline, Disposition::CrossRegion), 5000);
}

#[test]
fn what_is_no_pods_socket_is_the_nodes() {
    let pipeline = pipeline(&host_pods());
    let owners = [
        SocketOwner::System,
        SocketOwner::Kernel,
        SocketOwner::Unseen,
        SocketOwner::Unreadable,
    ];
    let mut report = Report::of("n1", 1);
    for owner in owners {
        report = report
            .record("10.66.0.1", "10.67.2.1", FROM_HOST, 10)
            .socket(owner);
    }

    apply(&pipeline, &report);

    let expected = [
        sum("_node_/n1", "egress", 40),
        sum("shop/p2", "ingress", 40),
    ];
    assert_eq!(sums(&pipeline), expected);
}

#[test]
fn an_address_that_is_not_the_nodes_own_says_itself_whose_it_is() {
    let pipeline = pipeline(&host_pods());
    // A transparent proxy sends with its clients' addresses.
    let report = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", FROM_HOST, 1000)
        .socket(of_pod(1));

    apply(&pipeline, &report);

    let expected = [
        sum("shop/p1", "egress", 1000),
        sum("shop/p2", "ingress", 1000),
    ];
    assert_eq!(sums(&pipeline), expected);
}

#[test]
fn a_pod_of_another_node_has_no_socket_here_and_the_node_is_charged() {
    let pipeline = pipeline(&host_pods());
    let report = Report::of("n1", 1)
        .record("10.66.0.1", "10.67.2.1", FROM_HOST, 1000)
        .socket(of_pod(3))
        .record("10.67.3.1", "10.66.0.1", TO_HOST, 20)
        .socket(of_pod(3));

    apply(&pipeline, &report);

    let expected = [
        sum("_node_/n1", "egress", 1000),
        sum("_node_/n1", "ingress", 20),
        sum("shop/p2", "ingress", 1000),
        sum("shop/p3", "egress", 20),
    ];
    assert_eq!(pending(&pipeline), 0);
    assert_eq!(sums(&pipeline), expected);
    assert_eq!(by_owner(&pipeline), [("unlisted", 1020)]);
}

#[test]
fn a_pod_that_nobody_told_of_yet_is_waited_for_and_then_is_its_node() {
    let topology = host_pods();
    let pipeline = pipeline(&topology);
    let report = |sequence| {
        Report::of("n1", sequence)
            .record("10.66.0.1", "10.67.2.1", FROM_HOST, 1000)
            .socket(of_pod(4))
            .record("10.66.0.1", "10.67.2.1", FROM_HOST, 20)
            .socket(of_pod(5))
    };

    apply(&pipeline, &report(1));
    assert_eq!(pending(&pipeline), 1020);
    add_host_pod(&topology, "late", "n1", 4);
    settle_at(&pipeline, 5);
    assert_eq!(pending(&pipeline), 20);
    settle_at(&pipeline, 61);

    let expected = [
        sum("_node_/n1", "egress", 20),
        sum("kube-system/late", "egress", 1000),
        sum("shop/p2", "ingress", 1020),
    ];
    assert_eq!(pending(&pipeline), 0);
    assert_eq!(sums(&pipeline), expected);
    assert_eq!(by_owner(&pipeline), [("pod", 1000), ("unlisted", 20)]);
}

#[test]
fn of_a_manifest_that_several_nodes_read_each_node_speaks_for_its_own_pod() {
    let topology = cluster();
    let digest = host_uid(9);
    let mirror = |node: &str| {
        let state = PodState {
            node: Some(node_name(node)),
            host_network: true,
            digest: Some(digest),
            created: Some(Timestamp(1)),
            ..PodState::new(
                Namespace::new("kube-system").unwrap(),
                Name::new(format!("proxy-{node}")).unwrap(),
                format!("mirror-{node}"),
            )
        };
        topology.write().apply_pod(state, NOW);
    };
    mirror("n2");
    let pipeline = pipeline(&topology);
    let report = Report::of("n1", 1)
        .record("10.66.0.1", "10.67.2.1", FROM_HOST, 1000)
        .socket(SocketOwner::Pod(digest));

    apply(&pipeline, &report);
    assert_eq!(pending(&pipeline), 1000);
    mirror("n1");
    settle_at(&pipeline, 5);

    let expected = [
        sum("kube-system/proxy-n1", "egress", 1000),
        sum("shop/p2", "ingress", 1000),
    ];
    assert_eq!(sums(&pipeline), expected);
}

#[test]
fn whose_socket_it_was_is_kept_on_disk_while_a_record_waits() {
    let topology = host_pods();
    let directory = tempfile::tempdir().unwrap();
    let report = Report::of("n1", 1)
        .record("10.66.0.1", "10.67.2.1", FROM_HOST, 1000)
        .socket(of_pod(4));
    let before = durable(&topology, directory.path());
    apply(&before, &report);
    before.close();
    drop(before);

    let after = durable(&topology, directory.path());
    add_host_pod(&topology, "late", "n1", 4);
    settle_at(&after, 5);

    let expected = [
        sum("kube-system/late", "egress", 1000),
        sum("shop/p2", "ingress", 1000),
    ];
    assert_eq!(sums(&after), expected);
}

#[test]
fn what_arrives_from_a_covered_node_is_counted_by_the_sender_whoever_has_the_socket() {
    let pipeline = pipeline(&host_pods());
    apply(&pipeline, &Report::of("n2", 1));
    let report = Report::of("n1", 1)
        .record("10.66.0.2", "10.66.0.1", TO_HOST, 1000)
        .socket(of_pod(1))
        .record("10.66.0.2", "10.66.0.1", TO_HOST, 20)
        .socket(of_pod(4));

    apply(&pipeline, &report);

    assert_eq!(
        pending(&pipeline),
        0,
        "nothing waits for a pod nobody told of"
    );
    assert_eq!(booked(&pipeline, Disposition::CountedBySender), 1020);
    assert_eq!(sums(&pipeline), []);
}
