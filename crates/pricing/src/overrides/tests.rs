use proptest::prelude::*;

use super::*;
use crate::{BookError, Cloud, PriceBook, PriceTable};

/// The message with which the book of a cloud and this file is refused.
fn refusal(text: &str) -> String {
    let table = PriceTable::of(Cloud::Aws);
    let overrides = match Overrides::parse(text) {
        Ok(overrides) => overrides,
        Err(problem) => return problem.to_string(),
    };
    match PriceBook::new(Some(&table), &overrides, true) {
        Ok(book) => panic!("{text:?} was taken: {book:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_file_that_says_nothing_changes_nothing() {
    let table = PriceTable::of(Cloud::Gcp);
    let plain = PriceBook::new(Some(&table), &Overrides::default(), false).unwrap();

    for text in ["", "# nothing yet\n", "{}", "discounts: {}\n"] {
        let overrides = Overrides::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let book = PriceBook::new(Some(&table), &overrides, false).unwrap();
        assert_eq!(book, plain, "{text:?}");
        assert_eq!(book.version(), plain.version());
    }
}

#[test]
fn a_mistake_is_named_with_its_line() {
    let cases = [
        (
            "discounts:\n  betweenZone: 5\n",
            "line 2: unknown field `betweenZone`",
        ),
        ("unit: GB\nfees: 3\n", "line 2: unknown field `fees`"),
        (
            "betweenZones:\n  price: 1e-2\n",
            "line 2: a number here is digits with at most one point, like 0.02, got \"1e-2\"",
        ),
        (
            "betweenZones:\n  price: -0.01\n",
            "line 2: a number here is digits with at most one point, like 0.02, got \"-0.01\"",
        ),
        (
            "discounts:\n  internet: 101\n",
            "line 2: a discount is at most 100 per cent, got 101",
        ),
        (
            "calibration:\n  internet: 1001\n",
            "line 2: a factor is at most 1000, got 1001",
        ),
        (
            "betweenRegions:\n  - from: group:europa\n    price: 0.01\n",
            "line 2: there is no group europa",
        ),
        (
            "betweenRegions:\n  - price: 0.01\n  - price: 0.02\n",
            "line 3: there is a price already from * to *",
        ),
        (
            "betweenRegions:\n  - from: a\n    to: b\n    bothWays: true\n    price: 1\n  - from: b\n    to: a\n    price: 2\n",
            "line 8: there is a price already from b to a",
        ),
        (
            "internet:\n  - from: eu-*-1\n    price: 0.01\n",
            "line 2: a * stands at the end of a region only, got \"eu-*-1\"",
        ),
        (
            "groups:\n  ours:\n    - group:us\n",
            "line 3: group ours is made of regions, and group:us is none",
        ),
        (
            "free:\n  regions:\n    - [group:ours, us-east-1]\n",
            "line 3: there is no group ours",
        ),
        (
            "currency: EUR\n",
            "line 1: the table is in USD: prices in EUR need all prices in this file, and no cloud",
        ),
        (
            "currency: euro\n",
            "line 1: a currency is three capital letters like USD, got \"euro\"",
        ),
        (
            "retrieved: yesterday\n",
            "line 1: a date here is a day or a month like 2026-11-21 or 2026-11, got \"yesterday\"",
        ),
    ];
    for (text, message) in cases {
        let refusal = refusal(text);
        assert!(refusal.starts_with(message), "{text:?}: {refusal}");
    }
}

#[test]
fn a_pair_is_of_two() {
    for text in [
        "free:\n  zones:\n    - [a]\n",
        "free:\n  zones:\n    - [a, b, c]\n",
        "free:\n  regions:\n    - [a]\n",
        "free:\n  zones: [a, b]\n",
    ] {
        let refusal = refusal(text);
        assert!(refusal.starts_with("line "), "{text:?}: {refusal}");
    }
}

#[test]
fn mistakes_of_yaml_are_told_in_words_for_who_wrote_the_file() {
    let cases = [
        ("unit: GB\nunit: GB\n", "unit is there twice"),
        ("unit: GB\n---\nunit: GB\n", "more than one YAML document"),
        ("internet:\n- price:\n", "a value is left empty"),
        ("free: {zones: [[a]]}\n", "expected a pair"),
        ("betweenZones: 3\n", "expected keys and values"),
        ("internet: {price: 1}\n", "expected a list"),
    ];
    for (text, words) in cases {
        let refusal = refusal(text);

        assert!(refusal.contains(words), "{text:?}: {refusal}");
    }
}

#[test]
fn a_text_of_a_megabyte_is_not_repeated_whole() {
    for text in [
        format!("internet:\n- price: {}\n", "9".repeat(1 << 20)),
        format!("currency: {}\n", "x".repeat(1 << 20)),
        format!("{}: 1\n", "x".repeat(1 << 20)),
    ] {
        let refusal = refusal(&text);

        assert!(refusal.len() < 1000, "{} bytes", refusal.len());
    }
}

#[test]
fn without_a_table_the_file_says_everything() {
    let book = |text| PriceBook::new(None, &Overrides::parse(text).unwrap(), false);

    assert_eq!(book("unit: GB\n"), Err(BookError::Missing("currency")));
    assert_eq!(book("currency: EUR\n"), Err(BookError::Missing("unit")));
    let no_payer = book("currency: EUR\nunit: GB\nbetweenZones:\n  price: 0.01\n");
    assert_eq!(
        no_payer.unwrap_err().to_string(),
        "line 4: no table says who pays between zones: paidBy is missing"
    );
    let whole = book("currency: EUR\nunit: GB\nbetweenZones: { price: 0.01, paidBy: both }\n");
    assert_eq!(whole.unwrap().currency().as_str(), "EUR");
}

#[test]
fn a_file_without_end_is_refused() {
    let text = format!(
        "betweenRegions:\n{}",
        "  - { price: 1 }\n".repeat(MAX_YAML_NODES)
    );

    let problem = Overrides::parse(&text).unwrap_err();

    assert!(problem.line.is_some_and(|line| line > 1000), "{problem}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let _ = Overrides::parse(&text);
    }

    #[test]
    fn anything_like_a_file_makes_a_book_or_is_refused(
        lines in proptest::sample::subsequence(&LINES[..], 0..=LINES.len()),
    ) {
        let text = lines.join("\n");
        let table = PriceTable::of(Cloud::Azure);

        if let Ok(overrides) = Overrides::parse(&text)
            && let Ok(book) = PriceBook::new(Some(&table), &overrides, true)
        {
            prop_assert_eq!(PriceBook::from_text(&book.to_text()), Ok(book));
        }
    }
}

/// What a file is made of; most choices of them make a book, and some do not.
const LINES: [&str; 14] = [
    "groups: { ours: [a, b-*] }",
    "betweenZones: { price: 0.1 }",
    "betweenZones: { price: 0.1, paidBy: receiver }",
    "betweenRegions:",
    "  - { from: group:ours, price: 0.5 }",
    "  - { from: a, to: b, bothWays: true, price: \"0.25\" }",
    "internet:",
    "  - price: 7",
    "discounts: { betweenZones: 12.5 }",
    "calibration: { internet: 1.0372 }",
    "free: { zones: [[a, b]], networks: [cache], regions: [[a, eu-*]] }",
    "currency: USD",
    "unit: GiB",
    "retrieved: 2026-11-21",
];
