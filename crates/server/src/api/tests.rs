//! The API, asked as a service.

mod charges;
mod csv;
mod document;
mod flows;
mod health;
mod kept;
mod laws;
mod pods;
mod running;
mod schemathesis;
mod seeded;
mod strangers;
mod without;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use self::seeded::{api, api_of, ask, get, plain, right};
use super::*;
use crate::testing::cluster;

fn money(value: &Value) -> u128 {
    let text = value["cost"].as_str().unwrap();
    text.replace('.', "").parse().unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap()
}

#[tokio::test]
async fn a_summary_has_localities_that_sum_to_all() {
    let summary = right(&api(plain()), "/api/v1/summary").await;

    assert_eq!(summary["currency"], "EUR");
    let localities = list(&summary, "localities");
    let names: Vec<_> = localities.iter().map(|each| &each["locality"]).collect();
    assert_eq!(names, ["same_zone", "cross_zone", "internet"]);
    let bytes = localities
        .iter()
        .map(|each| each["bytes"].as_u64().unwrap());
    assert_eq!(bytes.sum::<u64>(), 4_740_000_521);
    assert_eq!(summary["total"]["bytes"], 4_740_000_521_u64);
    let costs = localities.iter().map(money).sum::<u128>();
    assert_eq!(costs, money(&summary["total"]));
    assert_eq!(
        summary["unpriced"],
        json!([{ "reason": "internet_off", "bytes": 40_000_000 }])
    );
}

