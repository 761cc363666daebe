//! From a decoded batch to a change: admit, resolve, add up, and hand to the committer, which makes
//! it last and take effect.
//!
//! The only place that holds the state of a running server together. Time comes in as an argument.
//! Locks are taken in the order agents, topology; the ledger's alone, for one merge.

mod claims;
mod entrance;
mod existing;
mod legacy;
mod plausible;
mod rows;
mod settle;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kubezonnet_model::{NodeName, Timestamp, Window};
use kubezonnet_pricing::{Account, PriceBook};
use kubezonnet_topology::Topology;
use kubezonnet_wire::DecodedBatch;

use self::claims::Claims;
use self::existing::exists;
pub use self::plausible::Implausible;
use self::plausible::plausible;
use crate::agents::{self, Admission, MAX_AGENTS, NodeAgent, NodeUplinks, Told, TooManyAgents};
use crate::budgets::{self, BudgetFile, Spending};
use crate::change::{Arrived, Change, Gone};
use crate::committer::{Committer, Outcome, Ticket};
use crate::costs::{Accounting, Costs};
use crate::export::Exporters;
use crate::history::embedded::{Embedded, Options};
use crate::ledger::{Entry, SeriesLimits, Snapshot};
use crate::names::{Id, Key};
use crate::pending::{MAX_PENDING_RECORDS, TurnedAway};
use crate::prices::{InForce, Prices};
use crate::resolve::Views;
use crate::state::State;
use crate::store::{Failure, Locked, OpenError, Pace, Store, StoreCounts, StoreId, wall_clock};

/// How long past holders of addresses, and the agents of nodes that are gone, are remembered: windows
/// of agents that could not reach their server come late, and are resolved by what was true then.
pub const REMEMBER: Duration = Duration::from_hours(4);

/// So many names are looked up in the topology in one go: a fraction of a millisecond.
const LOOKED_UP_IN_ONE_GO: usize = 1024;

/// The state of a running server, from batch to counter.
#[derive(Debug)]
pub struct Pipeline {
    topology: Topology,
    state: Arc<State>,
    committer: Committer,
    exporters: Arc<Exporters>,
    settings: Settings,
    id: StoreId,
    created: Timestamp,
    claims: Claims,
    prices: Prices,
    budgets: BudgetFile,
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
    /// How many series and edges there may be before the smallest are folded into one.
    pub limits: SeriesLimits,
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
        /// The server knew nothing of its agent, though it is not the agent's first.
        midway: bool,
        /// For how long nobody counted what its node sent, as the agent before broke off.
        uncounted: Option<Duration>,
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
    #[error(
        "the counters are full: move the data directory away and restart the server, it begins at \
         zero then"
    )]
    Full,
    /// It cannot be kept now. The agent holds on until it can.
    #[error(
        "the server cannot write to its disk ({}): look at its log and at its volume",
        .0.as_str()
    )]
    Storage(Failure),
}

/// A batch that was taken, on its way to the disk.
#[derive(Debug)]
pub enum Taken {
    /// It had been counted before.
    Duplicate,
    /// It is counted once this says so.
    OnItsWay {
        /// What waits for the disk.
        ticket: Ticket,
        /// How many addresses it declared beyond the limit.
        undeclared: u64,
    },
}

impl Taken {
    /// Waits for the disk as a task.
    ///
    /// # Errors
    ///
    /// [`Rejection::Storage`] if it cannot be written.
    pub async fn acceptance(self) -> Result<Acceptance, Rejection> {
        match self {
            Self::Duplicate => Ok(Acceptance::Duplicate),
            Self::OnItsWay { ticket, undeclared } => {
                Acceptance::of(ticket.answer().await, undeclared)
            }
        }
    }

    /// Waits for the disk as a thread.
    ///
    /// # Errors
    ///
    /// [`Rejection::Storage`] if it cannot be written.
    pub fn wait(self) -> Result<Acceptance, Rejection> {
        match self {
            Self::Duplicate => Ok(Acceptance::Duplicate),
            Self::OnItsWay { ticket, undeclared } => Acceptance::of(ticket.wait(), undeclared),
        }
    }
}

impl Acceptance {
    fn of(answer: Result<Outcome, Failure>, undeclared: u64) -> Result<Self, Rejection> {
        match answer {
            Ok(Outcome::Made(applied)) => Ok(Self::Applied {
                missed: applied.missed,
                undeclared,
                midway: applied.midway,
                uncounted: applied.uncounted,
            }),
            Ok(Outcome::Duplicate) => Ok(Self::Duplicate),
            Err(failure) => Err(Rejection::Storage(failure)),
        }
    }
}

