//! Sums by position instead of by name, so that a name is looked at once a batch and not once a
//! flow.

use std::sync::Arc;

use foldhash::HashMap;
use foldhash::fast::RandomState;
use kubezonnet_model::{Direction, Endpoint, FlowCounters, Locality, Pod, Service, Site};

use crate::ledger::edges::{Class, EdgeKey, EdgeList, Towards};
use crate::ledger::{Side, Subject, Traffic};
use crate::names::{Id, Key, Lease, Names, PodIds};
use crate::resolve::{ResolvedBatch, ResolvedFlow};

/// A party as the sums know it.
#[derive(Clone, Copy)]
struct Party {
    /// Position in the subjects; `None` for who is not charged.
    subject: Option<u32>,
    /// Position in the sides.
    side: u32,
}

/// The sums of a batch.
pub(super) struct Sums {
    subjects: Vec<(Id, Traffic)>,
    /// Each side once.
    sides: Vec<Id>,
    /// In the order of the batch's parties.
    parties: Vec<Party>,
    reporter: Party,
    services: Vec<Id>,
    /// What each flow adds to which edge.
    parts: Vec<(LocalEdge, FlowCounters)>,
}

/// An edge by positions in its batch: one number, which sorts quicker than what it stands for. From
/// the top: whether the reporter forwarded it, source, destination, class, and one more than the
/// service. Of what the reporter forwarded the source is the one it came from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct LocalEdge(u128);

impl LocalEdge {
    fn new(source: u32, destination: u32, class: Class, service: Option<u32>) -> Self {
        let is_transit = u128::from(class.direction() == Direction::Transit);
        let service = service.map_or(0, |position| u64::from(position) + 1);
        Self(
            is_transit << 112
                | u128::from(source) << 80
                | u128::from(destination) << 48
                | u128::from(u8::from(class)) << 40
                | u128::from(service),
        )
    }

    #[expect(clippy::cast_possible_truncation, reason = "the bits of one part")]
    fn parts(self) -> (u32, u32, Class, Option<u32>) {
        let Self(bits) = self;
        let class = Class::try_from((bits >> 40) as u8).expect("it was made of a class");
        let service = (bits & ((1 << 40) - 1)).checked_sub(1);
        (
            (bits >> 80) as u32,
            (bits >> 48) as u32,
            class,
            service.map(|position| position as u32),
        )
    }
}

impl Sums {
    pub(super) fn new(batch: &ResolvedBatch, names: &Names) -> (Self, Lease) {
        let reporter = &batch.reporter;
        let itself = Endpoint::Node(reporter.node.clone());
        let ends: Vec<_> = batch
            .parties
            .iter()
            .map(|party| (&party.endpoint, &party.site))
            .chain([(&itself, &reporter.site)])
            .collect();
        let Ids {
            ends,
            services,
            lease,
        } = Ids::of(&ends, &batch.services, names);
        let mut parties = Vec::with_capacity(ends.len());
        let (mut subjects, mut sides) = (Vec::with_capacity(ends.len()), Vec::new());
        // A pod has several addresses, and a node very many: a link is its own. Sides are many's.
        let room = || HashMap::with_capacity_and_hasher(ends.len(), RandomState::default());
        let (mut known_subjects, mut known_sides) = (room(), room());
        for (side, charged) in ends {
            let subject = charged.map(|id| {
                *known_subjects.entry(id).or_insert_with(|| {
                    subjects.push((id, Traffic::default()));
                    index(subjects.len() - 1)
                })
            });
            let side = *known_sides.entry(side).or_insert_with(|| {
                sides.push(side);
                index(sides.len() - 1)
            });
            parties.push(Party { subject, side });
        }
        let reporter = parties.pop().expect("the reporter was the last end");
        let sums = Self {
            subjects,
            sides,
            parties,
            reporter,
            services,
            parts: Vec::with_capacity(batch.flows.len()),
        };
        (sums, lease)
    }

    pub(super) fn count(&mut self, flow: &ResolvedFlow, direction: Direction, locality: Locality) {
        let counters = flow.counters;
        let source = self.parties[flow.source as usize];
        let receiver = self.parties[flow.destination as usize];
        let (sender, sent_as) = match direction {
            Direction::Transit => (self.reporter, Direction::Transit),
            Direction::Egress | Direction::Ingress => (source, Direction::Egress),
        };
        for (party, direction) in [(sender, sent_as), (receiver, Direction::Ingress)] {
            if let Some(subject) = party.subject {
                let (_, traffic) = &mut self.subjects[subject as usize];
                traffic.add(direction, locality, counters);
            }
        }
        let class = Class::of(direction, locality);
        let edge = LocalEdge::new(source.side, receiver.side, class, flow.service);
        match self.parts.last_mut() {
            // Flows of one pair often come one after the other.
            Some((last, sum)) if *last == edge => *sum += counters,
            _ => self.parts.push((edge, counters)),
        }
    }

