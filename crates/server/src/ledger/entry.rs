//! What one batch adds to the ledger, added up by index before the ledger is locked.

use std::net::{IpAddr, Ipv4Addr};

use foldhash::HashMap;
use kubezonnet_model::{
    Direction, Endpoint, FlowCounters, Locality, Skipped, Total, TotalKind, UnknownReason, Zone,
};
use serde::{Deserialize, Serialize};

use super::{SeenAt, Subject, Traffic};
use crate::books::{Books, Disposition};
use crate::resolve::{Outcome, ResolvedBatch};

/// All that one batch, or one look at what waited, adds to the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What the hooks saw, by where.
    pub seen: HashMap<SeenAt, FlowCounters>,
    /// Where it went.
    pub books: Books,
    /// Seen, and from now on waiting.
    pub postponed: FlowCounters,
    /// Waited until now; it is in `books` too.
    pub settled: FlowCounters,
    /// What is unknown, in the order of [`UnknownReason::ALL`].
    pub unknown: [FlowCounters; UnknownReason::ALL.len()],
    /// What went between two known zones.
    pub zones: HashMap<(Zone, Zone), FlowCounters>,
    /// What each subject sent and received, with an address it was seen with.
    pub subjects: HashMap<Subject, (IpAddr, Traffic)>,
}

impl Entry {
    /// Adds what has no addresses.
    pub fn total(&mut self, total: &Total) {
        self.see(SeenAt::point(total.point), total.counters);
        if total.kind == TotalKind::Coarsened {
            self.count_unknown(UnknownReason::Coarsened, total.counters);
        }
        self.books.add(total.kind.into(), total.counters);
    }

    /// Adds what the hook left out.
    pub fn skipped(&mut self, skipped: &Skipped) {
        let at = SeenAt {
            hook: skipped.hook,
            interfaces: None,
        };
        self.see(at, skipped.counters);
        self.books.add(skipped.reason.into(), skipped.counters);
    }

    /// Adds to what the hooks saw.
    pub fn see(&mut self, at: SeenAt, counters: FlowCounters) {
        *self.seen.entry(at).or_default() += counters;
    }

    /// Adds where the flows of a batch went, but not that they were seen.
    pub fn flows(&mut self, batch: &ResolvedBatch) {
        let mut sums = Sums::new(batch);
        for flow in &batch.flows {
            match flow.outcome {
                Outcome::Counted(direction, locality) => {
                    self.books.add(locality.into(), flow.counters);
                    if let Locality::Unknown(reason) = locality {
                        self.count_unknown(reason, flow.counters);
                    }
                    sums.count(
                        flow.source,
                        flow.destination,
                        direction,
                        locality,
                        flow.counters,
                    );
                }
                Outcome::CountedBySender => {
                    self.books.add(Disposition::CountedBySender, flow.counters);
                }
                Outcome::CountedByReceiver => {
                    self.books
                        .add(Disposition::CountedByReceiver, flow.counters);
                }
                Outcome::PartlyCovered => {
                    self.books.add(Disposition::PartlyCovered, flow.counters);
                }
                Outcome::ForeignAddress => {
                    self.books.add(Disposition::ForeignAddress, flow.counters);
                }
            }
        }
        sums.pour_into(self);
    }

    fn count_unknown(&mut self, reason: UnknownReason, counters: FlowCounters) {
        self.unknown[reason as usize] += counters;
    }
}

/// Sums by position instead of by name, so that a name is hashed once a batch and not once a flow.
struct Sums {
    /// Who is charged, with an address it was seen with, and what for. The reporting node is first.
    subjects: Vec<(Subject, IpAddr, Traffic)>,
    /// For each party of the batch, its position in `subjects`.
    subject_of: Vec<Option<u32>>,
    /// For each party, its zone's position in `zones`.
    zone_of: Vec<Option<u16>>,
    zones: Vec<Zone>,
    between: HashMap<(u16, u16), FlowCounters>,
    /// The two positions of the reporting node.
    reporter: (Option<u32>, Option<u16>),
}

