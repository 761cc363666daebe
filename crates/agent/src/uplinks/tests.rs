//! Readings are made up; the clock and the kernel have no part in it.

use std::collections::VecDeque;

use kubezonnet_capture::{SeenFlow, Socket};
use kubezonnet_exposition::Format;
use kubezonnet_model::{FlowKey, Skipped, Total, TotalKind};
use proptest::prelude::*;

use super::*;

fn counters(bytes: u64, packets: u64) -> FlowCounters {
    FlowCounters { bytes, packets }
}

fn point(hook: Hook, output: InterfaceClass) -> ObservationPoint {
    ObservationPoint {
        hook,
        input: InterfaceClass::Pod,
        output,
    }
}

const LEAVING: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Pod,
    output: InterfaceClass::Uplink,
};

fn record(point: ObservationPoint, bytes: u64) -> SeenFlow {
    let key = FlowKey {
        source: "10.0.0.1".parse().unwrap(),
        destination: "10.0.0.2".parse().unwrap(),
        transport: None,
        point,
        socket: None,
    };
    SeenFlow {
        key,
        socket: Socket::None,
        counters: counters(bytes, 1),
    }
}

/// A window in which the hooks saw this leave through uplinks.
fn saw(bytes: u64) -> Drained {
    Drained {
        records: vec![record(LEAVING, bytes)],
        ..Drained::default()
    }
}

#[test]
fn what_was_seen_is_what_left_by_uplinks_and_what_may_have() {
    let total = |kind, point, bytes| Total {
        kind,
        point,
        counters: counters(bytes, 1),
    };
    let skipped = |reason, hook, bytes| Skipped {
        reason,
        hook,
        counters: counters(bytes, 1),
    };
    let drained = Drained {
        records: vec![
            record(LEAVING, 1),
            record(point(Hook::Postrouting, InterfaceClass::Pod), 2),
            record(point(Hook::Postrouting, InterfaceClass::Tunnel), 4),
            record(point(Hook::LocalIn, InterfaceClass::Uplink), 8),
        ],
        totals: vec![
            total(TotalKind::Coarsened, LEAVING, 16),
            total(TotalKind::Multicast, LEAVING, 32),
            total(
                TotalKind::Loopback,
                point(Hook::Postrouting, InterfaceClass::Loopback),
                64,
            ),
        ],
        skipped: vec![
            skipped(SkipReason::OutsideCidr, Hook::Postrouting, 128),
            skipped(SkipReason::Malformed, Hook::Postrouting, 256),
            skipped(SkipReason::OutsideCidr, Hook::LocalIn, 512),
            skipped(SkipReason::Encapsulated, Hook::Postrouting, 1024),
            skipped(SkipReason::Looped, Hook::Postrouting, 2048),
        ],
        ..Drained::default()
    };

    assert_eq!(seen(&drained), counters(1 + 16 + 32 + 128 + 256, 5));
}

#[test]
fn what_was_sent_is_the_difference_of_two_readings_without_ethernet_headers() {
    let uplinks = BTreeMap::from([(2, 14), (3, 0)]);
    let before = BTreeMap::from([(2, counters(1000, 10)), (3, counters(500, 5))]);
    let now = BTreeMap::from([(2, counters(1228, 12)), (3, counters(700, 6))]);

    let sent = sent(&before, &now, &uplinks);

    assert_eq!(sent, counters(228 - 2 * 14 + 200, 3));
}

#[test]
fn an_uplink_that_comes_goes_or_begins_again_has_a_new_baseline() {
    let uplinks = BTreeMap::from([(2, 14)]);
    let read = |bytes, packets| BTreeMap::from([(2, counters(bytes, packets))]);
    let cases = [
        ("new", Readings::new(), read(1000, 10)),
        ("gone", read(1000, 10), Readings::new()),
        ("fewer bytes", read(1000, 10), read(999, 20)),
        ("fewer packets", read(1000, 10), read(2000, 9)),
        (
            "no uplink any more",
            BTreeMap::from([(9, counters(1, 1))]),
            BTreeMap::from([(9, counters(2, 2))]),
        ),
    ];

    for (name, before, now) in cases {
        assert_eq!(sent(&before, &now, &uplinks), FlowCounters::ZERO, "{name}");
    }
}

