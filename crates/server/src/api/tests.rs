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
    let number = "a whole number from 1 to 10000";
    let duration = "a whole number from 1 to 999999 with its unit, like 5m, 5h, 5d";
    let localities = "same_node, same_zone, cross_zone, cross_region, internet or unknown";
    let long = "9".repeat(100);
    let cases = [
        ("top?limit", "-1", number),
        ("top?limit", "x", number),
        ("top?limit", "1.5", number),
        ("top?limit", "0", number),
        ("top?limit", "10001", number),
        ("top?limit", &long, number),
        ("flows?limit", "99999999999", number),
        ("flows?limit", "%2B5", number),
        ("series?limit", "-1", "a whole number from 1 to 100"),
        ("series?step", "5w", duration),
        ("summary?since", "0h", duration),
        ("summary?since", "0h", "5w, or month"),
        (
            "summary?from",
            "now",
            "a time of RFC 3339, like 2026-11-01T",
        ),
        ("top?zones", "yes", "true or false"),
        ("matrix?by", "rack", "zone or region"),
        ("top?by", "size", "cost, bytes or growth"),
        ("summary?locality", "far", localities),
        ("summary?format", "xml", "json or csv"),
        ("costs.csv?granularity", "week", "hour or day"),
    ];
    for (parameter, value, can_be) in cases {
        let path = format!("/api/v1/{parameter}={value}");
        let (status, problem) = get(&api, &path).await;

        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {problem}");
        let error = problem["error"].as_str().unwrap();
        let (got, rest) = error.split_once(", and can be ").unwrap();
        let shown = match value {
            "%2B5" => "it is \"+5\"".to_owned(),
            long if long.len() > 40 => format!("it is \"{}\"…", &long[..40]),
            value => format!("it is \"{value}\""),
        };
        assert_eq!(got, shown, "{path}");
        assert!(rest.contains(can_be), "{path}: {error}");
    }
}

#[tokio::test]
async fn what_has_no_price_is_told_of_each_and_is_not_free() {
    let api = api(plain());
    let unpriced = async |path: &str, at: &str| -> Vec<(u64, String)> {
        let answer = right(&api, &format!("/api/v1/{path}")).await;
        let all = list(&answer, at).iter();
        all.map(|each| {
            let bytes = each["unpriced_bytes"].as_u64().unwrap();
            (bytes, each["cost"].as_str().unwrap().to_owned())
        })
        .filter(|(bytes, _)| *bytes > 0)
        .collect()
    };

    let free = (40_000_000, "0.000000".to_owned());
    for (path, at) in [
        ("summary", "localities"),
        ("matrix", "cells"),
        ("top?of=pairs", "items"),
        ("top?of=networks", "items"),
    ] {
        let has_none = unpriced(path, at).await;
        assert_eq!(has_none, std::slice::from_ref(&free), "{path}");
    }
    // It pays for what else it sends.
    let of_parties = unpriced("top?of=namespaces", "items").await;
    assert_eq!(of_parties.len(), 2, "{of_parties:?}");
    assert!(of_parties.iter().all(|(bytes, _)| *bytes == free.0));
    assert!(of_parties.iter().any(|(_, cost)| *cost != free.1));
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
