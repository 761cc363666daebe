mod attribution;
mod durable;
mod edges;
mod laws;
mod past;
mod services;
mod sockets;
mod waiting;

use std::collections::BTreeMap;

use kubezonnet_model::{FlowCounters, Hook, SkipReason, TotalKind, UnknownReason};

use super::*;
use crate::books::Disposition;
use crate::ledger::{SeenBy, Side, Snapshot, Workloads};
use crate::testing::{
    IN, NOW, OUT, POD_TO_HOST, Report, TO_HOST, add_pod, cluster, node_name, pipeline,
};

fn apply(pipeline: &Pipeline, report: &Report) -> Acceptance {
    apply_at(pipeline, report, 0)
}

fn apply_at(pipeline: &Pipeline, report: &Report, seconds: u64) -> Acceptance {
    let acceptance = pipeline.apply(&report.decoded(), Duration::ZERO, later(seconds));
    assert_balanced(pipeline);
    acceptance.unwrap()
}

fn settle_at(pipeline: &Pipeline, seconds: u64) {
    pipeline.settle(later(seconds));
    assert_balanced(pipeline);
}

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn assert_balanced(pipeline: &Pipeline) {
    let snapshot = pipeline.snapshot();
    let totals = &snapshot.totals;
    assert_eq!(
        totals.imbalance(),
        (0, 0),
        "seen, booked and pending: {totals:?}"
    );
    let edges: FlowCounters = snapshot.edges.iter().map(|edge| edge.counters).sum();
    // What has no addresses is in no edge.
    let coarsened = totals.unknown[UnknownReason::Coarsened as usize];
    let localities = Disposition::LOCALITIES.map(|each| totals.books.get(each));
    assert_eq!(
        [edges, coarsened].into_iter().sum::<FlowCounters>(),
        localities.into_iter().sum(),
        "edges, and localities"
    );
    for disposition in Disposition::LOCALITIES {
        let edges = snapshot.edges.iter();
        let edges = edges.filter(|edge| Disposition::from(edge.locality) == disposition);
        let mut expected = totals.books.get(disposition).bytes;
        if disposition == Disposition::Unknown {
            expected -= coarsened.bytes;
        }
        let sum: u64 = edges.map(|edge| edge.counters.bytes).sum();
        assert_eq!(sum, expected, "{disposition:?}");
    }
}

fn booked(pipeline: &Pipeline, disposition: Disposition) -> u64 {
    pipeline.snapshot().totals.books.get(disposition).bytes
}

fn pending(pipeline: &Pipeline) -> u64 {
    pipeline.snapshot().totals.pending.bytes
}

fn left_zone(pipeline: &Pipeline, namespace: &str, pod: &str) -> Option<u64> {
    let snapshot = pipeline.snapshot();
    let (_, traffic) = snapshot
        .series
        .iter()
        .find(|(subject, _)| subject.labels() == [namespace, pod])?;
    traffic.left_zone().map(|counters| counters.bytes)
}

/// Tells the topology of one more pod.
fn tell_of_pod(pipeline: &Pipeline, name: &str, node: u8, host: u8) {
    add_pod(pipeline.topology(), name, node, host, later(5));
}

/// Each pair of workloads that metrics show in both has not fallen.
fn assert_workloads_only_rose(before: &Snapshot, after: &Snapshot) {
    let key = |side: &Side, is_labelled: bool| {
        let label = side.labels.get(0).filter(|_| is_labelled);
        format!("{:?} {label:?}", side.shown())
    };
    for is_labelled in [false, true] {
        let places = if is_labelled { &[0][..] } else { &[] };
        let (was, is) = (Workloads::of(before, places), Workloads::of(after, places));
        let keys = |(from, to): (&Side, &Side)| (key(from, is_labelled), key(to, is_labelled));
        let is: BTreeMap<_, _> = is
            .iter(after)
            .map(|(from, to, locality, counters)| ((keys((from, to)), locality), counters))
            .collect();
        for (from, to, locality, was) in was.iter(before) {
            if let Some(is) = is.get(&(keys((from, to)), locality)) {
                let fell = is.bytes < was.bytes || is.packets < was.packets;
                assert!(!fell, "{from:?} > {to:?} fell from {was:?} to {is:?}");
            }
        }
    }
}

