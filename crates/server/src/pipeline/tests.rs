use std::sync::atomic::Ordering;

use kubezonnet_model::{Hook, SkipReason, TotalKind, UnknownReason};
use proptest::prelude::*;

use super::*;
use crate::books::Disposition;
use crate::testing::{
    IN, NOW, OUT, POD_TO_HOST, Report, TO_HOST, add_pod, cluster, ip, node_name, pipeline,
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
    let totals = pipeline.snapshot().totals;
    assert_eq!(
        totals.imbalance(),
        (0, 0),
        "seen, booked and pending: {totals:?}"
    );
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

/// Tells the pipeline of one more pod. Only a source can move the topology's version on, so what
/// waits is made to be of an older one instead.
fn tell_of_pod(pipeline: &Pipeline, name: &str, node: u8, host: u8) {
    add_pod(pipeline.topology(), name, node, host, later(5));
    for mut waiting in pipeline.pending.take(|_| true) {
        waiting.topology = u64::MAX;
        pipeline.pending.put(waiting);
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
    let zones = pipeline.snapshot().totals.zones;
    let pairs: Vec<_> = zones
        .iter()
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
fn a_new_pods_bytes_wait_until_the_topology_tells_of_it() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1)
        .record("10.67.1.9", "10.67.2.1", OUT, 1000)
        .record("10.67.1.1", "10.67.2.1", OUT, 1);

    apply(&pipeline, &report);
    assert_eq!(
        (
            pending(&pipeline),
            booked(&pipeline, Disposition::CrossZone)
        ),
        (1000, 1)
    );
    settle_at(&pipeline, 1);
    assert_eq!(pending(&pipeline), 1000, "nothing has changed yet");

    tell_of_pod(&pipeline, "new", 1, 9);
    settle_at(&pipeline, 5);

    assert_eq!((pending(&pipeline), pipeline.pending_records()), (0, 0));
    assert_eq!(left_zone(&pipeline, "shop", "new"), Some(1000));
}

#[test]
fn only_the_records_whose_owner_came_stop_waiting() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1)
        .record("10.67.1.9", "10.67.2.1", OUT, 1000)
        .record("10.67.1.8", "10.67.2.1", OUT, 20);
    apply(&pipeline, &report);

    tell_of_pod(&pipeline, "new", 1, 9);
    settle_at(&pipeline, 5);
    assert_eq!((pending(&pipeline), pipeline.pending_records()), (20, 1));

    tell_of_pod(&pipeline, "newer", 1, 8);
    settle_at(&pipeline, 6);
    assert_eq!((pending(&pipeline), pipeline.pending_records()), (0, 0));
    assert_eq!(left_zone(&pipeline, "shop", "newer"), Some(20));
}

#[test]
fn a_change_of_the_topology_is_looked_at_twice_for_it_is_counted_before_it_can_be_read() {
    let pipeline = pipeline(&cluster());
    apply(
        &pipeline,
        &Report::of("n1", 1).record("10.67.1.9", "10.67.2.1", OUT, 1000),
    );
    // As if the topology had changed since: version 7 was the last look's, now it is 0.
    pipeline.looked_at.store(7, Ordering::Relaxed);
    tell_of_pod(&pipeline, "elsewhere", 3, 9);

    settle_at(&pipeline, 1);
    add_pod(pipeline.topology(), "new", 1, 9, later(2));
    settle_at(&pipeline, 2);

    assert_eq!(left_zone(&pipeline, "shop", "new"), Some(1000));
}

#[test]
fn who_waits_too_long_is_counted_as_it_is() {
    let pipeline = pipeline(&cluster());
    apply(
        &pipeline,
        &Report::of("n1", 1).record("10.67.1.1", "10.9.9.9", OUT, 1000),
    );

    settle_at(&pipeline, 59);
    assert_eq!(pending(&pipeline), 1000);
    settle_at(&pipeline, 60);

    assert_eq!(pending(&pipeline), 0);
    let unknown = pipeline.snapshot().totals.unknown;
    assert_eq!(unknown[UnknownReason::UnlistedAddress as usize].bytes, 1000);
}

#[test]
fn a_window_that_comes_late_does_not_wait_at_all() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1).record("10.67.1.1", "10.9.9.9", OUT, 1000);

    pipeline
        .apply(&report.decoded(), Duration::from_mins(1), NOW)
        .unwrap();

    assert_balanced(&pipeline);
    assert_eq!(
        (pending(&pipeline), booked(&pipeline, Disposition::Unknown)),
        (0, 1000)
    );
}

