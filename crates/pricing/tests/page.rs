//! Holds docs/pricing.md against the crate: its example is a file, its words are the words.

use kubezonnet_pricing::{Cloud, Gap, LeftOut, Overrides, PriceBook, PriceTable};

const PAGE: &str = include_str!("../../../docs/pricing.md");

/// What stands between the fences of the first block of that kind.
fn block(kind: &str) -> &'static str {
    let (_, rest) = PAGE
        .split_once(&format!("```{kind}\n"))
        .expect("the page has such a block");
    let (block, _) = rest.split_once("```").expect("a block ends");
    block
}

#[test]
fn the_example_is_a_file_that_changes_prices() {
    let table = PriceTable::of(Cloud::Aws);
    let plain = PriceBook::new(Some(&table), &Overrides::default(), true).unwrap();

    let example = Overrides::parse(block("yaml")).unwrap_or_else(|problem| panic!("{problem}"));
    let book = PriceBook::new(Some(&table), &example, true).unwrap();

    assert!(example.retrieved().is_some());
    assert_ne!(book.version(), plain.version());
}

#[test]
fn the_mistake_is_refused_as_it_says() {
    let (_, mistake) = PAGE
        .split_once("with its line:\n\n```\n")
        .expect("the page shows a mistake");
    let (mistake, _) = mistake.split_once('\n').expect("a line ends");
    let file = "currency: USD\nunit: GB\nretrieved: 2026-11\n\ndiscounts:\n  betweenZone: 15\n";

    let problem = Overrides::parse(file).unwrap_err();

    assert_eq!(problem.to_string(), mistake);
}

#[test]
fn every_word_is_on_the_page() {
    let table = PriceTable::of(Cloud::Aws);
    let book = PriceBook::new(Some(&table), &Overrides::default(), false).unwrap();
    let reasons = Gap::ALL.into_iter().map(Gap::reason);
    let left_out = book.left_out().into_iter().map(LeftOut::as_str);
    let clouds = Cloud::ALL.into_iter().map(Cloud::as_str);
    for word in reasons.chain(left_out).chain(clouds) {
        assert!(PAGE.contains(&format!("| `{word}` |")), "{word}");
    }
}
