//! What the fake answers to a request.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::single::Place;
use super::store::{Kind, Shared, Store, Told};
use super::{TOKEN, forward, namespaced, tokens};

pub(super) type Parameters = HashMap<String, String>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(answer).with_state(shared)
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Query(parameters): Query<Parameters>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    body: Bytes,
) -> Response {
    shared.change(|store| store.requests.push(uri.to_string()));
    let token = headers.get(header::AUTHORIZATION);
    if token.is_none_or(|token| token.as_bytes() != format!("Bearer {TOKEN}").as_bytes()) {
        return refuse(401, "Unauthorized", "Unauthorized");
    }
    if uri.path() == "/apis/authentication.k8s.io/v1/tokenreviews" && method == Method::POST {
        return shared.change(|store| review(store, &body));
    }
    if let Some(place) = Place::of_path(uri.path()) {
        return shared.change(|store| place.answer(store, &method, &body));
    }
    if let Some((kind, namespace, rest)) = Kind::of_namespaced(uri.path()) {
        let asked = namespaced::Asked {
            kind,
            namespace,
            rest,
        };
        return match asked.forwarded() {
            Some(pod) => forward::answer(&shared, &pod, &parameters, upgrade),
            None => shared.read(|store| asked.answer(store, &parameters)),
        };
    }
    let Some(kind) = Kind::of_path(uri.path()) else {
        let message = "the server could not find the requested resource";
        return refuse(404, "NotFound", message);
    };
    if shared.read(|store| store.forbidden_kinds.contains(&kind)) {
        let (group, resource) = kind.group_and_resource();
        let message = format!(
            "{resource} is forbidden: User \"server\" cannot list resource \"{resource}\" in API \
             group \"{group}\" at the cluster scope"
        );
        return refuse(403, "Forbidden", &message);
    }
    let form = Form::of(kind, &headers);
    if !form.metadata_only {
        shared.note(|store| store.asked_whole.insert(kind));
    }
    let is_watch = parameters.get("watch");
    if is_watch.is_some_and(|value| matches!(&**value, "1" | "true")) {
        watch(&shared, form, &parameters)
    } else {
        list(&shared, form, &parameters)
    }
}

/// In which form objects are asked for.
#[derive(Debug, Clone, Copy)]
struct Form {
    kind: Kind,
    /// Nothing but their metadata.
    metadata_only: bool,
}

impl Form {
    fn of(kind: Kind, headers: &HeaderMap) -> Self {
        let accept = headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok());
        let metadata_only =
            accept.is_some_and(|accept| accept.contains("as=PartialObjectMetadata"));
        Self {
            kind,
            metadata_only,
        }
    }

    /// Kind and version of what is answered.
    fn names(self) -> (&'static str, &'static str) {
        if self.metadata_only {
            ("PartialObjectMetadata", "meta.k8s.io/v1")
        } else {
            (self.kind.as_str(), self.kind.api_version())
        }
    }

    fn of_object(self, object: &Value) -> Value {
        if !self.metadata_only {
            return object.clone();
        }
        let (kind, version) = self.names();
        json!({ "kind": kind, "apiVersion": version, "metadata": object["metadata"] })
    }

    /// An object as lists have it: without what the list says for all.
    fn item(self, object: &Value) -> Value {
        let mut item = self.of_object(object);
        if let Some(fields) = item.as_object_mut()
            && !self.metadata_only
        {
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        item
    }
}

/// A review of a token.
fn review(store: &mut Store, body: &[u8]) -> Response {
    if let Some(status) = store.refuse_reviews {
        let message = "tokenreviews.authentication.k8s.io is forbidden: User \"server\" cannot create \
                       resource \"tokenreviews\"";
        return refuse(status, "Forbidden", message);
    }
    store.reviews += 1;
    let mut object: Value = serde_json::from_slice(body).unwrap_or_default();
    let token = object["spec"]["token"].as_str().unwrap_or_default();
    let status = match store.tokens.get(token) {
        Some(token) => token.reviewed(&object["spec"]),
        None => tokens::unknown(),
    };
    object["status"] = status;
    answer_with(201, &object)
}

/// A list, or a page of one.
fn list(shared: &Shared, form: Form, parameters: &Parameters) -> Response {
    let parsed = |name| parameters.get(name).and_then(|text| text.parse().ok());
    let limit = parsed("limit").filter(|limit| *limit > 0);
    shared.change(|store| {
        // A token is the list's version and how many of it were told.
        let (version, told) = match parameters.get("continue") {
            None => (store.keep(form.kind), 0),
            Some(token) => match token.split_once('.') {
                Some((version, told)) => (
                    version.parse().unwrap_or_default(),
                    told.parse().unwrap_or_default(),
                ),
                None => return refuse(400, "BadRequest", "continue key is not valid"),
            },
        };
        let Some(objects) = store.kept(form.kind, version) else {
            let message = "The provided continue parameter is too old to display a consistent \
                           list result.";
            return refuse(410, "Expired", message);
        };
        let left = &objects[objects.len().min(told)..];
        let page = &left[..left.len().min(limit.unwrap_or(left.len()))];
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if page.len() < left.len() {
            metadata["continue"] = json!(format!("{version}.{}", told + page.len()));
            metadata["remainingItemCount"] = json!(left.len() - page.len());
        }
        let (kind, version) = form.names();
        let body = json!({
            "kind": format!("{kind}List"),
            "apiVersion": version,
            "metadata": metadata,
            "items": page.iter().map(|object| form.item(object)).collect::<Vec<_>>(),
        });
        answer_with(200, &body)
    })
}

