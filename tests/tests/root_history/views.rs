//! What servers answer of the past, in a form that can be added up and compared.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use kubezonnet_testkit::scrape::get;
use serde_json::{Map, Value};

/// What is asked, and where in the answer the rows are.
const VIEWS: [(&str, &str); 12] = [
    ("summary?", "/localities"),
    ("summary?", "/unknown"),
    ("summary?", "/unpriced"),
    ("summary?locality=cross_zone&", "/localities"),
    ("matrix?by=zone&", "/cells"),
    ("matrix?by=region&", "/cells"),
    ("top?of=pairs&limit=1000&", "/items"),
    ("top?of=workloads&limit=1000&", "/items"),
    ("top?of=namespaces&", "/items"),
    ("top?of=networks&", "/items"),
    ("top?of=zones&source_zone=a&", "/items"),
    ("series?by=locality&", "/lines"),
];

/// The numbers of each row of each view; money in millionths.
pub(crate) type Rows = BTreeMap<String, BTreeMap<String, u64>>;

/// Asks a server of all that went since a moment.
pub(crate) fn views(server: SocketAddr, from: &str) -> Rows {
    let mut rows = Rows::new();
    for (view, place) in VIEWS {
        let path = format!("/api/v1/{view}from={from}");
        let (status, body) = get(server, &path).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        for row in answer.pointer(place).unwrap().as_array().unwrap() {
            let (key, numbers) = numbers(row);
            let sums = rows.entry(format!("{view} {place} {key}")).or_default();
            for (name, number) in numbers {
                *sums.entry(name).or_default() += number;
            }
        }
    }
    rows
}

/// Adds up what several answer.
pub(crate) fn sum<'a>(all: impl IntoIterator<Item = &'a Rows>) -> Rows {
    let mut rows = Rows::new();
    for (key, numbers) in all.into_iter().flatten() {
        let sums = rows.entry(key.clone()).or_default();
        for (name, number) in numbers {
            *sums.entry(name.clone()).or_default() += number;
        }
    }
    rows
}

/// All bytes that a server knows of in a range.
pub(crate) fn bytes(server: SocketAddr, range: &str) -> Option<u64> {
    let (_, body) = get(server, &format!("/api/v1/summary?{range}")).ok()?;
    let answer: Value = serde_json::from_str(&body).ok()?;
    answer["total"]["bytes"].as_u64()
}

/// What a row is of, and its numbers. Where on the line something is, and what was before, two sources
/// know with different exactness.
fn numbers(row: &Value) -> (String, BTreeMap<String, u64>) {
    let row = row.as_object().unwrap();
    let (mut key, mut numbers) = (Map::new(), BTreeMap::new());
    let whole = row.get("total").and_then(Value::as_object).unwrap_or(row);
    for (name, value) in whole {
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(money) if name == "cost" => Some(millionths(money)),
            _ => None,
        };
        numbers.extend(number.map(|number| (name.clone(), number)));
    }
    for (name, value) in row {
        let is_told = !["trend", "points", "before", "total"].contains(&name.as_str());
        if is_told && !numbers.contains_key(name) {
            key.insert(name.clone(), value.clone());
        }
    }
    (Value::Object(key).to_string(), numbers)
}

fn millionths(money: &str) -> u64 {
    let (whole, rest) = money.split_once('.').unwrap_or((money, ""));
    format!("{whole}{rest:0<6}").parse().unwrap()
}
