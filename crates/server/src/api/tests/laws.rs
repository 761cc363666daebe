//! Laws of sums, whatever went.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::seeded::{api, books, had, internet, right, workload};
use super::{list, money};
use crate::api::Api;
use crate::history::plain::{Had, Plain};

/// Some of five parties in three zones, within two hours.
fn any_had() -> impl Strategy<Value = Had> {
    let parties = [
        workload("shop", "web", "a"),
        workload("shop", "db", "b"),
        workload("data", "job", "a"),
        workload("data", "job", "c"),
        internet(),
    ];
    let party = || proptest::sample::select(parties.to_vec());
    let bytes = prop_oneof![0_u64..5000, 0_u64..20_000_000_000];
    (1_u64..120, party(), party(), bytes)
        .prop_map(|(minutes, from, to, bytes)| had(minutes, &from, &to, bytes))
}

fn ask(runtime: &Runtime, api: &Api, path: &str) -> Value {
    runtime.block_on(right(api, &format!("/api/v1/{path}")))
}

fn bytes(value: &Value) -> u64 {
    let party =
        || value["sent_bytes"].as_u64().unwrap() + value["received_bytes"].as_u64().unwrap();
    value["bytes"].as_u64().unwrap_or_else(party)
}

fn name(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The place of an end, as the matrix calls it.
fn place(end: &Value) -> String {
    if end["kind"] == "internet" {
        return "internet".to_owned();
    }
    name(&end["zone"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn parts_sum_to_totals_and_totals_to_the_plain_list(
        all in vec(any_had(), 0..40),
        limit in 1_usize..4,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let plain = Plain { books: books(), had: all.clone() };
        let api = api(plain);
        let whole: u64 = all.iter().map(|had| had.counters.bytes).sum();

        let summary = ask(&runtime, &api, "summary?since=2h");
        let total = money(&summary["total"]);

        prop_assert_eq!(summary["total"]["bytes"].as_u64(), Some(whole));
        let localities = list(&summary, "localities");
        prop_assert_eq!(localities.iter().map(bytes).sum::<u64>(), whole);
        prop_assert_eq!(localities.iter().map(money).sum::<u128>(), total);
        let matrix = ask(&runtime, &api, "matrix?since=2h");
        prop_assert_eq!(money(&matrix["total"]), total);
        prop_assert_eq!(list(&matrix, "cells").iter().map(money).sum::<u128>(), total);
        for of in ["pairs", "workloads", "namespaces", "services", "zones"] {
            let top = ask(&runtime, &api, &format!("top?since=2h&of={of}"));
            prop_assert_eq!(money(&top["total"]), total, "{}", of);
            prop_assert_eq!(bytes(&top["total"]), whole, "{}", of);
            let items = list(&top, "items");
            prop_assert_eq!(items.iter().map(money).sum::<u128>(), total, "{}", of);
            for item in items {
                let trend = list(item, "trend");
                prop_assert!(trend.len() <= 60);
                prop_assert_eq!(trend.iter().map(|part| part.as_u64().unwrap()).sum::<u64>(), bytes(item));
            }
            let mut paged = Vec::new();
            let mut cursor = String::new();
            loop {
                let page = ask(&runtime, &api, &format!("top?since=2h&of={of}&limit={limit}{cursor}"));
                paged.extend_from_slice(list(&page, "items"));
                let Some(next) = page["next"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            prop_assert_eq!(&paged[..], items, "{}", of);
            let series = ask(&runtime, &api, &format!("series?since=2h&step=7m&by={of}&limit={limit}"));
            let mut sum = 0;
            for line in list(&series, "lines") {
                let points = list(line, "points").iter().map(money).sum::<u128>();
                prop_assert_eq!(points, money(&line["total"]), "{}", of);
                sum += points;
            }
            prop_assert_eq!(sum, total, "{}", of);
        }
        let pairs = ask(&runtime, &api, "top?since=2h&of=pairs&zones=true");
        let mut ways = BTreeMap::<_, (u64, u128)>::new();
        for pair in list(&pairs, "items") {
            let sum = ways.entry(["source", "destination"].map(|side| place(&pair["key"][side]))).or_default();
            *sum = (sum.0 + bytes(pair), sum.1 + money(pair));
        }
        prop_assert_eq!(ways.values().map(|(_, money)| money).sum::<u128>(), total);
        let cells = list(&matrix, "cells").iter();
        let cells = cells.map(|cell| ([&cell["source"], &cell["destination"]].map(name), bytes(cell)));
        let ways = ways.into_iter().map(|(way, (bytes, _))| (way, bytes));
        prop_assert_eq!(ways.collect::<Vec<_>>(), cells.collect::<BTreeMap<_, _>>().into_iter().collect::<Vec<_>>());
        let networks = ask(&runtime, &api, "top?since=2h&of=networks");
        let items = list(&networks, "items").iter().map(bytes).sum::<u64>();
        prop_assert_eq!(items, bytes(&networks["total"]));
    }
}
