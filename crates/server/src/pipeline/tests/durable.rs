//! What survives the end of a server, and that nothing of it counts twice.

use std::path::Path;

use kubezonnet_model::Namespace;
use kubezonnet_pricing::{Account, Amount};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::budgets::Month;
use crate::ledger::SeriesLimits;
use crate::testing::{add_pod, add_service, crashed, durable, durable_with, ip, to_port};

/// An address that nobody holds until it is told of.
const LATE: &str = "10.67.2.9";

fn report(node: &str, sequence: u64) -> Report {
    Report::of(node, sequence)
        .record("10.67.1.1", "10.67.2.1", OUT, 1000 + sequence)
        .record("10.67.1.1", LATE, OUT, 10)
}

fn open(directory: &Path) -> Pipeline {
    durable(&cluster(), directory)
}

#[test]
fn what_is_acknowledged_is_there_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = open(directory.path());
    let bypassed = report("n2", 1).epoch(3).bypassed().declares("10.66.9.9");
    apply(&pipeline, &bypassed);
    for sequence in 1..=3 {
        apply(&pipeline, &report("n1", sequence));
    }

    let after = open(crashed(directory.path()).path());

    assert_eq!(after.snapshot(), pipeline.snapshot());
    assert_eq!(after.uplinks(), pipeline.uplinks());
    assert_eq!(after.report_ages(NOW), pipeline.report_ages(NOW));
    assert_eq!(after.pending_records(), 4);
    assert_eq!(after.id(), pipeline.id());
    assert_eq!(apply(&after, &report("n1", 3)), Acceptance::Duplicate);
    assert_eq!(apply(&after, &bypassed), Acceptance::Duplicate);
    let next = Acceptance::Applied {
        missed: 1,
        undeclared: 0,
        midway: false,
        uncounted: None,
    };
    assert_eq!(apply(&after, &report("n1", 5)), next);
}

#[test]
fn a_window_of_an_earlier_life_of_the_agent_is_known_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = open(directory.path());
    apply(&pipeline, &report("n1", 7).epoch(1));
    apply(&pipeline, &report("n1", 1).epoch(2));

    let after = open(crashed(directory.path()).path());

    assert_eq!(
        apply(&after, &report("n1", 7).epoch(1)),
        Acceptance::Duplicate
    );
}

#[test]
fn an_agent_that_is_met_midway_is_told_of_once() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = open(directory.path());
    let midway = |acceptance| {
        matches!(
            acceptance,
            Acceptance::Applied {
                midway: true,
                missed: 0,
                ..
            }
        )
    };

    assert!(midway(apply(&pipeline, &report("n1", 40))));
    let after = open(crashed(directory.path()).path());
    assert!(!midway(apply(&after, &report("n1", 41))));
}

#[test]
fn records_wait_on_after_a_crash_and_are_settled_by_who_holds_the_address_then() {
    let directory = tempfile::tempdir().unwrap();
    apply(&open(directory.path()), &report("n1", 1));
    let after = open(directory.path());
    assert_eq!((pending(&after), after.pending_records()), (10, 1));

    tell_of_pod(&after, "late", 2, 9);
    settle_at(&after, 1);
    let once_more = open(crashed(directory.path()).path());

    assert_eq!(booked(&after, Disposition::CrossZone), 1011);
    assert_eq!((pending(&after), after.pending_records()), (0, 0));
    assert_eq!(once_more.snapshot(), after.snapshot());
    assert_eq!(once_more.pending_records(), 0);
}

#[test]
fn nothing_is_settled_or_forgotten_before_the_topology_is_known_again() {
    let directory = tempfile::tempdir().unwrap();
    apply(&open(directory.path()), &report("n1", 1));

    let after = durable(&Topology::new(), directory.path());
    let before = after.snapshot();
    after.settle(later(3600));
    after.forget(later(360_000));

    assert_eq!(after.snapshot(), before);
    assert_eq!(after.pending_records(), 1);
}

#[test]
fn a_series_that_was_forgotten_does_not_come_back_by_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = open(directory.path());
    apply(&pipeline, &report("n1", 1));
    pipeline.topology().write().delete_pod("pod-p1", later(30));
    pipeline.forget(later(3600));
    assert_eq!(left_zone(&pipeline, "shop", "p1"), None);

    let after = open(crashed(directory.path()).path());
    assert_eq!(left_zone(&after, "shop", "p1"), None);
    apply_at(&after, &report("n1", 2), 7200);

    assert_eq!(left_zone(&after, "shop", "p1"), Some(1002));
}

