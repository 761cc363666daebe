//! What a real API server answered; `recorded/README.md` says what each is.

use serde_json::Value;

use super::Change;

const NODES: &str = include_str!("../../recorded/nodes.json");
const PODS: [&str; 2] = [
    include_str!("../../recorded/pods-page1.json"),
    include_str!("../../recorded/pods-page2.json"),
];
const REPLICA_SETS: &str = include_str!("../../recorded/replicasets-metadata.json");
const SERVICES: &str = include_str!("../../recorded/services.json");
const ENDPOINT_SLICES: &str = include_str!("../../recorded/endpointslices.json");
const PODS_WATCH: &str = include_str!("../../recorded/pods-watch.jsonl");

/// The nodes of the recorded cluster.
pub fn nodes() -> Vec<Value> {
    items(NODES)
}

/// Its pods, as far as they were recorded: the first two pages of a list.
pub fn pods() -> Vec<Value> {
    PODS.iter().flat_map(|page| items(page)).collect()
}

/// Its `ReplicaSets`, of which nothing but the metadata was asked for.
pub fn replica_sets() -> Vec<Value> {
    items(REPLICA_SETS)
}

/// Its Services.
pub fn services() -> Vec<Value> {
    items(SERVICES)
}

/// Its `EndpointSlices`.
pub fn endpoint_slices() -> Vec<Value> {
    items(ENDPOINT_SLICES)
}

/// The changes that a watch of its pods then told, without the bookmarks.
pub fn pod_changes() -> Vec<(Change, Value)> {
    // The first line is the request.
    let lines = PODS_WATCH.lines().skip(1).map(parsed);
    let changes = lines.filter_map(|mut line| {
        let change = match line["type"].as_str()? {
            "ADDED" => Change::Added,
            "MODIFIED" => Change::Modified,
            "DELETED" => Change::Deleted,
            _ => return None,
        };
        Some((change, line["object"].take()))
    });
    changes.collect()
}

fn items(answer: &str) -> Vec<Value> {
    let mut answer = parsed(answer);
    match answer["response"]["body"]["items"].take() {
        Value::Array(items) => items,
        other => panic!("a recorded list has items, not {other}"),
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("what was recorded is JSON")
}
