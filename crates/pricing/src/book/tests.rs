use kubezonnet_model::{Name, Region, UnknownReason, Zone, ZoneId};
use proptest::prelude::*;

use super::*;
use crate::{Amount, Cost, Location};

const TERABYTE: u64 = 1_000_000_000_000;

/// Names that edges borrow.
struct Names {
    zones: Vec<Zone>,
    regions: Vec<Region>,
    network: Name,
}

fn names() -> Names {
    Names {
        zones: ["a", "b", "c"].map(|zone| Zone::new(zone).unwrap()).into(),
        regions: ["us-east-1", "eu-west-1", "sa-east-1", "nowhere-1"]
            .map(|region| Region::new(region).unwrap())
            .into(),
        network: Name::new("cache").unwrap(),
    }
}

impl Names {
    fn location(&self, zone: usize, region: usize) -> Location<'_> {
        Location {
            zone: Some(&self.zones[zone]),
            zone_id: None,
            region: Some(&self.regions[region]),
        }
    }

    fn between_zones(&self) -> Edge<'_> {
        Edge {
            source: Place::Cluster(self.location(0, 0)),
            destination: Place::Cluster(self.location(1, 0)),
            locality: Locality::CrossZone,
        }
    }

    fn between_regions(&self, from: usize, to: usize) -> Edge<'_> {
        Edge {
            source: Place::Cluster(self.location(0, from)),
            destination: Place::Cluster(self.location(1, to)),
            locality: Locality::CrossRegion,
        }
    }

    fn with_network(&self, billed: Billed, sends: bool) -> Edge<'_> {
        let network = Place::Network {
            name: &self.network,
            billed,
            location: self.location(0, 0),
        };
        let cluster = Place::Cluster(self.location(1, 0));
        let (source, destination) = if sends {
            (network, cluster)
        } else {
            (cluster, network)
        };
        Edge {
            source,
            destination,
            locality: Locality::CrossZone,
        }
    }

    fn to_internet(&self) -> Edge<'_> {
        Edge {
            source: Place::Cluster(self.location(0, 0)),
            destination: Place::Internet,
            locality: Locality::Internet,
        }
    }
}

fn book(cloud: Cloud, overrides: &str) -> PriceBook {
    let overrides = Overrides::parse(overrides).unwrap();
    PriceBook::new(Some(&PriceTable::of(cloud)), &overrides, true).unwrap()
}

/// What a terabyte costs sender and receiver, in thousandths.
fn terabyte(book: &PriceBook, edge: &Edge<'_>) -> (u128, u128) {
    let cost = book.charges(edge).cost(TERABYTE);
    (cost.sender.floor(3), cost.receiver.floor(3))
}

#[test]
fn each_cloud_charges_zones_in_its_way() {
    let names = names();

    let aws = terabyte(&book(Cloud::Aws, ""), &names.between_zones());
    let azure = terabyte(&book(Cloud::Azure, ""), &names.between_zones());
    let gcp = book(Cloud::Gcp, "").charges(&names.between_zones());

    assert_eq!(aws, (10_000, 10_000));
    assert_eq!(azure, (0, 0));
    assert_eq!(gcp.cost(1 << 40).sender.floor(3), 10_240);
    assert_eq!(gcp.cost(1 << 40).receiver, Amount::ZERO);
}

#[test]
fn what_stays_in_a_zone_is_free_and_what_is_unknown_is_a_gap() {
    let names = names();
    let book = book(Cloud::Aws, "");
    let with = |locality| Edge {
        locality,
        ..names.between_zones()
    };

    assert_eq!(book.charges(&with(Locality::SameNode)), Charges::FREE);
    assert_eq!(book.charges(&with(Locality::SameZone)), Charges::FREE);
    for reason in UnknownReason::ALL {
        let charges = book.charges(&with(Locality::Unknown(reason)));
        assert_eq!(charges, Charges::missing(Gap::UnknownPlace));
    }
}

