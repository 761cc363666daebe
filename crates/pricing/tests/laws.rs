//! The laws of money: however costs are put together, no cent is lost, and none counts twice.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use kubezonnet_model::{Billed, Locality, Located, Name, Region, Site, Zone};
use kubezonnet_pricing::{
    Amount, Bill, Charges, Cloud, Cost, Edge, Gap, Location, Overrides, Place, PriceBook,
    PriceTable, apportion,
};
use proptest::prelude::*;

/// A pod, or what else bytes come from or go to.
#[derive(Debug, Clone)]
struct Party {
    pod: usize,
    workload: usize,
    team: usize,
    zone: Zone,
    region: Region,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Pod,
    Network(Name, Billed),
    Internet,
    Unplaced,
}

impl Party {
    fn site(&self) -> Site {
        match self.kind {
            Kind::Internet => Site::Internet,
            Kind::Unplaced => Site::from(Located {
                node: None,
                zone: None,
                zone_id: None,
                region: None,
            }),
            Kind::Pod | Kind::Network(..) => Site::from(Located {
                node: None,
                zone: Some(self.zone.clone()),
                zone_id: None,
                region: Some(self.region.clone()),
            }),
        }
    }

    fn place(&self) -> Place<'_> {
        let location = Location {
            zone: Some(&self.zone),
            zone_id: None,
            region: Some(&self.region),
        };
        match &self.kind {
            Kind::Pod => Place::Cluster(location),
            Kind::Unplaced => Place::Cluster(Location::default()),
            Kind::Internet => Place::Internet,
            Kind::Network(name, billed) => Place::Network {
                name,
                billed: *billed,
                location,
            },
        }
    }
}

#[derive(Debug, Clone)]
struct Flow {
    source: Party,
    destination: Party,
    bytes: u64,
    book: usize,
}

impl Flow {
    fn edge(&self) -> Edge<'_> {
        Edge {
            source: self.source.place(),
            destination: self.destination.place(),
            locality: Locality::between(&self.source.site(), &self.destination.site()),
        }
    }

    fn cost(&self, books: &[PriceBook]) -> Cost {
        books[self.book].charges(&self.edge()).cost(self.bytes)
    }
}

/// Made once: to read the tables takes longer than all the rest.
static BOOKS: LazyLock<Vec<PriceBook>> = LazyLock::new(books);

/// Books of clouds, units, discounts and factors that have nothing in common, as if prices had changed.
fn books() -> Vec<PriceBook> {
    let odd = "
discounts: { betweenZones: 33.333, betweenRegions: 7.77 }
calibration: { betweenZones: 1.0371, internet: 0.9999 }
betweenRegions:
  - { price: 0.123456789, paidBy: both }
";
    [
        (Cloud::Aws, ""),
        (Cloud::Gcp, ""),
        (Cloud::Aws, odd),
        (Cloud::Gcp, odd),
        (Cloud::Alibaba, "unit: GiB"),
    ]
    .map(|(cloud, overrides)| {
        let overrides = Overrides::parse(overrides).expect("an operator may write this");
        PriceBook::new(Some(&PriceTable::of(cloud)), &overrides, true)
            .expect("the file goes with the table")
    })
    .into()
}

fn any_party() -> impl Strategy<Value = Party> {
    let billed = proptest::sample::select(vec![
        Billed::Both,
        Billed::Cluster,
        Billed::Network,
        Billed::Neither,
    ]);
    let kind = prop_oneof![
        8 => Just(Kind::Pod),
        2 => billed.prop_map(|billed| Kind::Network(Name::new("cache").expect("a name"), billed)),
        1 => Just(Kind::Internet),
        1 => Just(Kind::Unplaced),
    ];
    let region = proptest::sample::select(vec!["us-east-1", "eu-west-1", "nowhere"]);
    (0..12_usize, 0..3_usize, region, kind).prop_map(|(pod, zone, region, kind)| Party {
        pod,
        workload: pod / 2,
        team: pod / 6,
        zone: Zone::new(format!("{region}-{zone}")).expect("a name"),
        region: Region::new(region).expect("a name"),
        kind,
    })
}

fn any_flow() -> impl Strategy<Value = Flow> {
    // Mostly of bytes that cost less than a cent, and sometimes more than there are.
    let bytes = prop_oneof![
        4 => 0..2_000_000_000_u64,
        1 => any::<u64>(),
    ];
    (any_party(), any_party(), bytes, 0..5_usize).prop_map(|(source, destination, bytes, book)| {
        Flow {
            source,
            destination,
            bytes,
            book,
        }
    })
}

fn flows() -> impl Strategy<Value = Vec<Flow>> {
    proptest::collection::vec(any_flow(), 0..60)
}

