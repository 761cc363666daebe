//! Which outcome a record has, by who its ends are.

mod declared;
mod localities;
mod networks;

use std::time::Duration;

use kubezonnet_model::{Endpoint, TotalKind};
use kubezonnet_topology::Topology;

use super::*;
use crate::ledger::{Snapshot, Subject};
use crate::pipeline::Pipeline;
use crate::testing::{
    IN, NOW, OUT, POD_TO_HOST, Report, TO_HOST, WINDOW, cluster, ip, node_name, pipeline,
};

const LOST: UnknownReason = UnknownReason::UnlistedAddress;

/// Resolves one record of `n1`, after agents have reported what is given.
fn outcome_of(before: &[Report], from: &str, to: &str, point: ObservationPoint) -> Outcome {
    outcome_at("n1", before, from, to, point)
}

/// The same of another node.
fn outcome_at(
    node: &str,
    before: &[Report],
    from: &str,
    to: &str,
    point: ObservationPoint,
) -> Outcome {
    outcome_in(&cluster(), node, before, from, to, point)
}

/// The same in another cluster.
fn outcome_in(
    topology: &Topology,
    node: &str,
    before: &[Report],
    from: &str,
    to: &str,
    point: ObservationPoint,
) -> Outcome {
    let mut agents = Agents::default();
    let window = Window::placed(NOW, Duration::ZERO, WINDOW);
    for report in before {
        let batch = &report.0;
        let window = Window::placed(NOW, Duration::ZERO, batch.header.window);
        agents
            .admit(&batch.header, &batch.node_addresses, window, NOW)
            .unwrap();
    }
    let index = topology.read();
    let views = Views {
        topology: &index,
        networks: &topology.networks(),
        agents: &agents,
    };
    let reporter = Reporter::new(&node_name(node), window, &index);
    let mut parties = views.parties(&[ip(from), ip(to)], &reporter, window);
    for (party, interface) in parties.iter_mut().zip([point.input, point.output]) {
        if let Some(neighbour) = party.neighbour_behind(interface) {
            *party = neighbour;
        }
    }
    outcome(&parties[0], &parties[1], point, &reporter)
}

fn from_n1(from: &str, to: &str, point: ObservationPoint) -> Outcome {
    outcome_of(&[], from, to, point)
}

fn egress(locality: Locality) -> Outcome {
    Outcome::Counted(Direction::Egress, locality)
}

fn ingress(locality: Locality) -> Outcome {
    Outcome::Counted(Direction::Ingress, locality)
}

fn transit(locality: Locality) -> Outcome {
    Outcome::Counted(Direction::Transit, locality)
}

#[test]
fn what_a_local_pod_or_node_sends_is_egress_by_where_it_goes() {
    let cases = [
        ("10.67.1.1", "10.67.1.2", Locality::SameNode),
        ("10.67.1.1", "10.66.0.2", Locality::CrossZone),
        ("10.67.1.1", "10.67.2.1", Locality::CrossZone),
        ("fd67:1::1", "fd67:2::1", Locality::CrossZone),
        ("10.66.0.1", "10.67.3.1", Locality::CrossRegion),
        ("10.67.1.1", "8.8.8.8", Locality::Internet),
        (
            "10.67.1.1",
            "10.67.4.1",
            Locality::Unknown(UnknownReason::MissingZone),
        ),
        ("10.67.1.1", "192.168.9.9", Locality::Unknown(LOST)),
    ];
    for (from, to, locality) in cases {
        assert_eq!(from_n1(from, to, OUT), egress(locality), "{from} to {to}");
    }
}

#[test]
fn what_arrives_from_a_node_without_agent_is_ingress() {
    assert_eq!(
        from_n1("10.67.2.1", "10.67.1.1", IN),
        ingress(Locality::CrossZone)
    );
    assert_eq!(
        from_n1("8.8.8.8", "10.67.1.1", IN),
        ingress(Locality::Internet)
    );
    assert_eq!(
        from_n1("10.66.0.2", "10.66.0.1", TO_HOST),
        ingress(Locality::CrossZone)
    );
}

#[test]
fn what_arrives_from_a_covered_node_was_counted_by_the_sender() {
    let covered = [Report::of("n2", 1)];

    let to_pod = outcome_of(&covered, "10.67.2.1", "10.67.1.1", IN);
    let to_node = outcome_of(&covered, "10.66.0.2", "10.66.0.1", TO_HOST);
    let from_another = outcome_of(&covered, "10.67.3.1", "10.67.1.1", IN);

    assert_eq!(to_pod, Outcome::CountedBySender);
    assert_eq!(to_node, Outcome::CountedBySender);
    assert_eq!(from_another, ingress(Locality::CrossRegion));
}

