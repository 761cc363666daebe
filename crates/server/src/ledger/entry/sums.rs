//! Sums by position instead of by name, so that a name is looked at once a batch and not once a
//! flow.

use foldhash::HashMap;
use kubezonnet_model::{Direction, Endpoint, FlowCounters, Locality};

use crate::ledger::edges::{Class, EdgeKey, EdgeList, Towards};
use crate::ledger::{Side, Subject, Traffic};
use crate::names::{Id, Key, Lease, Names};
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
        let ends = batch.parties.iter();
        let ends = ends.map(|party| (&party.endpoint, &party.site));
        let ends = ends.chain([(&itself, &reporter.site)]);
        let mut keys: Vec<_> = ends
            .map(|(end, site)| Key::Side(Side::of(end, site)))
            .collect();
        let services = batch.services.iter();
        keys.extend(services.map(|service| Key::Service((**service).clone())));
        let charged_from = keys.len();
        let mut charged = Vec::with_capacity(batch.parties.len() + 1);
        for endpoint in batch
            .parties
            .iter()
            .map(|party| &party.endpoint)
            .chain([&itself])
        {
            let subject = match endpoint {
                Endpoint::Pod(pod) => Subject::Pod(pod.namespace.clone(), pod.name.clone()),
                Endpoint::Node(node) => Subject::Node(node.name.clone()),
                Endpoint::Network(_)
                | Endpoint::Service(_)
                | Endpoint::Internet
                | Endpoint::Unknown(_) => {
                    charged.push(false);
                    continue;
                }
            };
            keys.push(Key::Subject(subject));
            charged.push(true);
        }
        let (ids, lease) = names.ids(&keys);
        let (sides, ids_charged) = ids.split_at(charged_from);
        let mut sums = Self {
            subjects: Vec::with_capacity(ids_charged.len()),
            parties: Vec::with_capacity(charged.len()),
            reporter: Party {
                subject: None,
                side: sides[batch.parties.len()],
            },
            services: sides[batch.parties.len() + 1..].to_vec(),
            edges: EdgeList::default(),
            positions: HashMap::with_capacity_and_hasher(
                batch.flows.len(),
                foldhash::fast::RandomState::default(),
            ),
        };
        let mut known: HashMap<Id, u32> = HashMap::default();
        let mut ids_charged = ids_charged.iter();
        for (charged, side) in charged.into_iter().zip(sides) {
            let id = if charged { ids_charged.next() } else { None };
            let subject = id.map(|id| {
                // A pod has several addresses, and a node very many: a link is its own.
                *known.entry(*id).or_insert_with(|| {
                    sums.subjects.push((*id, Traffic::default()));
                    index(sums.subjects.len() - 1)
                })
            });
            let side = *side;
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

fn index(position: usize) -> u32 {
    u32::try_from(position).expect("a batch has fewer addresses than its limit of records twice")
}
