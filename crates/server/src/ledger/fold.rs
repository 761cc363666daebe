//! What leaves the ledger: series and edges of those that are gone, and the smallest of too many.
//!
//! Nothing leaves without its bytes: an edge's go to an edge between the same places in which those
//! are gone, or others; a folded series' to the series of others. A pod's series that is gone takes
//! its bytes with it, as each of its bytes is in an edge too. What moves is a value with all that it
//! takes from where to where, so that a change that is made again does the same.
//!
//! Edges leave as metrics show them: a pair goes whole or not at all, for the sum of what would be left
//! would be a counter that falls.

use foldhash::{HashMap, HashSet};
use kubezonnet_model::{FlowCounters, Timestamp};
use serde::{Deserialize, Serialize};

use super::edges::{EdgeKey, EdgeList};
use super::pair::{Pair, Pairs};
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

    /// What leaves the edges as these sides are gone: pairs of which one is a side, once none of their
    /// edges changed since `before`; and of what goes on to be forwarded, who sent it and is gone.
    pub fn leaving(&self, sides: &HashSet<Id>, before: Timestamp, names: &LookUp<'_>) -> Leaving {
        let mut leaving = Leaving::default();
        if sides.is_empty() {
            return leaving;
        }
        let mut pairs = Pairs::new(names);
        let is_gone =
            |key: &EdgeKey| sides.contains(&key.source) || sides.contains(&key.towards.destination);
        let gone = self.edges.iter().filter(|(key, _)| is_gone(key));
        let mut gone: HashSet<Pair> = gone.filter_map(|(key, _)| pairs.of(&key)).collect();
        if !gone.is_empty() {
            let active = self.edges.iter().filter(|(_, flow)| flow.changed >= before);
            for (key, _) in active {
                if let Some(pair) = pairs.of(&key) {
                    gone.remove(&pair);
                }
            }
        }
        for (key, flow) in self.edges.iter().filter(|(_, flow)| flow.changed < before) {
            let origin = key.towards.origin;
            if !gone.is_empty() && pairs.of(&key).is_some_and(|pair| gone.contains(&pair)) {
                leaving.pairs.push((key, flow.counters));
            } else if origin.is_some_and(|origin| sides.contains(&origin)) {
                leaving.origins.push((key, flow.counters));
            }
        }
        leaving
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

    /// The edges of the smallest pairs, if there is no room for new edges: as many as have to go, and
    /// the rest of the last pair.
    pub fn excess_edges(&mut self, names: &LookUp<'_>) -> Vec<(EdgeKey, FlowCounters)> {
        if self.has_room_for_edges() {
            return Vec::new();
        }
        let mut pairs = Pairs::new(names);
        let mut sums: HashMap<Pair, Sum> = HashMap::default();
        for (key, flow) in self.edges.iter() {
            if let Some(pair) = pairs.of(&key) {
                let new = || Sum {
                    bytes: 0,
                    first: key,
                    edges: 0,
                };
                let sum = sums.entry(pair).or_insert_with(new);
                sum.bytes += flow.counters.bytes;
                sum.first = sum.first.min(key);
                sum.edges += 1;
            }
        }
        let can_fold = |id| match names.key(id).map(|key| &**key) {
            Some(Key::Side(side)) => side.who.can_fold(),
            Some(Key::Subject(_) | Key::Service(_)) | None => false,
        };
        // Of sides that are shown as one all can be folded, or none.
        sums.retain(|_, sum| can_fold(sum.first.source) || can_fold(sum.first.towards.destination));
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_unstable_by_key(|(_, sum)| (sum.bytes, sum.first));
        let left = self.limits.edges - room(self.limits.edges);
        let most = self.edges.len() - left;
        let mut count = 0;
        let smallest = sums.into_iter().map_while(|(pair, sum)| {
            let goes = count < most;
            count += sum.edges;
            goes.then_some(pair)
        });
        let smallest: HashSet<Pair> = smallest.collect();
        let edges = self.edges.iter().filter(|(key, _)| {
            let pair = pairs.of(key);
            pair.is_some_and(|pair| smallest.contains(&pair))
        });
        let edges: Vec<_> = edges.map(|(key, flow)| (key, flow.counters)).collect();
        self.marks.edges = self.edges.len() - edges.len() + room(left);
        edges
    }
}

/// What the edges of a pair have together.
struct Sum {
    bytes: u64,
    /// Tells which of two with equal bytes goes first.
    first: EdgeKey,
    edges: usize,
}

/// Edges that leave.
#[derive(Debug, Default)]
pub struct Leaving {
    /// All edges of pairs of which a side is gone.
    pub pairs: Vec<(EdgeKey, FlowCounters)>,
    /// Edges of which only the origin is gone: they go to the same without one.
    pub origins: Vec<(EdgeKey, FlowCounters)>,
}

impl Leaving {
    /// Where they go.
    pub(crate) fn moved(&self, names: &Names) -> Vec<Moved> {
        let mut all = moved(&self.pairs, &Who::Gone, names);
        all.extend(self.origins.iter().map(|(from, counters)| {
            let mut to = *from;
            to.towards.origin = None;
            Moved {
                from: *from,
                to,
                counters: *counters,
            }
        }));
        all
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
