//! The last windows: who of them is asked for, and page by page.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use super::csv::table;
use super::list;
use super::running::Running;
use super::seeded::{api_of, get, right};
use crate::api::*;
use crate::testing::{IN, OUT, Report, add_pod, add_service, cluster};

/// A shop in two zones of a region and a third in another, with flows of different sizes.
fn running() -> Running {
    let topology = cluster();
    add_service(&topology, "db", "10.96.0.7", &[("10.67.2.1", "n2")]);
    add_pod(&topology, "web-1", 1, 7, crate::testing::NOW);
    let running = Running::new(&topology);
    let first = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", OUT, 1)
        .record("10.67.1.1", "10.67.1.2", OUT, 2)
        .record("10.67.1.2", "8.8.8.8", OUT, 4)
        .record("10.67.1.7", "10.67.3.1", OUT, 8)
        .record("8.8.8.8", "10.67.1.7", IN, 16);
    let second = Report::of("n2", 1)
        .record("10.67.2.1", "10.67.1.1", OUT, 32)
        .record("10.67.2.1", "10.67.4.1", OUT, 64)
        .record("10.67.1.1", "10.67.2.1", IN, 128);
    running.hear(&first);
    running.pass(Duration::from_mins(3));
    running.hear(&second);
    running
}

fn bytes(answer: &Value) -> Vec<u64> {
    let flows = list(answer, "flows").iter();
    flows.map(|flow| flow["bytes"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn flows_are_filtered_by_either_end_and_several_filters_narrow() {
    let running = running();
    let cases = [
        // What the sender counts is there once.
        ("", 0b0111_1111),
        ("namespace=shop", 0b0111_1111),
        ("namespace=data", 0),
        ("workload=p", 0b0110_1011),
        ("workload=shop/q", 0b0000_0110),
        ("workload=shop/Deployment/w", 0b0001_1000),
        ("workload=shop/StatefulSet/w", 0),
        ("workload=q&workload=w", 0b0001_1110),
        ("zone=a", 0b0011_1111),
        ("zone=b", 0b0110_0001),
        ("zone=b&zone=c", 0b0110_1001),
        ("source_zone=b", 0b0110_0000),
        ("destination_zone=a", 0b0011_0010),
        ("source_zone=b&destination_zone=a", 0b0010_0000),
        ("region=r2", 0b0000_1000),
        ("locality=cross_zone", 0b0010_0001),
        ("locality=same_node", 0b0000_0010),
        ("locality=cross_region&locality=internet", 0b0001_1100),
        ("locality=unknown", 0b0100_0000),
        ("pod=p1", 0b0010_0011),
        ("pod=shop/web-1&pod=p4", 0b0101_1000),
        ("pod=data/p1", 0),
        ("node=n2", 0b0110_0001),
        ("node=n2&locality=cross_zone&source_zone=a", 0b0000_0001),
        ("service=shop/db", 0b0000_0001),
        ("network=partner", 0),
        ("since=1m", 0b0110_0000),
        ("since=10m", 0b0111_1111),
    ];
    for (filter, expected) in cases {
        let json = right(&running.api, &format!("/api/v1/flows?{filter}")).await;
        let path = format!("/api/v1/flows?{filter}&format=csv");
        let (_, rows) = table(&running.api, path.trim_end_matches('&'), None).await;

        // Each flow has a bit of its own.
        let told = bytes(&json);
        assert_eq!(told.iter().sum::<u64>(), expected, "{filter}: {json}");
        let column = rows[0].iter().position(|name| name == "bytes").unwrap();
        let listed = rows[1..].iter().map(|row| row[column].parse().unwrap());
        assert_eq!(listed.collect::<Vec<u64>>(), told, "{filter}");
    }
}

#[tokio::test]
async fn the_newest_flows_are_told_first_and_those_that_follow_after_them() {
    let running = running();

    let newest = right(&running.api, "/api/v1/flows?limit=2").await;
    let next = newest["next"].as_str().unwrap();
    let nothing = right(&running.api, &format!("/api/v1/flows?cursor={next}")).await;
    running.hear(&Report::of("n3", 1).record("10.67.3.1", "10.67.1.1", OUT, 256));
    let more = right(&running.api, &format!("/api/v1/flows?cursor={next}")).await;

    assert_eq!(bytes(&newest).iter().sum::<u64>(), 32 + 64);
    assert_eq!(
        (bytes(&nothing), &nothing["next"]),
        (vec![], &newest["next"])
    );
    assert_eq!(
        (bytes(&more), &more["missed"]),
        (vec![256], &Value::from(0))
    );
}

#[tokio::test]
async fn a_cursor_of_an_earlier_life_of_the_server_begins_at_the_first_flow_of_this() {
    let before = api_of(&cluster(), None);
    let cursor = right(&before, "/api/v1/flows").await["next"].clone();
    let cursor = cursor.as_str().unwrap();
    let running = running();
    let recent = Arc::new(Recent::new(2));
    let now = Api {
        recent: Some(Arc::clone(&recent)),
        ..running.api.clone()
    };
    running.offer_all(&recent);

    let answer = right(&now, &format!("/api/v1/flows?cursor={cursor}")).await;
    let newest = right(&now, "/api/v1/flows").await;
    let (status, problem) = get(&now, "/api/v1/flows?cursor=none").await;

    assert_eq!(answer["flows"], newest["flows"]);
    assert_eq!(
        (status, &problem["field"]),
        (StatusCode::BAD_REQUEST, &"cursor".into())
    );
}

#[tokio::test]
async fn what_came_faster_than_it_was_read_is_said_to_be_missed() {
    const FLOWS: u32 = 40_000;
    let running = Running::new(&cluster());
    let cursor = right(&running.api, "/api/v1/flows").await["next"].clone();
    let cursor = cursor.as_str().unwrap();
    for sequence in 1..=3 {
        let report = (0..FLOWS).fold(Report::of("n1", sequence), |report, number| {
            let to = std::net::Ipv4Addr::from(0x0800_0000 + number);
            report.record("10.67.1.1", &to.to_string(), OUT, sequence)
        });
        running.pass(Duration::from_secs(20));
        running.hear(&report);
    }

    let path = format!("/api/v1/flows?limit=2&cursor={cursor}");
    let page = right(&running.api, &path).await;
    let next = page["next"].as_str().unwrap();
    let more = right(
        &running.api,
        &format!("/api/v1/flows?limit=1&cursor={next}"),
    )
    .await;

    // A hundred thousand are kept: the first window is gone, and the second is the next.
    assert_eq!((bytes(&page), &page["missed"]), (vec![2, 2], &FLOWS.into()));
    assert_eq!((bytes(&more), &more["missed"]), (vec![2], &0.into()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pages_join_to_the_whole_while_new_flows_come(
        turns in vec((vec(0_u8..40, 0..3), 1_u32..6), 1..25),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let running = Running::new(&cluster());
        let ask = |question: &str| runtime.block_on(right(&running.api, &format!("/api/v1/{question}")));
        let filters = ["", "locality=cross_zone&", "zone=c&", "pod=q1&", "namespace=data&"];
        let begin = ask("flows")["next"].as_str().unwrap().to_owned();
        let mut followed = filters.map(|filter| (filter, begin.clone(), Vec::new()));
        let (mut sequence, mut size) = (0, 0);

        let follow = |(filter, next, read): &mut (&str, String, Vec<Value>), limit: u32| {
            let page = ask(&format!("flows?{filter}limit={limit}&cursor={next}"));
            assert!(list(&page, "flows").len() <= limit as usize);
            assert_eq!(page["missed"], 0);
            read.extend_from_slice(list(&page, "flows"));
            let is_end = page["next"] == next.as_str();
            *next = page["next"].as_str().unwrap().to_owned();
            is_end
        };
        for (reports, limit) in turns {
            for flows in reports {
                sequence += 1;
                let report = (0..flows).fold(Report::of("n1", sequence), |report, number| {
                    size += 1;
                    let from = if number % 3 == 0 { "10.67.1.2" } else { "10.67.1.1" };
                    let to = format!("10.67.{}.1", 1 + number % 4);
                    report.key(from, &to, OUT, Some(crate::testing::to_port(number.into())), size)
                });
                running.pass(Duration::from_secs(11));
                running.hear(&report);
            }
            for each in &mut followed {
                follow(each, limit);
            }
        }
        for each in &mut followed {
            while !follow(each, 7) {}
        }

        for (filter, _, read) in &followed {
            let whole = ask(&format!("flows?{filter}limit=10000"));
            prop_assert_eq!(&read[..], list(&whole, "flows"), "{}", filter);
        }
        let (_, _, all) = &followed[0];
        let sizes: BTreeSet<_> = all.iter().map(|flow| flow["bytes"].as_u64().unwrap()).collect();
        let counted: Vec<_> = running.counted().collect();
        prop_assert_eq!(all.len(), counted.len());
        prop_assert_eq!(sizes, counted.into_iter().collect::<BTreeSet<_>>());
    }
}

#[tokio::test]
async fn it_is_said_when_there_can_be_more() {
    let running = Running::new(&cluster());
    let wait = async |query: &str| {
        let path = format!("/api/v1/flows?{query}");
        let answer = right(&running.api, &path).await;
        answer["wait_seconds"].to_string()
    };
    let hear = |node: &str, seconds| {
        let mut report = Report::of(node, 1).record("10.67.1.1", "10.67.1.2", OUT, 2);
        report.0.header.window = Duration::from_secs(seconds);
        running.hear(&report);
    };
    let nobody = wait("").await;
    hear("n1", 10);
    let just_now = wait("").await;
    running.pass(Duration::from_millis(5500));
    let soon = wait("").await;
    running.pass(Duration::from_secs(4));
    let nearly = wait("").await;
    running.pass(Duration::from_secs(5));
    let late = wait("").await;
    hear("n2", 300);
    running.pass(Duration::from_secs(20));
    let missing = wait("").await;
    running.pass(Duration::from_secs(250));
    let of_the_other = wait("").await;

    assert_eq!(
        [nobody, just_now, soon, nearly, late, missing, of_the_other],
        ["10.0", "10.0", "4.5", "1.0", "1.0", "60.0", "30.0"]
    );
}

#[tokio::test]
async fn who_has_not_all_that_came_need_not_wait_for_more() {
    let running = running();
    let cursor = |answer: &Value| answer["next"].as_str().unwrap().to_owned();
    let begin = cursor(&right(&running.api, "/api/v1/flows?limit=1").await);
    running.hear(
        &Report::of("n1", 2)
            .record("10.67.1.1", "10.67.2.1", OUT, 1)
            .record("10.67.1.1", "10.67.1.2", OUT, 2),
    );

    let some = format!("/api/v1/flows?limit=1&cursor={begin}");
    let some = right(&running.api, &some).await;
    let rest = format!("/api/v1/flows?limit=1&cursor={}", cursor(&some));
    let rest = right(&running.api, &rest).await;

    let mut both = [bytes(&some), bytes(&rest)].concat();
    both.sort_unstable();
    assert_eq!(both, [1, 2]);
    assert_eq!(some["wait_seconds"], 0.0);
    assert_eq!(rest["wait_seconds"], 10.0);
}
