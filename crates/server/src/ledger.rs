//! The counters that only rise.
//!
//! In goes an [`Entry`]: all that one batch, or one look at what waited, adds. It is merged in one
//! step, so that the books balance at any instant: seen = Σ dispositions + pending. Out goes a
//! [`Snapshot`] for the scrape. The ledger knows no topology and no clock.

mod entry;

use std::collections::BTreeMap;
use std::net::IpAddr;

use kubezonnet_model::{
    Direction, FlowCounters, Hook, InterfaceClass, Locality, Name, Namespace, NodeName,
    ObservationPoint, Timestamp, UnknownReason, Zone,
};
use kubezonnet_topology::NODE_NAMESPACE;

pub use self::entry::Entry;
use crate::books::{Books, Disposition};

/// Who is charged: a pod with an address of its own, or a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// What one subject sent, received and forwarded, by locality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic([[FlowCounters; Disposition::LOCALITIES.len()]; Direction::ALL.len()]);

impl Traffic {
    /// Adds to one cell.
    pub fn add(&mut self, direction: Direction, locality: Locality, counters: FlowCounters) {
        self.0[direction as usize][Disposition::from(locality).index()] += counters;
    }

    /// Adds every cell of another.
    pub fn merge(&mut self, other: &Self) {
        for (sum, each) in self.0.iter_mut().flatten().zip(other.0.iter().flatten()) {
            *sum += *each;
        }
    }

    /// The cells that hold something.
    pub fn cells(&self) -> impl Iterator<Item = (Direction, Disposition, FlowCounters)> {
        Direction::ALL.into_iter().flat_map(|direction| {
            let row = &self.0[direction as usize];
            Disposition::LOCALITIES
                .into_iter()
                .map(move |locality| (direction, locality, row[locality.index()]))
                .filter(|(.., counters)| *counters != FlowCounters::ZERO)
        })
    }

    /// What was sent or forwarded and left the zone; `None` if nothing was sent at all.
    pub fn left_zone(&self) -> Option<FlowCounters> {
        let mut sent = self
            .cells()
            .filter(|(direction, ..)| *direction != Direction::Ingress)
            .peekable();
        sent.peek()?;
        let left = sent.filter(|(_, locality, _)| {
            matches!(locality, Disposition::CrossZone | Disposition::CrossRegion)
        });
        Some(left.map(|(.., counters)| counters).sum())
    }
}

/// Where bytes were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
/// thousand nodes that send 10 Gbit/s each get here in four months without a restart.
const FULL: u64 = 3 << 62;

/// The counters that only rise.
#[derive(Debug, Default)]
pub struct Ledger {
    totals: Totals,
    series: BTreeMap<Subject, Series>,
}

/// What never goes, however long the server runs: bounded by hooks, classes, reasons and zones.
#[derive(Debug, Clone, Default)]
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
#[derive(Debug)]
struct Series {
    traffic: Traffic,
    /// An address it was seen with last: by it the topology can be asked whether it still exists.
    address: IpAddr,
    /// When it last changed: a deleted pod's series is kept from here on.
    changed: Timestamp,
}

/// The ledger as it was at one instant.
#[derive(Debug, Clone, Default)]
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
            let series = self.series.entry(subject).or_insert_with(|| Series {
                traffic: Traffic::default(),
                address,
                changed: now,
            });
            series.traffic.merge(&traffic);
            series.address = address;
            series.changed = now;
        }
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