impl Sums {
    fn new(batch: &ResolvedBatch) -> Self {
        let reporter = &batch.reporter;
        let mut sums = Self {
            subjects: vec![(
                Subject::Node(reporter.node.name.clone()),
                // A node's series is told to be alive by its name.
                IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                Traffic::default(),
            )],
            subject_of: Vec::with_capacity(batch.parties.len()),
            zone_of: Vec::with_capacity(batch.parties.len()),
            zones: Vec::new(),
            between: HashMap::default(),
            reporter: (Some(0), None),
        };
        sums.reporter.1 = sums.zone(reporter.site.zone());
        for party in &batch.parties {
            let subject = match &party.endpoint {
                // However many addresses are the node's own: a link has very many.
                Endpoint::Node(node) if node.name == reporter.node.name => Some(0),
                Endpoint::Node(node) => {
                    Some(sums.subject(Subject::Node(node.name.clone()), party.address))
                }
                Endpoint::Pod(pod) => {
                    let subject = Subject::Pod(pod.namespace.clone(), pod.name.clone());
                    Some(sums.subject(subject, party.address))
                }
                Endpoint::Network(_)
                | Endpoint::Service(_)
                | Endpoint::Internet
                | Endpoint::Unknown(_) => None,
            };
            sums.subject_of.push(subject);
            let zone = sums.zone(party.site.zone());
            sums.zone_of.push(zone);
        }
        sums
    }

    fn subject(&mut self, subject: Subject, address: IpAddr) -> u32 {
        self.subjects.push((subject, address, Traffic::default()));
        index(self.subjects.len() - 1)
    }

    fn zone(&mut self, zone: Option<&Zone>) -> Option<u16> {
        let zone = zone?;
        let position = self.zones.iter().position(|known| known == zone);
        let position = position.unwrap_or_else(|| {
            self.zones.push(zone.clone());
            self.zones.len() - 1
        });
        // A cluster has a handful of zones; past 65,536 only the pair of zones is left out.
        u16::try_from(position).ok()
    }

    fn count(
        &mut self,
        source: u32,
        destination: u32,
        direction: Direction,
        locality: Locality,
        counters: FlowCounters,
    ) {
        let party = |position: u32| {
            let position = position as usize;
            (self.subject_of[position], self.zone_of[position])
        };
        let (sender, from) = match direction {
            Direction::Transit => self.reporter,
            Direction::Egress | Direction::Ingress => party(source),
        };
        let sent_as = match direction {
            Direction::Transit => Direction::Transit,
            Direction::Egress | Direction::Ingress => Direction::Egress,
        };
        let (receiver, to) = party(destination);
        for (subject, direction) in [(sender, sent_as), (receiver, Direction::Ingress)] {
            if let Some(subject) = subject {
                let (.., traffic) = &mut self.subjects[subject as usize];
                traffic.add(direction, locality, counters);
            }
        }
        if let (Some(from), Some(to)) = (from, to)
            && !matches!(locality, Locality::Unknown(_))
        {
            *self.between.entry((from, to)).or_default() += counters;
        }
    }

    fn pour_into(self, entry: &mut Entry) {
        for (subject, address, traffic) in self.subjects {
            if traffic.cells().next().is_some() {
                let (_, sum) = entry
                    .subjects
                    .entry(subject)
                    .or_insert_with(|| (address, Traffic::default()));
                sum.merge(&traffic);
            }
        }
        for ((from, to), counters) in self.between {
            let pair = (
                self.zones[usize::from(from)].clone(),
                self.zones[usize::from(to)].clone(),
            );
            *entry.zones.entry(pair).or_default() += counters;
        }
    }
}

fn index(position: usize) -> u32 {
    u32::try_from(position).expect("a batch has fewer addresses than its limit of records twice")
}
