//! From pages of metrics to reports.

use super::*;

fn page(postgres: u64, orders: u64) -> Scrape {
    let page = format!(
        "{CROSS_ZONE_BYTES}{{namespace=\"shop\",pod=\"orders\"}} {orders}\n\
         {CROSS_ZONE_BYTES}{{namespace=\"shop\",pod=\"postgres-0\"}} {postgres}\n\
         {ZONE_BYTES}{{src_zone=\"a\",dst_zone=\"a\"}} 77\n\
         {ZONE_BYTES}{{src_zone=\"b\",dst_zone=\"a\"}} {postgres}\n\
         {ZONE_BYTES}{{src_zone=\"b\",dst_zone=\"d\"}} 3000\n\
         {WORKLOAD_BYTES}{{src_zone=\"b\",dst_zone=\"d\",locality=\"cross_region\"}} 3000\n\
         {ZONE_COST}{{currency=\"USD\",src_zone=\"b\",dst_zone=\"a\"}} 0.5\n\
         {COST}{{namespace=\"shop\",kind=\"StatefulSet\",workload=\"postgres\",zone=\"b\"}} {}\n\
         {COST}{{namespace=\"shop\",kind=\"StatefulSet\",workload=\"postgres\",zone=\"d\"}} 1\n\
         {PRICES}{{cloud=\"aws\",currency=\"USD\",version=\"7\"}} 1\n",
        postgres / 1_000_000,
    );
    Scrape::parse(&page).unwrap()
}

fn board(postgres: u64, orders: u64) -> Board {
    let (mut board, begun) = (Board::default(), Instant::now());
    board.add_at(&page(0, 50_000_000), begun);
    let later = begun + Duration::from_secs(2);
    board.add_at(&page(postgres, orders), later);
    board
}

#[test]
fn the_pod_that_sends_most_now_is_on_top_even_if_another_has_sent_more() {
    let report = board(16_000_000, 50_004_000).report(Duration::ZERO);

    let row = |name: &str, per_second, total| Row {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        per_second,
        total,
    };
    let expected = [
        row("postgres-0", 8e6, 16e6),
        row("orders", 2e3, 50_004_000.0),
    ];
    assert_eq!(report.pods, expected);
}

#[test]
fn a_pod_that_has_sent_nothing_is_not_shown() {
    let (mut board, begun) = (Board::default(), Instant::now());

    board.add_at(&page(0, 0), begun);

    assert_eq!(board.report(Duration::ZERO).pods, []);
}

#[test]
fn rates_forget_what_is_longer_ago_than_their_window() {
    let (mut board, begun) = (Board::default(), Instant::now());
    for second in 0..60 {
        let bytes = if second < 30 { second * 1_000 } else { 30_000 };
        board.add_at(&page(bytes, 0), begun + Duration::from_secs(second));
    }

    let report = board.report(Duration::ZERO);

    assert_eq!(report.pods[0].per_second.to_string(), "0");
    assert!(
        board.history.len() <= 12,
        "{} scrapes are kept",
        board.history.len()
    );
}

#[test]
fn a_workload_pays_the_sum_of_what_the_metrics_say_of_it() {
    let report = board(16_000_000, 0).report(Duration::ZERO);

    let [payer] = &report.payers[..] else {
        panic!("one pays: {:?}", report.payers);
    };
    assert_eq!(payer.name, "StatefulSet/postgres");
    assert_eq!((payer.per_second, payer.total), (8.0, 17.0));
    assert_eq!(report.prices, Some(("aws".to_owned(), "USD".to_owned())));
}

#[test]
fn zones_of_two_regions_are_told_from_zones_of_one_and_what_stays_comes_last() {
    let report = board(16_000_000, 0).report(Duration::ZERO);

    let pair = |pair: &ZonePair| {
        let zones = format!("{} -> {}", pair.source, pair.destination);
        (zones, pair.boundary, pair.cost)
    };
    let expected = [
        ("b -> a".to_owned(), Boundary::Zone, 0.5),
        ("b -> d".to_owned(), Boundary::Region, 0.0),
        ("a -> a".to_owned(), Boundary::None, 0.0),
    ];
    assert_eq!(report.zones.iter().map(pair).collect::<Vec<_>>(), expected);
}

#[test]
fn programs_are_told_bytes_as_whole_numbers() {
    let mut report = board(16_000_000, 0).report(Duration::from_secs(2));
    report.comparisons = vec![Comparison {
        what: "sent",
        link_bytes: 7,
        counted_bytes: 7.0,
    }];

    let json = report.json();

    assert_eq!(json["pods"][0]["cross_zone_bytes"], json!(16_000_000));
    assert_eq!(json["zones"][2]["bytes"], json!(77));
    assert_eq!(json["comparisons"][0]["counted_bytes"], json!(7));
    assert_eq!(json["payers"][0]["cost_per_hour"], json!(8.0 * 3600.0));
    assert_eq!(json["zones"][1]["locality"], json!("cross_region"));
}
