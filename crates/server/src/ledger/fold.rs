//! What leaves the ledger: series and edges of those that are gone, and the smallest of too many.
//!
//! Nothing leaves without its bytes: an edge's go to an edge between the same places in which those
//! are gone, or others; a folded series' to the series of others. A pod's series that is gone takes
//! its bytes with it, as each of its bytes is in an edge too. What moves is a value with all that it
//! takes from where to where, so that a change that is made again does the same.

use foldhash::{HashMap, HashSet};
use kubezonnet_model::{FlowCounters, Timestamp};
use serde::{Deserialize, Serialize};

use super::edges::{EdgeKey, EdgeList, Flow};
use super::{Entry, Ledger, Subject, Traffic, Who};
use crate::change::Forgotten;
use crate::names::{Id, Key, LookUp, Names};

/// How many there may be before the smallest are folded into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesLimits {
    /// Pods and nodes with a series of their own.
    pub subjects: usize,
    /// Edges.
    pub edges: usize,
}

impl Default for SeriesLimits {
    /// A large cluster's pods, and the edges of its workloads: a page of metrics that a Prometheus
    /// reads within seconds, from some ten megabytes of memory. Of edges a quarter more may be there
    /// for half a minute.
    fn default() -> Self {
        Self {
            subjects: 50_000,
            edges: 50_000,
        }
    }
}

/// How many were folded because they were too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Folded {
    /// Pods and nodes.
    pub subjects: u64,
    /// Edges.
    pub edges: u64,
}

/// An edge that goes into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The edge.
    pub from: EdgeKey,
    /// Where it goes.
    pub to: EdgeKey,
    /// All it has.
    pub counters: FlowCounters,
}

/// Where the number is from which on there are too many.
///
/// What cannot be folded stays, and then there are more than the limit: the next look is worth its
/// time only when a tenth more came.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    subjects: usize,
    edges: usize,
}

/// What a fold leaves below a limit, and at least what comes before the next look: a tenth, or one.
const fn room(limit: usize) -> usize {
    limit.div_ceil(10)
}

impl Ledger {
    /// Makes what was decided. `is_made` says of a series or a source of edges whether it is made
    /// there already.
    pub fn forget(&mut self, forgotten: &Forgotten, is_made: impl Fn(Id) -> bool) {
        for id in &forgotten.subjects {
            if !is_made(*id) {
                self.remove_series(*id);
            }
        }
        for (id, traffic) in &forgotten.folded {
            if !is_made(*id) {
                self.remove_series(*id);
            }
            if let Some(other) = forgotten.other
                && !is_made(other)
            {
                self.add_to_series(other, traffic, forgotten.now);
            }
        }
        for moved in &forgotten.edges {
            if !is_made(moved.from.source) {
                self.edges.remove(moved.from);
            }
            if !is_made(moved.to.source) {
                let list = EdgeList(vec![(moved.to, moved.counters)]);
                self.edges.add(&list, forgotten.now);
            }
        }
        self.totals.folded.subjects += forgotten.counts.subjects;
        self.totals.folded.edges += forgotten.counts.edges;
    }

    /// Every name that is used.
    pub fn used(&self) -> HashSet<Id> {
        let mut used: HashSet<Id> = self.series.keys().copied().collect();
        for (key, _) in self.edges.iter() {
            let towards = key.towards;
            used.extend([key.source, towards.destination]);
            used.extend(towards.service);
            used.extend(towards.origin);
        }
        used
    }

    /// Of these subjects, those that did not change since `before`.
    pub fn still_idle(&self, subjects: &[Id], before: Timestamp) -> Vec<Id> {
        let is_idle = |id: &&Id| {
            let series = self.series.get(id);
            series.is_some_and(|series| series.changed < before)
        };
        subjects.iter().filter(is_idle).copied().collect()
    }

    /// Whether there is too much: so many series that they are folded at once, or so many edges, as
    /// windows which were on their way together can bring.
    pub fn has_excess(&self) -> bool {
        let burst = self.limits.edges + self.limits.edges.div_ceil(4);
        self.has_excess_series() || self.edges.len() > burst.max(self.marks.edges)
    }