#[test]
fn a_window_sent_twice_at_once_counts_once_on_disk_too() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = open(directory.path());
    let batch = report("n1", 1).decoded();

    let acceptances: Vec<_> = std::thread::scope(|scope| {
        let send = || pipeline.apply(&batch, Duration::ZERO, NOW).unwrap();
        let sends: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        sends.into_iter().map(|send| send.join().unwrap()).collect()
    });

    let duplicate = |each: &&Acceptance| **each == Acceptance::Duplicate;
    assert_eq!(acceptances.iter().filter(duplicate).count(), 7);
    assert_eq!(pipeline.pending_records(), 1, "room is given back");
    let after = open(crashed(directory.path()).path());
    assert_eq!(after.snapshot(), pipeline.snapshot());
    assert_eq!(booked(&after, Disposition::CrossZone), 1001);
}

/// What can happen to a cluster.
#[derive(Debug, Clone)]
enum Event {
    /// An agent sends its next window; so many copies of it arrive.
    Send { node: usize, copies: usize },
    /// An old window arrives once more.
    Stray { node: usize, back: u64 },
    /// The agent is replaced, with another epoch.
    Replace { node: usize },
    /// The server dies between two commits, and starts again.
    Crash,
    /// The server ends in order, and starts again.
    Restart,
    /// What waits is looked at.
    Settle,
    /// The pod of the address nobody holds appears.
    Tell,
    /// Pods go, and what is gone for long is forgotten; a pod that goes comes back when it is seen.
    Forget { node: usize },
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..3_usize, 1..3_usize).prop_map(|(node, copies)| Event::Send { node, copies }),
        2 => (0..3_usize, 0..4_u64).prop_map(|(node, back)| Event::Stray { node, back }),
        1 => (0..3_usize).prop_map(|node| Event::Replace { node }),
        2 => Just(Event::Crash),
        1 => Just(Event::Restart),
        2 => Just(Event::Settle),
        1 => Just(Event::Tell),
        2 => (0..3_usize).prop_map(|node| Event::Forget { node }),
    ]
}

/// An agent: its epoch and the last window it sent.
#[derive(Debug, Clone, Copy)]
struct Agent {
    epoch: u8,
    sequence: u64,
}

/// The only pod of workload q, and its address.
const Q: (&str, &str) = ("q1", "10.67.1.2");

fn window_of(node: usize, agent: Agent) -> Report {
    let (from, to) = (
        format!("10.67.{}.1", node + 1),
        ["10.67.2.1", "10.67.3.1", "10.67.1.1"],
    );
    let bytes = 100 * agent.sequence + u64::from(agent.epoch);
    let report = Report::of(&format!("n{}", node + 1), agent.sequence)
        .epoch(agent.epoch)
        .uplinks(500_000, 900_000)
        .record(&from, to[node], OUT, bytes)
        .record(&from, LATE, OUT, 7)
        .record(&from, "8.8.8.8", OUT, 3);
    // One pair in several edges, of which each window has one: by a Service or not, and forwarded
    // for others or for q.
    let (_, q) = Q;
    match (node, agent.sequence % 2) {
        (0, 0) => report.record(q, "10.67.2.1", OUT, 50),
        (0, _) => report.key(q, "10.67.2.1", OUT, Some(to_port(80)), 2000),
        (1, 0) => report.record(q, "10.67.3.1", IN, 4000),
        (1, _) => report.record("10.67.4.1", "10.67.3.1", IN, 60),
        _ => report,
    }
}

/// The same with prices, of which every byte that leaves its zone has one.
fn priced(pipeline: Pipeline) -> Pipeline {
    let text = "
currency: EUR
unit: GB
betweenZones: { price: 0.010000001, paidBy: both }
betweenRegions: [{ price: 0.5 }]
internet: [{ price: 3 }]
";
    let prices = Prices::of_text(text, true).unwrap();
    pipeline.with_prices(prices)
}

/// What was spent in the month of all these tests, to the last part of a nano-unit.
fn spent(pipeline: &Pipeline) -> Vec<Amount> {
    let shop = Account::Namespace(Namespace::new("shop").unwrap());
    let accounts = [&Account::Cluster, &shop];
    let spent = pipeline.spending().spent(Month::of(NOW), &accounts);
    spent.into_iter().map(|spent| spent.amount).collect()
}

