//! Holds every table against its own examples, and against what tables are to have.

use kubezonnet_pricing::{Charges, Cloud, Gap, Overrides, PriceBook, PriceTable};
use time::{Date, Month};

fn tables() -> impl Iterator<Item = PriceTable> {
    Cloud::ALL.into_iter().map(PriceTable::of)
}

#[test]
fn every_example_costs_what_it_says() {
    for table in tables() {
        let book = PriceBook::new(Some(&table), &Overrides::default(), true).unwrap();
        for example in table.examples() {
            let charges = book.charges(&example.edge());
            let says = format!("{}: {}", table.cloud(), example.says);
            let Some((sender, receiver)) = example.expected() else {
                assert_eq!(charges.gap, Some(Gap::UnlistedRate), "{says}");
                continue;
            };
            let cost = charges.cost(example.bytes);
            assert_eq!(charges.gap, None, "{says}");
            assert_eq!(cost.sender.round(9), u128::from(sender), "{says}");
            assert_eq!(cost.receiver.round(9), u128::from(receiver), "{says}");
        }
    }
}

#[test]
fn every_table_is_its_clouds_and_says_where_its_prices_are_from() {
    for table in tables() {
        let cloud = table.cloud();
        assert_eq!(PriceTable::of(cloud).cloud(), cloud);
        assert!(!table.sources().is_empty(), "{cloud}");
        assert!(!table.missing().is_empty(), "{cloud}");
        assert!(table.examples().len() >= 3, "{cloud}");
    }
}

#[test]
fn every_table_says_when_it_is_a_year_old() {
    let fresh = Date::from_calendar_date(2026, Month::December, 1).unwrap();
    let late = Date::from_calendar_date(2036, Month::December, 1).unwrap();
    for table in tables() {
        assert_eq!(table.stale(fresh), None, "{}", table.cloud());
        assert!(table.stale(late).is_some(), "{}", table.cloud());
    }
}

#[test]
fn no_example_is_free_by_chance() {
    // An example that costs something in no table would not notice a table that charges nothing.
    for table in tables() {
        let book = PriceBook::new(Some(&table), &Overrides::default(), true).unwrap();
        let charged = table
            .examples()
            .iter()
            .filter(|example| book.charges(&example.edge()) != Charges::FREE);
        assert!(charged.count() > 0, "{}", table.cloud());
    }
}
