//! The largest, in order: pods of the last hour, and workloads of the past.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::Value;

use super::running::Running;
use super::seeded::{get, right};
use super::{list, money};
use crate::testing::{NOW, OUT, Report, add_pod, cluster};

const GB: u64 = 1_000_000_000;

/// A server, after half an hour. Each pod sends so many GB across zones, early and late in it; its
/// workload has its first letter.
fn running() -> Running {
    let topology = cluster();
    let sent = [
        ("a1", 4, 5),
        ("b1", 1, 3),
        ("c1", 2, 1),
        ("d1", 0, 2),
        ("e1", 0, 1),
        ("f1", 0, 1),
        ("g1", 5, 0),
    ];
    for ((name, ..), host) in sent.iter().zip(10..) {
        add_pod(&topology, name, 1, host, NOW);
    }
    let running = Running::new(&topology);
    running.hear(&Report::of("n1", 1).record("10.67.1.2", "10.67.1.1", OUT, 1));
    for (sequence, minutes) in [(2, 8), (3, 12)] {
        running.pass(Duration::from_mins(minutes));
        let report =
            sent.iter()
                .zip(10..)
                .fold(Report::of("n1", sequence), |report, (sent, host)| {
                    let (_, early, late) = sent;
                    let many = if sequence == 2 { early } else { late };
                    let from = format!("10.67.1.{host}");
                    report.record(&from, "10.67.2.1", OUT, many * GB)
                });
        running.hear(&report);
    }
    running.pass(Duration::from_mins(5));
    running.is_written();
    running
}

/// The first letters of those listed.
fn names(items: &[Value]) -> String {
    let names = items
        .iter()
        .map(|item| item["key"]["name"].as_str().unwrap());
    names.map(|name| name.chars().next().unwrap()).collect()
}

#[tokio::test]
async fn the_largest_come_first_and_of_those_that_are_as_large_in_the_order_of_names() {
    let running = running();

    for of in ["pods", "workloads"] {
        // Whoever grew as much comes by bytes, and who has as many by name. Who is gone is not there.
        for (by, expected) in [
            ("cost", "pabdcef"),
            ("bytes", "pabdcef"),
            ("growth", "bdpaefc"),
        ] {
            let top = right(
                &running.api,
                &format!("/api/v1/top?of={of}&since=10m&by={by}"),
            )
            .await;

            let items = list(&top, "items");
            assert_eq!(names(items), expected, "{of} by {by}: {top}");
            assert_eq!(top["count"], 7);
            assert_eq!(items.iter().map(money).sum::<u128>(), money(&top["total"]));
        }
    }
}

#[tokio::test]
async fn growth_is_told_of_who_is_new_and_who_has_less_too() {
    let running = running();

    for of in ["pods", "workloads"] {
        let top = right(
            &running.api,
            &format!("/api/v1/top?of={of}&since=10m&by=growth"),
        )
        .await;

        let told = list(&top, "items").iter().map(|item| {
            let sent = |measure: &Value| measure["sent_bytes"].as_u64().unwrap() / GB;
            (
                sent(item),
                sent(&item["before"]),
                item["received_bytes"].as_u64().unwrap() / GB,
            )
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                (3, 1, 0),
                (2, 0, 0),
                (0, 0, 13),
                (5, 4, 0),
                (1, 0, 0),
                (1, 0, 0),
                (1, 2, 0)
            ],
            "{of}"
        );
    }
}

#[tokio::test]
async fn without_as_much_history_before_nobody_is_said_to_have_grown() {
    let running = running();

    for of in ["pods", "workloads"] {
        let top = right(
            &running.api,
            &format!("/api/v1/top?of={of}&since=20m&by=growth"),
        )
        .await;

        let items = list(&top, "items");
        assert!(
            items.iter().all(|item| item.get("before").is_none()),
            "{top}"
        );
        // By what there is.
        assert_eq!(names(items), "pagbcdef", "{of}");
    }
}

#[tokio::test]
async fn pages_join_to_the_list_at_once_whatever_the_time_is() {
    let running = running();
    for of in ["pods", "workloads", "pairs", "zones"] {
        for by in ["cost", "growth"] {
            let question = format!("/api/v1/top?of={of}&since=10m&by={by}");
            let at_once = right(&running.api, &question).await;
            let mut pages = Vec::new();
            let mut cursor = String::new();
            loop {
                let page = right(&running.api, &format!("{question}&limit=2{cursor}")).await;
                pages.extend_from_slice(list(&page, "items"));
                assert_eq!(
                    (&page["range"], &page["total"]),
                    (&at_once["range"], &at_once["total"])
                );
                let Some(next) = page["next"].as_str() else {
                    break;
                };
                cursor = format!("&cursor={next}");
            }

            assert_eq!(&pages[..], list(&at_once, "items"), "{of} by {by}");
        }
    }
}

#[tokio::test]
async fn who_reads_on_has_the_hour_of_the_first_page_for_some_minutes() {
    let running = running();
    let question = "/api/v1/top?of=pods&since=1h&limit=3";
    let first = right(&running.api, question).await;
    let whole = right(&running.api, "/api/v1/top?of=pods&since=1h").await;
    let next = format!("{question}&cursor={}", first["next"].as_str().unwrap());

    running.pass(Duration::from_mins(4));
    running.hear(&Report::of("n1", 4).record("10.67.1.1", "10.67.1.2", OUT, 1));
    running.is_written();
    let second = right(&running.api, &next).await;
    running.pass(Duration::from_mins(4));
    let (status, problem) = get(&running.api, &next).await;

    assert_eq!(second["range"], first["range"]);
    assert_eq!(list(&second, "items"), &list(&whole, "items")[3..6]);
    assert_eq!(
        (status, &problem["field"]),
        (StatusCode::BAD_REQUEST, &"cursor".into())
    );
}

#[tokio::test]
async fn of_pods_what_is_not_kept_is_refused_by_its_name() {
    let running = running();
    let cases = [
        ("since=2h", "since"),
        ("from=2020-01-01T00:00:00Z", "from"),
        ("locality=cross_zone", "locality"),
        ("service=shop/db", "service"),
        ("network=partner", "network"),
        ("source_zone=a", "source_zone"),
        ("destination_zone=a", "destination_zone"),
    ];
    for (question, field) in cases {
        let (status, problem) = get(&running.api, &format!("/api/v1/top?of=pods&{question}")).await;

        assert_eq!(status, StatusCode::BAD_REQUEST, "{question}");
        assert_eq!(problem["field"], field, "{problem}");
    }
}

#[tokio::test]
async fn pods_are_filtered_by_themselves_and_not_by_whom_they_talk_to() {
    let running = running();
    for (filter, expected) in [
        ("zone=b", "p"),
        ("zone=a", "abdcef"),
        ("workload=shop/Deployment/b&workload=p", "pb"),
        ("namespace=data", ""),
    ] {
        let top = right(
            &running.api,
            &format!("/api/v1/top?of=pods&since=10m&{filter}"),
        )
        .await;

        assert_eq!(names(list(&top, "items")), expected, "{filter}");
    }
}
