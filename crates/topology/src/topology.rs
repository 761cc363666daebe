//! The handle by which sources and many readers share one index, and the named networks.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use kubezonnet_model::Timestamp;
use parking_lot::RwLock;

use crate::networks::Networks;
use crate::{KeptLabels, TopologyIndex};

/// So many pods or addresses are done in one go: a fraction of a millisecond.
const PORTION: usize = 256;

/// One index, shared: cheap to clone, read by many, written by its source.
#[derive(Debug, Clone, Default)]
pub struct Topology(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Reads are short and many (one for each address of a batch), writes are one event each. A lock
    /// that is fair: a source that tells thousands of events on end would take the system's own again
    /// before a reader that waits has woken up.
    index: RwLock<TopologyIndex>,
    /// Held for as long as it takes to point to others, never while a file is read.
    networks: RwLock<Arc<Networks>>,
    /// How many prefixes of them had addresses of the cluster, when that was last looked at.
    overlapping: AtomicUsize,
    /// The source has told all there was at start.
    synced: AtomicBool,
    /// When the source last told anything, in milliseconds; 0 until it did.
    heard: AtomicU64,
    counters: [Counters; Source::ALL.len()],
    /// What the sources keep of pods' and namespaces' labels.
    labels: KeptLabels,
}

/// What a source did since start; all of them only rise.
#[derive(Debug, Default)]
struct Counters {
    events: AtomicU64,
    relists: AtomicU64,
    failures: [AtomicU64; FailureReason::ALL.len()],
}

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// Kubernetes' pods.
    Pods,
    /// Kubernetes' nodes.
    Nodes,
    /// Kubernetes' `ReplicaSets`.
    ReplicaSets,
    /// Kubernetes' Jobs.
    Jobs,
    /// Kubernetes' namespaces.
    Namespaces,
    /// Kubernetes' Services.
    Services,
    /// Kubernetes' `EndpointSlices`.
    EndpointSlices,
    /// The topology file.
    File,
    /// The file of named networks.
    Networks,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 9] = [
        Self::Pods,
        Self::Nodes,
        Self::ReplicaSets,
        Self::Jobs,
        Self::Namespaces,
        Self::Services,
        Self::EndpointSlices,
        Self::File,
        Self::Networks,
    ];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Nodes => "nodes",
            Self::ReplicaSets => "replicasets",
            Self::Jobs => "jobs",
            Self::Namespaces => "namespaces",
            Self::Services => "services",
            Self::EndpointSlices => "endpointslices",
            Self::File => "file",
            Self::Networks => "networks",
        }
    }
}

/// Why a source could not tell what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureReason {
    /// The API server does not answer, or the connection broke.
    Connection,
    /// The API server does not know who asks.
    Unauthorized,
    /// The API server does not let us see these objects.
    Forbidden,
    /// The API server no longer has the history to go on from (410 Gone): everything is listed
    /// again.
    Expired,
    /// Any other refusal of the API server.
    Refused,
    /// An answer, or an object in it, that cannot be understood.
    Malformed,
    /// The file cannot be read.
    Unreadable,
    /// The file says something that cannot be.
    Invalid,
}

impl FailureReason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Connection,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Expired,
        Self::Refused,
        Self::Malformed,
        Self::Unreadable,
        Self::Invalid,
    ];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::Unreadable => "unreadable",
            Self::Invalid => "invalid",
        }
    }
}

/// What a source did since start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCounts {
    /// Changes of single objects taken over (for a file: reloads).
    pub events: u64,
    /// Times that everything was listed (for a file: loads), the first included.
    pub relists: u64,
    /// Failures, for every reason in the order of [`FailureReason::ALL`].
    pub failures: [(FailureReason, u64); FailureReason::ALL.len()],
}

impl Topology {
    /// An empty one, not yet synced.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, keeping these labels of pods and namespaces.
    pub fn keeping(labels: KeptLabels) -> Self {
        Self(Arc::new(Shared {
            labels,
            ..Shared::default()
        }))
    }

    /// The labels that are kept, whose values pods have.
    pub fn labels(&self) -> &KeptLabels {
        &self.0.labels
    }

    /// Forgets what ended before, a little at a time: no reader waits for all of it.
    pub fn prune(&self, before: Timestamp) {
        while self.write().prune_some(before, PORTION) {}
    }

    /// Tells the index, and does what that leaves to do a little at a time.
    pub fn tell<T>(&self, tell: impl FnOnce(&mut TopologyIndex) -> T) -> T {
        let told = tell(&mut self.write());
        while self.write().work(PORTION) {}
        told
    }

    /// The index, for reading; hold it for as long as one batch takes, not longer.
    pub fn read(&self) -> impl Deref<Target = TopologyIndex> + '_ {
        self.0.index.read()
    }

    /// The index, for writing: for sources, for pruning, and for tests that play the source.
    pub fn write(&self) -> impl DerefMut<Target = TopologyIndex> + '_ {
        self.0.index.write()
    }

    /// The named networks that are in force.
    pub fn networks(&self) -> Arc<Networks> {
        Arc::clone(&self.0.networks.read())
    }

    /// Puts these networks in force: for their source, and for tests that play it.
    pub fn set_networks(&self, networks: Networks) {
        let mut inforce = self.0.networks.write();
        *inforce = Arc::new(networks.after(&inforce));
    }

    /// How many prefixes of the named networks had addresses of the cluster, when that was last looked
    /// at ([`overlaps`](crate::networks::overlaps)).
    pub fn overlapping(&self) -> usize {
        self.0.overlapping.load(Ordering::Relaxed)
    }

    /// So many had, at the last look.
    pub(crate) fn set_overlapping(&self, prefixes: usize) {
        self.0.overlapping.store(prefixes, Ordering::Relaxed);
    }

    /// Whether the source has told all there was at start.
    pub fn is_synced(&self) -> bool {
        self.0.synced.load(Ordering::Acquire)
    }

    /// Says that the source has told all there was at start.
    pub fn set_synced(&self) {
        self.0.synced.store(true, Ordering::Release);
    }

    /// How long ago the source last told anything; `None` until it did.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        match self.0.heard.load(Ordering::Relaxed) {
            0 => None,
            heard => Some(now.since(Timestamp(heard))),
        }
    }

    /// What the source did since start.
    pub fn counts(&self, source: Source) -> SourceCounts {
        let counters = self.counters(source);
        SourceCounts {
            events: counters.events.load(Ordering::Relaxed),
            relists: counters.relists.load(Ordering::Relaxed),
            failures: FailureReason::ALL
                .map(|reason| (reason, counters.failure(reason).load(Ordering::Relaxed))),
        }
    }

    /// The source told something.
    pub(crate) fn heard(&self, now: Timestamp) {
        self.0.heard.store(now.0, Ordering::Relaxed);
    }

    /// The source told of one change.
    pub(crate) fn count_event(&self, source: Source) {
        self.counters(source).events.fetch_add(1, Ordering::Relaxed);
    }

    /// The source told everything there is.
    pub(crate) fn count_relist(&self, source: Source) {
        let relists = &self.counters(source).relists;
        relists.fetch_add(1, Ordering::Relaxed);
    }

    /// The source could not tell what it should.
    pub(crate) fn count_failure(&self, source: Source, reason: FailureReason) {
        let failures = self.counters(source).failure(reason);
        failures.fetch_add(1, Ordering::Relaxed);
    }

    fn counters(&self, source: Source) -> &Counters {
        &self.0.counters[source as usize]
    }
}

impl Counters {
    fn failure(&self, reason: FailureReason) -> &AtomicU64 {
        &self.failures[reason as usize]
    }
}