#[test]
fn a_flow_seen_by_both_nodes_counts_once_at_its_sender() {
    let pipeline = pipeline(&cluster());

    apply(&pipeline, &Report::of("n2", 1));
    apply(
        &pipeline,
        &Report::of("n1", 1).record("10.67.1.1", "10.67.2.1", OUT, 1000),
    );
    apply(
        &pipeline,
        &Report::of("n2", 2).record("10.67.1.1", "10.67.2.1", IN, 1000),
    );

    assert_eq!(booked(&pipeline, Disposition::CrossZone), 1000);
    assert_eq!(booked(&pipeline, Disposition::CountedBySender), 1000);
    assert_eq!(left_zone(&pipeline, "shop", "p1"), Some(1000));
    assert_eq!(left_zone(&pipeline, "shop", "p2"), None);
}

#[test]
fn what_a_pod_without_agent_sent_is_charged_to_it_by_the_receiver() {
    let pipeline = pipeline(&cluster());

    apply(
        &pipeline,
        &Report::of("n1", 1).record("10.67.2.1", "10.67.1.1", IN, 700),
    );

    assert_eq!(left_zone(&pipeline, "shop", "p2"), Some(700));
    let snapshot = pipeline.snapshot();
    let pairs: Vec<_> = snapshot
        .zones()
        .into_iter()
        .map(|((from, to), counters)| (from.as_str(), to.as_str(), counters.bytes))
        .collect();
    assert_eq!(pairs, [("b", "a", 700)]);
}

#[test]
fn what_a_node_forwards_is_charged_to_the_node() {
    let pipeline = pipeline(&cluster());

    apply(
        &pipeline,
        &Report::of("n1", 1).record("10.67.3.1", "10.67.2.1", IN, 300),
    );

    assert_eq!(left_zone(&pipeline, "_node_", "n1"), Some(300));
    assert_eq!(left_zone(&pipeline, "shop", "p3"), None);
}

#[test]
fn a_window_sent_again_changes_nothing() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1).record("10.67.1.1", "10.67.2.1", OUT, 1000);
    let first = apply(&pipeline, &report);
    let before = pipeline.snapshot();

    let second = apply_at(&pipeline, &report, 30);

    let applied = Acceptance::Applied {
        missed: 0,
        undeclared: 0,
        midway: false,
        uncounted: None,
    };
    assert_eq!((first, second), (applied, Acceptance::Duplicate));
    assert_eq!(pipeline.snapshot().totals.books, before.totals.books);
    assert_eq!(pipeline.snapshot().series, before.series);
}

#[test]
fn a_window_sent_twice_at_once_counts_once() {
    let pipeline = pipeline(&cluster());
    let batch = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", OUT, 1000)
        .decoded();

    let acceptances: Vec<_> = std::thread::scope(|scope| {
        let sends: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| pipeline.apply(&batch, Duration::ZERO, NOW).unwrap()))
            .collect();
        sends.into_iter().map(|send| send.join().unwrap()).collect()
    });

    let applied = acceptances
        .iter()
        .filter(|each| **each != Acceptance::Duplicate)
        .count();
    assert_eq!(applied, 1);
    assert_eq!(booked(&pipeline, Disposition::CrossZone), 1000);
}

#[test]
fn an_address_of_another_node_is_refused_and_the_rest_of_the_batch_counts() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1)
        .record("8.8.8.8", "10.66.0.2", TO_HOST, 500)
        .record("10.67.1.1", "10.67.2.1", OUT, 40);

    apply(&pipeline, &report);

    assert_eq!(booked(&pipeline, Disposition::ForeignAddress), 500);
    assert_eq!(booked(&pipeline, Disposition::CrossZone), 40);
    assert_eq!(left_zone(&pipeline, "_node_", "n2"), None);
}