#[test]
fn what_arrives_while_the_senders_agent_begins_is_counted_by_nobody_else() {
    let mut first = Report::of("n2", 1);
    // Its window began two seconds after the receiver's.
    first.0.header.window -= Duration::from_secs(2);

    let to_pod = outcome_of(&[first.clone()], "10.67.2.1", "10.67.1.1", IN);
    let to_node = outcome_of(&[first.clone()], "10.66.0.2", "10.66.0.1", TO_HOST);
    let forwarded = outcome_of(&[first], "10.67.2.1", "10.67.3.1", IN);

    assert_eq!(to_pod, Outcome::PartlyCovered);
    assert_eq!(to_node, Outcome::PartlyCovered);
    assert_eq!(forwarded, transit(Locality::CrossRegion));
}

/// The same flow from n2 to n1, as n1 receives it and as n2 sends it.
fn both_sides(of_n1: &Report, of_n2: &Report) -> (Outcome, Outcome) {
    let (receiver, sender) = ("10.67.1.1", "10.67.2.1");
    let reports = [of_n1.clone(), of_n2.clone()];
    (
        outcome_at("n1", &reports, sender, receiver, IN),
        outcome_at("n2", &reports, sender, receiver, OUT),
    )
}

#[test]
fn of_two_nodes_the_one_counts_whose_hooks_see_all() {
    let (n1, n2) = (Report::of("n1", 1), Report::of("n2", 1));
    let (blind_1, blind_2) = (n1.clone().bypassed(), n2.clone().bypassed());
    let crossing = Locality::CrossZone;

    let sender = (Outcome::CountedBySender, egress(crossing));
    assert_eq!(both_sides(&n1, &n2), sender);
    assert_eq!(both_sides(&blind_1, &n2), sender);
    let receiver = (ingress(crossing), Outcome::CountedByReceiver);
    assert_eq!(both_sides(&n1, &blind_2), receiver);
    let neither = (Outcome::PartlyCovered, egress(crossing));
    assert_eq!(both_sides(&blind_1, &blind_2), neither);
}

#[test]
fn what_a_node_whose_hooks_are_bypassed_sends_to_where_nobody_counts_is_egress() {
    let reports = [Report::of("n1", 1).bypassed(), Report::of("n3", 1)];
    let counted = [
        ("8.8.8.8", Locality::Internet),
        ("10.67.2.1", Locality::CrossZone),
        ("10.67.1.2", Locality::SameNode),
        ("192.168.9.9", Locality::Unknown(LOST)),
    ];

    for (to, locality) in counted {
        let outcome = outcome_of(&reports, "10.67.1.1", to, OUT);
        assert_eq!(outcome, egress(locality), "to {to}");
    }
    let covered = outcome_of(&reports, "10.67.1.1", "10.67.3.1", OUT);
    assert_eq!(covered, Outcome::CountedByReceiver);
}

#[test]
fn a_node_that_covers_one_family_only_leaves_the_other_to_the_receiver() {
    let mut report = Report::of("n2", 1);
    report.0.header.coverage = kubezonnet_model::Coverage::default();
    report
        .0
        .header
        .coverage
        .add(Hook::Postrouting, kubezonnet_model::Family::Ipv4);
    report
        .0
        .header
        .coverage
        .add(Hook::LocalIn, kubezonnet_model::Family::Ipv6);
    let covered = [report];

    let v4 = outcome_of(&covered, "10.67.2.1", "10.67.1.1", IN);
    let v6 = outcome_of(&covered, "fd67:2::1", "fd67:1::1", IN);

    assert_eq!(v4, Outcome::CountedBySender);
    assert_eq!(v6, ingress(Locality::CrossZone));
}

#[test]
fn a_pod_speaking_to_its_own_node_is_egress_on_the_same_node() {
    let outcome = from_n1("10.67.1.1", "10.66.0.1", POD_TO_HOST);

    assert_eq!(outcome, egress(Locality::SameNode));
}

#[test]
fn what_the_node_forwards_between_two_others_is_transit_from_the_node_on() {
    // From n3 by n1 to n2: the hop that n1 sends crosses a zone, not a region.
    assert_eq!(
        from_n1("10.67.3.1", "10.67.2.1", IN),
        transit(Locality::CrossZone)
    );
    assert_eq!(
        from_n1("8.8.8.8", "10.67.2.1", IN),
        transit(Locality::CrossZone)
    );
    assert_eq!(
        from_n1("192.168.9.9", "10.67.3.1", IN),
        transit(Locality::CrossRegion)
    );
    assert_eq!(
        from_n1("10.67.3.1", "8.8.8.8", IN),
        transit(Locality::Internet)
    );
}

