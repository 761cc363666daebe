//! The counters that only rise.
//!
//! In goes an [`Entry`]: all that one batch, or one look at what waited, adds. It is merged in one
//! step, so that the books balance at any instant: seen = Σ dispositions + pending. Out goes a
//! [`Snapshot`] for the scrape. The ledger knows no topology and no clock.

pub mod edges;
mod entry;
mod fold;
mod leaving;
mod pair;
mod side;
mod snapshot;
mod subject;
mod traffic;
mod workloads;

use std::collections::BTreeMap;

use foldhash::HashMap;
use kubezonnet_model::{
    FlowCounters, Hook, InterfaceClass, ObservationPoint, SocketOwner, Timestamp, UnknownReason,
};
use serde::{Deserialize, Serialize};

use self::edges::{Edges, Fan};
pub use self::entry::Entry;
use self::fold::Marks;
pub use self::fold::{Folded, Moved, SeriesLimits};
pub(crate) use self::fold::{fold_new, moved};
pub(crate) use self::leaving::AllEdges;
pub use self::pair::Labels;
pub use self::side::{Place, Side, Who};
pub use self::snapshot::{Edge, Snapshot};
pub use self::subject::Subject;
pub use self::traffic::Traffic;
pub use self::workloads::Workloads;
use crate::books::Books;
use crate::names::Id;
use crate::resolve::Process;

/// What saw bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SeenBy {
    /// A hook of an agent of ours.
    Hook(Hook),
    /// An agent of the Go system.
    Legacy,
}

impl SeenBy {
    /// All that see bytes.
    pub const ALL: [Self; 3] = [
        Self::Hook(Hook::Postrouting),
        Self::Hook(Hook::LocalIn),
        Self::Legacy,
    ];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hook(hook) => hook.as_str(),
            Self::Legacy => "legacy",
        }
    }
}

/// Where bytes were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeenAt {
    /// What saw them.
    pub by: SeenBy,
    /// Class of the input and of the output interface; `None` for what the hook left out, of which
    /// no interface is kept.
    pub interfaces: Option<(InterfaceClass, InterfaceClass)>,
}

impl SeenAt {
    /// What agents of the Go system tell.
    pub const LEGACY: Self = Self {
        by: SeenBy::Legacy,
        interfaces: None,
    };

    /// A point of observation, interfaces and all.
    pub fn point(point: ObservationPoint) -> Self {
        Self {
            by: SeenBy::Hook(point.hook),
            interfaces: Some((point.input, point.output)),
        }
    }
}

/// No more is taken once the hooks have seen so many bytes, or packets: three quarters of what 64
/// bits hold. Every counter here is a part of what was seen, so none ever comes to its end, where the
/// books would no longer balance; what is being applied at that moment has the last quarter. A
/// thousand nodes that send 10 Gbit/s each get here in four months. What is kept on disk stays full
/// over restarts.
const FULL: u64 = 3 << 62;

/// The counters that only rise.
#[derive(Debug, Default)]
pub struct Ledger {
    totals: Totals,
    series: HashMap<Id, Series>,
    edges: Edges,
    limits: SeriesLimits,
    marks: Marks,
    /// The time of the last change.
    latest: Timestamp,
    /// Which series changed since it was last asked; `None` if nobody is going to ask.
    changes: Option<Changes>,
}

/// Which series changed.
#[derive(Debug, Default)]
struct Changes {
    /// Came, or got more; each once, and its series says that it is here.
    touched: Vec<Id>,
    /// Were forgotten or folded. They can have come back since.
    removed: Vec<Id>,
}

/// What is to be written for the ledger to be on disk as it was at one instant.
#[derive(Debug, Default)]
pub struct Unsaved {
    /// What never goes.
    pub totals: Totals,
    /// The series that went: before those of `series` came, if they are there too.
    pub removed: Vec<Id>,
    /// The series that changed, as they are.
    pub series: Vec<(Id, Series)>,
    /// The edges of the sources of which one changed; empty where none is left.
    pub edges: Vec<(Id, Fan)>,
}

/// What never goes, however long the server runs: bounded by hooks, classes and reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Everything the hooks saw, by where.
    pub seen: BTreeMap<SeenAt, FlowCounters>,
    /// The same bytes by where they went.
    pub books: Books,
    /// Seen, and still waiting for the owner of an address. The one value here that falls.
    pub pending: FlowCounters,
    /// The column `unknown` of the books by [`UnknownReason`], in the order of its `ALL`.
    pub unknown: [FlowCounters; UnknownReason::ALL.len()],
    /// What was counted of sockets on nodes' own networks.
    pub host: Host,
    /// How many were folded because they were too many.
    pub folded: Folded,
}

/// What was counted of sockets on nodes' own networks, by whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Host([FlowCounters; Host::OWNERS.len()]);

impl Host {
    /// The names of owners, in the order of the columns, as [`Process::as_str`] has them.
    pub const OWNERS: [&str; 6] = [
        "pod",
        "system",
        "kernel",
        "unseen",
        "unreadable",
        "unlisted",
    ];

