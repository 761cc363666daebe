//! Sums by position instead of by name, so that a name is looked at once a batch and not once a
//! flow.

use std::sync::Arc;

use foldhash::HashMap;
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
    side: Id,
}

/// The sums of a batch.
pub(super) struct Sums {
    subjects: Vec<(Id, Traffic)>,
    /// In the order of the batch's parties.
    parties: Vec<Party>,
    reporter: Party,
    services: Vec<Id>,
    edges: EdgeList,
    /// Where an edge is.
    positions: HashMap<EdgeKey, u32>,
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
            ends: parties,
            services,
            lease,
        } = Ids::of(&ends, &batch.services, names);
        let mut sums = Self {
            subjects: Vec::with_capacity(parties.len()),
            parties: Vec::with_capacity(parties.len()),
            reporter: Party {
                subject: None,
                side: parties[batch.parties.len()].0,
            },
            services,
            edges: EdgeList::default(),
            positions: HashMap::with_capacity_and_hasher(
                batch.flows.len(),
                foldhash::fast::RandomState::default(),
            ),
        };
        let mut known: HashMap<Id, u32> = HashMap::default();
        for (side, charged) in parties {
            let subject = charged.map(|id| {
                // A pod has several addresses, and a node very many: a link is its own.
                *known.entry(id).or_insert_with(|| {
                    sums.subjects.push((id, Traffic::default()));
                    index(sums.subjects.len() - 1)
                })
            });
            sums.parties.push(Party { subject, side });
        }
        sums.reporter = sums.parties.pop().unwrap_or(sums.reporter);
        (sums, lease)
    }

    pub(super) fn count(&mut self, flow: &ResolvedFlow, direction: Direction, locality: Locality) {
        let counters = flow.counters;
        let source = self.parties[flow.source as usize];
        let receiver = self.parties[flow.destination as usize];
        let (sender, sent_as, origin) = match direction {
            Direction::Transit => (self.reporter, Direction::Transit, Some(source.side)),
            Direction::Egress | Direction::Ingress => (source, Direction::Egress, None),
        };
        for (party, direction) in [(sender, sent_as), (receiver, Direction::Ingress)] {
            if let Some(subject) = party.subject {
                let (_, traffic) = &mut self.subjects[subject as usize];
                traffic.add(direction, locality, counters);
            }
        }
        let key = EdgeKey {
            source: sender.side,
            towards: Towards {
                destination: receiver.side,
                class: Class::of(direction, locality),
                service: flow.service.map(|service| self.services[service as usize]),
                origin,
            },
        };
        self.add(key, counters);
    }

    fn add(&mut self, key: EdgeKey, counters: FlowCounters) {
        let edges = &mut self.edges.0;
        // Flows of one pair often come one after the other.
        if let Some((last, sum)) = edges.last_mut()
            && *last == key
        {
            *sum += counters;
            return;
        }
        let position = *self.positions.entry(key).or_insert_with(|| {
            edges.push((key, FlowCounters::ZERO));
            index(edges.len() - 1)
        });
        edges[position as usize].1 += counters;
    }

    /// The subjects and the edges that have something.
    pub(super) fn done(mut self) -> (Vec<(Id, Traffic)>, EdgeList) {
        self.subjects
            .retain(|(_, traffic)| traffic.cells().next().is_some());
        (self.subjects, self.edges)
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