/// The costs of each key: whatever is asked of a flow, each flow has one answer.
fn by<K: Ord>(flows: &[Flow], books: &[PriceBook], key: impl Fn(&Flow) -> K) -> Vec<Amount> {
    let mut sums: BTreeMap<K, Amount> = BTreeMap::new();
    for flow in flows {
        *sums.entry(key(flow)).or_default() += flow.cost(books).total();
    }
    sums.into_values().collect()
}

/// What each key pays itself: as a sender its side of what it sends, as a receiver its side of that.
fn paid_by<K: Ord>(flows: &[Flow], books: &[PriceBook], key: impl Fn(&Party) -> K) -> Vec<Amount> {
    let mut sums: BTreeMap<K, Amount> = BTreeMap::new();
    for flow in flows {
        let cost = flow.cost(books);
        *sums.entry(key(&flow.source)).or_default() += cost.sender;
        *sums.entry(key(&flow.destination)).or_default() += cost.receiver;
    }
    sums.into_values().collect()
}

proptest! {
    #[test]
    fn pods_workloads_teams_pairs_and_zones_sum_to_the_same(flows in flows()) {
        let books = &*BOOKS;
        let whole: Amount = flows.iter().map(|flow| flow.cost(books).total()).sum();
        let views = [
            paid_by(&flows, books, |party| party.pod),
            paid_by(&flows, books, |party| party.workload),
            paid_by(&flows, books, |party| party.team),
            paid_by(&flows, books, |party| party.zone.clone()),
            by(&flows, books, |flow| (flow.source.workload, flow.destination.workload)),
            by(&flows, books, |flow| (flow.source.zone.clone(), flow.destination.zone.clone())),
            by(&flows, books, |flow| flow.book),
            by(&flows, books, |flow| flow.edge().locality),
        ];

        for view in views {
            prop_assert_eq!(view.iter().copied().sum::<Amount>(), whole);
            for digits in [0, 2, 4, 9] {
                let shown = apportion(&view, digits);
                prop_assert_eq!(shown.iter().sum::<u128>(), whole.round(digits));
            }
        }
    }

    #[test]
    fn bytes_that_come_in_windows_cost_what_they_cost_at_once(
        flow in any_flow(),
        cuts in proptest::collection::vec(any::<u64>(), 0..8),
    ) {
        let books = &*BOOKS;
        let mut left = flow.bytes;
        let mut windows = Cost::default();
        for cut in cuts {
            let bytes = cut.min(left);
            left -= bytes;
            windows += Flow { bytes, ..flow.clone() }.cost(books);
        }
        windows += Flow { bytes: left, ..flow.clone() }.cost(books);

        prop_assert_eq!(windows, flow.cost(books));
    }

    #[test]
    fn more_bytes_never_cost_less(flow in any_flow(), more in any::<u64>()) {
        let books = &*BOOKS;
        let larger = Flow { bytes: flow.bytes.saturating_add(more), ..flow.clone() };

        let (before, after) = (flow.cost(books), larger.cost(books));

        prop_assert!(before.sender <= after.sender);
        prop_assert!(before.receiver <= after.receiver);
    }

    #[test]
    fn every_byte_has_a_price_or_a_reason_why_not(flows in flows()) {
        let books = &*BOOKS;
        let mut bill = Bill::default();
        for flow in &flows {
            let charges = books[flow.book].charges(&flow.edge());
            bill.add(flow.bytes, charges);
            if charges.gap.is_some() {
                prop_assert_eq!(charges.cost(flow.bytes), Cost::default());
            }
            let neither = |party: &Party| matches!(party.kind, Kind::Network(_, Billed::Neither));
            let network = |party: &Party| matches!(party.kind, Kind::Network(..));
            let parties = [&flow.source, &flow.destination];
            if parties.into_iter().any(neither) {
                prop_assert_eq!(charges, Charges::FREE);
            } else if matches!(flow.edge().locality, Locality::Unknown(_))
                && !parties.into_iter().all(network)
            {
                prop_assert_eq!(charges.gap.map(Gap::reason), Some("unknown_place"));
            }
        }

        let cost: Cost = flows.iter().map(|flow| flow.cost(books)).sum();
        let unpriced: u128 = bill.unpriced.values().sum();
        let without: u128 = flows
            .iter()
            .filter(|flow| books[flow.book].charges(&flow.edge()).gap.is_some())
            .map(|flow| u128::from(flow.bytes))
            .sum();
        prop_assert_eq!(bill.cost, cost);
        prop_assert_eq!(unpriced, without);
    }

    #[test]
    fn turned_around_an_edge_between_zones_is_paid_by_the_same_rule(flow in any_flow()) {
        let books = &*BOOKS;
        let back = Flow {
            source: flow.destination.clone(),
            destination: flow.source.clone(),
            ..flow.clone()
        };
        if flow.edge().locality == Locality::CrossZone && matches!(flow.source.kind, Kind::Pod)
            && matches!(flow.destination.kind, Kind::Pod)
        {
            prop_assert_eq!(flow.cost(books), back.cost(books));
        }
    }
}
