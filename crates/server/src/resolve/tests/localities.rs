//! Every class of locality, with the labels of both nodes, of one, or of none; and labels that change.

use kubezonnet_model::{Region, Timestamp, Zone};
use kubezonnet_topology::NodeState;

use super::*;
use crate::books::Disposition;

/// The node has these labels since then; empty for none.
fn label(topology: &Topology, number: u8, (zone, region): (&str, &str), since: Timestamp) {
    let state = NodeState {
        name: node_name(&format!("n{number}")),
        uid: format!("node-{number}"),
        zone: Zone::new(zone).ok(),
        zone_id: None,
        region: Region::new(region).ok(),
        provider_id: None,
        can_run_agent: true,
        pod_cidrs: Vec::new(),
        addresses: vec![
            ip(&format!("10.66.0.{number}")),
            ip(&format!("fd66::{number}")),
        ],
    };
    topology.write().apply_node(state, since);
}

#[test]
fn every_pair_of_labels_has_its_locality_and_a_missing_one_is_never_another_zone() {
    const MISSING: Locality = Locality::Unknown(UnknownReason::MissingZone);
    let cases = [
        (("a", "r1"), ("a", "r1"), Locality::SameZone),
        (("a", "r1"), ("b", "r1"), Locality::CrossZone),
        (("a", "r1"), ("c", "r2"), Locality::CrossRegion),
        (("a", "r1"), ("a", "r2"), Locality::CrossRegion),
        (("a", ""), ("a", ""), Locality::SameZone),
        (("a", ""), ("b", ""), Locality::CrossZone),
        (("a", "r1"), ("b", ""), Locality::CrossZone),
        (("", "r1"), ("", "r2"), Locality::CrossRegion),
        (("", "r1"), ("b", "r2"), Locality::CrossRegion),
        (("", "r1"), ("b", "r1"), MISSING),
        (("", "r1"), ("", "r1"), MISSING),
        (("a", "r1"), ("", ""), MISSING),
        (("", ""), ("b", "r1"), MISSING),
        (("", ""), ("", ""), MISSING),
    ];
    for (one, other, locality) in cases {
        let topology = cluster();
        label(&topology, 1, one, Timestamp(2));
        label(&topology, 2, other, Timestamp(2));
        let from_pod = |to: &str| outcome_in(&topology, "n1", &[], "10.67.1.1", to, OUT);

        for to in ["10.67.2.1", "10.66.0.2"] {
            assert_eq!(from_pod(to), egress(locality), "{one:?} to {other:?}");
        }
        let back = outcome_in(&topology, "n1", &[], "10.67.2.1", "10.67.1.1", IN);
        assert_eq!(back, ingress(locality), "{other:?} to {one:?}");
        // Labels or not: one node is one node, and the internet is out there.
        assert_eq!(from_pod("10.67.1.2"), egress(Locality::SameNode));
        assert_eq!(from_pod("8.8.8.8"), egress(Locality::Internet));
    }
}

#[test]
fn a_zone_that_changes_on_a_live_node_counts_for_the_windows_from_then_on() {
    let topology = cluster();
    let pipeline = pipeline(&topology);
    let after = |seconds| NOW.plus(Duration::from_secs(seconds));
    apply(&pipeline, &Report::of("n1", 1));
    label(&topology, 2, ("a", "r1"), after(30));

    // The first window was made before the change and comes after it; the second was made after.
    for (sequence, bytes, age) in [(2, 1000, 55), (3, 20, 5)] {
        let report = Report::of("n1", sequence).record("10.67.1.1", "10.67.2.1", OUT, bytes);
        pipeline
            .apply(&report.decoded(), Duration::from_secs(age), after(60))
            .unwrap();
    }

    let snapshot = pipeline.snapshot();
    let books = snapshot.totals.books;
    assert_eq!(books.get(Disposition::CrossZone).bytes, 1000);
    assert_eq!(books.get(Disposition::SameZone).bytes, 20);
    assert_eq!(snapshot.totals.imbalance(), (0, 0));
}

#[test]
fn the_zone_of_who_reports_is_that_of_the_window_too() {
    let topology = cluster();
    let pipeline = pipeline(&topology);
    let after = |seconds| NOW.plus(Duration::from_secs(seconds));
    apply(&pipeline, &Report::of("n1", 1));
    label(&topology, 1, ("b", "r1"), after(30));

    // Forwarded: located from the node on.
    for (sequence, bytes, age) in [(2, 1000, 55), (3, 20, 5)] {
        let report = Report::of("n1", sequence).record("8.8.8.8", "10.67.2.1", IN, bytes);
        pipeline
            .apply(&report.decoded(), Duration::from_secs(age), after(60))
            .unwrap();
    }

    let books = pipeline.snapshot().totals.books;
    assert_eq!(books.get(Disposition::CrossZone).bytes, 1000);
    assert_eq!(books.get(Disposition::SameZone).bytes, 20);
}
