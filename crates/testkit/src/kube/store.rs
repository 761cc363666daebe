//! What the fake knows: objects, their versions, and the history that watches are told.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::tokens::Token;

/// A kind of object the fake has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Pods, in namespaces.
    Pod,
    /// Nodes, in none.
    Node,
    /// `ReplicaSets`, in namespaces.
    ReplicaSet,
    /// Jobs, in namespaces.
    Job,
    /// Namespaces, in none.
    Namespace,
    /// Services, in namespaces.
    Service,
    /// `EndpointSlices`, in namespaces.
    EndpointSlice,
    /// `DaemonSets`, in namespaces.
    DaemonSet,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Pod,
        Self::Node,
        Self::ReplicaSet,
        Self::Job,
        Self::Namespace,
        Self::Service,
        Self::EndpointSlice,
        Self::DaemonSet,
    ];

    /// The kind that a path lists.
    pub(super) fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.path() == path)
    }

    /// The kind, the namespace, and what follows, of a path within a namespace.
    pub(super) fn of_namespaced(path: &str) -> Option<(Self, &str, &str)> {
        Self::ALL.into_iter().find_map(|kind| {
            let (group, resource) = kind.path().rsplit_once('/')?;
            let rest = path.strip_prefix(group)?.strip_prefix("/namespaces/")?;
            let (namespace, rest) = rest.split_once('/')?;
            let rest = rest.strip_prefix(resource)?;
            let is_whole = rest.is_empty() || rest.starts_with('/');
            is_whole.then(|| (kind, namespace, rest.trim_start_matches('/')))
        })
    }

    fn path(self) -> &'static str {
        match self {
            Self::Pod => "/api/v1/pods",
            Self::Node => "/api/v1/nodes",
            Self::ReplicaSet => "/apis/apps/v1/replicasets",
            Self::Job => "/apis/batch/v1/jobs",
            Self::Namespace => "/api/v1/namespaces",
            Self::Service => "/api/v1/services",
            Self::EndpointSlice => "/apis/discovery.k8s.io/v1/endpointslices",
            Self::DaemonSet => "/apis/apps/v1/daemonsets",
        }
    }

    /// The name in objects.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Node => "Node",
            Self::ReplicaSet => "ReplicaSet",
            Self::Job => "Job",
            Self::Namespace => "Namespace",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::DaemonSet => "DaemonSet",
        }
    }

    /// Group and version, as objects have them.
    pub(super) fn api_version(self) -> &'static str {
        match self {
            Self::Pod | Self::Node | Self::Namespace | Self::Service => "v1",
            Self::ReplicaSet | Self::DaemonSet => "apps/v1",
            Self::Job => "batch/v1",
            Self::EndpointSlice => "discovery.k8s.io/v1",
        }
    }

    /// Group and resource, as who may not list them is told.
    pub(super) fn group_and_resource(self) -> (&'static str, &'static str) {
        let group = self.api_version().split_once('/');
        let resource = self.path().rsplit('/').next();
        (
            group.map_or("", |(group, _)| group),
            resource.unwrap_or_default(),
        )
    }
}

/// What a watch tells of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It is another.
    Modified,
    /// It is gone.
    Deleted,
}

impl Change {
    /// The name in events.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// The store, and a bell that rings at every change.
#[derive(Debug)]
pub(super) struct Shared {
    store: Mutex<Store>,
    bell: watch::Sender<()>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            store: Mutex::default(),
            bell: watch::Sender::new(()),
        }
    }
}

impl Shared {
    pub(super) fn read<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what nobody is told of.
    pub(super) fn note<T>(&self, note: impl FnOnce(&mut Store) -> T) -> T {
        note(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let changed = change(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner));
        self.bell.send_replace(());
        changed
    }

