//! Objects of a namespace, one by one or those with some labels: what people look at, other than those
//! who watch all of a cluster.

use axum::response::Response;
use serde_json::{Value, json};

use super::answer::{Parameters, answer_with, refuse};
use super::store::{Kind, Store};

/// What a path within a namespace asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) kind: Kind,
    pub(super) namespace: &'a str,
    /// Nothing for a list, or a name, or a name and what is wanted of it.
    pub(super) rest: &'a str,
}

impl Asked<'_> {
    /// The pod, as `namespace/name`, whose ports are to be forwarded.
    pub(super) fn forwarded(self) -> Option<String> {
        let name = self.rest.strip_suffix("/portforward")?;
        (self.kind == Kind::Pod).then(|| format!("{}/{name}", self.namespace))
    }

    pub(super) fn answer(self, store: &Store, parameters: &Parameters) -> Response {
        let Self {
            kind,
            namespace,
            rest,
        } = self;
        let (group, resource) = kind.group_and_resource();
        if store.forbidden_kinds.contains(&kind) {
            let verb = if rest.is_empty() { "list" } else { "get" };
            let message = format!(
                "{resource} is forbidden: User \"somebody\" cannot {verb} resource \"{resource}\" in API \
                 group \"{group}\" in the namespace \"{namespace}\""
            );
            return refuse(403, "Forbidden", &message);
        }
        let all = store.objects(kind).into_iter();
        let here = all.filter(|object| object["metadata"]["namespace"] == namespace);
        if rest.is_empty() {
            let selector = parameters.get("labelSelector").map(String::as_str);
            let items: Vec<Value> = here
                .filter(|object| selector.is_none_or(|selector| has_labels(object, selector)))
                .collect();
            let version = store.version.to_string();
            return answer_with(
                200,
                &json!({
                    "kind": format!("{}List", kind.as_str()),
                    "apiVersion": kind.api_version(),
                    "metadata": { "resourceVersion": version },
                    "items": items,
                }),
            );
        }
        match { here }.find(|object| object["metadata"]["name"] == rest) {
            Some(object) => answer_with(200, &object),
            None => refuse(404, "NotFound", &format!("{resource} \"{rest}\" not found")),
        }
    }
}

/// Whether an object has all labels of a selector like `a=b,c=d`.
fn has_labels(object: &Value, selector: &str) -> bool {
    let mut wanted = selector
        .split(',')
        .filter_map(|label| label.split_once('='));
    wanted.all(|(key, value)| object["metadata"]["labels"][key] == value)
}