#[test]
fn the_internet_is_charged_when_it_is_switched_on_and_outward_only() {
    let names = names();
    let table = PriceTable::of(Cloud::Aws);
    let off = PriceBook::new(Some(&table), &Overrides::default(), false).unwrap();
    let on = book(Cloud::Aws, "");
    let out = names.to_internet();
    let inward = Edge {
        source: out.destination,
        destination: out.source,
        ..out
    };

    assert_eq!(terabyte(&on, &out), (90_000, 0));
    assert_eq!(on.charges(&inward), Charges::FREE);
    assert_eq!(off.charges(&out), Charges::missing(Gap::InternetOff));
    assert_eq!(off.charges(&inward), Charges::FREE);
    assert!(off.left_out().contains(&LeftOut::Internet));
    assert!(!on.left_out().contains(&LeftOut::Internet));
}

#[test]
fn a_named_network_says_which_side_is_charged() {
    let names = names();
    let aws = book(Cloud::Aws, "");
    let cases = [
        // Who is charged, when the network sends: sender and receiver.
        (Billed::Both, (10_000, 10_000)),
        (Billed::Cluster, (0, 10_000)),
        (Billed::Network, (10_000, 0)),
        (Billed::Neither, (0, 0)),
    ];
    for (billed, (network, cluster)) in cases {
        let sends = terabyte(&aws, &names.with_network(billed, true));
        let receives = terabyte(&aws, &names.with_network(billed, false));
        assert_eq!(sends, (network, cluster), "{billed:?}");
        assert_eq!(receives, (cluster, network), "{billed:?}");
    }
}

#[test]
fn a_rate_that_is_not_listed_is_a_gap_unless_nobody_would_pay() {
    let names = names();
    let aws = book(Cloud::Aws, "");
    let unlisted = names.between_regions(3, 0);
    let by_neither = Edge {
        destination: unlisted.source,
        locality: Locality::CrossRegion,
        ..names.with_network(Billed::Neither, true)
    };
    let from_nowhere = Edge {
        source: unlisted.source,
        destination: by_neither.source,
        locality: Locality::CrossRegion,
    };

    assert_eq!(aws.charges(&unlisted), Charges::missing(Gap::UnlistedRate));
    assert_eq!(aws.charges(&by_neither), Charges::FREE);
    assert_eq!(aws.charges(&from_nowhere), Charges::FREE);
}

#[test]
fn what_is_free_wherever_it_is_needs_no_known_place() {
    let names = names();
    let unknown = |destination| Edge {
        source: Place::Cluster(names.location(0, 0)),
        destination,
        locality: Locality::Unknown(UnknownReason::MissingZone),
    };
    let store = unknown(Place::Network {
        name: &names.network,
        billed: Billed::Both,
        location: Location {
            region: Some(&names.regions[0]),
            ..Location::default()
        },
    });
    let by_neither = unknown(Place::Network {
        name: &names.network,
        billed: Billed::Neither,
        location: Location::default(),
    });
    let nowhere = unknown(Place::Unknown);
    let to_internet = names.to_internet();
    let off = PriceBook::new(
        Some(&PriceTable::of(Cloud::Aws)),
        &Overrides::parse("free: { regions: [['*', '*']] }").unwrap(),
        false,
    );

    for (text, edge, gap) in [
        ("", by_neither, None),
        ("", store, Some(Gap::UnknownPlace)),
        ("free: { networks: [cache] }", store, None),
        ("free: { networks: [disk] }", store, Some(Gap::UnknownPlace)),
        ("free: { regions: [[us-*, us-*]] }", store, None),
        // Any region is no word on what is in none.
        (
            "free: { regions: [['*', '*']] }",
            nowhere,
            Some(Gap::UnknownPlace),
        ),
    ] {
        let expected = gap.map_or(Charges::FREE, Charges::missing);
        assert_eq!(book(Cloud::Aws, text).charges(&edge), expected, "{text}");
    }
    let charges = off.unwrap().charges(&to_internet);
    assert_eq!(charges, Charges::missing(Gap::InternetOff));
}