impl Pipeline {
    /// A server that has heard of nothing yet, and keeps what it hears in memory.
    pub fn new(topology: Topology, exporters: Exporters, settings: Settings) -> Self {
        let state = State::with_room(MAX_AGENTS, MAX_PENDING_RECORDS).with_limits(settings.limits);
        let exporters = Arc::new(exporters);
        Self::on(topology, exporters, settings, state, None)
    }

    /// A server that knows what the store of a directory knows, and keeps what it hears there.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the directory cannot be used.
    pub fn open(
        topology: Topology,
        exporters: Exporters,
        settings: Settings,
        directory: &Path,
        pace: Pace,
    ) -> Result<Self, OpenError> {
        Self::with_past(topology, exporters, settings, Some((directory, pace)), None)
    }

    /// One that keeps its past too, if it is said how: everything on disk if there is a directory, in
    /// memory if not.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which says what is wrong with the directory or a file in it, and what to do.
    pub fn with_past(
        topology: Topology,
        exporters: Exporters,
        settings: Settings,
        directory: Option<(&Path, Pace)>,
        past: Option<Options>,
    ) -> Result<Self, OpenError> {
        // Before anything in it is opened: another server's history is not to be put aside.
        let locked = match directory {
            Some((directory, pace)) => Some((Locked::of(directory)?, pace)),
            None => None,
        };
        let mut state =
            State::with_room(MAX_AGENTS, MAX_PENDING_RECORDS).with_limits(settings.limits);
        if let Some(past) = past {
            let past = Embedded::open(past, Arc::clone(state.names()))?;
            state = state.with_past(Arc::new(past));
        }
        let store = match locked {
            Some((locked, pace)) => {
                state.costs().expect_prices();
                Some(Store::open_in(locked, &state, pace)?)
            }
            None => None,
        };
        let exporters = Arc::new(exporters);
        Ok(Self::on(topology, exporters, settings, state, store))
    }

    /// The past, where one is kept.
    pub fn past(&self) -> Option<&Arc<Embedded>> {
        self.state.past()
    }

    /// One that keeps everything in memory, with room for other numbers of nodes and of waiting
    /// records than the usual.
    #[must_use]
    pub fn with_room(self, agents: usize, pending: usize) -> Self {
        let state = State::with_room(agents, pending);
        Self::on(self.topology, self.exporters, self.settings, state, None)
    }

    /// One that keeps everything in memory, and folds what is more than so many.
    #[must_use]
    pub fn with_limits(self, limits: SeriesLimits) -> Self {
        let state = State::with_room(MAX_AGENTS, MAX_PENDING_RECORDS).with_limits(limits);
        Self::on(self.topology, self.exporters, self.settings, state, None)
    }

    fn on(
        topology: Topology,
        exporters: Arc<Exporters>,
        settings: Settings,
        state: State,
        store: Option<Store>,
    ) -> Self {
        let state = Arc::new(state);
        let id = store.as_ref().map_or_else(StoreId::random, Store::id);
        let created = store.as_ref().map_or_else(wall_clock, Store::created);
        let committer = Committer::new(Arc::clone(&state), Arc::clone(&exporters), store);
        Self {
            topology,
            state,
            committer,
            exporters,
            settings,
            id,
            created,
            claims: Claims::default(),
            prices: Prices::none(),
            budgets: BudgetFile::default(),
        }
    }

    /// The same, with what bytes cost.
    #[must_use]
    pub fn with_prices(self, prices: Prices) -> Self {
        Self { prices, ..self }
    }

    /// The same, with what may be spent.
    #[must_use]
    pub fn with_budgets(self, budgets: BudgetFile) -> Self {
        self.state.costs().account_for(Accounting {
            team: budgets::team(self.topology.labels()),
            budgeted: budgets.accounts().cloned().collect(),
        });
        Self { budgets, ..self }
    }

