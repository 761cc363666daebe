//! The counters that only rise.
//!
//! In goes an [`Entry`]: all that one batch, or one look at what waited, adds. It is merged in one
//! step, so that the books balance at any instant: seen = Σ dispositions + pending. Out goes a
//! [`Snapshot`] for the scrape. The ledger knows no topology and no clock.

mod entry;
mod traffic;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;
use std::net::IpAddr;

use kubezonnet_model::{
    FlowCounters, Hook, InterfaceClass, Name, Namespace, NodeName, ObservationPoint, Timestamp,
    UnknownReason, Zone,
};
use kubezonnet_topology::NODE_NAMESPACE;
use serde::{Deserialize, Serialize};

pub use self::entry::Entry;
pub use self::traffic::Traffic;
use crate::books::Books;

/// Who is charged: a pod with an address of its own, or a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Subject {
    /// A pod by namespace and name; one that comes back under its name goes on with its series.
    Pod(Namespace, Name),
    /// A node: its own traffic, that of the pods which share its network, and what it forwards.
    Node(NodeName),
}

impl Subject {
    /// The labels `namespace` and `pod`.
    pub fn labels(&self) -> [&str; 2] {
        match self {
            Self::Pod(namespace, name) => [namespace.as_str(), name.as_str()],
            Self::Node(name) => [NODE_NAMESPACE, name.as_str()],
        }
    }
}

/// Where bytes were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeenAt {
    /// The hook.
    pub hook: Hook,
    /// Class of the input and of the output interface; `None` for what the hook left out, of which
    /// no interface is kept.
    pub interfaces: Option<(InterfaceClass, InterfaceClass)>,
}

impl SeenAt {
    /// A point of observation, interfaces and all.
    pub fn point(point: ObservationPoint) -> Self {
        Self {
            hook: point.hook,
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
    series: BTreeMap<Subject, Series>,
    /// What changed since it was last asked; `None` if nobody is going to ask.
    changes: Option<Changes>,
}

/// Which series changed.
#[derive(Debug, Default)]
struct Changes {
    /// Came, or got more; each once, and its series says that it is here.
    touched: Vec<Subject>,
    /// Were forgotten. They can have come back since.
    forgotten: Vec<Subject>,
}

/// What is to be written for the ledger to be on disk as it was at one instant.
#[derive(Debug, Default)]
pub struct Unsaved {
    /// What never goes.
    pub totals: Totals,
    /// The series that were forgotten: before those of `series` came, if they are there too.
    pub forgotten: Vec<Subject>,
    /// The series that changed, as they are.
    pub series: Vec<(Subject, Series)>,
}

/// What never goes, however long the server runs: bounded by hooks, classes, reasons and zones.
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
    /// What was counted with both zones known, from the first to the second.
    pub zones: BTreeMap<(Zone, Zone), FlowCounters>,
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
    /// An address it was seen with last: by it the topology can be asked whether it still exists.
    pub address: IpAddr,
    /// When it last changed: a deleted pod's series is kept from here on.
    pub changed: Timestamp,
    /// It is among those that changed.
    touched: bool,
}

impl Series {
    /// A series as it was kept.
    pub fn kept(traffic: Traffic, address: IpAddr, changed: Timestamp) -> Self {
        Self {
            traffic,
            address,
            changed,
            touched: false,
        }
    }
}

/// The ledger as it was at one instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What never goes.
    pub totals: Totals,
    /// The subjects in order, with what they sent and received.
    pub series: Vec<(Subject, Traffic)>,
}

impl Ledger {
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
        for (zones, counters) in entry.zones {
            *totals.zones.entry(zones).or_default() += counters;
        }
        for (subject, (address, traffic)) in entry.subjects {
            let place = self.series.entry(subject);
            if let Some(changes) = &mut self.changes
                && !matches!(&place, Place::Occupied(known) if known.get().touched)
            {
                changes.touched.push(place.key().clone());
            }
            let series = place.or_insert_with(|| Series::kept(Traffic::default(), address, now));
            series.traffic.merge(&traffic);
            series.address = address;
            series.changed = now;
            series.touched = self.changes.is_some();
        }
    }

    /// Begins to note what changes, for [`Self::unsaved`].
    pub fn note_changes(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// What changed since it was last asked, or since changes are noted.
    pub fn unsaved(&mut self) -> Unsaved {
        let Changes { touched, forgotten } = match &mut self.changes {
            Some(changes) => std::mem::take(changes),
            None => Changes::default(),
        };
        let series = touched.into_iter().filter_map(|subject| {
            // It may have been forgotten after it changed.
            let series = self.series.get_mut(&subject)?;
            // It may have been forgotten and come back, and be here twice.
            std::mem::take(&mut series.touched).then(|| (subject, series.clone()))
        });
        Unsaved {
            series: series.collect(),
            forgotten,
            totals: self.totals.clone(),
        }
    }

    /// Takes over what never goes, as it was kept.
    pub fn restore_totals(&mut self, totals: Totals) {
        self.totals = totals;
    }

    /// Takes over a series as it was kept.
    pub fn restore_series(&mut self, subject: Subject, series: Series) {
        self.series.insert(subject, series);
    }

    /// Whether no more fits.
    pub fn is_full(&self) -> bool {
        let seen: FlowCounters = self.totals.seen.values().copied().sum();
        seen.bytes >= FULL || seen.packets >= FULL
    }

    /// The counters as they are now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            totals: self.totals.clone(),
            series: self
                .series
                .iter()
                .map(|(subject, series)| (subject.clone(), series.traffic))
                .collect(),
        }
    }

    /// The subjects that did not change since `before`, with an address each was seen with.
    pub fn idle(&self, before: Timestamp) -> Vec<(Subject, IpAddr)> {
        self.series
            .iter()
            .filter(|(_, series)| series.changed < before)
            .map(|(subject, series)| (subject.clone(), series.address))
            .collect()
    }

    /// Forgets the series of subjects that are gone, unless they changed since `before`.
    pub fn forget(&mut self, gone: &[Subject], before: Timestamp) {
        for subject in gone {
            if self
                .series
                .get(subject)
                .is_some_and(|series| series.changed < before)
            {
                self.series.remove(subject);
                if let Some(changes) = &mut self.changes {
                    changes.forgotten.push(subject.clone());
                }
            }
        }
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
