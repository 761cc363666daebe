//! What one batch adds to the ledger, added up by index before the ledger is locked.

use std::net::{IpAddr, Ipv4Addr};

use foldhash::HashMap;
use kubezonnet_model::{
    Direction, Endpoint, FlowCounters, Locality, Skipped, Total, TotalKind, UnknownReason, Zone,
};

use super::{SeenAt, Subject, Traffic};
use crate::books::{Books, Disposition};
use crate::resolve::{Outcome, ResolvedBatch};

/// All that one batch, or one look at what waited, adds to the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
                Outcome::ForeignAddress => {
                    self.books.add(Disposition::ForeignAddress, flow.counters);
                }
            }
        }
        sums.pour_into(self, batch);
    }

    fn count_unknown(&mut self, reason: UnknownReason, counters: FlowCounters) {
        self.unknown[reason as usize] += counters;
    }
}

/// Sums by position instead of by name, so that a name is hashed once a batch and not once a flow.
struct Sums {
    /// For each party of the batch, and at the end the reporting node, its slot in `traffic`.
    slots: Vec<Option<u32>>,
    traffic: Vec<Traffic>,
    /// For each party, and at the end the reporting node, its zone's position in `zones`.
    zone_of: Vec<Option<u16>>,
    zones: Vec<Zone>,
    between: HashMap<(u16, u16), FlowCounters>,
}

impl Sums {
    fn new(batch: &ResolvedBatch) -> Self {
        let mut sums = Self {
            slots: Vec::with_capacity(batch.parties.len() + 1),
            traffic: Vec::new(),
            zone_of: Vec::with_capacity(batch.parties.len() + 1),
            zones: Vec::new(),
            between: HashMap::default(),
        };
        for party in &batch.parties {
            let charged = matches!(party.endpoint, Endpoint::Pod(_) | Endpoint::Node(_));
            sums.add_party(charged, party.site.zone());
        }
        sums.add_party(true, batch.reporter.site.zone());
        sums
    }

    fn add_party(&mut self, charged: bool, zone: Option<&Zone>) {
        self.slots.push(charged.then(|| {
            self.traffic.push(Traffic::default());
            index(self.traffic.len() - 1)
        }));
        let zone = zone.and_then(|zone| {
            let position = self.zones.iter().position(|known| known == zone);
            let position = position.unwrap_or_else(|| {
                self.zones.push(zone.clone());
                self.zones.len() - 1
            });
            // A cluster has a handful of zones; past 65,536 only the pair of zones is left out.
            u16::try_from(position).ok()
        });
        self.zone_of.push(zone);
    }

    fn count(
        &mut self,
        source: u32,
        destination: u32,
        direction: Direction,
        locality: Locality,
        counters: FlowCounters,
    ) {
        let reporter = self.slots.len() - 1;
        let sender = match direction {
            Direction::Transit => reporter,
            Direction::Egress | Direction::Ingress => source as usize,
        };
        let sent_as = match direction {
            Direction::Transit => Direction::Transit,
            Direction::Egress | Direction::Ingress => Direction::Egress,
        };
        let receiver = destination as usize;
        if let Some(slot) = self.slots[sender] {
            self.traffic[slot as usize].add(sent_as, locality, counters);
        }
        if let Some(slot) = self.slots[receiver] {
            self.traffic[slot as usize].add(Direction::Ingress, locality, counters);
        }
        if let (Some(from), Some(to)) = (self.zone_of[sender], self.zone_of[receiver])
            && !matches!(locality, Locality::Unknown(_))
        {
            *self.between.entry((from, to)).or_default() += counters;
        }
    }

    fn pour_into(self, entry: &mut Entry, batch: &ResolvedBatch) {
        let reporter = &batch.reporter;
        let ends = batch
            .parties
            .iter()
            .map(|party| (subject_of(&party.endpoint), party.address))
            .chain([(
                Some(Subject::Node(reporter.node.name.clone())),
                // A node's series is told to be alive by its name.
                IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            )]);
        for ((subject, address), slot) in ends.zip(self.slots) {
            let (Some(subject), Some(slot)) = (subject, slot) else {
                continue;
            };
            let traffic = &self.traffic[slot as usize];
            if traffic.cells().next().is_some() {
                let (_, sum) = entry
                    .subjects
                    .entry(subject)
                    .or_insert_with(|| (address, Traffic::default()));
                sum.merge(traffic);
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

fn subject_of(endpoint: &Endpoint) -> Option<Subject> {
    match endpoint {
        Endpoint::Pod(pod) => Some(Subject::Pod(pod.namespace.clone(), pod.name.clone())),
        Endpoint::Node(node) => Some(Subject::Node(node.name.clone())),
        Endpoint::Internet | Endpoint::Unknown(_) => None,
    }
}

fn index(position: usize) -> u32 {
    u32::try_from(position).expect("a batch has fewer addresses than its limit of records twice")
}