/// A stream of events from a version on, or from the beginning.
fn watch(shared: &Arc<Shared>, form: Form, parameters: &Parameters) -> Response {
    let is_set = |name| parameters.get(name).is_some_and(|value| value == "true");
    let streams_list = is_set("sendInitialEvents");
    if streams_list
        && parameters.get("resourceVersionMatch").map(String::as_str) != Some("NotOlderThan")
    {
        let message = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        return refuse(422, "Invalid", message);
    }
    if let Some(status) = shared.read(|store| store.refuse_watches) {
        return refuse(status, "Refused", "watches are refused");
    }
    let version = parameters.get("resourceVersion");
    let version = version.and_then(|version| version.parse::<u64>().ok());
    let bell = shared.listen();
    let first = shared.read(|store| {
        let mut lines = VecDeque::new();
        let mut ended = false;
        let position = if streams_list {
            for object in store.objects(form.kind) {
                lines.push_back(event("ADDED", &form.of_object(&object)));
            }
            lines.push_back(initial_events_end(form, store.version));
            store.end_of_log()
        } else {
            let version = version.unwrap_or(store.version);
            ended = store.is_expired(version);
            if ended {
                lines.push_back(expired(version, store.version));
            }
            store.position_after(version)
        };
        Watch {
            form,
            wants_bookmarks: is_set("allowWatchBookmarks"),
            position,
            lines,
            ended,
            bell,
            shared: Arc::clone(shared),
        }
    });
    let lines = stream::unfold(first, Watch::next);
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (content_type, Body::from_stream(lines)).into_response()
}

/// An open watch.
struct Watch {
    form: Form,
    wants_bookmarks: bool,
    /// How much of the log was told.
    position: usize,
    lines: VecDeque<String>,
    ended: bool,
    bell: watch::Receiver<()>,
    shared: Arc<Shared>,
}

impl Watch {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some((Ok(Bytes::from(line + "\n")), self));
            }
            if self.ended {
                return None;
            }
            let shared = Arc::clone(&self.shared);
            shared.read(|store| self.collect(store));
            if self.lines.is_empty() && !self.ended {
                self.bell.changed().await.ok()?;
            }
        }
    }

    /// Takes what is new in the log.
    fn collect(&mut self, store: &Store) {
        self.bell.mark_unchanged();
        for entry in store.log_from(self.position) {
            self.position += 1;
            match &entry.told {
                Told::Change(kind, change, object) if *kind == self.form.kind => {
                    let object = self.form.of_object(object);
                    self.lines.push_back(event(change.as_str(), &object));
                }
                Told::Bookmark if self.wants_bookmarks => {
                    self.lines.push_back(bookmark(self.form, entry.version));
                }
                Told::Change(..) | Told::Bookmark => {}
                Told::Expired => {
                    self.lines
                        .push_back(expired(entry.version - 1, entry.version));
                    self.ended = true;
                    return;
                }
                Told::End => {
                    self.ended = true;
                    return;
                }
            }
        }
    }
}

fn event(kind: &str, object: &Value) -> String {
    json!({ "type": kind, "object": object }).to_string()
}

fn bookmark(form: Form, version: u64) -> String {
    event("BOOKMARK", &empty(form, version))
}

/// The bookmark that ends the initial events of a streaming list.
fn initial_events_end(form: Form, version: u64) -> String {
    let mut object = empty(form, version);
    object["metadata"]["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
    event("BOOKMARK", &object)
}

fn empty(form: Form, version: u64) -> Value {
    let (kind, api_version) = form.names();
    form.of_object(&json!({
        "kind": kind,
        "apiVersion": api_version,
        "metadata": { "resourceVersion": version.to_string() },
        "spec": {},
        "status": {},
    }))
}

fn expired(version: u64, now: u64) -> String {
    let message = format!("too old resource version: {version} ({now})");
    event("ERROR", &status(410, "Expired", &message))
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    })
}

pub(super) fn refuse(code: u16, reason: &str, message: &str) -> Response {
    answer_with(code, &status(code, reason, message))
}

pub(super) fn answer_with(code: u16, body: &Value) -> Response {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (code, content_type, body.to_string()).into_response()
}