    /// Hears of every change from now on; held by every open watch.
    pub(super) fn listen(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    pub(super) fn open_watches(&self) -> usize {
        self.bell.receiver_count()
    }
}

/// Objects and history.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// The version of the last change; every object has the version of its own.
    pub(super) version: u64,
    /// History before this version is forgotten.
    oldest: u64,
    objects: BTreeMap<(Kind, String), Value>,
    log: Vec<Entry>,
    /// What a list in pages goes on telling, by version.
    pages: HashMap<(Kind, u64), Vec<Value>>,
    /// Paths and queries of requests.
    pub(super) requests: Vec<String>,
    /// The status that a watch is refused with.
    pub(super) refuse_watches: Option<u16>,
    /// Kinds of which whole objects were asked for.
    pub(super) asked_whole: BTreeSet<Kind>,
    /// Kinds that nobody may list or watch.
    pub(super) forbidden_kinds: BTreeSet<Kind>,
    /// Secrets and config maps, as `secrets/namespace/name`.
    pub(super) singles: BTreeMap<String, Value>,
    /// Those that nobody may touch.
    pub(super) forbidden: BTreeSet<String>,
    /// Whether nobody may make new ones, as with rights on names only.
    pub(super) forbid_create: bool,
    /// Tokens that were given, by their text.
    pub(super) tokens: HashMap<String, Token>,
    /// How many were ever given, so that none is like another.
    pub(super) given: usize,
    /// How many reviews of tokens were answered.
    pub(super) reviews: usize,
    /// The status that a review is refused with.
    pub(super) refuse_reviews: Option<u16>,
    /// Where ports of pods lead, by `namespace/name`.
    pub(super) forwards: HashMap<(String, u16), SocketAddr>,
}

/// What open watches are told.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) version: u64,
    pub(super) told: Told,
}

/// What open watches are told.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// Of an object.
    Change(Kind, Change, Value),
    /// Nothing but the version.
    Bookmark,
    /// That it cannot go on: 410.
    Expired,
    /// Nothing: it ends.
    End,
}

impl Store {
    pub(super) fn upsert(&mut self, kind: Kind, mut object: Value) {
        let change = if self.objects.contains_key(&(kind, key(&object))) {
            Change::Modified
        } else {
            Change::Added
        };
        object["metadata"]["resourceVersion"] = json!((self.version + 1).to_string());
        self.replay(kind, change, object);
    }

    pub(super) fn delete(&mut self, kind: Kind, key: &str) {
        if let Some(mut object) = self.objects.get(&(kind, key.to_owned())).cloned() {
            object["metadata"]["resourceVersion"] = json!((self.version + 1).to_string());
            self.replay(kind, Change::Deleted, object);
        }
    }

    pub(super) fn replay(&mut self, kind: Kind, change: Change, mut object: Value) {
        object["kind"] = json!(kind.as_str());
        object["apiVersion"] = json!(kind.api_version());
        let version = object["metadata"]["resourceVersion"].as_str();
        let version = version.and_then(|version| version.parse().ok());
        self.version = self.version.max(version.unwrap_or(self.version + 1));
        let key = (kind, key(&object));
        if change == Change::Deleted {
            self.objects.remove(&key);
        } else {
            self.objects.insert(key, object.clone());
        }
        self.tell(Told::Change(kind, change, object));
    }

    pub(super) fn bookmark(&mut self) {
        self.tell(Told::Bookmark);
    }

    pub(super) fn end_watches(&mut self) {
        self.tell(Told::End);
    }

    pub(super) fn expire(&mut self) {
        self.forget();
        self.tell(Told::Expired);
    }

    pub(super) fn expire_quietly(&mut self) {
        self.forget();
        self.tell(Told::End);
    }

    fn forget(&mut self) {
        self.version += 1;
        self.oldest = self.version;
        self.pages.clear();
    }

    fn tell(&mut self, told: Told) {
        let version = self.version;
        self.log.push(Entry { version, told });
    }

    /// All objects of a kind, in the order of their keys.
    pub(super) fn objects(&self, kind: Kind) -> Vec<Value> {
        let objects = self.objects.iter();
        objects
            .filter(|((each, _), _)| *each == kind)
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// Whether the history since that version is forgotten.
    pub(super) fn is_expired(&self, version: u64) -> bool {
        version < self.oldest
    }

    /// Keeps a list as it is now, for its further pages.
    pub(super) fn keep(&mut self, kind: Kind) -> u64 {
        self.pages.insert((kind, self.version), self.objects(kind));
        self.version
    }

    /// The list as it was kept at that version.
    pub(super) fn kept(&self, kind: Kind, version: u64) -> Option<&[Value]> {
        self.pages.get(&(kind, version)).map(Vec::as_slice)
    }

    /// Where in the log a watch from that version begins.
    pub(super) fn position_after(&self, version: u64) -> usize {
        self.log.partition_point(|entry| entry.version <= version)
    }

    /// Where in the log a watch from now begins.
    pub(super) fn end_of_log(&self) -> usize {
        self.log.len()
    }

    /// The log from a position on.
    pub(super) fn log_from(&self, position: usize) -> &[Entry] {
        &self.log[position..]
    }
}

/// `namespace/name`, or the name where there is no namespace.
fn key(object: &Value) -> String {
    let field = |name: &str| object["metadata"][name].as_str();
    let name = field("name").unwrap_or_default();
    match field("namespace") {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}
