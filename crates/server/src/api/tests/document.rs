//! The document, compared with what is answered.

use axum::http::StatusCode;

use super::seeded::{api, get, plain, right};
use crate::api::endpoints::endpoints;

#[tokio::test]
async fn every_path_is_in_the_document_and_answers() {
    let api = api(plain());

    let document = right(&api, "/api/v1/openapi.json").await;

    assert_eq!(document["openapi"], "3.1.0");
    let mut told: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let mut known: Vec<_> = endpoints()
        .iter()
        .map(|each| each.path.to_owned())
        .collect();
    told.sort_unstable();
    known.sort_unstable();
    assert_eq!(told, known);
    for path in told.iter().filter(|path| *path != "/api/v1/costs.csv") {
        assert_eq!(get(&api, path).await.0, StatusCode::OK, "{path}");
        let responses = document["paths"][path]["get"]["responses"]
            .as_object()
            .unwrap();
        let statuses: Vec<_> = responses.keys().map(String::as_str).collect();
        assert_eq!(
            statuses,
            ["200", "400", "401", "403", "404", "405", "500", "503"]
        );
    }
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere() {
    fn references(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => {
                if let Some(reference) = map.get("$ref").and_then(|each| each.as_str()) {
                    found.push(reference.to_owned());
                }
                map.values().for_each(|each| references(each, found));
            }
            serde_json::Value::Array(all) => all.iter().for_each(|each| references(each, found)),
            _ => {}
        }
    }
    let document = right(&api(plain()), "/api/v1/openapi.json").await;
    let mut found = Vec::new();

    references(&document, &mut found);

    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
