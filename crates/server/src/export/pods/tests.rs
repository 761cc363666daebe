//! What each pod had, minute by minute.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use kubezonnet_model::FlowCounters;
use kubezonnet_pricing::{Amount, Overrides};

use super::*;
use crate::export::Exporters;
use crate::history::Measure;
use crate::pipeline::{Pipeline, Settings};
use crate::testing::{NOW, OUT, Report, cluster};

fn book() -> PriceBook {
    let text = "currency: EUR\nunit: GB\nbetweenZones: { price: 0.01, paidBy: both }\n";
    PriceBook::new(None, &Overrides::parse(text).unwrap(), false).unwrap()
}

/// Waits until so many flows are added up.
fn wait(pods: &Arc<Pods>, flows: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while pods.counts().written < flows {
        assert!(Instant::now() < deadline, "{:?}", pods.counts());
        std::thread::yield_now();
    }
}

fn pipeline(pods: &Arc<Pods>) -> Pipeline {
    let settings = Settings {
        pending_timeout: Duration::from_mins(1),
        reports_due: Timestamp(0),
        series_retention: Duration::from_mins(15),
        limits: crate::ledger::SeriesLimits::default(),
    };
    let exporters = Exporters::of(vec![Box::new(Arc::clone(pods))]);
    Pipeline::new(cluster(), exporters, settings)
}

fn sums(pods: &Pods) -> Vec<(String, Measure)> {
    let all = Window {
        start: Timestamp(0),
        end: Timestamp(u64::MAX),
    };
    let mut sums = std::collections::BTreeMap::new();
    for had in pods.had(all) {
        let name = had.pod.name.as_ref().unwrap().to_string();
        *sums.entry(name).or_insert_with(Measure::default) += had.measure;
    }
    sums.into_iter().collect()
}

#[test]
fn what_a_pod_sent_and_received_without_a_price_is_known() {
    let pods = Arc::new(Pods::new());
    let pipeline = pipeline(&pods);
    let batch = |sequence| {
        Report::of("n1", sequence)
            .record("10.67.1.1", "10.67.2.1", OUT, 1000)
            .record("10.67.1.1", "10.67.1.2", OUT, 20)
            .record("10.67.1.1", "10.67.4.1", OUT, 300)
            .record("10.67.1.1", "8.8.8.8", OUT, 4)
            .decoded()
    };

    // The first is of before prices were known.
    pipeline.apply(&batch(1), Duration::ZERO, NOW).unwrap();
    wait(&pods, 4);
    pipeline.begin_costs(&book());
    pipeline.apply(&batch(2), Duration::ZERO, NOW).unwrap();
    wait(&pods, 8);

    let unpriced = sums(&pods).into_iter();
    let unpriced = unpriced.map(|(name, had)| (name, had.unpriced));
    let expected = [
        ("p1", [300, 0, 4, 1304]),
        ("p2", [0, 0, 0, 1000]),
        ("p4", [300, 0, 0, 300]),
        ("q1", [0, 0, 0, 0]),
    ];
    let expected = expected.map(|(name, unpriced)| (name.to_owned(), unpriced));
    assert_eq!(unpriced.collect::<Vec<_>>(), expected);
}

#[test]
fn each_pod_pays_its_own_side_and_minutes_sum_to_windows() {
    let pods = Arc::new(Pods::new());
    let pipeline = pipeline(&pods);
    pipeline.begin_costs(&book());
    // The window lies in two minutes.
    let now = Timestamp(NOW.0 / 60_000 * 60_000 + 3_333);
    let batch = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", OUT, 1_000_000_007)
        .record("10.67.1.1", "10.67.1.2", OUT, 500)
        .decoded();

    pipeline.apply(&batch, Duration::ZERO, now).unwrap();
    wait(&pods, 2);

    let sums = sums(&pods);
    let names: Vec<_> = sums.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["p1", "p2", "q1"]);
    let [(_, p1), (_, p2), (_, q1)] = &sums[..] else {
        unreachable!("three were found");
    };
    assert_eq!((p1.sent.bytes, p1.crossing), (1_000_000_507, 1_000_000_007));
    assert_eq!(
        (p2.received.bytes, p2.sent),
        (1_000_000_007, FlowCounters::ZERO)
    );
    assert_eq!((q1.received.bytes, q1.cost.total()), (500, Amount::ZERO));
    let costs = pipeline.costs();
    let paid: Amount = costs.parties.iter().map(|(_, amount)| *amount).sum();
    assert_eq!(p1.cost.total() + p2.cost.total(), paid);
    assert_eq!(p1.cost.total(), p2.cost.total());
    let all = Window {
        start: Timestamp(0),
        end: now.plus(Duration::from_hours(1)),
    };
    assert!(
        pods.had(all)
            .iter()
            .any(|had| had.at.0 % 60_000 == 0 && had.at < now)
    );
    let minutes: std::collections::BTreeSet<_> = pods.had(all).iter().map(|had| had.at).collect();
    assert_eq!(minutes.len(), 2);
}

#[test]
fn what_is_more_than_an_hour_ago_is_forgotten() {
    let pods = Arc::new(Pods::new());
    let pipeline = pipeline(&pods);
    let apply = |sequence, now| {
        let batch = Report::of("n1", sequence).record("10.67.1.1", "10.67.2.1", OUT, 1000);
        pipeline
            .apply(&batch.decoded(), Duration::ZERO, now)
            .unwrap();
        wait(&pods, sequence);
    };
    apply(1, NOW);
    assert_eq!(sums(&pods)[0].1.sent.bytes, 1000);
    let since = pods.since().unwrap();

    apply(2, NOW.plus(Duration::from_hours(2)));

    assert_eq!(
        sums(&pods)[0].1.sent.bytes,
        1000,
        "that of two hours ago is gone"
    );
    assert!(pods.since().unwrap() > since.plus(Duration::from_mins(59)));
}

#[test]
fn what_comes_after_the_end_is_dropped_and_counted() {
    let pods = Arc::new(Pods::new());
    let pipeline = pipeline(&pods);
    pods.close(Duration::from_secs(20));

    let batch = Report::of("n1", 1).record("10.67.1.1", "10.67.2.1", OUT, 1000);
    pipeline
        .apply(&batch.decoded(), Duration::ZERO, NOW)
        .unwrap();

    assert_eq!(
        pods.counts(),
        ExportCounts {
            written: 0,
            dropped: 1
        }
    );
}

#[test]
fn a_clock_that_leaps_ahead_and_comes_back_forgets_what_is_to_come_only() {
    let (now, ahead) = (NOW, NOW.plus(Duration::from_hours(24)));
    let clock = Arc::new(AtomicU64::new(now.0));
    let shown = Arc::clone(&clock);
    let pods = Arc::new(Pods::by(Clock::new(move || {
        Timestamp(shown.load(Ordering::Relaxed))
    })));
    let pipeline = pipeline(&pods);
    let hear = |sequence, at: Timestamp| {
        let report = Report::of("n1", sequence).record("10.67.1.1", "10.67.2.1", OUT, 100);
        clock.store(at.0, Ordering::Relaxed);
        pipeline
            .apply(&report.decoded(), Duration::ZERO, at)
            .unwrap();
        wait(&pods, sequence);
    };

    hear(1, ahead);
    hear(2, now);
    hear(3, now.plus(Duration::from_secs(10)));

    let sent: u64 = sums(&pods).iter().map(|(_, had)| had.sent.bytes).sum();
    assert_eq!(sent, 200);
    assert!(pods.since().unwrap() <= now);
}