#[test]
fn an_agent_cannot_speak_for_the_sockets_of_another_node() {
    for address in ["10.66.0.2", "10.67.2.1", "fd67:3::1"] {
        let from = if address.contains(':') {
            "fd67:1::1"
        } else {
            "10.67.1.1"
        };
        assert_eq!(
            from_n1(from, address, POD_TO_HOST),
            Outcome::ForeignAddress,
            "{address}"
        );
    }
}

#[test]
fn a_link_local_address_is_the_nodes_own_unless_it_is_behind_the_uplink() {
    let dns = from_n1("10.67.1.1", "169.254.20.10", POD_TO_HOST);
    let answer = from_n1("fe80::1", "fd67:1::1", IN_FROM_HOST);
    let neighbour = from_n1("fe80::2", "fd66::1", TO_HOST);

    assert_eq!(dns, egress(Locality::SameNode));
    assert_eq!(answer, egress(Locality::SameNode));
    assert_eq!(neighbour, ingress(Locality::Unknown(LOST)));
}

#[test]
fn what_a_neighbour_on_the_link_says_and_hears_is_not_charged_to_the_node() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1)
        .record("fe80::2", "fd66::1", TO_HOST, 100)
        .record("fd66::1", "fe80::2", OUT, 10)
        .record("fe80::3", "fd67:1::1", IN_FROM_HOST, 1);

    apply(&pipeline, &report);

    let snapshot = pipeline.snapshot();
    let of_node = |direction| -> u64 {
        let (_, traffic) = snapshot
            .series
            .iter()
            .find(|(subject, _)| subject.labels() == ["_node_", "n1"])
            .unwrap();
        let cells = traffic.cells().filter(|(each, ..)| *each == direction);
        cells.map(|(.., counters)| counters.bytes).sum()
    };
    assert_eq!(of_node(Direction::Egress), 11);
    assert_eq!(of_node(Direction::Ingress), 100);
}

const IN_FROM_HOST: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Host,
    output: InterfaceClass::Pod,
};

#[test]
fn what_ends_on_the_node_is_not_on_the_internet_though_nobody_lists_the_address() {
    let received = from_n1("8.8.8.8", "9.9.9.9", TO_HOST);
    let sent = from_n1("10.67.1.1", "9.9.9.9", POD_TO_HOST);

    assert_eq!(received, ingress(Locality::Unknown(LOST)));
    assert_eq!(sent, egress(Locality::Unknown(LOST)));
}

#[test]
fn a_node_that_the_topology_does_not_know_has_a_name_and_no_zone() {
    let topology = cluster();
    let pipeline = pipeline(&topology);
    let report =
        Report::of("n9", 1)
            .declares("172.17.0.9")
            .record("172.17.0.9", "10.67.2.1", OUT, 100);

    apply(&pipeline, &report);

    let snapshot = pipeline.snapshot();
    let unknown = snapshot.totals.unknown[UnknownReason::MissingZone as usize];
    assert_eq!(unknown.bytes, 100);
    assert_eq!(series(&snapshot), ["_node_/n9", "shop/p2"]);
}

#[test]
fn an_address_that_changed_hands_in_the_window_has_no_locality_on_either_side() {
    let topology = cluster();
    let mid = NOW.minus(std::time::Duration::from_secs(5));
    topology.write().delete_pod("pod-p2", mid);
    crate::testing::add_pod(&topology, "x2", 2, 1, mid);
    let pipeline = pipeline(&topology);
    let report = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", OUT, 100)
        .record("10.67.2.1", "10.67.1.1", IN, 10)
        .record("10.67.2.1", "10.67.3.1", IN, 1);

    apply(&pipeline, &report);

    let snapshot = pipeline.snapshot();
    assert_eq!(
        snapshot.totals.unknown[UnknownReason::ReusedInWindow as usize].bytes,
        111
    );
    assert!(snapshot.zones().is_empty(), "{:?}", snapshot.zones());
}

#[test]
fn bytes_of_an_address_that_changed_hands_count_once_if_every_holders_node_is_covered() {
    use crate::books::Disposition;

    let topology = cluster();
    let mid = NOW.minus(std::time::Duration::from_secs(5));
    topology.write().delete_pod("pod-p2", mid);
    crate::testing::add_pod(&topology, "x2", 2, 1, mid);
    let pipeline = pipeline(&topology);
    let to_and_from = |node, out, back| {
        Report::of(node, 1)
            .record("10.67.1.1", "10.67.2.1", out, 100)
            .record("10.67.2.1", "10.67.1.1", back, 10)
    };

    apply(&pipeline, &Report::of("n2", 1));
    apply(&pipeline, &to_and_from("n1", OUT, IN));
    let mut from_n2 = to_and_from("n2", IN, OUT);
    from_n2.0.header.sequence = 2;
    apply(&pipeline, &from_n2);

    let totals = pipeline.snapshot().totals;
    assert_eq!(totals.books.get(Disposition::Unknown).bytes, 110);
    assert_eq!(totals.books.get(Disposition::CountedBySender).bytes, 110);
}

