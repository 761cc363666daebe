//! What is asked of the past that the server keeps itself: the same as a plain list of all that was heard
//! answers, and as was counted.

use std::collections::BTreeMap;
use std::time::Duration;

use kubezonnet_model::{Hook, InterfaceClass, ObservationPoint};
use kubezonnet_pricing::Amount;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::running::Running;
use super::seeded::right;
use super::{list, money};
use crate::api::Api;
use crate::books::Disposition;
use crate::testing::{IN, NOW, OUT, POD_TO_HOST, Report, TO_HOST, add_pod, add_service, cluster};

/// What a party has.
const FIELDS: [&str; 5] = [
    "sent_bytes",
    "sent_packets",
    "received_bytes",
    "received_packets",
    "crossing_bytes",
];

/// An address that nobody holds until somebody is told to.
const LATE: &str = "10.67.2.9";

/// From the uplink back to the uplink.
const THROUGH: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Uplink,
    output: InterfaceClass::Uplink,
};

/// A window of a node that comes so many seconds after that before.
#[derive(Debug, Clone)]
struct Heard {
    after: u64,
    node: u8,
    flows: Vec<(usize, u64)>,
}

fn any_heard() -> impl Strategy<Value = Heard> {
    let bytes = prop_oneof![0_u64..5000, 0_u64..20_000_000_000];
    let flows = vec((0_usize..10, bytes), 0..6);
    (11_u64..900, 1_u8..5, flows).prop_map(|(after, node, flows)| Heard { after, node, flows })
}

/// A flow that the agent of a node may tell of.
fn flow(report: Report, node: u8, which: usize, bytes: u64) -> Report {
    let pod = format!("10.67.{node}.1");
    let next = format!("10.67.{}.1", node % 4 + 1);
    let host = format!("10.66.0.{node}");
    match which {
        0 => report.record(&pod, &next, OUT, bytes),
        1 => report.record(&pod, "10.67.1.2", OUT, bytes),
        2 => report.record(&pod, "8.8.8.8", OUT, bytes),
        3 => report.record("8.8.4.4", &pod, IN, bytes),
        4 => report.record(&next, &pod, IN, bytes),
        5 => report.record(&next, "10.67.3.1", THROUGH, bytes),
        6 => report.record(&pod, &host, POD_TO_HOST, bytes),
        7 => report.record("10.99.0.9", &host, TO_HOST, bytes),
        8 => report.record(&pod, LATE, OUT, bytes),
        _ => report.record(&pod, "10.96.0.7", OUT, bytes),
    }
}

/// A server that heard all of that, and what nobody held settled since.
fn running(all: &[Heard]) -> Running {
    let topology = cluster();
    add_service(&topology, "db", "10.96.0.7", &[("10.67.2.1", "n2")]);
    let running = Running::new(&topology);
    let mut sequences = [0; 5];
    for Heard { after, node, flows } in all {
        running.pass(Duration::from_secs(*after));
        let sequence = &mut sequences[usize::from(*node)];
        *sequence += 1;
        let report = Report::of(&format!("n{node}"), *sequence);
        let report = flows.iter().fold(report, |report, (which, bytes)| {
            flow(report, *node, *which, *bytes)
        });
        running.hear(&report);
    }
    add_pod(&topology, "late", 2, 9, NOW);
    running.pass(Duration::from_mins(2));
    running.api.pipeline.settle(running.now());
    running.is_written();
    running
}

/// Every kind of question.
fn questions() -> Vec<String> {
    let mut all = vec![
        "summary?since=5h".to_owned(),
        "summary?since=20m&locality=cross_zone".to_owned(),
        "summary?since=5h&namespace=shop&zone=a".to_owned(),
        "summary?since=3h&workload=shop/Deployment/p&service=shop/db".to_owned(),
        "matrix?since=5h".to_owned(),
        "matrix?since=1h&by=region".to_owned(),
        "matrix?since=5h&source_zone=a&destination_zone=b".to_owned(),
        "costs.csv?since=5h&granularity=hour".to_owned(),
        "top?since=5h&of=pairs&zones=true".to_owned(),
    ];
    let parts = [
        "workloads",
        "pairs",
        "namespaces",
        "services",
        "networks",
        "zones",
    ];
    for of in parts {
        all.push(format!("top?since=5h&of={of}"));
        all.push(format!("top?since=40m&of={of}&by=growth"));
        all.push(format!("top?since=2h&of={of}&by=bytes&limit=2"));
        all.push(format!("series?since=3h&step=7m&by={of}&limit=2"));
    }
    for by in ["total", "locality", "zone_pair"] {
        all.push(format!("series?since=5h&by={by}"));
    }
    all
}

/// What is answered; of a table its text.
fn ask(runtime: &Runtime, api: &Api, question: &str) -> Value {
    let path = format!("/api/v1/{question}");
    if question.starts_with("costs.csv") {
        return Value::String(runtime.block_on(super::seeded::text(api, &path)));
    }
    runtime.block_on(right(api, &path))
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_servers_own_past_answers_as_a_plain_list_does(all in vec(any_heard(), 1..30)) {
        let runtime = runtime();
        let running = running(&all);
        let plain = running.asked_of_a_plain_list();

        for question in questions() {
            let told = ask(&runtime, &running.api, &question);
            let expected = ask(&runtime, &plain, &question);

            prop_assert_eq!(told, expected, "{}", question);
        }
    }

    #[test]
    fn all_of_the_past_is_what_was_counted_and_charged(all in vec(any_heard(), 1..30)) {
        let runtime = runtime();
        let running = running(&all);

        let summary = ask(&runtime, &running.api, "summary?since=9h");
        let top = ask(&runtime, &running.api, "top?since=9h&of=workloads");
        let zones = ask(&runtime, &running.api, "top?since=9h&of=zones");

        let books = running.api.pipeline.snapshot().totals.books;
        let shares = list(&summary, "localities");
        for disposition in Disposition::LOCALITIES {
            let share = shares.iter().find(|share| share["locality"] == disposition.as_str());
            let bytes = share.map_or(0, |share| share["bytes"].as_u64().unwrap());
            prop_assert_eq!(bytes, books.get(disposition).bytes, "{:?}", disposition);
        }
        let paid = running.api.pipeline.costs().parties;
        let paid: Amount = paid.into_iter().map(|(_, amount)| amount).sum();
        for answer in [&summary, &top, &zones] {
            prop_assert_eq!(money(&answer["total"]), paid.round(6));
        }
    }

    #[test]
    fn pods_sum_to_their_workloads(all in vec(any_heard(), 1..30)) {
        let runtime = runtime();
        let running = running(&all);

        let pods = ask(&runtime, &running.api, "top?since=50m&of=pods");
        let workloads = ask(&runtime, &running.api, "top?since=50m&of=workloads");

        let sums = |top: &Value, is_taken: fn(&Value) -> bool| {
            let mut sums = BTreeMap::new();
            for item in list(top, "items").iter().filter(|item| is_taken(&item["key"])) {
                // A workload of these has the first letter of its pods.
                let name = item["key"]["name"].as_str().unwrap().chars().next();
                let sum = sums.entry(name).or_insert([0; 5]);
                for (sum, field) in sum.iter_mut().zip(FIELDS) {
                    *sum += item[field].as_u64().unwrap();
                }
            }
            sums
        };
        let of_pods = sums(&pods, |_| true);
        prop_assert_eq!(of_pods, sums(&workloads, |key| key["kind"] == "workload"));
    }
}