#[test]
fn what_finds_no_room_to_wait_is_counted_at_once() {
    let pipeline = pipeline(&cluster()).with_room(10, 1);
    apply(
        &pipeline,
        &Report::of("n1", 1).record("10.67.1.1", "10.9.9.1", OUT, 1000),
    );
    apply(
        &pipeline,
        &Report::of("n1", 2).record("10.67.1.1", "10.9.9.2", OUT, 20),
    );

    assert_eq!((pending(&pipeline), pipeline.pending_records()), (1000, 1));
    assert_eq!(booked(&pipeline, Disposition::Unknown), 20);

    settle_at(&pipeline, 60);
    apply_at(
        &pipeline,
        &Report::of("n1", 3).record("10.67.1.1", "10.9.9.3", OUT, 3),
        60,
    );
    assert_eq!((pending(&pipeline), pipeline.pending_records()), (3, 1));
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
        .record("10.67.1.1", "10.67.2.1", OUT, 1 << 53)
        .total(TotalKind::Loopback, 1)
        .decoded();

    let refused = pipeline.apply(&batch, Duration::ZERO, NOW);

    assert!(
        matches!(refused, Err(Rejection::Implausible { .. })),
        "{refused:?}"
    );
    assert!(pipeline.report_ages(NOW).is_empty());
    assert_eq!(pipeline.snapshot().totals.books.sum().bytes, 0);
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

/// One flow of a cluster in which every hop is seen as it would be on real nodes.
#[derive(Debug, Clone)]
struct Sent {
    from: usize,
    to: usize,
    bytes: u64,
}

/// Every endpoint of the cluster: its address, and the number of its node.
const ENDPOINTS: [(&str, usize); 9] = [
    ("10.66.0.1", 1),
    ("10.66.0.2", 2),
    ("10.66.0.3", 3),
    ("10.66.0.4", 4),
    ("10.67.1.1", 1),
    ("10.67.1.2", 1),
    ("10.67.2.1", 2),
    ("10.67.3.1", 3),
    ("10.67.4.1", 4),
];

fn is_node(endpoint: usize) -> bool {
    endpoint < 4
}

fn any_sent() -> impl Strategy<Value = Sent> {
    let endpoint = 0..ENDPOINTS.len();
    (endpoint.clone(), endpoint, 1_u64..1_000_000)
        .prop_filter("a node speaks to itself over loopback", |(from, to, _)| {
            from != to
        })
        .prop_map(|(from, to, bytes)| Sent { from, to, bytes })
}

/// What the agents of the nodes see of it: postrouting at the sender, unless it ends on the same
/// node's sockets; postrouting or `local_in` at the receiver.
fn seen_by(sent: &Sent, reports: &mut [Report]) {
    let (from, sender) = ENDPOINTS[sent.from];
    let (to, receiver) = ENDPOINTS[sent.to];
    let mut see = |node: usize, point| {
        let report = reports[node - 1].clone();
        reports[node - 1] = report.record(from, to, point, sent.bytes);
    };
    if sender == receiver {
        see(sender, if is_node(sent.to) { POD_TO_HOST } else { OUT });
        return;
    }
    see(sender, OUT);
    see(receiver, if is_node(sent.to) { TO_HOST } else { IN });
}

proptest! {
    #[test]
    fn every_byte_counts_once_whichever_nodes_have_agents(
        flows in proptest::collection::vec(any_sent(), 0..40),
        agents in proptest::collection::vec(any::<bool>(), 4),
        order in Just([0_usize, 1, 2, 3]).prop_shuffle(),
    ) {
        let pipeline = pipeline(&cluster());
        let mut reports: Vec<_> = (1..=4).map(|n| Report::of(&format!("n{n}"), 2)).collect();
        for sent in &flows {
            seen_by(sent, &mut reports);
        }
        for node in order {
            if agents[node] {
                apply(&pipeline, &Report::of(&format!("n{}", node + 1), 1));
            }
        }
        for node in order {
            if agents[node] {
                // A key comes once in a batch: flows of one key are one record.
                apply(&pipeline, &merged(&reports[node]));
            }
        }

        let has_agent = |endpoint: usize| agents[ENDPOINTS[endpoint].1 - 1];
        let expected: u64 = flows
            .iter()
            .filter(|sent| has_agent(sent.from) || has_agent(sent.to))
            .map(|sent| sent.bytes)
            .sum();
        let counted: u64 = Disposition::LOCALITIES.map(|each| booked(&pipeline, each)).iter().sum();
        prop_assert_eq!(counted, expected);
        prop_assert_eq!(booked(&pipeline, Disposition::ForeignAddress), 0);
    }

    #[test]
    fn the_books_balance_whatever_agents_report(
        reports in proptest::collection::vec(any_report(), 1..12),
        told in proptest::collection::vec((1_u8..5, 1_u8..6), 0..6),
    ) {
        let pipeline = pipeline(&cluster()).with_room(100, 8);
        let mut told = told.into_iter();
        let mut before = pipeline.snapshot();
        for (step, (report, age)) in reports.iter().enumerate() {
            let now = later(u64::try_from(step).unwrap() * 7);
            pipeline.apply(&report.decoded(), Duration::from_secs(*age), now).unwrap();
            assert_balanced(&pipeline);
            if let Some((node, host)) = told.next() {
                tell_of_pod(&pipeline, &format!("t{node}{host}"), node, host);
            }
            pipeline.settle(now);
            assert_balanced(&pipeline);
            let after = pipeline.snapshot();
            assert_only_rose(&before, &after);
            before = after;
        }
        settle_at(&pipeline, 1_000_000);
        prop_assert_eq!(pending(&pipeline), 0);
        prop_assert_eq!(pipeline.pending_records(), 0);
    }
}

fn merged(report: &Report) -> Report {
    let mut report = report.clone();
    report.0 = Report(report.0).decoded().into_batch();
    report
}

fn any_address() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "10.66.0.1",
        "10.66.0.2",
        "10.67.1.1",
        "10.67.2.1",
        "10.67.3.1",
        "10.67.1.3",
        "10.67.2.5",
        "10.9.9.9",
        "8.8.8.8",
        "169.254.1.1",
        "172.17.0.1",
        "0.0.0.0",
        "127.0.0.1",
    ])
}

