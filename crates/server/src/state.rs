//! What a server knows of the past: its agents, what waits, and the ledger.
//!
//! Only changes that are on disk take effect here, in the order of the disk, so
//! that nothing is ever shown that a crash could take back. The one exception is what resolving
//! needs of a window before it is on disk: since when its node is covered and which addresses it
//! declares ([`Agents::admit`]). To admit a window again changes nothing more, and an agent sends a
//! window until it is acknowledged.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::agents::{Agents, Applied};
use crate::change::{Arrived, Forgotten, Settled};
use crate::ledger::Ledger;
use crate::pending::Pending;

/// What a server knows of the past.
#[derive(Debug, Default)]
pub struct State {
    /// Written to admit a batch and to note it as applied; read while a dictionary is resolved.
    agents: RwLock<Agents>,
    pending: Pending,
    /// A mutex: one merge a batch and one copy a scrape, both short.
    ledger: Mutex<Ledger>,
}

impl State {
    /// Nothing yet, with room for so many agents and waiting records.
    pub fn with_room(agents: usize, pending: usize) -> Self {
        Self {
            agents: RwLock::new(Agents::with_capacity(agents)),
            pending: Pending::with_capacity(pending),
            ledger: Mutex::default(),
        }
    }

    /// The agents, to be looked at.
    pub fn agents(&self) -> RwLockReadGuard<'_, Agents> {
        self.agents.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The agents, to be changed.
    pub fn agents_mut(&self) -> RwLockWriteGuard<'_, Agents> {
        self.agents.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits.
    pub fn pending(&self) -> &Pending {
        &self.pending
    }

    /// The ledger.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A window that was admitted, whose waiting records have their room already.
    pub fn arrive(&self, arrived: Arrived) -> Applied {
        self.ledger().record(arrived.entry, arrived.now);
        for waiting in arrived.waiting {
            // After the ledger knows of them: who settles them takes them off again.
            self.pending.put(waiting);
        }
        self.agents_mut().applied(&arrived.header, arrived.window)
    }

    /// A group of waiting records that was taken out: what is settled gives its room back.
    pub fn settle(&self, settled: Settled, records: usize) {
        let still: usize = settled.waiting.iter().map(|each| each.records.len()).sum();
        self.ledger().record(settled.entry, settled.now);
        self.pending.release(records.saturating_sub(still));
        for waiting in settled.waiting {
            self.pending.put(waiting);
        }
    }

    /// What is gone of the ledger. Agents are forgotten before, while it is decided which.
    pub fn forget(&self, forgotten: &Forgotten) {
        let Forgotten {
            subjects, before, ..
        } = forgotten;
        self.ledger().forget(subjects, *before);
    }
}
