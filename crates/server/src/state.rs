//! What a server knows of the past: its agents, what waits, the ledger, and the names in it.
//!
//! Only changes that are on disk take effect here, in the order of the disk, so
//! that nothing is ever shown that a crash could take back. The one exception is what resolving
//! needs of a window before it is on disk: since when its node is covered and which addresses it
//! declares ([`Agents::admit`]). To admit a window again changes nothing more, and an agent sends a
//! window until it is acknowledged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kubezonnet_model::{Timestamp, Window};
use kubezonnet_pricing::{Account, PriceBook};

use crate::agents::{Agents, Applied};
use crate::budgets::{Month, Spending, Spent};
use crate::change::{Added, Arrived, Forgotten, Gone, Settled};
use crate::costs::CostLedger;
use crate::history::embedded::{Counted, Embedded};
use crate::ledger::{self, AllEdges, Entry, Folded, Ledger, SeriesLimits, Snapshot, Subject, Who};
use crate::names::{Key, Names};
use crate::pending::{Pending, Waiting};

/// What a server knows of the past.
#[derive(Debug, Default)]
pub struct State {
    /// Written to admit a batch and to note it as applied; read while a dictionary is resolved.
    agents: RwLock<Agents>,
    pending: Pending,
    /// Locked before the ledger, where both are.
    names: Arc<Names>,
    /// A mutex: one merge a batch and one copy a scrape, both short.
    ledger: Mutex<Ledger>,
    costs: CostLedger,
    /// What goes into the past too; `None` where none is kept.
    past: Option<Arc<Embedded>>,
}

impl Spending for State {
    fn spent(&self, month: Month, accounts: &[&Account]) -> Vec<Spent> {
        self.costs.spent(&self.names, month, accounts)
    }

    fn idle<'a>(&self, accounts: Vec<&'a Account>) -> Vec<&'a Account> {
        self.costs.unpaid(&self.names, accounts)
    }
}

impl State {
    /// Nothing yet, with room for so many agents and waiting records.
    pub fn with_room(agents: usize, pending: usize) -> Self {
        Self {
            agents: RwLock::new(Agents::with_capacity(agents)),
            pending: Pending::with_capacity(pending),
            names: Arc::default(),
            ledger: Mutex::default(),
            costs: CostLedger::default(),
            past: None,
        }
    }

    /// The same, with room for so many series and edges.
    #[must_use]
    pub fn with_limits(self, limits: SeriesLimits) -> Self {
        let ledger = Mutex::new(Ledger::with_limits(limits));
        Self { ledger, ..self }
    }

    /// The same, which keeps its past there. Its names are those that the past was opened with.
    #[must_use]
    pub fn with_past(self, past: Arc<Embedded>) -> Self {
        Self {
            past: Some(past),
            ..self
        }
    }

    /// The past, where one is kept.
    pub fn past(&self) -> Option<&Arc<Embedded>> {
        self.past.as_ref()
    }

    /// These prices are in force from now on.
    pub fn begin_costs(&self, book: &PriceBook) {
        if let Some(past) = &self.past
            && !self.costs.has_begun()
        {
            past.price(Some(book));
        }
        self.costs.begin(book);
    }