#[test]
fn what_the_hooks_left_out_is_in_the_books() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1)
        .skipped(SkipReason::Looped, 100)
        .skipped(SkipReason::OutsideCidr, 10)
        .skipped(SkipReason::Malformed, 1);

    apply(&pipeline, &report);

    assert_eq!(booked(&pipeline, Disposition::Looped), 100);
    assert_eq!(booked(&pipeline, Disposition::OutsideCidr), 10);
    assert_eq!(booked(&pipeline, Disposition::Malformed), 1);
}

#[test]
fn before_the_topology_is_known_agents_are_put_off() {
    let pipeline = pipeline(&Topology::new());
    let batch = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", OUT, 1)
        .decoded();

    let put_off = pipeline.apply(&batch, Duration::ZERO, NOW);
    pipeline.topology().set_synced();
    let taken = pipeline.apply(&batch, Duration::ZERO, NOW);

    assert_eq!(put_off, Err(Rejection::NotSynced));
    assert!(
        matches!(taken, Ok(Acceptance::Applied { .. })),
        "it was not remembered as applied"
    );
}

#[test]
fn a_batch_that_no_network_carries_changes_nothing() {
    let pipeline = pipeline(&cluster());
    let batch = Report::of("n1", 1)
        // A window of ten seconds holds 4.2 TB at most.
        .record("10.67.1.1", "10.67.2.1", OUT, 4_200_000_000_000)
        .total(TotalKind::Loopback, 1)
        .decoded();

    let refused = pipeline.apply(&batch, Duration::ZERO, NOW);

    assert!(
        matches!(refused, Err(Rejection::Implausible(_))),
        "{refused:?}"
    );
    assert!(pipeline.report_ages(NOW).is_empty());
    assert_eq!(pipeline.snapshot().totals.books.sum().bytes, 0);
}

#[test]
fn a_window_that_claims_time_there_was_not_changes_nothing() {
    const MONTH: Duration = Duration::from_hours(30 * 24);
    let pipeline = pipeline(&cluster());
    let month = |report: Report| {
        let mut report = report;
        report.0.header.window = MONTH;
        report
    };
    apply(&pipeline, &month(Report::of("n2", 1)));
    let before = pipeline.state().agents().states();

    // Of a new epoch, which would end the old one and what it covered.
    let second = month(Report::of("n2", 1).epoch(2).declares("10.9.9.9"));
    let refused = pipeline.apply(&second.decoded(), Duration::ZERO, later(60));

    assert!(
        matches!(refused, Err(Rejection::Implausible(_))),
        "{refused:?}"
    );
    assert_eq!(pipeline.state().agents().states(), before);
}

#[test]
fn what_a_node_that_finds_no_place_claims_is_not_kept() {
    const MONTH: Duration = Duration::from_hours(30 * 24);
    let pipeline = pipeline(&cluster()).with_room(1, 10);
    apply(&pipeline, &Report::of("n1", 1));
    let mut first = Report::of("n2", 1);
    first.0.header.window = MONTH;

    let refused = pipeline.apply(&first.decoded(), Duration::ZERO, NOW);

    assert_eq!(refused, Err(Rejection::TooManyAgents(TooManyAgents(1))));
    assert!(!pipeline.claims.knows(&node_name("n2")));
}

#[test]
fn full_counters_take_nothing_more_and_balance_as_before() {
    const MONTH: Duration = Duration::from_hours(30 * 24);
    let pipeline = pipeline(&cluster());
    let month = |sequence| {
        let mut report = Report::of("n1", sequence).record("10.67.1.1", "10.67.2.1", OUT, 1 << 56);
        report.0.header.window = MONTH;
        report.decoded()
    };
    // 192 × 2⁵⁶ = 3 × 2⁶².
    let mut now = NOW;
    for sequence in 1..=192 {
        now = now.plus(MONTH);
        let applied = pipeline.apply(&month(sequence), Duration::ZERO, now);
        assert!(applied.is_ok(), "{sequence}: {applied:?}");
    }
    let full = pipeline.snapshot();

    let refused = pipeline.apply(&month(193), Duration::ZERO, now.plus(MONTH));

    assert_eq!(refused, Err(Rejection::Full));
    assert_balanced(&pipeline);
    let after = pipeline.snapshot();
    assert_eq!(after.totals.books, full.totals.books);
    assert_eq!(after.totals.books.sum().bytes, 3 << 62);
    assert_eq!(after.series, full.series);
}

