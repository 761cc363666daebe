//! The fake API server answers in the shapes that a real one was recorded in.
#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::path::Path;

use kubezonnet_testkit::kube::{FakeKube, Kind, recorded};
use serde_json::Value;

/// A recorded answer.
fn recording(name: &str) -> Value {
    serde_json::from_str(&text_of(name)).unwrap()
}

/// A line of a recorded stream; the first is the request.
fn line(name: &str, number: usize) -> Value {
    serde_json::from_str(text_of(name).lines().nth(number).unwrap()).unwrap()
}

fn text_of(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recorded");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

async fn fake_as_recorded() -> FakeKube {
    let fake = FakeKube::start().await.unwrap();
    for pod in recorded::pods() {
        fake.replay(Kind::Pod, kubezonnet_testkit::kube::Change::Added, pod);
    }
    fake
}

/// Asks the fake as the kubeconfig says; returns the status and the text.
async fn get(kubeconfig: &Path, path: &str) -> (u16, String) {
    let mut response = ask(kubeconfig, path).await;
    let status = response.status().as_u16();
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    (status, String::from_utf8(text).unwrap())
}

async fn ask(kubeconfig: &Path, path: &str) -> reqwest::Response {
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    let after = |word: &str| text.split_once(word).unwrap().1;
    let server = after("server: '").split('\'').next().unwrap();
    let ca = after("certificate-authority: '")
        .split('\'')
        .next()
        .unwrap();
    let token = after("token: ").split('}').next().unwrap();
    let ca = reqwest::Certificate::from_pem(&std::fs::read(ca).unwrap()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([ca])
        .build()
        .unwrap();
    let request = client.get(format!("{server}{path}")).bearer_auth(token);
    request.send().await.unwrap()
}

/// The names of all fields, however deep, but not what they say.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let shapes = fields
                .iter()
                .map(|(name, value)| (name.clone(), shape(value)));
            Value::Object(shapes.collect())
        }
        Value::Array(values) => values.iter().map(shape).collect(),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn a_list_comes_in_pages_as_recorded() {
    let fake = fake_as_recorded().await;
    let [first, second] = ["pods-page1.json", "pods-page2.json"].map(recording);

    let (status, text) = get(&fake.kubeconfig(), "/api/v1/pods?limit=4").await;
    let page: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, 200);
    assert_eq!(shape(&page), shape(&first["response"]["body"]));
    assert_eq!(page["items"], first["response"]["body"]["items"]);
    assert_eq!(page["metadata"]["remainingItemCount"], 4);

    let token = page["metadata"]["continue"].as_str().unwrap();
    let path = format!("/api/v1/pods?limit=4&continue={token}");
    let (_, text) = get(&fake.kubeconfig(), &path).await;
    let last: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(last["items"], second["response"]["body"]["items"]);
    assert_eq!(last["metadata"].get("continue"), None);
    assert_eq!(
        last["metadata"]["resourceVersion"],
        page["metadata"]["resourceVersion"]
    );
}

#[tokio::test]
async fn a_page_of_a_forgotten_list_is_gone() {
    let fake = fake_as_recorded().await;
    let (_, text) = get(&fake.kubeconfig(), "/api/v1/pods?limit=4").await;
    let page: Value = serde_json::from_str(&text).unwrap();

    fake.expire_history();

    let token = page["metadata"]["continue"].as_str().unwrap();
    let path = format!("/api/v1/pods?limit=4&continue={token}");
    let (status, text) = get(&fake.kubeconfig(), &path).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, answer["reason"].as_str()), (410, Some("Expired")));
}

#[tokio::test]
async fn a_stranger_is_refused_as_recorded() {
    let fake = FakeKube::start().await.unwrap();
    let stranger = fake.kubeconfig_of_a_stranger().unwrap();

    let (status, text) = get(&stranger, "/api/v1/nodes").await;

    let expected = recording("unauthorized.json");
    assert_eq!(
        u64::from(status),
        expected["response"]["status"].as_u64().unwrap()
    );
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer, expected["response"]["body"]);
}

#[tokio::test]
async fn a_watch_from_a_forgotten_version_is_told_so_as_recorded() {
    let fake = fake_as_recorded().await;
    fake.expire_history();

    let (status, text) = get(&fake.kubeconfig(), "/api/v1/pods?watch=1&resourceVersion=1").await;

    assert_eq!(status, 200);
    let event: Value = serde_json::from_str(&text).unwrap();
    let expected = line("watch-from-ancient-version.jsonl", 1);
    assert_eq!(shape(&event), shape(&expected));
    for field in ["code", "reason", "status"] {
        assert_eq!(event["object"][field], expected["object"][field]);
    }
}

#[tokio::test]
async fn a_streaming_list_ends_its_beginning_as_recorded() {
    let fake = fake_as_recorded().await;
    let path = "/api/v1/pods?watch=1&sendInitialEvents=true\
                &resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

    let mut response = ask(&fake.kubeconfig(), path).await;
    let mut text = String::new();
    while !text.contains("initial-events-end") {
        let chunk = response.chunk().await.unwrap().unwrap();
        text += std::str::from_utf8(&chunk).unwrap();
    }
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();

    let recorded = text_of("pods-streaming-list.jsonl");
    let recorded: Vec<Value> = recorded
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events[0], recorded[0]);
    let (last, expected) = (events.last().unwrap(), recorded.last().unwrap());
    assert_eq!(last["type"], expected["type"]);
    assert_eq!(
        last["object"]["metadata"]["annotations"],
        expected["object"]["metadata"]["annotations"]
    );
    assert_eq!(events.len(), recorded::pods().len() + 1);
}