fn any_readings() -> impl Strategy<Value = Readings> {
    let number = || prop_oneof![0..10_000_u64, any::<u64>()];
    let read = (number(), number()).prop_map(|(bytes, packets)| counters(bytes, packets));
    proptest::collection::btree_map(1_u32..6, read, 0..6)
}

proptest! {
    #[test]
    fn nothing_is_sent_that_no_interface_counted(
        before in any_readings(),
        now in any_readings(),
        uplinks in proptest::collection::btree_map(1_u32..6, prop_oneof![Just(0_u64), Just(14)], 0..6),
    ) {
        let sent = sent(&before, &now, &uplinks);

        let measured = now.iter().filter(|(index, _)| uplinks.contains_key(index));
        let most: FlowCounters = measured.map(|(_, counters)| *counters).sum();
        prop_assert!(sent.bytes <= most.bytes && sent.packets <= most.packets);
    }

    #[test]
    fn parts_of_a_time_sum_up_to_the_whole(
        steps in proptest::collection::vec((0..1_000_u64, 0..100_000_u64), 1..20),
    ) {
        let uplinks = BTreeMap::from([(2, 14)]);
        let mut readings = vec![counters(0, 0)];
        for (packets, payload) in steps {
            let mut next = *readings.last().unwrap();
            next += counters(14 * packets + payload, packets);
            readings.push(next);
        }
        let of = |reading: &FlowCounters| BTreeMap::from([(2, *reading)]);
        let between = |a: &FlowCounters, b: &FlowCounters| sent(&of(a), &of(b), &uplinks);

        let parts: FlowCounters = readings.windows(2).map(|two| between(&two[0], &two[1])).sum();

        prop_assert_eq!(parts, between(&readings[0], readings.last().unwrap()));
    }
}

#[test]
fn what_was_sent_around_the_end_of_a_window_goes_where_it_was_seen() {
    let bytes = |bytes| counters(bytes, 0);
    let shared = |surely, perhaps, seen| {
        let (now, later) = share(bytes(surely), bytes(perhaps), bytes(seen));
        (now.bytes, later.bytes)
    };

    assert_eq!(shared(100, 50, 100), (100, 50), "seen in the next window");
    assert_eq!(shared(100, 50, 150), (150, 0), "seen in this one");
    assert_eq!(shared(100, 50, 130), (130, 20), "seen in both");
    assert_eq!(shared(100, 50, 900), (150, 0), "interfaces tell less");
    assert_eq!(shared(100, 50, 10), (100, 50), "seen in none");
}

proptest! {
    #[test]
    fn a_share_loses_nothing(
        surely in (any::<u32>(), any::<u32>()),
        perhaps in (any::<u32>(), any::<u32>()),
        seen in (any::<u32>(), any::<u32>()),
    ) {
        let [surely, perhaps, seen] =
            [surely, perhaps, seen].map(|(bytes, packets)| counters(bytes.into(), packets.into()));

        let (now, later) = share(surely, perhaps, seen);

        let sum = |a: FlowCounters, b: FlowCounters| [a, b].into_iter().sum::<FlowCounters>();
        prop_assert_eq!(sum(now, later), sum(surely, perhaps));
        prop_assert!(now.bytes <= surely.bytes.max(seen.bytes));
    }
}

/// Gives the readings it was given, `None` as a failure, of link 2.
struct FakeReader(VecDeque<Option<FlowCounters>>);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not now")]
struct NotNow;

impl ReadSent for FakeReader {
    type Error = NotNow;

    fn read_sent(&mut self, interfaces: &[u32]) -> Result<Readings, NotNow> {
        assert_eq!(interfaces, [2]);
        let reading = self.0.pop_front().expect("a reading is planned");
        let reading = reading.ok_or(NotNow)?;
        Ok(BTreeMap::from([(2, reading)]))
    }
}

/// A meter that has begun.
struct Bench {
    meter: Meter<FakeReader>,
    uplinks: BTreeMap<u32, u64>,
    metrics: Metrics,
}

impl Bench {
    /// Link 2 has sent so many bytes at first; there is nothing around them.
    fn begin(bytes: u64) -> Self {
        let mut bench = Self {
            meter: Meter::new(FakeReader(VecDeque::new())),
            uplinks: BTreeMap::from([(2, 14)]),
            metrics: Metrics::new(),
        };
        bench.plan(&[Some(bytes)]);
        bench.meter.begin(&bench.uplinks, &bench.metrics);
        bench
    }

