//! Which edges leave: those of whom is gone, and the smallest where there are too many.
//!
//! Edges leave as metrics show them: a pair goes whole or not at all, for the sum of what would be left
//! would be a counter that falls. To look at all edges takes milliseconds, so they are a copy, and
//! neither the ledger nor the names are locked.

use foldhash::{HashMap, HashSet};
use kubezonnet_model::{FlowCounters, Timestamp};

use super::edges::{EdgeKey, Flow};
use super::fold::moved;
use super::pair::{Pair, Pairs};
use super::{Moved, Who};
use crate::names::{Id, Names, Sides};

/// All edges, with their sides.
#[derive(Debug)]
pub(crate) struct AllEdges {
    edges: Vec<(EdgeKey, Flow)>,
    sides: Sides,
}

/// Edges that leave as somebody is gone.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    /// All edges of pairs of which a side is gone.
    pairs: Vec<(EdgeKey, FlowCounters)>,
    /// Edges of which only the origin is gone: they go to the same without one.
    origins: Vec<(EdgeKey, FlowCounters)>,
}

/// What the edges of a pair have together.
struct Sum {
    bytes: u64,
    /// Tells which of two with equal bytes goes first.
    first: EdgeKey,
    edges: usize,
}

impl AllEdges {
    /// These, and who they are of.
    pub(crate) fn new(edges: Vec<(EdgeKey, Flow)>, names: &Names) -> Self {
        let ends = edges.iter();
        let ends = ends.flat_map(|(key, _)| [key.source, key.towards.destination]);
        let sides = names.sides(ends);
        Self { edges, sides }
    }

    /// What leaves as these are gone: pairs of which one is a side, once none of their edges changed
    /// since `before`; and of what goes on to be forwarded, who sent it and is gone.
    pub(crate) fn leaving(&self, sides: &HashSet<Id>, before: Timestamp) -> Leaving {
        let mut pairs = Pairs::new(&self.sides);
        let is_gone =
            |key: &EdgeKey| sides.contains(&key.source) || sides.contains(&key.towards.destination);
        let gone = self.edges.iter().filter(|(key, _)| is_gone(key));
        let mut gone: HashSet<Pair> = gone.filter_map(|(key, _)| pairs.of(key)).collect();
        if !gone.is_empty() {
            let active = self.edges.iter().filter(|(_, flow)| flow.changed >= before);
            for (key, _) in active {
                if let Some(pair) = pairs.of(key) {
                    gone.remove(&pair);
                }
            }
        }
        let mut leaving = Leaving::default();
        for (key, flow) in self.edges.iter().filter(|(_, flow)| flow.changed < before) {
            let origin = key.towards.origin;
            if !gone.is_empty() && pairs.of(key).is_some_and(|pair| gone.contains(&pair)) {
                leaving.pairs.push((*key, flow.counters));
            } else if origin.is_some_and(|origin| sides.contains(&origin)) {
                leaving.origins.push((*key, flow.counters));
            }
        }
        leaving
    }

    /// The edges of the smallest pairs: so many at least, as far as pairs can be folded, and all of the
    /// last pair.
    pub(crate) fn smallest(&self, least: usize) -> Vec<(EdgeKey, FlowCounters)> {
        let mut pairs = Pairs::new(&self.sides);
        let mut sums: HashMap<Pair, Sum> = HashMap::default();
        for (key, flow) in &self.edges {
            if let Some(pair) = pairs.of(key) {
                let sum = sums.entry(pair).or_insert(Sum {
                    bytes: 0,
                    first: *key,
                    edges: 0,
                });
                sum.bytes += flow.counters.bytes;
                sum.first = sum.first.min(*key);
                sum.edges += 1;
            }
        }
        // Of sides that are shown as one all can be folded, or none.
        sums.retain(|_, sum| {
            self.can_fold(sum.first.source) || self.can_fold(sum.first.towards.destination)
        });
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_unstable_by_key(|(_, sum)| (sum.bytes, sum.first));
        let mut count = 0;
        let smallest = sums.into_iter().map_while(|(pair, sum)| {
            let goes = count < least;
            count += sum.edges;
            goes.then_some(pair)
        });
        let smallest: HashSet<Pair> = smallest.collect();
        let edges = self.edges.iter().filter(|(key, _)| {
            let pair = pairs.of(key);
            pair.is_some_and(|pair| smallest.contains(&pair))
        });
        edges.map(|(key, flow)| (*key, flow.counters)).collect()
    }

    fn can_fold(&self, id: Id) -> bool {
        self.sides.get(id).is_some_and(|side| side.who.can_fold())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.edges.len()
    }
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
