//! Edges by the names that metrics have for both sides.

use foldhash::HashMap;
use kubezonnet_model::FlowCounters;

use super::pair::{Pair, Shown};
use super::{Side, Snapshot};
use crate::books::Disposition;

/// Edges added up by the labels of both sides and the locality.
#[derive(Debug, Clone, Default)]
pub struct Workloads {
    /// Of each end the position of the first side that is shown so.
    sides: Vec<usize>,
    pairs: Vec<(Pair, FlowCounters)>,
}

impl Workloads {
    /// The edges of a snapshot, but those of which a side is gone: they are in the other sums only. They
    /// are told apart by the labels for charge-back at these places, too.
    pub fn of(snapshot: &Snapshot, places: &[usize]) -> Self {
        let mut shown = Shown::by(places);
        let ends: Vec<_> = snapshot.sides.iter().map(|side| shown.end(side)).collect();
        let mut sides = Vec::new();
        for (position, end) in (0..).zip(&ends) {
            if end.is_some_and(|end| end.position() == sides.len()) {
                sides.push(position);
            }
        }
        let mut pairs: HashMap<Pair, FlowCounters> = HashMap::default();
        for edge in &snapshot.edges {
            if let (Some(source), Some(destination)) = (ends[edge.source], ends[edge.destination]) {
                let pair = Pair::of(source, destination, edge.locality);
                *pairs.entry(pair).or_default() += edge.counters;
            }
        }
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_unstable_by_key(|(pair, _)| *pair);
        Self { sides, pairs }
    }

    /// Each with a side that has the labels of all that sent it, and one of all that received it, from the
    /// snapshot it was made of.
    pub fn iter<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> impl Iterator<Item = (&'a Side, &'a Side, Disposition, FlowCounters)> {
        self.pairs.iter().map(|(pair, counters)| {
            let [source, destination] = [pair.source, pair.destination]
                .map(|end| &snapshot.sides[self.sides[end.position()]]);
            (source, destination, pair.disposition, *counters)
        })
    }
}