/// Any report at all, true or not, and the age of its window.
fn any_report() -> impl Strategy<Value = (Report, u64)> {
    let point = proptest::sample::select(vec![IN, OUT, TO_HOST, POD_TO_HOST]);
    let record = (any_address(), any_address(), point, 0_u64..10_000);
    let header = (1_u8..6, 1_u64..5, 1_u8..4, any::<bool>(), 0_u64..100);
    let total = (proptest::sample::select(&TotalKind::ALL[..]), 0_u64..1000);
    let skipped = (proptest::sample::select(&SkipReason::ALL[..]), 0_u64..1000);
    (
        header,
        proptest::collection::vec(record, 0..20),
        proptest::option::of(total),
        proptest::option::of(skipped),
        proptest::option::of(any_address()),
    )
        .prop_map(
            |((node, sequence, epoch, ends, age), records, total, skipped, declared)| {
                let mut report = Report::of(&format!("n{node}"), sequence).epoch(epoch);
                if ends {
                    report = report.ends();
                }
                for (from, to, point, bytes) in records {
                    report = report.record(from, to, point, bytes);
                }
                if let Some((kind, bytes)) = total {
                    report = report.total(kind, bytes);
                }
                if let Some((reason, bytes)) = skipped {
                    report = report.skipped(reason, bytes);
                }
                if let Some(address) = declared {
                    report.0.node_addresses.push(ip(address));
                }
                (merged(&report), age)
            },
        )
}

fn assert_only_rose(before: &Snapshot, after: &Snapshot) {
    for disposition in Disposition::ALL {
        let (was, is) = (
            before.totals.books.get(disposition),
            after.totals.books.get(disposition),
        );
        assert!(
            was.bytes <= is.bytes && was.packets <= is.packets,
            "{disposition:?} fell"
        );
    }
    for (at, was) in &before.totals.seen {
        assert!(was.bytes <= after.totals.seen[at].bytes, "{at:?} fell");
    }
    for (zones, was) in &before.totals.zones {
        assert!(
            was.bytes <= after.totals.zones[zones].bytes,
            "{zones:?} fell"
        );
    }
    for (subject, was) in &before.series {
        let (_, is) = after
            .series
            .iter()
            .find(|(each, _)| each == subject)
            .unwrap();
        for (direction, locality, was) in was.cells() {
            let mut cells = is.cells();
            let same = cells
                .find(|cell| (cell.0, cell.1) == (direction, locality))
                .unwrap();
            assert!(was.bytes <= same.2.bytes, "{subject:?} fell");
        }
    }
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
        .map(|(at, counters)| (at.hook, at.interfaces.is_some(), counters.bytes))
        .collect();
    assert_eq!(
        seen,
        [(Hook::Postrouting, true, 110), (Hook::LocalIn, false, 1)]
    );
    assert_eq!(
        pipeline.report_ages(NOW),
        [(node_name("n1"), Duration::ZERO)]
    );
}
