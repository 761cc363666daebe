//! Objects that are read and written one by one, with the check of versions that a real API server
//! makes: Secrets and `ConfigMap`s.

use axum::http::Method;
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::{answer_with, refuse};
use super::store::Store;

/// Where one is, or where all of a namespace are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    resource: String,
    namespace: String,
    name: Option<String>,
}

impl Place {
    /// The place that a path names.
    pub(super) fn of_path(path: &str) -> Option<Self> {
        let mut steps = path.strip_prefix("/api/v1/namespaces/")?.split('/');
        let (namespace, resource) = (steps.next()?, steps.next()?);
        let name = steps.next().map(str::to_owned);
        let known = matches!(resource, "secrets" | "configmaps") && steps.next().is_none();
        known.then(|| Self {
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name,
        })
    }

    /// What the fake keeps it under, as `secrets/namespace/name`.
    fn key(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.resource, self.namespace)
    }

    /// Answers a request, as somebody who may get and update, and create unless the fake forbids.
    pub(super) fn answer(&self, store: &mut Store, method: &Method, body: &[u8]) -> Response {
        let mut object: Value = serde_json::from_slice(body).unwrap_or_default();
        let given = object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let name = self.name.clone().unwrap_or(given);
        let key = self.key(&name);
        if store.forbidden.contains(&key) || (*method == Method::POST && store.forbid_create) {
            let verb = if *method == Method::GET {
                "get"
            } else {
                "update"
            };
            let message = format!(
                "{} \"{name}\" is forbidden: User \"server\" cannot {verb} resource \"{}\" in API \
                 group \"\" in the namespace \"{}\"",
                self.resource, self.resource, self.namespace
            );
            return refuse(403, "Forbidden", &message);
        }
        let known = store.singles.get(&key);
        match (method, known) {
            (&Method::GET, Some(known)) => answer_with(200, known),
            (&Method::POST, None) => answer_with(201, store.write_single(key, object)),
            (&Method::POST, Some(_)) => {
                refuse(409, "AlreadyExists", &format!("{key} already exists"))
            }
            (&Method::PUT, Some(known)) => {
                let version = &known["metadata"]["resourceVersion"];
                let named = &object["metadata"]["resourceVersion"];
                if !named.is_null() && named != version {
                    let message = format!(
                        "Operation cannot be fulfilled on {key}: the object has been modified; please \
                         apply your changes to the latest version and try again"
                    );
                    return refuse(409, "Conflict", &message);
                }
                object["metadata"]["uid"] = known["metadata"]["uid"].clone();
                answer_with(200, store.write_single(key, object))
            }
            _ => refuse(404, "NotFound", &format!("{key} not found")),
        }
    }
}

impl Store {
    /// Writes one at a new version, and returns it as it is then.
    pub(super) fn write_single(&mut self, key: String, mut object: Value) -> &Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let slot = self.singles.entry(key).or_default();
        *slot = object;
        slot
    }
}
