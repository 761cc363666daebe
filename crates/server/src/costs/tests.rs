use std::time::Duration;

use kubezonnet_model::{Direction, Name, Namespace, Service};
use kubezonnet_pricing::{Edge, Location, Overrides, PriceBook};
use proptest::prelude::*;

use super::*;
use crate::config::{CloudChoice, PriceFlags};
use crate::ingest::legacy::LegacyFlow;
use crate::ledger::edges::{Class, EdgeKey, Towards};
use crate::ledger::{SeriesLimits, Who};
use crate::pipeline::Pipeline;
use crate::prices::Prices;
use crate::state::State;
use crate::testing::{NOW, OUT, Report, add_pod, cluster, counters, durable, node_name, pipeline};

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
        sums.pay(party(number), amount, NOW);
    }
    sums.pay(party(0), amount, NOW);

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
fn what_an_agent_of_the_go_system_tells_is_charged() {
    let pipeline = pipeline(&cluster());
    pipeline.begin_costs(&book());
    let flow = LegacyFlow {
        source: "10.67.1.1".parse().unwrap(),
        destination: "10.67.2.1".parse().unwrap(),
        bytes: 1000,
    };

    let ticket = pipeline.take_legacy(&node_name("n1"), &[flow], NOW);
    ticket.unwrap().wait().unwrap();

    let expected = ["p in a", "p in b"].map(|name| (name.to_owned(), "cross_zone", 1000));
    assert_eq!(paid(&pipeline.costs()), expected);
}

#[test]
fn what_waited_over_a_restart_is_charged_though_no_window_came_since() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("prices.yaml");
    let text = "currency: EUR\nunit: GB\nbetweenZones: { price: 1000, paidBy: both }\n";
    std::fs::write(&file, text).unwrap();
    let flags = PriceFlags {
        pricing: Some(file),
        cloud: CloudChoice::None,
        internet_cost: false,
        budgets: None,
    };
    let data = directory.path().join("data");
    let before = durable(&cluster(), &data);
    let report = Report::of("n1", 1).record("10.67.1.1", "10.67.2.9", OUT, 1000);
    apply(&before, &report);
    before.close();

    let after = durable(&cluster(), &data).with_prices(Prices::open(&flags).unwrap());
    add_pod(after.topology(), "late", 2, 9, NOW);
    after.settle(NOW.plus(Duration::from_secs(1)));

    assert_eq!(after.pending_records(), 0);
    let expected = [("l in b", 1000), ("p in a", 1000)];
    let expected = expected.map(|(name, sum)| (name.to_owned(), "cross_zone", sum));
    assert_eq!(paid(&after.costs()), expected);
}

#[test]
fn who_is_shown_alike_has_one_sum() {
    let state = State::default();
    let (namespace, name) = (Namespace::new("shop").unwrap(), Name::new("db").unwrap());
    let kind = Name::new("Service").unwrap();
    let workload = Who::Workload(namespace.clone(), kind, name.clone());
    let service = Who::Service(Service { namespace, name });
    let id = |who: Who| {
        state.names().id(&Key::Side(Side {
            who,
            place: Place::default(),
            labels: Labels::default(),
        }))
    };
    let towards = |destination| Towards {
        destination,
        class: Class::of(Direction::Egress, Locality::CrossZone),
        service: None,
        origin: None,
    };
    let elsewhere = towards(id(Who::Node(node_name("n1"))));
    let edges = [workload, service].map(|who| {
        let source = id(who);
        let towards = elsewhere;
        (EdgeKey { source, towards }, counters(1000))
    });
    state.costs().begin(&book());

    let lists = [&EdgeList(edges.to_vec()), &EdgeList::default()];
    state.costs().add(lists, state.names(), NOW);

    let costs = state.costs().costs(state.names());
    let expected = [("n1 in ", 2000), ("db in ", 2000)];
    let expected = expected.map(|(name, sum)| (name.to_owned(), "cross_zone", sum));
    assert_eq!(paid(&costs), expected);
}

#[test]
fn windows_do_not_wait_while_bytes_are_charged() {
    let pipeline = pipeline(&cluster());
    pipeline.begin_costs(&book());
    let report = Report::of("n1", 1).record("10.67.1.1", "10.67.2.1", OUT, 1000);

    // As while they are charged.
    let charging = pipeline.state().costs().sums();
    std::thread::scope(|scope| {
        let (done, is_done) = std::sync::mpsc::channel();
        let (pipeline, report) = (&pipeline, &report);
        scope.spawn(move || {
            apply(pipeline, report);
            done.send(()).ok();
        });
        let in_time = is_done.recv_timeout(Duration::from_secs(20));
        drop(charging);
        assert!(in_time.is_ok(), "the window waits");
    });

    assert_eq!(sum(&pipeline.costs().parties).floor(6), 2000);
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