proptest! {
    // Each case opens databases and syncs.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_ledger_is_what_each_window_once_would_give_whatever_is_sent_again_or_restarted(
        events in proptest::collection::vec(any_event(), 1..40),
        few in any::<bool>(),
    ) {
        let topology = cluster();
        add_service(&topology, "db", "10.96.0.1", &[("10.67.2.1", "n2")]);
        // So few that what is new folds what is small.
        let limits = if few {
            SeriesLimits { subjects: 4, edges: 7 }
        } else {
            SeriesLimits::default()
        };
        let mut directory: TempDir = tempfile::tempdir().unwrap();
        let durable = |topology: &Topology, directory: &Path| {
            priced(durable_with(limits, topology, directory))
        };
        let mut tested = durable(&topology, directory.path());
        // One that never ends, and is sent each window once.
        let plain = priced(pipeline(&topology).with_limits(limits));
        let mut agents = [Agent { epoch: 1, sequence: 0 }; 3];
        let mut before = (tested.snapshot(), plain.snapshot());
        let mut spent_before = spent(&tested);
        for (step, event) in (0_u64..).zip(events) {
            // What is not sent again within two steps is idle.
            let now = later(step * 600);
            let is_settling = matches!(event, Event::Settle);
            let may_go = few || matches!(event, Event::Forget { .. });
            match event {
                Event::Send { node, copies } => {
                    agents[node].sequence += 1;
                    let window = window_of(node, agents[node]).decoded();
                    plain.apply(&window, Duration::ZERO, now).unwrap();
                    for copy in 0..copies {
                        let acceptance = tested.apply(&window, Duration::ZERO, now).unwrap();
                        prop_assert_eq!(acceptance == Acceptance::Duplicate, copy > 0);
                    }
                }
                Event::Stray { node, back } => {
                    let sequence = agents[node].sequence.saturating_sub(back);
                    if sequence > 0 {
                        let window = window_of(node, Agent { sequence, ..agents[node] });
                        let stray = tested.apply(&window.decoded(), Duration::ZERO, now);
                        prop_assert_eq!(stray, Ok(Acceptance::Duplicate));
                    }
                }
                Event::Replace { node } => {
                    let epoch = agents[node].epoch + 1;
                    agents[node] = Agent { epoch, sequence: 0 };
                }
                Event::Crash => {
                    let left = crashed(directory.path());
                    tested = durable(&topology, left.path());
                    directory = left;
                }
                Event::Restart => {
                    tested.close();
                    tested = durable(&topology, directory.path());
                }
                Event::Settle => {
                    tested.settle(now);
                    plain.settle(now);
                }
                Event::Tell => tell_of_pod(&plain, "late", 2, 9),
                Event::Forget { node } => {
                    let pod = (format!("p{}", node + 1), u8::try_from(node + 1).unwrap(), 1);
                    let gone = [pod, (Q.0.to_owned(), 1, 2)];
                    for (pod, ..) in &gone {
                        topology.write().delete_pod(&format!("pod-{pod}"), now);
                    }
                    tested.forget(now);
                    plain.forget(now);
                    for (pod, node, host) in &gone {
                        add_pod(&topology, pod, *node, *host, now);
                    }
                }
            }
            assert_balanced(&tested);
            let after = (tested.snapshot(), plain.snapshot());
            assert_totals_only_rose(&before.0, &after.0);
            // With a store what is too much is folded after the answer, and may be back before it is
            // looked at here.
            if !few {
                assert_only_rose(&before.0, &after.0, may_go);
            }
            // What waits is settled window by window: what is folded after one may be back by another.
            let folded = |snapshot: &Snapshot| snapshot.totals.folded;
            if !is_settling || folded(&before.1) == folded(&after.1) {
                assert_only_rose(&before.1, &after.1, may_go);
            }
            before = after;
            let now_spent = spent(&tested);
            prop_assert!(now_spent >= spent_before, "{:?} {:?}", spent_before, now_spent);
            spent_before = now_spent;
        }
        // Whatever a restart has made earlier or later, all of it is settled in the end.
        for pipeline in [&tested, &plain] {
            pipeline.settle(later(1_000_000));
        }
        let left = crashed(directory.path());
        // What is folded is so after windows are acknowledged: now it is.
        tested.close();
        let (tested_at, plain_at) = (tested.snapshot(), plain.snapshot());
        if few {
            // Of two that are equally small either may be folded.
            prop_assert_eq!(tested_at.totals.books, plain_at.totals.books);
            prop_assert_eq!(tested_at.zones(), plain_at.zones());
            prop_assert_eq!(tested_at.regions(), plain_at.regions());
        } else {
            prop_assert_eq!(&tested_at, &plain_at);
        }
        prop_assert_eq!(spent(&tested), spent(&plain));
        let again = durable(&topology, directory.path());
        prop_assert_eq!(spent(&again), spent(&plain));
        prop_assert_eq!(&again.snapshot(), &tested_at);
        let after_crash = durable(&topology, left.path());
        assert_balanced(&after_crash);
        prop_assert_eq!(spent(&after_crash), spent(&plain));
        let after_crash = after_crash.snapshot();
        prop_assert_eq!(after_crash.zones(), tested_at.zones());
        prop_assert_eq!(tested.uplinks(), plain.uplinks());
        prop_assert_eq!(tested.pending_records(), 0);
    }
}

