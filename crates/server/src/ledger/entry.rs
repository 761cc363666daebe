//! What one batch adds to the ledger, added up by index before the ledger is locked.

mod sums;

use foldhash::HashMap;
use kubezonnet_model::{FlowCounters, Locality, Skipped, Total, TotalKind, UnknownReason};
use serde::{Deserialize, Serialize};

use self::sums::Sums;
use super::edges::{EdgeKey, EdgeList};
use super::{Host, SeenAt, SeenBy, Traffic};
use crate::books::{Books, Disposition};
use crate::names::{Id, Lease, Names};
use crate::resolve::{Outcome, Process, ResolvedBatch};

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
    /// What was counted of sockets on the node's own network.
    pub host: Host,
    /// What each subject sent and received, each subject once.
    pub subjects: Vec<(Id, Traffic)>,
    /// What went from whom to whom, each edge once.
    pub edges: EdgeList,
    /// The same of edges that have no room in the ledger: each once, and none that is in `edges`.
    pub unlisted: EdgeList,
    /// Where the ledger has these instead.
    pub folded: EdgeList,
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
            by: SeenBy::Hook(skipped.hook),
            interfaces: None,
        };
        self.see(at, skipped.counters);
        self.books.add(skipped.reason.into(), skipped.counters);
    }

    /// Bytes that were lost.
    pub fn lost(&self) -> u64 {
        let lost = [Disposition::Malformed, Disposition::ForeignAddress];
        lost.map(|each| self.books.get(each).bytes)
            .into_iter()
            .sum()
    }

    /// Adds to what the hooks saw.
    pub fn see(&mut self, at: SeenAt, counters: FlowCounters) {
        *self.seen.entry(at).or_default() += counters;
    }

    /// Adds where the flows of a batch went, but not that they were seen. To an entry of one batch
    /// only, and once. The lease is held until the entry is in the ledger.
    pub fn flows(&mut self, batch: &ResolvedBatch, names: &Names) -> Lease {
        let (mut sums, lease) = Sums::new(batch, names);
        for flow in &batch.flows {
            let disposition = match flow.outcome {
                Outcome::Counted(direction, locality) => {
                    if let Locality::Unknown(reason) = locality {
                        self.count_unknown(reason, flow.counters);
                    }
                    if let Some(process) = batch.process(flow) {
                        self.host.add(process, flow.counters);
                    }
                    sums.count(flow, direction, locality);
                    locality.into()
                }
                Outcome::CountedBySender => Disposition::CountedBySender,
                Outcome::CountedByReceiver => Disposition::CountedByReceiver,
                Outcome::PartlyCovered => Disposition::PartlyCovered,
                Outcome::ForeignAddress => Disposition::ForeignAddress,
            };
            self.books.add(disposition, flow.counters);
        }
        (self.subjects, self.edges) = sums.done();
        lease
    }

    /// Gives names that were retired since the lease began the ids they have now; says whether there
    /// were any.
    pub fn renew(&mut self, names: &Names, lease: &Lease) -> bool {
        if names.are_current(lease) {
            return false;
        }
        let mut renewed: HashMap<Id, Id> = HashMap::default();
        let mut changed = false;
        let mut renew = |id: &mut Id| {
            let now = *renewed.entry(*id).or_insert_with(|| names.current(*id));
            changed |= now != *id;
            *id = now;
        };
        for (id, _) in &mut self.subjects {
            renew(id);
        }
        let lists = [&mut self.edges, &mut self.unlisted, &mut self.folded];
        for (key, _) in lists.into_iter().flat_map(|list| &mut list.0) {
            let towards = &mut key.towards;
            renew(&mut key.source);
            renew(&mut towards.destination);
            let rare = [&mut towards.service, &mut towards.origin];
            rare.into_iter().flatten().for_each(&mut renew);
        }
        changed
    }

    /// Gives back the memory that it was made with and does not need: most flows share an edge, and
    /// most addresses are nobody's.
    pub fn shrink(&mut self) {
        self.subjects.shrink_to_fit();
        self.edges.0.shrink_to_fit();
    }

    /// What it takes of memory.
    pub fn memory(&self) -> usize {
        let lists = [&self.edges, &self.unlisted, &self.folded];
        let edges =
            lists.map(|EdgeList(list)| list.capacity() * size_of::<(EdgeKey, FlowCounters)>());
        size_of::<Self>()
            + self.seen.capacity() * size_of::<(SeenAt, FlowCounters)>()
            + self.subjects.capacity() * size_of::<(Id, Traffic)>()
            + edges.into_iter().sum::<usize>()
    }

    fn count_unknown(&mut self, reason: UnknownReason, counters: FlowCounters) {
        self.unknown[reason as usize] += counters;
    }
}

impl Host {
    fn add(&mut self, process: Process, counters: FlowCounters) {
        self.0[Self::index(process)] += counters;
    }
}
