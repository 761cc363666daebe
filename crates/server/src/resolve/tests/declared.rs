//! What agents call their nodes' own: what it is good for, and what it takes from nobody.

use super::*;
use crate::books::Disposition;
use crate::testing::{add_pod, name_networks};

fn booked(pipeline: &Pipeline, disposition: Disposition) -> u64 {
    pipeline.snapshot().totals.books.get(disposition).bytes
}

/// The cluster, with a managed database in zone b.
fn with_database() -> Topology {
    let topology = cluster();
    name_networks(
        &topology,
        "networks: [{name: orders-db, cidr: 10.9.0.0/24, zone: b, region: r1}]",
    );
    topology
}

#[test]
fn an_address_that_only_its_agent_declares_is_its_nodes() {
    let declared = [Report::of("n1", 1).declares("172.17.0.1")];

    let received = outcome_of(&declared, "10.67.1.1", "172.17.0.1", POD_TO_HOST);
    let sent = outcome_of(&declared, "172.17.0.1", "10.67.2.1", OUT);

    assert_eq!(received, egress(Locality::SameNode));
    assert_eq!(sent, egress(Locality::CrossZone));
}

#[test]
fn an_address_that_another_agent_declares_is_that_nodes() {
    let declared = [Report::of("n2", 1).declares("192.168.7.2")];

    let sent = outcome_of(&declared, "10.67.1.1", "192.168.7.2", OUT);
    let received = outcome_of(&declared, "192.168.7.2", "10.67.1.1", IN);

    assert_eq!(sent, egress(Locality::CrossZone));
    assert_eq!(received, Outcome::CountedBySender);
}

#[test]
fn what_is_on_this_node_or_behind_its_pods_no_other_agent_can_claim() {
    let claimed = [Report::of("n3", 1).declares("192.168.7.2")];

    let ended_here = outcome_of(&claimed, "8.8.8.8", "192.168.7.2", TO_HOST);
    let of_a_pod = outcome_of(&claimed, "10.67.1.1", "192.168.7.2", POD_TO_HOST);
    let to_a_pod = outcome_of(&claimed, "8.8.8.8", "192.168.7.2", IN);
    let from_a_pod = outcome_of(&claimed, "192.168.7.2", "10.67.2.1", OUT);

    assert_eq!(ended_here, ingress(Locality::Unknown(LOST)));
    assert_eq!(of_a_pod, egress(Locality::Unknown(LOST)));
    assert_eq!(to_a_pod, ingress(Locality::Unknown(LOST)));
    assert_eq!(from_a_pod, transit(Locality::CrossZone));
}

#[test]
fn an_address_that_many_others_declare_is_nobodys() {
    let bridges = [
        Report::of("n2", 1).declares("172.17.0.1"),
        Report::of("n3", 1).declares("172.17.0.1"),
    ];

    let sent = outcome_of(&bridges, "10.67.1.1", "172.17.0.1", OUT);

    assert_eq!(sent, egress(Locality::Unknown(LOST)));
}

#[test]
fn the_topology_goes_before_what_an_agent_declares() {
    let claims = [Report::of("n1", 1)
        .declares("10.67.2.1")
        .declares("10.66.0.2")];

    let received = outcome_of(&claims, "10.67.1.1", "10.67.2.1", POD_TO_HOST);
    let sent = outcome_of(&claims, "10.66.0.2", "10.67.3.1", OUT);

    assert_eq!(received, Outcome::ForeignAddress);
    assert_eq!(sent, transit(Locality::CrossRegion));
}

#[test]
fn an_agent_cannot_take_the_internet_or_a_named_network_from_another_node() {
    let pipeline = pipeline(&with_database());
    let claims = Report::of("n3", 1).declares("8.8.8.8").declares("10.9.0.7");
    let report = Report::of("n1", 1)
        .record("8.8.8.8", "10.67.1.1", IN, 1000)
        .record("10.67.1.1", "8.8.8.8", OUT, 30)
        .record("10.9.0.7", "10.67.1.1", IN, 500)
        .record("10.67.1.1", "10.9.0.7", OUT, 20);

    apply(&pipeline, &claims);
    apply(&pipeline, &report);

    assert_eq!(booked(&pipeline, Disposition::Internet), 1030);
    assert_eq!(booked(&pipeline, Disposition::CrossZone), 520);
    assert_eq!(booked(&pipeline, Disposition::CountedBySender), 0);
}

