//! From a decoded batch to the ledger: admit, resolve, add up, record, hand to the exporters.
//!
//! The only place that holds the state of a running server together. Time comes in as an argument.
//! Locks are taken in the order turn, agents, topology; the ledger's alone, for one merge.

mod plausible;
mod rows;
mod settle;
mod turns;

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use kubezonnet_model::{Endpoint, NodeName, Timestamp, Window};
use kubezonnet_topology::{Holder, Topology, TopologyIndex};
use kubezonnet_wire::DecodedBatch;

pub use self::plausible::Implausible;
use self::plausible::plausible;
use self::turns::Turns;
use crate::agents::{Admission, Agents, NodeUplinks, TooManyAgents};
use crate::export::Exporters;
use crate::ledger::{Entry, Ledger, Snapshot, Subject};
use crate::pending::Pending;
use crate::resolve::{Views, Wanted};

/// How long past holders of addresses, and the agents of nodes that are gone, are remembered: windows
/// of agents that could not reach their server come late, and are resolved by what was true then.
pub const REMEMBER: Duration = Duration::from_hours(4);

/// The state of a running server, from batch to counter.
#[derive(Debug)]
pub struct Pipeline {
    topology: Topology,
    /// Written to admit a batch and to note it as applied; read while a dictionary is resolved.
    agents: RwLock<Agents>,
    turns: Turns,
    pending: Pending,
    /// A mutex: one merge a batch and one copy a scrape, both short.
    ledger: Mutex<Ledger>,
    exporters: Exporters,
    settings: Settings,
}

/// What of the configuration the pipeline needs.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long after its window a record may wait for an owner; zero where the topology does not
    /// lag behind the packets.
    pub pending_timeout: Duration,
    /// Until when all agents have reported to this server: before, what came from a node that has
    /// not yet is not counted by its receiver, for the node's agent may have counted it.
    pub reports_due: Timestamp,
    /// How long the series of a deleted pod stays after its last change.
    pub series_retention: Duration,
}

/// What became of a batch that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It is counted.
    Applied {
        /// How many windows before it never came.
        missed: u64,
        /// How many addresses it declared beyond the limit.
        undeclared: u64,
    },
    /// It was counted before.
    Duplicate,
}

impl Acceptance {
    /// The name in answers and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Duplicate => "duplicate",
        }
    }
}

