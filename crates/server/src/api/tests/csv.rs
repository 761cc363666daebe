//! Answers as tables.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};

use serde_json::Value;

use super::seeded::{api, ask, had, plain, right, workload};
use crate::api::Api;

pub(super) async fn table(
    api: &Api,
    path: &str,
    accept: Option<&str>,
) -> (String, Vec<Vec<String>>) {
    let mut request = Request::get(path);
    if let Some(accept) = accept {
        request = request.header(header::ACCEPT, accept);
    }
    let (status, headers, body) = ask(api, request.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{path}");
    let content_type = headers[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(&body[..]);
    let rows = reader
        .records()
        .map(|row| row.unwrap().iter().map(ToOwned::to_owned).collect());
    (content_type, rows.collect())
}

#[tokio::test]
async fn a_table_comes_to_who_wants_one_as_much_as_json() {
    let api = api(plain());
    let cases = [
        (None, "", false),
        (Some("*/*"), "", false),
        (Some("text/csv"), "", true),
        (Some("TEXT/CSV; q=0.5, */*"), "", true),
        (Some("text/csv;q=0.4, application/json;q=0.5"), "", false),
        (Some("text/csv;q=0, */*"), "", false),
        (Some("text/csv;q=2"), "", false),
        (Some("application/json"), "?format=csv", true),
        (Some("text/csv"), "?format=json", false),
    ];
    for (accept, format, is_table) in cases {
        let path = format!("/api/v1/matrix{format}");

        let (content_type, _) = table(&api, &path, accept).await;

        assert_eq!(
            content_type.starts_with("text/csv"),
            is_table,
            "{accept:?} {format}"
        );
    }
}

/// What a table has of the cost: nothing where there is no price.
fn cost_of(item: &Value) -> &str {
    let cost = item["cost"].as_str().unwrap();
    let has_price = item["unpriced_bytes"] == 0 || cost != "0.000000";
    if has_price { cost } else { "" }
}

#[tokio::test]
async fn every_table_has_what_its_json_has() {
    let api = api(plain());
    for (path, list) in [
        ("summary", "localities"),
        ("matrix", "cells"),
        ("top?of=pairs", "items"),
        ("top?of=workloads", "items"),
        ("flows", "flows"),
    ] {
        let json = right(&api, &format!("/api/v1/{path}")).await;
        let mark = if path.contains('?') { '&' } else { '?' };

        let (_, rows) = table(&api, &format!("/api/v1/{path}{mark}format=csv"), None).await;

        assert_eq!(
            rows.len() - 1,
            json[list].as_array().unwrap().len(),
            "{path}"
        );
        let Some(cost) = rows[0].iter().position(|name| name == "cost") else {
            continue;
        };
        let costs: Vec<_> = rows[1..].iter().map(|row| row[cost].as_str()).collect();
        let listed = json[list].as_array().unwrap().iter();
        let expected: Vec<_> = listed.map(cost_of).collect();
        assert_eq!(costs, expected, "{path}");
        assert!(
            expected.contains(&""),
            "{path} has something without a price"
        );
    }
}

#[tokio::test]
async fn costs_for_charge_back_sum_to_those_of_the_summary() {
    let api = api(plain());
    let summary = right(&api, "/api/v1/summary?since=1h").await;
    let micros = |text: &str| text.replace('.', "").parse::<u128>().unwrap();

    for granularity in ["hour", "day"] {
        let path = format!("/api/v1/costs.csv?since=1h&granularity={granularity}");
        let (content_type, rows) = table(&api, &path, None).await;

        assert!(content_type.starts_with("text/csv"));
        let column = |name: &str| rows[0].iter().position(|each| each == name).unwrap();
        let (cost, service) = (column("BilledCost"), column("ServiceCategory"));
        let sum: u128 = rows[1..].iter().map(|row| micros(&row[cost])).sum();
        // What begins within an hour or a day has all of it.
        assert!(
            sum >= micros(summary["total"]["cost"].as_str().unwrap()),
            "{granularity}"
        );
        assert!(rows[1..].iter().all(|row| row[service] == "Networking"));
    }
}

#[tokio::test]
async fn a_name_is_never_a_formula() {
    let mut plain = plain();
    let evil = workload("=cmd|'/C calc'!A0", "@sum", "a");
    let db = workload("shop", "db", "b");
    plain.had.push(had(3, &evil, &db, 5000));

    let (_, rows) = table(&api(plain), "/api/v1/top?of=namespaces&format=csv", None).await;

    let cells = rows.iter().flatten();
    assert!(
        rows.iter()
            .flatten()
            .any(|cell| cell == "'=cmd|'/C calc'!A0"),
        "{rows:?}"
    );
    assert!(
        cells
            .into_iter()
            .all(|cell| !cell.starts_with(['=', '@', '+', '-'])),
        "{rows:?}"
    );
}
