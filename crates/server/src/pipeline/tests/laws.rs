//! What holds for any cluster and any reports: every byte once, books that balance, counters that
//! only rise.

use proptest::prelude::*;

use super::*;
use crate::testing::ip;

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
        bypassed in proptest::collection::vec(any::<bool>(), 4),
        order in Just([0_usize, 1, 2, 3]).prop_shuffle(),
    ) {
        let pipeline = pipeline(&cluster());
        let mut reports: Vec<_> = (1..=4).map(|n| Report::of(&format!("n{n}"), 2)).collect();
        for sent in &flows {
            seen_by(sent, &mut reports);
        }
        for node in order {
            if agents[node] {
                let first = Report::of(&format!("n{}", node + 1), 1);
                let first = if bypassed[node] { first.bypassed() } else { first };
                apply(&pipeline, &first);
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
    assert_workloads_only_rose(before, after);
    let zones = after.zones();
    for (pair, was) in before.zones() {
        assert!(was.bytes <= zones[&pair].bytes, "{pair:?} fell");
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