    fn plan(&mut self, readings: &[Option<u64>]) {
        let readings = readings.iter();
        let readings = readings.map(|bytes| bytes.map(|bytes| counters(bytes, 0)));
        self.meter.reader.0.extend(readings);
    }

    /// Ends a window in which the hooks saw so many bytes, with these readings around its end;
    /// returns bytes seen and sent.
    fn end(&mut self, seen: u64, readings: [Option<u64>; 2]) -> (u64, u64) {
        self.plan(&readings);
        let closed = self.meter.end(&self.uplinks, &self.metrics, || {
            Ok::<_, NotNow>((saw(seen), Instant::now()))
        });
        let ((drained, _), counted) = closed.unwrap();
        assert_eq!(drained, saw(seen));
        (counted.seen.bytes, counted.sent.bytes)
    }

    /// As [`Self::end`], with nothing sent while the window is closed.
    fn end_quietly(&mut self, seen: u64, reading: u64) -> (u64, u64) {
        self.end(seen, [Some(reading); 2])
    }

    fn assert_shows(&self, line: &str) {
        let page = self.metrics.render(Format::Classic);
        assert!(page.lines().any(|each| each == line), "no {line}\n{page}");
    }
}

#[test]
fn each_window_tells_what_was_seen_and_sent_in_it_and_the_metrics_add_up() {
    let mut bench = Bench::begin(100);

    assert_eq!(bench.end_quietly(60, 160), (60, 60));
    assert_eq!(bench.end_quietly(700, 1160), (700, 1000));

    bench.assert_shows(r#"kubezonnet_agent_uplink_bytes_total{what="seen"} 760"#);
    bench.assert_shows(r#"kubezonnet_agent_uplink_bytes_total{what="sent"} 1060"#);
    bench.assert_shows(r#"kubezonnet_agent_uplink_packets_total{what="seen"} 2"#);
}

#[test]
fn traffic_that_begins_while_a_window_is_closed_does_not_seem_to_bypass_the_hooks() {
    let mut bench = Bench::begin(0);

    assert_eq!(bench.end(0, [Some(0), Some(5_000_000)]), (0, 0));
    assert_eq!(
        bench.end_quietly(8_000_000, 8_000_000),
        (8_000_000, 8_000_000)
    );

    bench.assert_shows("kubezonnet_agent_bypassed 0");
}

#[test]
fn what_bypasses_the_hooks_while_a_window_is_closed_is_told_with_the_next() {
    let mut bench = Bench::begin(0);

    assert_eq!(bench.end(0, [Some(0), Some(5_000_000)]), (0, 0));
    assert_eq!(bench.end_quietly(60, 5_000_060), (60, 5_000_060));

    bench.assert_shows("kubezonnet_agent_bypassed 1");
}

#[test]
fn without_all_readings_nothing_is_told_and_what_follows_begins_anew() {
    let mut bench = Bench::begin(100);

    assert_eq!(bench.end(60, [None, Some(160)]), (0, 0));
    assert_eq!(bench.end_quietly(60, 220), (60, 60));
    assert_eq!(bench.end(60, [Some(280), None]), (0, 0));
    assert_eq!(bench.end_quietly(60, 9000), (0, 0));
    assert_eq!(bench.end_quietly(60, 9060), (60, 60));

    bench.assert_shows("kubezonnet_agent_uplink_read_failures_total 2");
}

#[test]
fn a_window_that_may_have_been_closed_earlier_is_not_compared() {
    let mut bench = Bench::begin(0);
    bench.plan(&[Some(60)]);

    let refused = bench
        .meter
        .end(&bench.uplinks, &bench.metrics, || Err(NotNow));

    assert_eq!(refused, Err(NotNow));
    assert_eq!(bench.end_quietly(60, 5_000_000), (0, 0));
    assert_eq!(bench.end_quietly(60, 5_000_060), (60, 60));
}

#[test]
fn the_gauge_follows_the_last_window_that_was_judged() {
    let mut bench = Bench::begin(0);
    bench.assert_shows("kubezonnet_agent_bypassed 0");

    bench.end_quietly(1_000_000, 2_000_000);
    bench.assert_shows("kubezonnet_agent_bypassed 1");
    // Too little to judge by.
    bench.end_quietly(100, 2_000_100);
    bench.assert_shows("kubezonnet_agent_bypassed 1");
    bench.end_quietly(1_999_900, 4_000_000);
    bench.assert_shows("kubezonnet_agent_bypassed 0");
}