    /// Whether new edges have room. Where they have none they go where they would be folded to, until
    /// the smallest have made room.
    pub fn has_room_for_edges(&self) -> bool {
        self.edges.len() < self.limits.edges
    }

    /// Which of these edges there are already.
    pub fn has_edges(&self, list: &EdgeList) -> Vec<bool> {
        self.edges.have(list)
    }

    fn has_excess_series(&self) -> bool {
        self.series.len() > self.limits.subjects.max(self.marks.subjects)
    }

    /// The smallest series, if there are too many: as many as have to go.
    pub fn excess_series(&mut self, names: &LookUp<'_>) -> Vec<(Id, Traffic)> {
        if !self.has_excess_series() {
            return Vec::new();
        }
        let can_fold = |id: &Id| {
            let key = names.key(*id).map(|key| &**key);
            key != Some(&Key::Subject(Subject::Other))
        };
        let series = self.series.iter().filter(|(id, _)| can_fold(id));
        let series = series.map(|(id, series)| (series.traffic.sum().bytes, *id));
        let left = self.limits.subjects - room(self.limits.subjects);
        let smallest = smallest(series.collect(), self.series.len() - left);
        self.marks.subjects = self.series.len() - smallest.len() + room(left);
        let traffic = |(_, id)| Some((id, self.series.get(&id)?.traffic));
        smallest.into_iter().filter_map(traffic).collect()
    }

    /// How many edges have to go so that there is room for new ones; `None` if there is.
    pub fn excess_edges(&self) -> Option<usize> {
        let left = self.limits.edges - room(self.limits.edges);
        (!self.has_room_for_edges()).then(|| self.edges.len() - left)
    }

    /// Notes that so many edges are left when those that can be folded are.
    pub fn mark_edges(&mut self, left: usize) {
        self.marks.edges = left + room(self.limits.edges - room(self.limits.edges));
    }

    /// Every edge, for who looks at them longer than the ledger may be locked. Only who makes changes
    /// may take what it sees for what there is.
    pub fn edges(&self) -> Vec<(EdgeKey, Flow)> {
        self.edges.iter().collect()
    }
}

/// Where edges go that leave.
pub(crate) fn moved(edges: &[(EdgeKey, FlowCounters)], into: &Who, names: &Names) -> Vec<Moved> {
    let mut folded: HashMap<Id, Id> = HashMap::default();
    let mut fold = |id: Id| *folded.entry(id).or_insert_with(|| names.folded(id, into));
    let one = |(from, counters): &(EdgeKey, FlowCounters)| {
        let mut to = *from;
        to.source = fold(from.source);
        to.towards.destination = fold(from.towards.destination);
        to.towards.service = None;
        to.towards.origin = None;
        Moved {
            from: *from,
            to,
            counters: *counters,
        }
    };
    edges.iter().map(one).collect()
}

/// What of a window's edges is not there yet is in the ledger where it would be folded to.
pub(crate) fn fold_new(entry: &mut Entry, are_there: &[bool], names: &Names) {
    let all = std::mem::take(&mut entry.edges.0);
    for (edge, is_there) in all.into_iter().zip(are_there) {
        let list = if *is_there {
            &mut entry.edges
        } else {
            &mut entry.unlisted
        };
        list.0.push(edge);
    }
    let moved = moved(&entry.unlisted.0, &Who::Other, names);
    let mut folded: HashMap<EdgeKey, FlowCounters> = HashMap::default();
    for Moved { to, counters, .. } in moved {
        *folded.entry(to).or_default() += counters;
    }
    entry.folded.0.extend(folded);
    entry.folded.0.sort_unstable_by_key(|(key, _)| *key);
}

/// So many of the smallest, told by what comes first; of equal ones by the rest.
fn smallest<T: Ord>(mut all: Vec<(u64, T)>, count: usize) -> Vec<(u64, T)> {
    if count < all.len() {
        all.select_nth_unstable(count);
        all.truncate(count);
    }
    all
}