#[test]
fn what_leaves_by_a_pods_interface_ends_here_though_nobody_lists_the_address() {
    let covered = [Report::of("n2", 1)];

    let counted = outcome_of(&covered, "10.67.2.1", "10.67.1.9", IN);
    let uncounted = outcome_of(&covered, "10.67.3.1", "10.67.1.9", IN);
    let forwarded = outcome_of(&covered, "10.67.2.1", "10.67.1.9", UP_TO_UP);

    assert_eq!(counted, Outcome::CountedBySender);
    assert_eq!(uncounted, ingress(Locality::Unknown(LOST)));
    assert_eq!(forwarded, transit(Locality::Unknown(LOST)));
}

#[test]
fn between_pods_of_one_node_an_address_that_changed_hands_there_is_counted_by_that_node() {
    let topology = cluster();
    let mid = NOW.minus(std::time::Duration::from_secs(5));
    topology.write().delete_pod("pod-q1", mid);
    crate::testing::add_pod(&topology, "x1", 1, 2, mid);
    let pipeline = pipeline(&topology);
    let report = Report::of("n1", 1)
        .record("10.67.1.2", "10.67.1.1", OUT, 100)
        .record("10.67.1.1", "10.67.1.2", OUT, 10);

    apply(&pipeline, &report);

    let totals = pipeline.snapshot().totals;
    let reused = totals.unknown[UnknownReason::ReusedInWindow as usize];
    assert_eq!(reused.bytes, 110);
}

/// From the uplink and back to it.
const UP_TO_UP: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Uplink,
    output: InterfaceClass::Uplink,
};

#[test]
fn coarsened_totals_are_unknown_and_loopback_and_multicast_are_their_own() {
    use crate::books::Disposition;

    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1)
        .total(TotalKind::Coarsened, 100)
        .total(TotalKind::Loopback, 10)
        .total(TotalKind::Multicast, 1);

    apply(&pipeline, &report);

    let totals = pipeline.snapshot().totals;
    assert_eq!(totals.books.get(Disposition::Unknown).bytes, 100);
    assert_eq!(totals.unknown[UnknownReason::Coarsened as usize].bytes, 100);
    assert_eq!(totals.books.get(Disposition::Loopback).bytes, 10);
    assert_eq!(totals.books.get(Disposition::Multicast).bytes, 1);
    assert_eq!(totals.imbalance(), (0, 0));
}

#[test]
fn a_party_says_who_it_is() {
    let topology = cluster();
    let index = topology.read();
    let agents = Agents::default();
    let views = Views {
        topology: &index,
        networks: &topology.networks(),
        agents: &agents,
    };
    let window = Window::placed(NOW, std::time::Duration::ZERO, crate::testing::WINDOW);
    let reporter = Reporter::new(&node_name("n1"), window, &index);

    let parties = views.parties(
        &[
            ip("10.67.1.1"),
            ip("10.66.0.2"),
            ip("8.8.8.8"),
            ip("10.9.9.9"),
            ip("224.0.0.1"),
        ],
        &reporter,
        window,
    );

    let [pod, node, internet, unlisted, nobody] = &parties[..] else {
        panic!("a party for each address");
    };
    assert!(matches!(&pod.endpoint, Endpoint::Pod(pod) if pod.name.as_str() == "p1"));
    assert_eq!(pod.place, Place::Here);
    assert!(matches!(&node.endpoint, Endpoint::Node(node) if node.name.as_str() == "n2"));
    assert_eq!(node.place, Place::Elsewhere);
    assert_eq!(internet.endpoint, Endpoint::Internet);
    assert_eq!(internet.may_be_listed, MayBeListed::BehindPods);
    assert_eq!(unlisted.endpoint, Endpoint::Unknown(LOST));
    assert_eq!(unlisted.may_be_listed, MayBeListed::Anywhere);
    assert_eq!(
        nobody.may_be_listed,
        MayBeListed::No,
        "nobody will ever hold a multicast address"
    );
}

fn apply(pipeline: &Pipeline, report: &Report) {
    let age = std::time::Duration::ZERO;
    pipeline.apply(&report.decoded(), age, NOW).unwrap();
}

fn series(snapshot: &Snapshot) -> Vec<String> {
    let subjects = snapshot.series.iter().map(|(subject, _)| subject);
    let mut names: Vec<_> = subjects
        .map(Subject::labels)
        .map(|labels| labels.join("/"))
        .collect();
    names.sort_unstable();
    names
}