#[test]
fn a_node_too_many_changes_nothing() {
    let pipeline = pipeline(&cluster()).with_room(1, 10);
    apply(&pipeline, &Report::of("n1", 1));
    let batch = Report::of("n2", 1)
        .record("10.67.2.1", "10.67.1.1", OUT, 1)
        .decoded();

    let refused = pipeline.apply(&batch, Duration::ZERO, NOW);

    assert_eq!(refused, Err(Rejection::TooManyAgents(TooManyAgents(1))));
    assert_eq!(pipeline.snapshot().totals.books.sum().bytes, 0);
}

#[test]
fn bytes_of_a_deleted_pod_stay_until_the_retention_is_over_and_of_a_living_one_for_ever() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", OUT, 100)
        .record("10.67.1.2", "10.67.2.1", OUT, 10)
        .record("10.66.0.1", "10.67.2.1", OUT, 1);
    apply(&pipeline, &report);
    pipeline.topology().write().delete_pod("pod-q1", later(30));
    let minutes = |minutes: u64| NOW.plus(Duration::from_mins(minutes));

    pipeline.forget(minutes(15));
    assert_eq!(left_zone(&pipeline, "shop", "q1"), Some(10));

    pipeline.forget(minutes(16));
    assert_eq!(left_zone(&pipeline, "shop", "q1"), None);
    assert_eq!(left_zone(&pipeline, "shop", "p1"), Some(100));
    assert_eq!(left_zone(&pipeline, "_node_", "n1"), Some(1));
    assert_eq!(
        booked(&pipeline, Disposition::CrossZone),
        111,
        "totals never go"
    );
}

#[test]
fn bytes_of_a_node_that_is_gone_stay_until_the_retention_is_over() {
    let pipeline = pipeline(&cluster());
    apply(
        &pipeline,
        &Report::of("n1", 1).record("10.66.0.1", "10.67.2.1", OUT, 100),
    );
    let gone = later(30);
    let mut index = pipeline.topology().write();
    index.delete_node(&node_name("n1"), "node-1", gone);
    drop(index);

    pipeline.forget(NOW.plus(Duration::from_mins(15)));
    assert_eq!(left_zone(&pipeline, "_node_", "n1"), Some(100));

    pipeline.forget(NOW.plus(Duration::from_mins(16)));
    assert_eq!(left_zone(&pipeline, "_node_", "n1"), None);
}

#[test]
fn the_agent_of_a_node_that_is_gone_is_forgotten_once_no_window_of_its_time_can_come() {
    let pipeline = pipeline(&cluster());
    for node in ["n1", "n2"] {
        apply(&pipeline, &Report::of(node, 1));
    }
    let mut index = pipeline.topology().write();
    index.delete_node(&node_name("n1"), "node-1", later(30));
    drop(index);

    pipeline.forget(NOW.plus(REMEMBER));
    assert_eq!(pipeline.report_ages(NOW).len(), 2);

    pipeline.forget(NOW.plus(REMEMBER).plus(Duration::from_secs(1)));
    assert_eq!(
        pipeline.report_ages(NOW),
        [(node_name("n2"), Duration::ZERO)]
    );
}

#[test]
fn a_node_sees_where_its_bytes_were_seen() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", OUT, 100)
        .record("10.67.1.1", "10.67.3.1", OUT, 10)
        .skipped(SkipReason::Looped, 1);

    apply(&pipeline, &report);

    let seen: Vec<_> = pipeline
        .snapshot()
        .totals
        .seen
        .iter()
        .map(|(at, counters)| (at.by, at.interfaces.is_some(), counters.bytes))
        .collect();
    assert_eq!(
        seen,
        [
            (SeenBy::Hook(Hook::Postrouting), true, 110),
            (SeenBy::Hook(Hook::LocalIn), false, 1)
        ]
    );
    assert_eq!(
        pipeline.report_ages(NOW),
        [(node_name("n1"), Duration::ZERO)]
    );
}