    /// Counts a batch whose window ended `age` before `now`, unless it was counted before, and waits
    /// until it is on disk.
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
        self.take(batch, age, now)?.wait()
    }

    /// Works out what a batch changes whose window ended `age` before `now`, and sends it on its way
    /// to the disk.
    ///
    /// # Errors
    ///
    /// [`Rejection`]; nothing has changed then.
    pub fn take(
        &self,
        batch: &DecodedBatch,
        age: Duration,
        now: Timestamp,
    ) -> Result<Taken, Rejection> {
        self.check_ready()?;
        plausible(batch, age)?;
        if self.state.ledger().is_full() {
            return Err(Rejection::Full);
        }
        let header = &batch.header;
        let window = Window::placed(now, age, header.window);
        let Admission::New { undeclared } = self.admit(batch, window, now)? else {
            return Ok(Taken::Duplicate);
        };

        let resolved = self.resolve_batch(batch, window);
        let pending = self.state.pending();
        let (resolved, waiting) = self.postpone(resolved, now, |wanted, records| {
            pending.reserve(&header.node, wanted, records)
        });

        let mut entry = Entry::default();
        rows::see(&mut entry, batch);
        let lease = self.enter(&mut entry, &resolved);
        let told = Told {
            coarsened: rows::is_coarsened(batch),
            lost: entry.lost(),
        };
        self.state.agents_mut().tell(header, told);
        let records = waiting.iter().flat_map(|waiting| &*waiting.records);
        entry.postponed = records.map(|record| record.counters).sum();
        let arrived = Arrived {
            header: header.clone(),
            declared: agents::declared(&batch.node_addresses).0,
            window,
            now,
            entry,
            waiting,
        };
        let change = Change::Window(Box::new(arrived));
        // A second copy that is on its way at the same time is told from the first by the committer.
        let resolved = (!self.exporters.is_empty()).then_some(resolved);
        let ticket = self.committer.submit(change, lease, None, resolved);
        Ok(Taken::OnItsWay { ticket, undeclared })
    }

    /// Decides whether a window is new, and takes over what it says of its node. What is refused
    /// changes nothing: of neither who is known, nor which time was claimed.
    fn admit(
        &self,
        batch: &DecodedBatch,
        window: Window,
        now: Timestamp,
    ) -> Result<Admission, Rejection> {
        let header = &batch.header;
        // Held throughout, so that the room that there is stays.
        let mut agents = self.state.agents_mut();
        if !agents.has_applied(header) {
            agents.check_room(&header.node)?;
            self.claims.add(header, now)?;
        }
        Ok(agents.admit(header, &batch.node_addresses, window, now)?)
    }

    /// Whether a batch can be taken now, whatever it is.
    ///
    /// # Errors
    ///
    /// [`Rejection::NotSynced`] or [`Rejection::Storage`]: an agent holds on.
    pub fn check_ready(&self) -> Result<(), Rejection> {
        if !self.topology.is_synced() {
            return Err(Rejection::NotSynced);
        }
        match self.committer.counts().down() {
            Some(failure) => Err(Rejection::Storage(failure)),
            None => Ok(()),
        }
    }

    /// Forgets what is gone: series that have not changed for the retention, and what [`REMEMBER`]
    /// is over for.
    pub fn forget(&self, now: Timestamp) {
        if !self.topology.is_synced() {
            // What exists is not known yet, as after a start.
            return;
        }
        // Before names go that what waits for prices has.
        self.begin_costs_if_known();
        let before = now.minus(REMEMBER);
        let gone = self.gone(now.minus(self.settings.series_retention), before);
        // What cannot be written now is found again the next time.
        self.committer.forget(gone).wait().ok();
        let idle = now.minus(self.settings.series_retention);
        self.forget_costs(idle);
        {
            let agents = self.state.agents();
            self.claims.forget(|node| agents.knows(node));
        }
        self.topology.prune(before);
    }

    /// Forgets what parties paid that do not exist any more, and paid nothing since `before`.
    fn forget_costs(&self, before: Timestamp) {
        let costs = self.state.costs();
        costs.forget(before, |key| exists(key, &self.topology.read()));
    }

    /// What does not exist any more: subjects whose series did not change since `before`, sides of
    /// edges, and agents that did not report since `agents_before`.
    fn gone(&self, before: Timestamp, agents_before: Timestamp) -> Gone {
        let idle = self.state.ledger().idle(before);
        let names = self.state.names().look_up();
        let idle: Vec<_> = idle
            .into_iter()
            .filter_map(|id| Some((id, Arc::clone(names.key(id)?))))
            .collect();
        let sides = names
            .all()
            .filter(|(_, key)| matches!(&***key, Key::Side(_)));
        let sides: Vec<_> = sides.map(|(id, key)| (id, Arc::clone(key))).collect();
        drop(names);
        let silent = self.state.agents().silent(agents_before);
        let subjects = self.not_there(&idle);
        let sides = self.not_there(&sides).into_iter().collect();
        let topology = self.topology.read();
        Gone {
            subjects,
            sides,
            before,
            agents: silent
                .into_iter()
                .filter(|node| !topology.has_node(node))
                .collect(),
            agents_before,
        }
    }

    /// Those of which there is nothing any more. A portion at a time: while the source waits for one
    /// who reads, no other is let in.
    fn not_there(&self, keys: &[(Id, Arc<Key>)]) -> Vec<Id> {
        let mut gone = Vec::new();
        for portion in keys.chunks(LOOKED_UP_IN_ONE_GO) {
            let topology = self.topology.read();
            let is_gone = |(_, key): &&(Id, Arc<Key>)| !exists(key, &topology);
            gone.extend(portion.iter().filter(is_gone).map(|(id, _)| *id));
        }
        gone
    }

    /// Waits until what is under way is on disk, and closes the store. Nothing is taken after that.
    pub fn close(&self) {
        // What waits for prices that are known by now would keep the journal from the tables.
        self.begin_costs_if_known();
        self.committer.close();
        if let Some(past) = self.past() {
            past.close();
        }
    }

    /// Whether it can take nothing more, and only a new start helps.
    pub fn has_failed(&self) -> bool {
        self.committer.has_failed()
    }

    /// What tells this server's data from any other's: it stays the same as long as they are kept.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// When its counters began: with the data directory, or with this server where nothing is kept.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// How the store fares.
    pub fn store(&self) -> &StoreCounts {
        self.committer.counts()
    }

    /// Notes what an agent's wall clock showed when its window was received.
    pub fn note_clock(&self, node: &NodeName, shown: Timestamp, received: Timestamp) {
        self.state.agents_mut().note_clock(node, shown, received);
    }

    /// How far the wall clock of each node is ahead of this server's, in milliseconds.
    pub fn clock_skews(&self) -> Vec<(NodeName, i64)> {
        self.state.agents().clock_skews()
    }

    /// What it knows.
    #[cfg(test)]
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Begins to count money by these prices, if it has not begun.
    pub fn begin_costs(&self, book: &PriceBook) {
        self.exporters.begin(book);
        self.state.begin_costs(book);
    }

    /// What it costs by now.
    pub fn costs(&self) -> Costs {
        self.state.costs().costs(self.state.names())
    }

    /// The prices in force, and what it costs by them, if there are any.
    pub fn priced(&self) -> Option<(&InForce, Costs)> {
        let in_force = self.prices.in_force(&self.topology)?;
        Some((in_force, self.costs()))
    }

    /// What may be spent.
    pub fn budgets(&self) -> &BudgetFile {
        &self.budgets
    }

    /// Says in the log, once, if budgets do not go with the prices, and whose name nobody has.
    pub fn tell_of_budgets(&self) {
        if self.budgets.has_told_unseen() {
            return;
        }
        if let Some(unseen) = self.unseen_budgets() {
            self.budgets.tell(self.prices.in_force(&self.topology));
            self.budgets.tell_unseen(&unseen);
        }
    }

    /// Who has a budget and is not seen; `None` until it is known who there is.
    pub fn unseen_budgets(&self) -> Option<Vec<&Account>> {
        self.budgets.unseen(&self.topology, self.spending())
    }

    /// Who knows what was spent.
    pub fn spending(&self) -> &dyn Spending {
        // What was kept counts at once, and not from the first window on.
        self.begin_costs_if_known();
        &*self.state
    }

    /// What bytes cost.
    pub fn prices(&self) -> &Prices {
        &self.prices
    }

    /// The counters as they are now.
    pub fn snapshot(&self) -> Snapshot {
        self.state.snapshot()
    }

    /// How many records wait.
    pub fn pending_records(&self) -> usize {
        self.state.pending().len()
    }

    /// How many records found no room to wait.
    pub fn turned_away_records(&self) -> Vec<TurnedAway> {
        self.state.pending().turned_away()
    }

    /// How long ago each node reported.
    pub fn report_ages(&self, now: Timestamp) -> Vec<(NodeName, Duration)> {
        self.state.agents().report_ages(now)
    }

    /// How each node's agent fares, in the order of names.
    pub fn node_agents(&self, now: Timestamp) -> Vec<NodeAgent> {
        self.state.agents().node_agents(now)
    }

    /// What left through the uplinks of each node whose agent tells.
    pub fn uplinks(&self) -> Vec<NodeUplinks> {
        self.state.agents().uplinks()
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
        let agents = self.state.agents();
        let networks = self.topology.networks();
        let topology = self.topology.read();
        let views = Views {
            topology: &topology,
            networks: &networks,
            agents: &agents,
        };
        views.version()
    }
}

#[cfg(test)]
mod tests;