/// Sums over all edges, whoever is gone or folded.
fn assert_totals_only_rose(before: &Snapshot, after: &Snapshot) {
    for disposition in Disposition::ALL {
        let of = |snapshot: &Snapshot| snapshot.totals.books.get(disposition);
        assert!(of(after) >= of(before), "{disposition:?} fell");
    }
    let (zones, regions) = (after.zones(), after.regions());
    for (pair, was) in before.zones() {
        assert!(zones[&pair] >= was, "{pair:?} fell");
    }
    for (pair, was) in before.regions() {
        assert!(regions[&pair] >= was, "{pair:?} fell");
    }
}

/// Series that are in both did not fall; none is missing, unless it may have gone.
fn assert_only_rose(before: &Snapshot, after: &Snapshot, may_go: bool) {
    for (subject, traffic) in &before.series {
        let now = after.series.iter().find(|(other, _)| other == subject);
        let sum = |traffic: &crate::ledger::Traffic| -> u64 {
            traffic.cells().map(|(.., counters)| counters.bytes).sum()
        };
        assert!(
            now.map_or(may_go, |(_, now)| sum(now) >= sum(traffic)),
            "{subject:?} fell"
        );
    }
    assert_workloads_only_rose(before, after);
}

#[test]
fn edges_have_every_byte_while_workloads_come_and_go_fold_and_the_server_dies() {
    const WORKLOADS: [char; 3] = ['q', 'v', 'w'];
    let limits = SeriesLimits {
        subjects: 3,
        edges: 4,
    };
    let topology = cluster();
    add_service(&topology, "db", "10.96.0.1", &[("10.67.2.1", "n2")]);
    let mut directory = tempfile::tempdir().unwrap();
    let mut tested = durable_with(limits, &topology, directory.path());
    let mut pod = "q1".to_owned();
    let mut sent = 0;
    for step in 1..40 {
        // Longer than what is gone is kept for.
        let now = NOW.plus(Duration::from_mins(step * 17));
        let number = usize::try_from(step).unwrap();
        let to = ["10.67.2.1", "10.67.3.1", "8.8.8.8"][number % 3];
        let report = Report::of("n1", step)
            .record("10.67.1.2", to, OUT, 10 * step)
            .record("10.67.3.1", "10.67.2.1", IN, 7)
            .key("10.67.1.1", "10.67.2.1", OUT, Some(to_port(80)), 3);
        sent += 10 * step + 10;
        let batch = report.decoded();
        tested.apply(&batch, Duration::ZERO, now).unwrap();
        if step % 2 == 0 {
            topology.write().delete_pod(&format!("pod-{pod}"), now);
            pod = format!("{}{step}", WORKLOADS[number % 3]);
            add_pod(&topology, &pod, 1, 2, now);
        }
        tested.forget(now.plus(Duration::from_mins(16)));

        let left = crashed(directory.path());
        let after = durable_with(limits, &topology, left.path());

        assert_balanced(&after);
        let edges = after.snapshot().edges.into_iter();
        let there: u64 = edges.map(|edge| edge.counters.bytes).sum();
        assert_eq!(there, sent, "after {step} windows");
        if step % 3 == 0 {
            (tested, directory) = (after, left);
        }
    }
    assert!(tested.snapshot().totals.folded.edges > 0, "nothing folded");
}

#[test]
fn addresses_that_a_node_declares_are_known_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = open(directory.path());
    apply(&pipeline, &Report::of("n1", 1).declares("10.66.9.9"));
    let from_declared = |sequence| {
        let report = Report::of("n1", sequence);
        report.record("10.66.9.9", "10.67.2.1", OUT, 50)
    };

    let after = open(crashed(directory.path()).path());
    let declarer = {
        let agents = after.state.agents();
        agents.declarer(ip("10.66.9.9"), &node_name("n2")).cloned()
    };

    assert_eq!(declarer, Some(node_name("n1")));
    apply(&after, &from_declared(2).declares("10.66.9.9"));
    assert_eq!(left_zone(&after, "_node_", "n1"), Some(50));
}