/// Why a well-formed batch is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The topology has not been told yet: everything would be unknown. The agent holds on.
    #[error("the topology is not synced yet")]
    NotSynced,
    /// No room for another node.
    #[error(transparent)]
    TooManyAgents(#[from] TooManyAgents),
    /// It says what cannot be true.
    #[error(transparent)]
    Implausible(#[from] Implausible),
    /// The counters are at their end. The agent holds on until the server begins again at zero.
    #[error("the counters are full: restart the server, it begins at zero then")]
    Full,
}

impl Pipeline {
    /// A server that has heard of nothing yet.
    pub fn new(topology: Topology, exporters: Exporters, settings: Settings) -> Self {
        Self {
            topology,
            agents: RwLock::default(),
            turns: Turns::default(),
            pending: Pending::default(),
            ledger: Mutex::default(),
            exporters,
            settings,
        }
    }

    /// With room for other numbers of nodes and of waiting records than the usual.
    #[must_use]
    pub fn with_room(mut self, agents: usize, pending: usize) -> Self {
        self.agents = RwLock::new(Agents::with_capacity(agents));
        self.pending = Pending::with_capacity(pending);
        self
    }

    /// Counts a batch whose window ended `age` before `now`, unless it was counted before.
    ///
    /// # Errors
    ///
    /// [`Rejection`]; nothing has changed then.
    pub fn apply(
        &self,
        batch: &DecodedBatch,
        age: Duration,
        now: Timestamp,
    ) -> Result<Acceptance, Rejection> {
        if !self.topology.is_synced() {
            return Err(Rejection::NotSynced);
        }
        plausible(batch, age)?;
        if self.ledger().is_full() {
            return Err(Rejection::Full);
        }
        let header = &batch.header;
        let window = Window::placed(now, age, header.window);
        // One batch of a node after the other: a second copy waits here until the first is counted.
        let _turn = self.turns.take(&header.node);
        let admission = self
            .agents_mut()
            .admit(header, &batch.node_addresses, window, now)?;
        let Admission::New { missed, undeclared } = admission else {
            return Ok(Acceptance::Duplicate);
        };

        let resolved = self.resolve_batch(batch, window);
        let (resolved, postponed) = self.postpone(resolved, now, |wanted, records| {
            self.pending.reserve(wanted, records)
        });

        let mut entry = Entry::default();
        rows::see(&mut entry, batch);
        entry.flows(&resolved);
        let records = postponed.iter().flat_map(|waiting| &waiting.records);
        entry.postponed = records.map(|record| record.counters).sum();
        self.ledger().record(entry, now);
        for waiting in postponed {
            // After the ledger knows of them: who settles them takes them off again.
            self.pending.put(waiting);
        }
        self.agents_mut().applied(header);
        self.exporters.offer(resolved);
        Ok(Acceptance::Applied { missed, undeclared })
    }

    /// Forgets what is gone: series that have not changed for the retention, and what [`REMEMBER`]
    /// is over for.
    pub fn forget(&self, now: Timestamp) {
        self.forget_series(now);
        let before = now.minus(REMEMBER);
        {
            let mut agents = self.agents_mut();
            let topology = self.topology.read();
            agents.forget(before, |node| topology.has_node(node));
        }
        self.topology.write().prune(before);
    }

    fn forget_series(&self, now: Timestamp) {
        let before = now.minus(self.settings.series_retention);
        let idle = self.ledger().idle(before);
        let gone: Vec<_> = {
            let topology = self.topology.read();
            idle.into_iter()
                .filter(|(subject, address)| match subject {
                    Subject::Pod(namespace, name) => !holds(&topology, *address, now, |endpoint| {
                        matches!(endpoint, Endpoint::Pod(pod)
                                if pod.namespace == *namespace && pod.name == *name)
                    }),
                    Subject::Node(name) => !topology.has_node(name),
                })
                .map(|(subject, _)| subject)
                .collect()
        };
        self.ledger().forget(&gone, before);
    }

    /// The counters as they are now.
    pub fn snapshot(&self) -> Snapshot {
        self.ledger().snapshot()
    }

    /// How many records wait.
    pub fn pending_records(&self) -> usize {
        self.pending.len()
    }

    /// How many records found no room to wait, by what they wanted.
    pub fn turned_away_records(&self) -> [(Wanted, u64); Wanted::ALL.len()] {
        self.pending.turned_away()
    }

    /// How long ago each node reported.
    pub fn report_ages(&self, now: Timestamp) -> Vec<(NodeName, Duration)> {
        self.agents().report_ages(now)
    }

    /// What left through the uplinks of each node whose agent tells.
    pub fn uplinks(&self) -> Vec<NodeUplinks> {
        self.agents().uplinks()
    }

    /// The topology it resolves with.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Where resolved batches go besides the ledger.
    pub fn exporters(&self) -> &Exporters {
        &self.exporters
    }

    /// The version of the views as they are now.
    fn version(&self) -> u64 {
        let agents = self.agents();
        let topology = self.topology.read();
        let views = Views {
            topology: &topology,
            agents: &agents,
        };
        views.version()
    }

    fn agents(&self) -> RwLockReadGuard<'_, Agents> {
        self.agents.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn agents_mut(&self) -> RwLockWriteGuard<'_, Agents> {
        self.agents.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody who fits holds the address now.
fn holds(
    topology: &TopologyIndex,
    address: std::net::IpAddr,
    now: Timestamp,
    fits: impl Fn(&Endpoint) -> bool,
) -> bool {
    let window = Window::placed(now, Duration::ZERO, Duration::from_secs(1));
    match topology.holder(address, window) {
        Holder::Held { endpoint, .. } => fits(&endpoint),
        // Two at once, or one after the other within a second: look again later.
        Holder::Reused => true,
        Holder::Nobody => false,
    }
}

#[cfg(test)]
mod tests;
