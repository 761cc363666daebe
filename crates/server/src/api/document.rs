//! The API in `OpenAPI` 3.1, made of the list of its paths and of the types it reads and writes.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::{RefOr, Schema};

use super::csv;
use super::endpoints::{Endpoint, endpoints};

/// The types that answers are made of, by their names.
pub(super) type Schemas = Vec<(String, RefOr<Schema>)>;

/// Where the document is.
pub(super) const PATH: &str = "/api/v1/openapi.json";

/// A type that is answered: its name, and it with all it is made of.
pub(super) struct Answer {
    name: String,
    schemas: Schemas,
}

impl Answer {
    pub(super) fn of<T: ToSchema>() -> Self {
        let mut schemas = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut schemas);
        Self {
            name: T::name().into_owned(),
            schemas,
        }
    }
}

/// The document.
pub(super) fn document() -> Value {
    let problem = Answer::of::<kubezonnet_api::Problem>();
    let mut schemas = Map::new();
    let mut paths = Map::new();
    for endpoint in endpoints() {
        let answer = endpoint.schema.map(|schema| schema());
        let item = json!({ "get": operation(endpoint, answer.as_ref()) });
        paths.insert(endpoint.path.to_owned(), item);
        add(&mut schemas, answer);
    }
    add(&mut schemas, Some(problem));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "kubezonnet",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "What goes between the zones of a Kubernetes cluster, who sends it, and what it costs",
            "description": "Bytes and packets are whole numbers of up to 64 bits. Money is a decimal as \
                text in the currency that the answer names. Parts of an answer sum to its totals to the \
                last digit. Times are RFC 3339 in UTC. Fields are added over time and never change \
                their meaning: take no offence at one that is not known.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of --bearer-token-file; where none is given, nobody is asked.",
                },
            },
        },
    })
}

fn add(schemas: &mut Map<String, Value>, answer: Option<Answer>) {
    for (name, schema) in answer.into_iter().flat_map(|answer| answer.schemas) {
        schemas.insert(name, value(&schema));
    }
}

fn operation(endpoint: &Endpoint, answer: Option<&Answer>) -> Value {
    let mut content = Map::new();
    if let Some(answer) = answer {
        let reference = format!("#/components/schemas/{}", answer.name);
        content.insert(
            "application/json".into(),
            json!({ "schema": { "$ref": reference } }),
        );
    } else if endpoint.path == PATH {
        content.insert(
            "application/json".into(),
            json!({ "schema": { "type": "object" } }),
        );
    }
    if endpoint.is_csv() {
        content.insert(
            csv::MEDIA_TYPE.into(),
            json!({ "schema": { "type": "string" } }),
        );
    }
    let mut responses = Map::new();
    responses.insert(
        "200".into(),
        json!({ "description": endpoint.summary, "content": content }),
    );
    for (status, name, _) in REFUSALS {
        responses.insert(
            (*status).into(),
            json!({ "$ref": format!("#/components/responses/{name}") }),
        );
    }
    let parameters: Vec<Value> = (endpoint.parameters)()
        .into_iter()
        .flatten()
        .map(parameter)
        .collect();
    let id = endpoint.path.rsplit('/').next().unwrap_or_default();
    json!({
        "operationId": id.replace('.', "_"),
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": responses,
    })
}

/// Every refusal: its status, its name, and when that is.
const REFUSALS: &[(&str, &str, &str)] = &[
    (
        "400",
        "WrongQuestion",
        "A parameter is wrong: `field` names it.",
    ),
    ("401", "NoToken", "A bearer token is wanted."),
    (
        "403",
        "Stranger",
        "The server has no token, and answers only who comes from its own host.",
    ),
    ("404", "NoSuchPath", "There is nothing at that path."),
    ("405", "WrongMethod", "GET and HEAD are for this path."),
    (
        "500",
        "Failed",
        "The server failed at this question: its log says why.",
    ),
    (
        "503",
        "NotNow",
        "It cannot be answered now: history cannot be read, or enough is asked at once.",
    ),
];

fn responses() -> Value {
    let responses = REFUSALS.iter().map(|(status, name, when)| {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        let content = json!({ "application/json": { "schema": schema } });
        let mut response = json!({ "description": when, "content": content });
        if *status == "401" {
            let text = json!({ "schema": { "type": "string" } });
            response["headers"] = json!({ "WWW-Authenticate": text });
        }
        ((*name).to_owned(), response)
    });
    Value::Object(responses.collect())
}

/// A parameter that is left out is not given as nothing: `null` is none of its values.
pub(super) fn parameter(parameter: Parameter) -> Value {
    let mut value = serde_json::to_value(parameter).expect("a parameter is JSON");
    if let Some(Value::Array(all)) = value.pointer_mut("/schema/oneOf") {
        all.retain(|each| each["type"] != "null");
        if let [one] = &all[..] {
            value["schema"] = one.clone();
        }
    }
    if let Some(types) = value.pointer_mut("/schema/type")
        && let Value::Array(all) = types
    {
        all.retain(|each| each != "null");
        if let [one] = &all[..] {
            *types = one.clone();
        }
    }
    value
}

fn value(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).expect("a schema is JSON")
}