    const fn index(process: Process) -> usize {
        match process {
            Process::Told(SocketOwner::Pod(_)) => 0,
            Process::Told(SocketOwner::System) => 1,
            Process::Told(SocketOwner::Kernel) => 2,
            Process::Told(SocketOwner::Unseen) => 3,
            Process::Told(SocketOwner::Unreadable) => 4,
            Process::Unlisted => 5,
        }
    }

    /// Each owner with what was counted.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, FlowCounters)> {
        Self::OWNERS.into_iter().zip(self.0)
    }

    /// Sets the column of that number.
    pub fn set(&mut self, column: usize, counters: FlowCounters) {
        self.0[column] = counters;
    }

    fn merge(&mut self, other: &Self) {
        for (sum, each) in self.0.iter_mut().zip(other.0) {
            *sum += each;
        }
    }
}

impl Totals {
    /// What the hooks saw, less what has a disposition or waits: zero in books that balance.
    pub fn imbalance(&self) -> (i128, i128) {
        let seen: FlowCounters = self.seen.values().copied().sum();
        let booked = [self.books.sum(), self.pending]
            .into_iter()
            .sum::<FlowCounters>();
        (
            i128::from(seen.bytes) - i128::from(booked.bytes),
            i128::from(seen.packets) - i128::from(booked.packets),
        )
    }
}

/// The series of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// What it sent and received.
    pub traffic: Traffic,
    /// When it last changed: a deleted pod's series is kept from here on.
    pub changed: Timestamp,
    /// It is among those that changed.
    touched: bool,
}

impl Series {
    /// A series as it was kept.
    pub fn kept(traffic: Traffic, changed: Timestamp) -> Self {
        Self {
            traffic,
            changed,
            touched: false,
        }
    }
}

impl Ledger {
    /// Nothing yet, with room for so much.
    pub fn with_limits(limits: SeriesLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Adds what one batch brought, in one step.
    pub fn record(&mut self, entry: Entry, now: Timestamp) {
        let totals = &mut self.totals;
        for (at, counters) in entry.seen {
            *totals.seen.entry(at).or_default() += counters;
        }
        totals.books.merge(&entry.books);
        totals.pending += entry.postponed;
        totals.pending = less(totals.pending, entry.settled);
        for (sum, each) in totals.unknown.iter_mut().zip(entry.unknown) {
            *sum += each;
        }
        totals.host.merge(&entry.host);
        for (id, traffic) in &entry.subjects {
            self.add_to_series(*id, traffic, now);
        }
        self.edges.add(&entry.edges, now);
        self.edges.add(&entry.folded, now);
        self.latest = self.latest.max(now);
    }

    fn add_to_series(&mut self, id: Id, traffic: &Traffic, now: Timestamp) {
        let new = || Series::kept(Traffic::default(), now);
        let series = self.series.entry(id).or_insert_with(new);
        series.traffic.merge(traffic);
        series.changed = now;
        if let Some(changes) = &mut self.changes
            && !series.touched
        {
            series.touched = true;
            changes.touched.push(id);
        }
    }

    fn remove_series(&mut self, id: Id) {
        if self.series.remove(&id).is_some()
            && let Some(changes) = &mut self.changes
        {
            changes.removed.push(id);
        }
    }

    /// Begins to note what changes, for [`Self::unsaved`].
    pub fn note_changes(&mut self) {
        self.changes.get_or_insert_default();
        self.edges.note_changes();
    }

    /// What changed since it was last asked, or since changes are noted.
    pub fn unsaved(&mut self) -> Unsaved {
        let Changes { touched, removed } = match &mut self.changes {
            Some(changes) => std::mem::take(changes),
            None => Changes::default(),
        };
        let series = touched.into_iter().filter_map(|id| {
            // It may have gone after it changed.
            let series = self.series.get_mut(&id)?;
            // It may have gone and come back, and be here twice.
            std::mem::take(&mut series.touched).then(|| (id, series.clone()))
        });
        Unsaved {
            series: series.collect(),
            removed,
            edges: self.edges.unsaved(),
            totals: self.totals.clone(),
        }
    }

    /// Takes over what never goes, as it was kept.
    pub fn restore_totals(&mut self, totals: Totals) {
        self.totals = totals;
    }

    /// Takes over a series as it was kept.
    pub fn restore_series(&mut self, id: Id, series: Series) {
        self.series.insert(id, series);
    }

    /// Takes over the edges of a source as they were kept.
    pub fn restore_edges(&mut self, source: Id, fan: Fan) {
        self.edges.restore(source, fan);
    }

    /// The time of the last change.
    pub fn latest(&self) -> Timestamp {
        self.latest
    }

    /// Whether no more fits.
    pub fn is_full(&self) -> bool {
        let seen: FlowCounters = self.totals.seen.values().copied().sum();
        seen.bytes >= FULL || seen.packets >= FULL
    }

    /// The subjects that did not change since `before`.
    pub fn idle(&self, before: Timestamp) -> Vec<Id> {
        let idle = self.series.iter();
        let idle = idle.filter(|(_, series)| series.changed < before);
        idle.map(|(id, _)| *id).collect()
    }
}

fn less(from: FlowCounters, take: FlowCounters) -> FlowCounters {
    FlowCounters {
        bytes: from.bytes.saturating_sub(take.bytes),
        packets: from.packets.saturating_sub(take.packets),
    }
}

#[cfg(test)]
mod tests;