    /// The subjects and the edges that have something; the edges of one source one after the other.
    pub(super) fn done(mut self) -> (Vec<(Id, Traffic)>, EdgeList) {
        self.subjects
            .retain(|(_, traffic)| traffic.cells().next().is_some());
        self.parts.sort_unstable_by_key(|(edge, _)| *edge);
        let mut edges: Vec<(EdgeKey, FlowCounters)> = Vec::with_capacity(self.parts.len());
        for parts in self.parts.chunk_by(|(one, _), (other, _)| one == other) {
            let counters = parts.iter().map(|(_, counters)| *counters).sum();
            edges.push((self.key(parts[0].0), counters));
        }
        (self.subjects, EdgeList(edges))
    }

    fn key(&self, edge: LocalEdge) -> EdgeKey {
        let (source, destination, class, service) = edge.parts();
        let sender = self.sides[source as usize];
        let (source, origin) = match class.direction() {
            Direction::Transit => (self.sides[self.reporter.side as usize], Some(sender)),
            Direction::Egress | Direction::Ingress => (sender, None),
        };
        EdgeKey {
            source,
            towards: Towards {
                destination: self.sides[destination as usize],
                class,
                service: service.map(|position| self.services[position as usize]),
                origin,
            },
        }
    }
}

/// The ids of all that a batch names.
struct Ids {
    /// Of each end its side, and who is charged, if somebody is.
    ends: Vec<(Id, Option<Id>)>,
    services: Vec<Id>,
    lease: Lease,
}

impl Ids {
    fn of(ends: &[(&Endpoint, &Site)], services: &[Arc<Service>], names: &Names) -> Self {
        let pods = ends.iter().map(|(end, site)| Some((pod_of(end)?, *site)));
        // Of the two leases the older holds for both: what was asked for later is current for longer.
        let (remembered, lease) = names.of_pods(pods);
        let fresh = || {
            let ends = ends.iter().zip(&remembered);
            ends.filter(|(_, known)| known.is_none())
                .map(|(end, _)| *end)
        };
        let mut keys: Vec<_> = fresh()
            .map(|(end, site)| Key::Side(Side::of(end, site)))
            .collect();
        let sides = keys.len();
        keys.extend(services.iter().map(|each| Key::Service((**each).clone())));
        keys.extend(
            fresh()
                .filter_map(|(end, _)| subject_of(end))
                .map(Key::Subject),
        );
        let (ids, asked_under) = names.ids(&keys);
        let (sides, ids) = ids.split_at(sides);
        let (services, subjects) = ids.split_at(services.len());
        let (mut sides, mut subjects) = (sides.iter(), subjects.iter());
        let mut found = Vec::with_capacity(ends.len());
        let mut newcomers = Vec::new();
        for ((end, site), known) in ends.iter().zip(remembered) {
            if let Some(PodIds { subject, side }) = known {
                found.push((side, Some(subject)));
                continue;
            }
            let side = *sides
                .next()
                .expect("each of these ends was asked for above");
            let subject =
                is_charged(end).then(|| *subjects.next().expect("and who of them is charged"));
            if let (Some(pod), Some(subject)) = (pod_of(end), subject) {
                newcomers.push((pod, *site, PodIds { subject, side }));
            }
            found.push((side, subject));
        }
        names.remember(newcomers.into_iter(), &asked_under);
        Self {
            ends: found,
            services: services.to_vec(),
            lease,
        }
    }
}

fn pod_of(end: &Endpoint) -> Option<&Arc<Pod>> {
    match end {
        Endpoint::Pod(pod) => Some(pod),
        _ => None,
    }
}

fn is_charged(end: &Endpoint) -> bool {
    matches!(end, Endpoint::Pod(_) | Endpoint::Node(_))
}

fn subject_of(end: &Endpoint) -> Option<Subject> {
    match end {
        Endpoint::Pod(pod) => Some(Subject::Pod(pod.namespace.clone(), pod.name.clone())),
        Endpoint::Node(node) => Some(Subject::Node(node.name.clone())),
        Endpoint::Network(_) | Endpoint::Service(_) | Endpoint::Internet | Endpoint::Unknown(_) => {
            None
        }
    }
}

fn index(position: usize) -> u32 {
    u32::try_from(position).expect("a batch has fewer addresses than its limit of records twice")
}
