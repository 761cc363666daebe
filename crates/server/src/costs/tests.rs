use std::time::Duration;

use kubezonnet_pricing::{Overrides, PriceBook};
use proptest::prelude::*;

use super::*;
use crate::ledger::SeriesLimits;
use crate::pipeline::Pipeline;
use crate::testing::{NOW, OUT, Report, cluster, pipeline};

/// A thousand for a GB on each side between zones, and a half for the sender between regions.
fn book() -> PriceBook {
    let text = "
currency: EUR
unit: GB
betweenZones: { price: 1000, paidBy: both }
betweenRegions: [{ price: 0.5 }]
";
    let overrides = Overrides::parse(text).unwrap();
    PriceBook::new(None, &overrides, false).unwrap()
}

fn apply(pipeline: &Pipeline, report: &Report) {
    let applied = pipeline.apply(&report.decoded(), Duration::ZERO, NOW);
    applied.unwrap();
}

/// Parties by name and zone with their sums in millionths.
fn paid(costs: &Costs) -> Vec<(String, &'static str, u128)> {
    let paid = costs.parties.iter().map(|(party, amount)| {
        let name = format!("{} in {}", party.who.labels()[2], party.zone);
        (name, party.locality.as_str(), amount.floor(6))
    });
    paid.collect()
}

fn sum<T>(amounts: &[(T, Amount)]) -> Amount {
    amounts.iter().map(|(_, amount)| *amount).sum()
}

#[test]
fn each_side_pays_its_own_and_zones_pay_both() {
    let pipeline = pipeline(&cluster());
    pipeline.begin_costs(&book());

    let report = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", OUT, 1000)
        .record("10.67.1.1", "10.67.3.1", OUT, 4_000_000)
        .record("10.67.1.1", "10.67.1.2", OUT, 70)
        .record("10.67.1.1", "8.8.8.8", OUT, 500)
        .record("10.67.1.1", "10.67.4.1", OUT, 30);
    apply(&pipeline, &report);

    let costs = pipeline.costs();
    let expected = [
        ("p in a".to_owned(), "cross_zone", 1000),
        ("p in a".to_owned(), "cross_region", 2000),
        ("p in b".to_owned(), "cross_zone", 1000),
    ];
    assert_eq!(paid(&costs), expected);
    let zones: Vec<_> = costs
        .zones
        .iter()
        .map(|([from, to], amount)| (from.as_str(), to.as_str(), amount.floor(6)))
        .collect();
    assert_eq!(zones, [("a", "b", 2000), ("a", "c", 2000)]);
    let unpriced = [(Gap::UnknownPlace, 30), (Gap::InternetOff, 500)];
    assert_eq!(costs.unpriced, unpriced.into());
}

#[test]
fn what_came_before_prices_were_in_force_is_not_charged() {
    let pipeline = pipeline(&cluster());
    apply(
        &pipeline,
        &Report::of("n1", 1).record("10.67.1.1", "10.67.2.1", OUT, 9000),
    );
    pipeline.begin_costs(&book());

    apply(
        &pipeline,
        &Report::of("n1", 2).record("10.67.1.1", "10.67.2.1", OUT, 1000),
    );

    assert_eq!(sum(&pipeline.costs().parties).floor(6), 2000);
}

#[test]
fn what_was_paid_stays_paid_when_edges_are_folded() {
    let limits = SeriesLimits {
        subjects: 1,
        edges: 1,
    };
    let pipeline = pipeline(&cluster()).with_limits(limits);
    pipeline.begin_costs(&book());
    let mut before = Costs::default();

    for sequence in 1..20 {
        let report = Report::of("n1", sequence)
            .record("10.67.1.1", "10.67.2.1", OUT, 1000)
            .record("10.67.1.1", "10.67.3.1", OUT, 4_000_000)
            .record("10.67.1.2", "10.67.2.1", OUT, 10 * sequence);
        apply(&pipeline, &report);
        let costs = pipeline.costs();
        for (party, amount) in &before.parties {
            let now = costs.parties.iter().find(|(each, _)| each == party);
            assert!(now.is_some_and(|(_, now)| now >= amount), "{party:?}");
        }
        before = costs;
    }

    assert!(
        pipeline.snapshot().totals.folded.edges > 0,
        "nothing folded"
    );
    assert_eq!(
        paid(&before)[0],
        ("p in a".to_owned(), "cross_zone", 19_000)
    );
}

#[test]
fn parties_beyond_the_limit_are_others_from_their_first_byte() {
    let mut sums = Sums::default();
    let party = |number: usize| Party {
        who: Who::Node(format!("n{number}").parse().unwrap()),
        zone: "a".to_owned(),
        locality: Locality::CrossZone,
    };
    let amount = book().charges(&crossing()).cost(1000).sender;

    for number in 0..MOST_PARTIES + 5 {
        sums.pay(party(number), amount);
    }
    sums.pay(party(0), amount);

    let other = party(0).other();
    assert_eq!(sums.parties.len(), MOST_PARTIES + 1);
    assert_eq!(sums.parties[&other].0.floor(6), 5000);
    assert_eq!(sums.parties[&party(0)].0.floor(6), 2000);
}

fn crossing() -> Edge<'static> {
    let nowhere = kubezonnet_pricing::Place::Cluster(Location::default());
    Edge {
        source: nowhere,
        destination: nowhere,
        locality: Locality::CrossZone,
    }
}

#[test]
fn who_is_gone_and_paid_nothing_since_is_forgotten() {
    let pipeline = pipeline(&cluster());
    pipeline.begin_costs(&book());
    apply(
        &pipeline,
        &Report::of("n1", 1).record("10.67.1.2", "10.67.2.1", OUT, 1000),
    );
    let state = pipeline.state();
    let is_q = |key: &Key| matches!(key, Key::Side(side) if side.who.labels()[2] == "q");
    pipeline.costs();

    state.costs().forget(NOW, is_q);
    assert_eq!(paid(&pipeline.costs()).len(), 2);
    state.costs().forget(NOW.plus(Duration::from_secs(1)), is_q);

    let left = [("q in a".to_owned(), "cross_zone", 1000)];
    assert_eq!(paid(&pipeline.costs()), left);
}

const ADDRESSES: [&str; 6] = [
    "10.67.2.1",
    "10.67.3.1",
    "10.67.4.1",
    "10.67.1.2",
    "8.8.8.8",
    "10.9.9.9",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn parties_and_zones_sum_to_the_same_however_windows_come(
        flows in proptest::collection::vec(
            (proptest::sample::select(&ADDRESSES[..]), 1..3_000_000_000_u64, any::<bool>()), 0..20),
    ) {
        let (often, once) = (pipeline(&cluster()), pipeline(&cluster()));
        let mut all = Report::of("n1", 1);
        for each in [&often, &once] {
            each.begin_costs(&book());
        }

        for (number, (to, bytes, look)) in flows.iter().enumerate() {
            let report = Report::of("n1", number as u64 + 1);
            apply(&often, &report.record("10.67.1.1", to, OUT, *bytes));
            all = all.record("10.67.1.1", to, OUT, *bytes);
            if *look {
                often.costs();
            }
        }
        apply(&once, &all);

        let (often, once) = (often.costs(), once.costs());
        prop_assert_eq!(&often, &once);
        prop_assert_eq!(sum(&once.parties), sum(&once.zones));
    }
}