    /// There are no prices, and none can come.
    pub fn give_up_costs(&self) {
        if let Some(past) = &self.past {
            past.price(None);
        }
        self.costs.give_up();
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

    /// The names in the ledger.
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// What it costs.
    pub fn costs(&self) -> &CostLedger {
        &self.costs
    }

    /// The counters as they are now.
    pub fn snapshot(&self) -> Snapshot {
        let copied = {
            let names = self.names.look_up();
            self.ledger().copy(&names)
        };
        copied.snapshot()
    }

    /// The ledger.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A window that was admitted, whose waiting records have their room already. The row is that of the
    /// journal, as in all that follow.
    pub fn arrive(&self, arrived: Arrived, row: u64) -> Applied {
        self.record(arrived.entry, arrived.now, arrived.window, row);
        for waiting in arrived.waiting {
            // After the ledger knows of them: who settles them takes them off again.
            self.pending.put(waiting);
        }
        self.agents_mut().applied(&arrived.header, arrived.window)
    }

    /// A group of waiting records that was taken out: what is settled gives its room back.
    pub fn settle(&self, settled: Settled, taken: Option<&Waiting>, row: u64) {
        let still: usize = settled.waiting.iter().map(|each| each.records.len()).sum();
        let window = taken.map_or(Window::moment(settled.now), |taken| taken.window);
        self.record(settled.entry, settled.now, window, row);
        if let Some(taken) = taken {
            let settled = taken.records.len().saturating_sub(still);
            self.pending.release(&taken.node, settled);
        }
        for waiting in settled.waiting {
            self.pending.put(waiting);
        }
    }

    /// What is counted as it comes.
    pub fn add(&self, added: Added, row: u64) {
        self.record(added.entry, added.now, Window::moment(added.now), row);
    }

    /// All that any change adds, counted, charged, and told to the past.
    fn record(&self, entry: Entry, now: Timestamp, window: Window, row: u64) {
        let edges = [&entry.edges, &entry.unlisted];
        self.costs.add(edges, &self.names, now);
        self.tell(&entry, window, row);
        self.ledger().record(entry, now);
    }

    /// Tells the past what a change adds.
    pub fn tell(&self, entry: &Entry, window: Window, row: u64) {
        if let Some(past) = &self.past {
            past.feed(Counted {
                row,
                window,
                edges: [entry.edges.clone(), entry.unlisted.clone()],
                // Who makes changes is who retires names: until here they are what they were.
                lease: self.names.lease(),
            });
        }
    }

    /// What leaves the ledger. Agents are forgotten before, while it is decided which. The past loses nothing
    /// by it, and hears of the row alone.
    pub fn forget(&self, forgotten: &Forgotten, row: u64) {
        self.tell(&Entry::default(), Window::moment(forgotten.now), row);
        self.ledger().forget(forgotten, |_| false);
    }

    /// Decides what is forgotten of what may be: nothing that changed since. Agents are forgotten
    /// with it.
    pub fn decide(&self, gone: Gone) -> Forgotten {
        let agents = if gone.agents.is_empty() {
            Vec::new()
        } else {
            self.agents_mut().forget(gone.agents, gone.agents_before)
        };
        let ledger = self.ledger();
        let subjects = ledger.still_idle(&gone.subjects, gone.before);
        let edges = (!gone.sides.is_empty()).then(|| ledger.edges());
        let now = ledger.latest();
        drop(ledger);
        let edges = edges.map(|edges| {
            let leaving = AllEdges::new(edges, &self.names).leaving(&gone.sides, gone.before);
            leaving.moved(&self.names)
        });
        Forgotten {
            subjects,
            edges: edges.unwrap_or_default(),
            now,
            agents,
            ..Forgotten::default()
        }
    }

    /// Folds the edges of a window that are new, where there is no room for them.
    pub fn fit(&self, entry: &mut Entry) {
        let are_there = {
            let ledger = self.ledger();
            if ledger.has_room_for_edges() {
                return;
            }
            ledger.has_edges(&entry.edges)
        };
        if are_there.contains(&false) {
            ledger::fold_new(entry, &are_there, &self.names);
        }
    }

    /// What has to leave the ledger because there is too much; `None` if there is not.
    pub fn excess(&self) -> Option<Forgotten> {
        if self.ledger().has_excess() {
            self.make_room()
        } else {
            None
        }
    }

    /// What has to leave the ledger so that there is room for what is new; `None` if there is.
    pub fn make_room(&self) -> Option<Forgotten> {
        let (folded, excess, now) = {
            let names = self.names.look_up();
            let mut ledger = self.ledger();
            let folded = ledger.excess_series(&names);
            let excess = ledger.excess_edges();
            let excess = excess.map(|least| (least, ledger.edges()));
            (folded, excess, ledger.latest())
        };
        let edges = excess.map(|(least, edges)| {
            let all = AllEdges::new(edges, &self.names);
            let smallest = all.smallest(least);
            self.ledger().mark_edges(all.len() - smallest.len());
            smallest
        });
        let edges = edges.unwrap_or_default();
        let counts = Folded {
            subjects: folded.len() as u64,
            edges: edges.len() as u64,
        };
        let other = || self.names.id(&Key::Subject(Subject::Other));
        let forgotten = Forgotten {
            other: (!folded.is_empty()).then(other),
            folded,
            edges: ledger::moved(&edges, &Who::Other, &self.names),
            counts,
            now,
            ..Forgotten::default()
        };
        (!forgotten.is_empty()).then_some(forgotten)
    }

    /// Retires the names that nobody uses.
    pub fn retire_names(&self) {
        self.costs.charge(&self.names);
        let used = self.ledger().used();
        self.names.retire(|id| used.contains(&id));
    }
}
