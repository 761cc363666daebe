//! The ledger as it was at one instant, with names.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::HashMap;
use kubezonnet_model::{
    Direction, FlowCounters, Locality, Name, NetworkKind, Region, Service, Zone,
};

use super::edges::{EdgeKey, Flow};
use super::{Ledger, Side, Subject, Totals, Traffic, Who};
use crate::books::Disposition;
use crate::names::{Id, Key, LookUp};

/// The ledger as it was at one instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What never goes.
    pub totals: Totals,
    /// The subjects in order, with what they sent and received.
    pub series: Vec<(Subject, Traffic)>,
    /// Every side of an edge, in order.
    pub sides: Vec<Side>,
    /// The edges, in the order of their sources and destinations.
    pub edges: Vec<Edge>,
}

/// How much went from whom to whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Position in [`Snapshot::sides`] of who sent it, or of the node that forwarded it.
    pub source: usize,
    /// Position of who received it.
    pub destination: usize,
    /// Of what a node forwarded: position of who sent it.
    pub origin: Option<usize>,
    /// From which side it was seen.
    pub direction: Direction,
    /// Across which boundary it went.
    pub locality: Locality,
    /// The Service by which the pods were reached, where that is known.
    pub service: Option<Service>,
    /// How much it is.
    pub counters: FlowCounters,
}

impl Snapshot {
    /// The sums of edges by something that both sides have, where the locality is known.
    fn between<'a, T: Ord + 'a>(
        &'a self,
        part: impl Fn(&'a Side) -> Option<&'a T>,
    ) -> BTreeMap<(&'a T, &'a T), FlowCounters> {
        let parts: Vec<_> = self.sides.iter().map(part).collect();
        let mut sums = BTreeMap::new();
        for edge in &self.edges {
            if let (Some(from), Some(to)) = (parts[edge.source], parts[edge.destination])
                && !matches!(edge.locality, Locality::Unknown(_))
            {
                let sum: &mut FlowCounters = sums.entry((from, to)).or_default();
                *sum += edge.counters;
            }
        }
        sums
    }

    /// What was counted with both zones known, from the first to the second.
    pub fn zones(&self) -> BTreeMap<(&Zone, &Zone), FlowCounters> {
        self.between(|side| side.place.zone.as_ref())
    }

    /// What was counted with both regions known, from the first to the second.
    pub fn regions(&self) -> BTreeMap<(&Region, &Region), FlowCounters> {
        self.between(|side| side.place.region.as_ref())
    }

    /// What went to and from named networks: name, kind, `to` or `from`, locality.
    pub fn networks(
        &self,
    ) -> BTreeMap<(&Name, NetworkKind, &'static str, Disposition), FlowCounters> {
        let mut sums = BTreeMap::new();
        for edge in &self.edges {
            for (position, direction) in [(edge.source, "from"), (edge.destination, "to")] {
                if let Who::Network { name, kind, .. } = &self.sides[position].who {
                    let key = (name, *kind, direction, edge.locality.into());
                    let sum: &mut FlowCounters = sums.entry(key).or_default();
                    *sum += edge.counters;
                }
            }
        }
        sums
    }
}

/// The ledger as it was at one instant, by ids, and what they stand for.
#[derive(Debug)]
pub(crate) struct Copied {
    totals: Totals,
    series: Vec<(Arc<Key>, Traffic)>,
    sides: HashMap<Id, Arc<Key>>,
    services: HashMap<Id, Arc<Key>>,
    edges: Vec<(EdgeKey, Flow)>,
}

impl Ledger {
    /// Copies all of it, while it is locked and so are the names; what takes longer comes after.
    pub(crate) fn copy(&self, names: &LookUp<'_>) -> Copied {
        let edges: Vec<_> = self.edges.iter().collect();
        let mut sides = HashMap::default();
        let mut services = HashMap::default();
        for (key, _) in &edges {
            let towards = key.towards;
            for id in [Some(key.source), Some(towards.destination), towards.origin] {
                note(&mut sides, names, id);
            }
            note(&mut services, names, towards.service);
        }
        let series = self.series.iter().filter_map(|(id, series)| {
            let key = names.key(*id)?;
            Some((Arc::clone(key), series.traffic))
        });
        Copied {
            totals: self.totals.clone(),
            series: series.collect(),
            sides,
            services,
            edges,
        }
    }
}

fn note(known: &mut HashMap<Id, Arc<Key>>, names: &LookUp<'_>, id: Option<Id>) {
    if let Some(id) = id
        && !known.contains_key(&id)
        && let Some(key) = names.key(id)
    {
        known.insert(id, Arc::clone(key));
    }
}

impl Copied {
    /// Puts everything in order.
    pub(crate) fn snapshot(self) -> Snapshot {
        let series = self
            .series
            .iter()
            .filter_map(|(key, traffic)| match &**key {
                Key::Subject(subject) => Some((subject, *traffic)),
                Key::Side(_) | Key::Service(_) => None,
            });
        let mut series: Vec<_> = series.collect();
        series.sort_unstable_by_key(|(subject, _)| *subject);
        let mut sides: Vec<_> = self
            .sides
            .iter()
            .filter_map(|(id, key)| match &**key {
                Key::Side(side) => Some((side, *id)),
                Key::Subject(_) | Key::Service(_) => None,
            })
            .collect();
        sides.sort_unstable();
        let position: HashMap<Id, usize> =
            (0..).zip(&sides).map(|(at, (_, id))| (*id, at)).collect();
        let edge = |(key, flow): &(EdgeKey, Flow)| {
            let towards = key.towards;
            let service = towards
                .service
                .and_then(|id| match &**self.services.get(&id)? {
                    Key::Service(service) => Some(service.clone()),
                    Key::Subject(_) | Key::Side(_) => None,
                });
            Some(Edge {
                source: *position.get(&key.source)?,
                destination: *position.get(&towards.destination)?,
                origin: towards.origin.and_then(|id| position.get(&id).copied()),
                direction: towards.class.direction(),
                locality: towards.class.locality(),
                service,
                counters: flow.counters,
            })
        };
        let mut edges: Vec<_> = self.edges.iter().filter_map(edge).collect();
        edges.sort_unstable();
        Snapshot {
            totals: self.totals,
            series: series
                .into_iter()
                .map(|(subject, traffic)| (subject.clone(), traffic))
                .collect(),
            sides: sides.into_iter().map(|(side, _)| side.clone()).collect(),
            edges,
        }
    }
}
