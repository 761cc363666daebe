//! Edges by the names that metrics have for both sides.

use std::collections::BTreeMap;

use kubezonnet_model::FlowCounters;

use super::{Side, Snapshot, Who};
use crate::books::Disposition;

/// A side as a metric has it: namespace, kind and name; and the zone.
pub type Labels<'a> = ([&'a str; 3], &'a str);

/// Edges added up by the labels of both sides and the locality, each by the positions of sides that
/// have the labels.
#[derive(Debug, Clone, Default)]
pub struct Workloads(Vec<(usize, usize, Disposition, FlowCounters)>);

impl Workloads {
    /// The edges of a snapshot, but those of which a side is gone: they are in the other sums only.
    pub fn of(snapshot: &Snapshot) -> Self {
        // The first side with some labels stands for all that have them.
        let mut first: BTreeMap<Labels<'_>, usize> = BTreeMap::new();
        let sides = (0..).zip(&snapshot.sides);
        let stands_for: Vec<usize> = sides
            .map(|(position, side)| *first.entry(labels(side)).or_insert(position))
            .collect();
        let is_gone = |position: usize| snapshot.sides[position].who == Who::Gone;
        let edges = snapshot
            .edges
            .iter()
            .filter(|edge| !is_gone(edge.source) && !is_gone(edge.destination));
        let mut all: Vec<_> = edges
            .map(|edge| {
                let (source, destination) = (stands_for[edge.source], stands_for[edge.destination]);
                let locality = Disposition::from(edge.locality);
                (source, destination, locality, edge.counters)
            })
            .collect();
        all.sort_unstable_by_key(|(source, destination, locality, _)| {
            (*source, *destination, *locality)
        });
        all.dedup_by(|each, sum| {
            let same = (each.0, each.1, each.2) == (sum.0, sum.1, sum.2);
            if same {
                sum.3 += each.3;
            }
            same
        });
        Self(all)
    }

    /// Each with its labels, from the snapshot it was made of.
    pub fn iter<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> impl Iterator<Item = (Labels<'a>, Labels<'a>, Disposition, FlowCounters)> {
        let side = |position: usize| labels(&snapshot.sides[position]);
        self.0.iter().map(move |(from, to, locality, counters)| {
            (side(*from), side(*to), *locality, *counters)
        })
    }
}

fn labels(side: &Side) -> Labels<'_> {
    let zone = side.place.zone.as_ref();
    (side.who.labels(), zone.map_or("", |zone| zone.as_str()))
}