#[test]
fn of_itself_a_node_is_believed_whatever_the_address() {
    let pipeline = pipeline(&with_database());
    let report = Report::of("n2", 1)
        .declares("8.8.8.8")
        .declares("10.9.0.7")
        .record("8.8.8.8", "9.9.9.9", OUT, 1000)
        .record("9.9.9.9", "8.8.8.8", TO_HOST, 200)
        .record("10.9.0.7", "10.67.3.1", OUT, 30);

    apply(&pipeline, &report);

    assert_eq!(booked(&pipeline, Disposition::Internet), 1200);
    assert_eq!(booked(&pipeline, Disposition::CrossRegion), 30);
    assert_eq!(
        series(&pipeline.snapshot()),
        ["_node_/n2", "shop/p3"],
        "no other node, and no network"
    );
}

#[test]
fn a_new_pod_is_waited_for_though_another_agent_has_declared_its_address() {
    let topology = cluster();
    let pipeline = pipeline(&topology);
    apply(&pipeline, &Report::of("n3", 1).declares("10.67.1.9"));
    let of_n1 = Report::of("n1", 1)
        .record("10.67.1.9", "10.67.2.1", OUT, 700)
        .record("10.67.2.1", "10.67.1.9", IN, 60);
    let of_n2 = Report::of("n2", 1)
        .record("10.67.1.9", "10.67.2.1", IN, 700)
        .record("10.67.2.1", "10.67.1.9", OUT, 60);

    apply(&pipeline, &of_n1);
    apply(&pipeline, &of_n2);
    assert_eq!(pipeline.pending_records(), 4);
    add_pod(&topology, "x1", 1, 9, NOW);
    pipeline.settle(NOW);

    assert_eq!(pipeline.pending_records(), 0);
    assert_eq!(booked(&pipeline, Disposition::CrossZone), 760);
    assert_eq!(booked(&pipeline, Disposition::CountedBySender), 760);
    assert_eq!(series(&pipeline.snapshot()), ["shop/p2", "shop/x1"]);
}

#[test]
fn what_a_node_sends_with_an_address_among_pods_counts_once_after_it_has_waited_for_a_pod() {
    let topology = cluster();
    let pipeline = pipeline(&topology);
    // The overlay's own interface, with an address of the node's pods' block.
    let sent =
        Report::of("n2", 1)
            .declares("10.67.2.254")
            .record("10.67.2.254", "10.67.1.1", OUT, 1000);
    let received = Report::of("n1", 1).record("10.67.2.254", "10.67.1.1", IN, 1000);

    apply(&pipeline, &sent);
    apply(&pipeline, &received);
    assert_eq!(pipeline.pending_records(), 1, "as the receiver sees it");
    pipeline.settle(NOW.plus(Duration::from_mins(1)));

    assert_eq!(pipeline.pending_records(), 0);
    assert_eq!(booked(&pipeline, Disposition::CrossZone), 1000);
    assert_eq!(booked(&pipeline, Disposition::CountedBySender), 1000);
}

#[test]
fn what_a_node_sends_with_an_address_of_its_own_block_counts_once_and_does_not_wait() {
    let topology = cluster();
    name_networks(&topology, "networks: [{name: office, cidr: 10.0.0.0/8}]");
    let n2 = kubezonnet_topology::NodeState {
        name: node_name("n2"),
        uid: "node-2".to_owned(),
        zone: kubezonnet_model::Zone::new("b").ok(),
        zone_id: None,
        region: kubezonnet_model::Region::new("r1").ok(),
        provider_id: None,
        can_run_agent: true,
        pod_cidrs: vec!["10.67.2.0/24".parse().unwrap()],
        addresses: vec![ip("10.66.0.2")],
    };
    topology.write().apply_node(n2, NOW);
    let pipeline = pipeline(&topology);
    let sent =
        Report::of("n2", 1)
            .declares("10.67.2.254")
            .record("10.67.2.254", "10.67.1.1", OUT, 1000);
    let received = Report::of("n1", 1)
        .record("10.67.2.254", "10.67.1.1", IN, 1000)
        .record("10.67.2.254", "10.67.3.1", OUT, 7);

    apply(&pipeline, &sent);
    apply(&pipeline, &received);

    assert_eq!(
        pipeline.pending_records(),
        1,
        "behind a pod's interface it is a new pod's"
    );
    assert_eq!(booked(&pipeline, Disposition::CrossZone), 1000);
    assert_eq!(booked(&pipeline, Disposition::CountedBySender), 1000);
}