#[tokio::test]
async fn a_wrong_question_names_what_is_wrong_with_it() {
    let api = api(plain());
    let cases = [
        ("summary?sinc=1h", "sinc"),
        ("summary?since=1x", "since"),
        ("summary?since=1h&since=2h", "since"),
        ("summary?since=", "since"),
        ("summary?team=blue", "team"),
        ("summary?locality=far", "locality"),
        ("summary?locality=cross_zone&locality=far", "locality"),
        ("summary?workload=a/b/c/d", "workload"),
        ("summary?service=db", "service"),
        ("summary?namespace=%ff", "namespace"),
        ("matrix?by=rack", "by"),
        ("top?of=cats", "of"),
        ("top?of=teams", "of"),
        ("top?limit=0", "limit"),
        ("top?limit=10001", "limit"),
        ("top?limit=-1", "limit"),
        ("top?cursor=x", "cursor"),
        ("top?zones=yes", "zones"),
        ("top?of=zones&zones=true", "zones"),
        ("series?step=7s", "step"),
        ("series?since=7d&step=5m", "step"),
        ("series?limit=101", "limit"),
        ("series?by=teams", "by"),
        ("flows?pod=a/b/c", "pod"),
        ("health?since=1h", "since"),
    ];
    for (question, field) in cases {
        let (status, problem) = get(&api, &format!("/api/v1/{question}")).await;

        assert_eq!(status, StatusCode::BAD_REQUEST, "{question}: {problem}");
        assert_eq!(problem["field"], field, "{question}: {problem}");
        assert!(
            problem["error"]
                .as_str()
                .is_some_and(|error| error.len() > 10),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn a_wrong_value_is_answered_with_what_it_is_and_what_it_can_be() {
    let api = api(plain());
    let long = "9".repeat(100);
    let cut = format!("it is \"{}\"…, and can be a whole number", &long[..40]);
    let long = format!("top?limit={long}");
    let limit = "and can be a whole number from 1 to 10000";
    let cases = [
        ("top?limit=-1", format!("it is \"-1\", {limit}")),
        ("top?limit=x", format!("it is \"x\", {limit}")),
        ("top?limit=1.5", format!("it is \"1.5\", {limit}")),
        ("top?limit=0", format!("it is \"0\", {limit}")),
        ("top?limit=10001", format!("it is \"10001\", {limit}")),
        ("flows?limit=99999999999", format!("it is \"99999999999\", {limit}")),
        ("flows?limit=%2B5", format!("it is \"+5\", {limit}")),
        (&*long, cut),
        ("series?limit=-1", "a whole number from 1 to 100".to_owned()),
        ("series?step=5w", "it is \"5w\", and can be a whole number from 1 to 999999 with its unit, like 5m, 5h, 5d".to_owned()),
        ("summary?since=0h", "it is \"0h\", and can be a whole number from 1 to 999999 with its unit, like 5m, 5h, 5d, 5w, or month".to_owned()),
        ("summary?from=now", "it is \"now\", and can be a time of RFC 3339, like 2026-11-01T00:00:00Z".to_owned()),
        ("top?zones=yes", "it is \"yes\", and can be true or false".to_owned()),
        ("matrix?by=rack", "it is \"rack\", and can be zone or region".to_owned()),
        ("top?by=size", "it is \"size\", and can be cost, bytes or growth".to_owned()),
        ("summary?locality=far", "it is \"far\", and can be same_node, same_zone, cross_zone, cross_region, internet or unknown".to_owned()),
        ("summary?format=xml", "it is \"xml\", and can be json or csv".to_owned()),
        ("costs.csv?granularity=week", "it is \"week\", and can be hour or day".to_owned()),
    ];
    for (question, expected) in cases {
        let (status, problem) = get(&api, &format!("/api/v1/{question}")).await;

        assert_eq!(status, StatusCode::BAD_REQUEST, "{question}: {problem}");
        let error = problem["error"].as_str().unwrap();
        assert!(error.contains(&expected), "{question}: {error}");
    }
}

#[tokio::test]
async fn a_matrix_has_cells_that_sum_to_all() {
    let matrix = right(&api(plain()), "/api/v1/matrix").await;

    let cells = list(&matrix, "cells");
    let places: Vec<_> = cells
        .iter()
        .map(|cell| [&cell["source"], &cell["destination"]])
        .collect();
    assert_eq!(
        places,
        [["a", "a"], ["a", "b"], ["a", "internet"], ["b", "a"]]
    );
    assert_eq!(
        cells.iter().map(money).sum::<u128>(),
        money(&matrix["total"])
    );
}

#[tokio::test]
async fn a_list_by_pages_is_the_list_at_once() {
    let api = api(plain());
    let at_once = right(&api, "/api/v1/top?of=workloads&since=2h").await;
    let mut pages = Vec::new();
    let mut next = None::<String>;

    loop {
        let cursor = next
            .map(|next| format!("&cursor={next}"))
            .unwrap_or_default();
        let path = format!("/api/v1/top?of=workloads&since=2h&limit=1{cursor}");
        let page = right(&api, &path).await;
        assert_eq!(page["total"], at_once["total"]);
        assert_eq!(page["count"], 4);
        pages.extend_from_slice(list(&page, "items"));
        next = page["next"].as_str().map(ToOwned::to_owned);
        if next.is_none() {
            break;
        }
    }

    assert_eq!(pages, list(&at_once, "items"));
    assert_eq!(
        pages.iter().map(money).sum::<u128>(),
        money(&at_once["total"])
    );
}

#[tokio::test]
async fn lines_over_time_sum_to_their_totals_and_these_to_all() {
    let api = api(plain());
    let all = right(&api, "/api/v1/series?by=total&since=2h&step=10m").await;
    for by in ["locality", "zone_pair", "pairs", "workloads", "services"] {
        let path = format!("/api/v1/series?by={by}&since=2h&step=10m&limit=1");

        let series = right(&api, &path).await;

        let lines = list(&series, "lines");
        let mut sum = 0;
        for line in lines {
            let points = list(line, "points");
            assert_eq!(points.len(), list(&series, "times").len());
            assert_eq!(
                points.iter().map(money).sum::<u128>(),
                money(&line["total"]),
                "{line}"
            );
            sum += money(&line["total"]);
        }
        assert_eq!(sum, money(&all["lines"][0]["total"]), "{by}");
        if by != "services" {
            assert_eq!(lines.last().unwrap()["key"]["type"], "rest", "{by}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_told_apart() {
    let none = api_of(&cluster(), None);
    let locked = api(plain());
    locked.gate.lock("secret");
    let post = || {
        Request::post("/api/v1/summary")
            .body(Body::empty())
            .unwrap()
    };

    assert_eq!(
        get(&none, "/api/v1/summary").await.0,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(get(&none, "/api/v1/health").await.0, StatusCode::OK);
    assert_eq!(get(&none, "/api/v1/sumary").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(&none, "/api/").await.0, StatusCode::NOT_FOUND);
    let (status, headers, _) = ask(&none, post()).await;
    assert_eq!(
        (status, &headers[header::ALLOW]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET,HEAD".parse().unwrap())
    );
    let request = Request::get("/api/v1/version").body(Body::empty()).unwrap();
    let (status, headers, _) = ask(&locked, request).await;
    assert_eq!(
        (status, &headers[header::WWW_AUTHENTICATE]),
        (StatusCode::UNAUTHORIZED, &"Bearer".parse().unwrap())
    );
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
}