#[test]
fn the_operators_prices_go_before_the_tables() {
    let names = names();
    let text = "
betweenZones: { price: 0.008 }
betweenRegions:
  - { to: eu-west-1, price: 0.015 }
  - { from: sa-east-1, to: eu-west-1, price: 0.1, paidBy: both }
";
    let book = book(Cloud::Aws, text);

    // Who pays stays as the table has it.
    assert_eq!(terabyte(&book, &names.between_zones()), (8_000, 8_000));
    assert_eq!(terabyte(&book, &names.between_regions(0, 1)), (15_000, 0));
    assert_eq!(
        terabyte(&book, &names.between_regions(2, 1)),
        (100_000, 100_000)
    );
    assert_eq!(terabyte(&book, &names.between_regions(2, 0)), (138_000, 0));
}

#[test]
fn the_narrowest_rule_holds_in_whatever_order_they_are_written() {
    let names = names();
    let rules = [
        "  - { price: 0.9 }\n",
        "  - { from: us-*, price: 0.8 }\n",
        "  - { from: us-east-*, price: 0.7 }\n",
        "  - { from: us-east-1, price: 0.6 }\n",
        "  - { from: us-east-1, to: eu-*, price: 0.5 }\n",
        "  - { from: us-east-1, to: eu-west-1, price: 0.4 }\n",
    ];
    for narrowest in 1..=rules.len() {
        let price = 1_000_000 - 100_000 * narrowest as u128;
        let forward: String = rules[..narrowest].concat();
        let backward: String = rules[..narrowest].iter().rev().copied().collect();
        for rules in [forward, backward] {
            let book = book(Cloud::Aws, &format!("betweenRegions:\n{rules}"));
            let cost = terabyte(&book, &names.between_regions(0, 1));
            assert_eq!(cost, (price, 0), "{rules}");
        }
    }
}

#[test]
fn who_sends_goes_before_who_receives() {
    let names = names();
    let text = "
betweenRegions:
  - { from: us-*, to: eu-west-1, price: 0.4 }
  - { from: us-east-1, price: 0.3 }
";

    let cost = terabyte(&book(Cloud::Aws, text), &names.between_regions(0, 1));

    assert_eq!(cost, (300_000, 0));
}

#[test]
fn a_group_of_the_file_replaces_the_tables_and_may_go_both_ways_with_itself() {
    let names = names();
    let text = "
groups: { us: [nowhere-*], ours: [us-east-1, eu-west-1] }
betweenRegions:
  - { from: group:ours, to: group:ours, bothWays: true, price: 0.005 }
";
    let book = book(Cloud::Aws, text);

    assert_eq!(terabyte(&book, &names.between_regions(0, 1)), (5_000, 0));
    // The table's rule for its group `us` is now for these.
    assert_eq!(terabyte(&book, &names.between_regions(3, 2)), (20_000, 0));
    assert_eq!(
        book.charges(&names.between_regions(0, 2)),
        Charges::missing(Gap::UnlistedRate)
    );
}

#[test]
fn a_free_zone_may_be_told_by_its_id() {
    let names = names();
    let (one, other) = (ZoneId::new("az1").unwrap(), ZoneId::new("az2").unwrap());
    let with_id = |zone, id| {
        Place::Cluster(Location {
            zone_id: Some(id),
            ..names.location(zone, 0)
        })
    };
    let edge = Edge {
        source: with_id(0, &one),
        destination: with_id(1, &other),
        locality: Locality::CrossZone,
    };

    for (text, is_free) in [
        ("free: { zones: [[az2, az1]] }", true),
        ("free: { zones: [[az2, a]] }", true),
        ("free: { zones: [[az1, az3]] }", false),
    ] {
        let charges = book(Cloud::Aws, text).charges(&edge);
        assert_eq!(charges == Charges::FREE, is_free, "{text}");
    }
}

#[test]
fn discounts_and_calibration_are_for_their_class() {
    let names = names();
    let text = "
discounts: { betweenZones: 15, internet: 100 }
calibration: { betweenZones: 1.02, betweenRegions: 0.5 }
";
    let book = book(Cloud::Aws, text);

    // 10 · 0.85 · 1.02
    assert_eq!(terabyte(&book, &names.between_zones()), (8_670, 8_670));
    assert_eq!(terabyte(&book, &names.between_regions(0, 1)), (10_000, 0));
    assert_eq!(terabyte(&book, &names.to_internet()), (0, 0));
}

#[test]
fn what_is_free_is_free_both_ways() {
    let names = names();
    let cases = [
        ("free: { zones: [[b, a]] }", names.between_zones()),
        (
            "free: { regions: [[eu-west-1, group:us]] }",
            names.between_regions(0, 1),
        ),
        (
            "free: { networks: [cache] }",
            names.with_network(Billed::Both, true),
        ),
    ];
    for (text, edge) in cases {
        let back = Edge {
            source: edge.destination,
            destination: edge.source,
            ..edge
        };
        assert_ne!(book(Cloud::Aws, "").charges(&edge), Charges::FREE);
        assert_eq!(book(Cloud::Aws, text).charges(&edge), Charges::FREE);
        assert_eq!(book(Cloud::Aws, text).charges(&back), Charges::FREE);
    }
}

#[test]
fn a_gigabyte_may_be_a_gibibyte() {
    let names = names();
    let gibibytes = book(Cloud::Aws, "unit: GiB");

    let cost = gibibytes.charges(&names.between_zones()).cost(1 << 40);

    assert_eq!(cost.sender.floor(9), 10_240_000_000);
}

#[test]
fn a_version_is_of_what_is_charged_and_of_nothing_else() {
    let plain = book(Cloud::Aws, "");
    let again = book(Cloud::Aws, "retrieved: 2026-12-01");
    let cheaper = book(Cloud::Aws, "discounts: { betweenZones: 1 }");
    let other = book(Cloud::Gcp, "");

    assert_eq!(plain.version(), again.version());
    assert_ne!(plain.version(), cheaper.version());
    assert_ne!(plain.version(), other.version());
    assert_eq!(plain.version().to_string().len(), 16);
}

#[test]
fn a_book_is_read_as_it_was_written() {
    for cloud in Cloud::ALL {
        let text = "
discounts: { betweenZones: 1.5 }
free: { zones: [[a, b]], regions: [[x, '*']], networks: [c] }
";
        let book = book(cloud, text);

        let again = PriceBook::from_text(&book.to_text()).unwrap();

        assert_eq!(again, book);
        assert_eq!(again.version(), book.version());
    }
    let of_another_format = book(Cloud::Aws, "")
        .to_text()
        .replace("format = 1", "format = 2");
    assert_eq!(
        PriceBook::from_text(&of_another_format)
            .unwrap_err()
            .to_string(),
        "this is no price book: its format is 2, known is 1"
    );
    assert!(PriceBook::from_text("").is_err());
}

proptest! {
    #[test]
    fn any_text_is_a_book_or_refused(text in "\\PC{0,100}") {
        let _ = PriceBook::from_text(&text);
    }

    #[test]
    fn a_price_in_another_version_never_lowers_a_sum(
        before in any::<u64>(),
        after in any::<u64>(),
        discount in 0_u32..=100,
    ) {
        let names = names();
        let edge = names.between_zones();
        let old = book(Cloud::Aws, "");
        let new = book(Cloud::Aws, &format!("discounts: {{ betweenZones: {discount} }}"));

        let then = old.charges(&edge).cost(before);
        let now: Cost = [then, new.charges(&edge).cost(after)].into_iter().sum();

        prop_assert!(now.total() >= then.total());
    }
}
