//! Makes changes take effect: first on disk, then in memory, then acknowledged.
//!
//! One thread takes all changes that are there, writes them as one transaction with one sync, makes
//! them in memory, and answers everybody. While it syncs the next group gathers: the more agents
//! there are, the more share a sync. Changes that wait for it have bounded memory together. Without a
//! store the changes are made at once, by who brings them.
//!
//! While the disk fails everybody is told so at once, and the database is opened again every second.

mod core;
mod room;
#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot::{self, error::TryRecvError};

use self::core::Core;
use self::room::{Place, Room};
use crate::agents::Applied;
use crate::change::{Change, Forgotten, Gone};
use crate::export::Exporters;
use crate::names::Lease;
use crate::pending::Waiting;
use crate::resolve::ResolvedBatch;
use crate::state::State;
use crate::store::{Failure, Record, Store, StoreCounts};

/// Changes that wait for the thread; who finds no place waits for one. As many as a group takes.
const QUEUE: usize = MAX_GROUP;

/// The most changes of one transaction, and the bytes past which no more are added: some
/// milliseconds of writing, so that the first in it does not wait long for the last.
const MAX_GROUP: usize = 256;
const MAX_GROUP_BYTES: usize = 8 << 20;

/// How long the first of a group waits for others: a sync costs the processor a fifth of what a busy
/// node's window does, so it is to be shared, and an agent's window is ten seconds.
const GATHER: Duration = Duration::from_millis(5);

/// How often the thread looks whether something is due when nothing comes.
const TICK: Duration = Duration::from_millis(250);

/// A change on its way.
#[derive(Debug)]
pub struct Submission {
    /// What changes.
    pub change: Change,
    /// The group of waiting records that was taken out for it: it is put back if nothing changes.
    pub taken: Option<Waiting>,
    /// What the exporters get once it has changed.
    pub resolved: Option<ResolvedBatch>,
    /// What may be forgotten: the change is made of it when it is its turn.
    gone: Option<Gone>,
    /// For as long as it is under way its ids are understood.
    lease: Option<Lease>,
    /// The change in bytes, made by who brings it; none without a store.
    record: Option<Record>,
    /// The memory that it may take; none without a store, and for what the committer itself brings.
    place: Option<Place>,
    reply: oneshot::Sender<Reply>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is made; this is what a window says of those before it.
    Made(Applied),
    /// The window had been applied before.
    Duplicate,
}

type Reply = Result<Outcome, Failure>;

/// Waits for what becomes of a change.
#[derive(Debug)]
pub struct Ticket(oneshot::Receiver<Reply>);

impl Ticket {
    /// Waits as a task.
    ///
    /// # Errors
    ///
    /// Why the change could not be written.
    pub async fn answer(self) -> Result<Outcome, Failure> {
        self.0.await.unwrap_or(Err(Failure::Other))
    }

    /// Waits as a thread.
    ///
    /// # Errors
    ///
    /// Why the change could not be written.
    pub fn wait(mut self) -> Result<Outcome, Failure> {
        match self.0.try_recv() {
            // Without a store the answer is there already.
            Ok(reply) => reply,
            // Nobody is there to answer.
            Err(TryRecvError::Closed) => Err(Failure::Other),
            Err(TryRecvError::Empty) => self.0.blocking_recv().unwrap_or(Err(Failure::Other)),
        }
    }
}

/// Makes changes take effect.
#[derive(Debug)]
pub struct Committer {
    way: Way,
    counts: Arc<StoreCounts>,
}

#[derive(Debug)]
enum Way {
    /// Without a store; `None` once it has failed.
    Direct(Mutex<Option<Box<Core>>>),
    /// With one.
    Thread {
        /// `None` once it is closed.
        queue: Mutex<Option<SyncSender<Submission>>>,
        room: Arc<Room>,
        thread: Mutex<Option<JoinHandle<()>>>,
    },
}

impl Committer {
    /// Makes changes of a state, and hands what was resolved to the exporters.
    ///
    /// # Panics
    ///
    /// If the system has no thread for it.
    pub fn new(state: Arc<State>, exporters: Arc<Exporters>, store: Option<Store>) -> Self {
        Self::with_room(state, exporters, store, Room::new(room::BYTES))
    }

    fn with_room(
        state: Arc<State>,
        exporters: Arc<Exporters>,
        store: Option<Store>,
        room: Arc<Room>,
    ) -> Self {
        let counts = Arc::<StoreCounts>::default();
        if store.is_some() {
            counts.set_durable();
        }
        let durable = store.is_some();
        let core = Core::new(state, exporters, store, Arc::clone(&counts));
        let way = if durable {
            let (queue, changes) = sync_channel(QUEUE);
            let thread = thread::Builder::new()
                .name("committer".to_owned())
                .spawn(move || run(core, &changes))
                .expect("a system that runs a server has one thread more");
            Way::Thread {
                queue: Mutex::new(Some(queue)),
                room,
                thread: Mutex::new(Some(thread)),
            }
        } else {
            Way::Direct(Mutex::new(Some(Box::new(core))))
        };
        Self { way, counts }
    }

    /// How the store fares.
    pub fn counts(&self) -> &StoreCounts {
        &self.counts
    }

    /// Takes a change; waits while too many are under way, or too large ones. The lease is that of the
    /// entry in it.
    pub fn submit(
        &self,
        change: Change,
        lease: Lease,
        taken: Option<Waiting>,
        resolved: Option<ResolvedBatch>,
    ) -> Ticket {
        let (mut submission, ticket) = Submission::of(change);
        submission.lease = Some(lease);
        submission.taken = taken;
        submission.resolved = resolved;
        if let Way::Thread { room, .. } = &self.way {
            submission.record = Some(Record::of(&submission.change));
            // It may have to wait.
            if let Some(entry) = submission.change.entry_mut() {
                entry.shrink();
            }
            submission.place = Some(room.take(submission.memory()));
        }
        self.send(submission);
        ticket
    }

    /// Forgets what may be forgotten, if it still may when it is its turn.
    pub fn forget(&self, gone: Gone) -> Ticket {
        let (mut submission, ticket) = Submission::of(Change::Forgotten(Forgotten::default()));
        submission.gone = Some(gone);
        self.send(submission);
        ticket
    }

    fn send(&self, submission: Submission) {
        match &self.way {
            Way::Direct(core) => {
                let mut core = core.lock().unwrap_or_else(PoisonError::into_inner);
                // One that is gone answers nobody, and the ticket says so.
                if let Some(whole) = &mut *core
                    && !turn(whole, vec![submission])
                {
                    *core = None;
                }
            }
            Way::Thread { queue, .. } => {
                let queue = queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Some(queue) = queue {
                    // A thread that is gone answers nobody, and the ticket says so.
                    queue.send(submission).ok();
                }
            }
        }
    }

    /// Whether it can make no more changes, though nobody has closed it.
    pub fn has_failed(&self) -> bool {
        match &self.way {
            Way::Direct(core) => {
                let core = core.lock().unwrap_or_else(PoisonError::into_inner);
                core.is_none()
            }
            Way::Thread { thread, .. } => {
                let thread = thread.lock().unwrap_or_else(PoisonError::into_inner);
                thread.as_ref().is_some_and(JoinHandle::is_finished)
            }
        }
    }

    /// Makes the changes that are under way, brings the journal into the tables, and closes the store.
    pub fn close(&self) {
        let Way::Thread { queue, thread, .. } = &self.way else {
            return;
        };
        drop(queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It says itself what it panics of.
            thread.join().ok();
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.close();
    }
}

/// Takes changes until nobody can bring any more.
fn run(mut core: Core, changes: &Receiver<Submission>) {
    loop {
        let patience = if core.has_work() {
            Duration::ZERO
        } else {
            TICK
        };
        let group = match changes.recv_timeout(patience) {
            Ok(first) => gather(first, changes),
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if !turn(&mut core, group) {
            return;
        }
    }
    core.close();
}

/// Makes a group; `false` if it panicked. What memory holds may be half a change then: only a new start
/// knows what is true.
fn turn(core: &mut Core, group: Vec<Submission>) -> bool {
    let turn = AssertUnwindSafe(|| core.turn(group));
    let is_whole = std::panic::catch_unwind(turn).is_ok();
    if !is_whole {
        tracing::error!("the committer panicked, the server must start anew");
    }
    is_whole
}

/// All that is there, up to the limits.
fn gather(first: Submission, changes: &Receiver<Submission>) -> Vec<Submission> {
    // Asleep, so that who brings more does not have to wake it each time.
    thread::sleep(GATHER);
    let mut bytes = first.bytes();
    let mut group = vec![first];
    while group.len() < MAX_GROUP && bytes < MAX_GROUP_BYTES {
        let Ok(next) = changes.try_recv() else { break };
        bytes += next.bytes();
        group.push(next);
    }
    group
}

impl Submission {
    fn of(change: Change) -> (Self, Ticket) {
        let (reply, answer) = oneshot::channel();
        let submission = Self {
            change,
            taken: None,
            resolved: None,
            gone: None,
            lease: None,
            record: None,
            place: None,
            reply,
        };
        (submission, Ticket(answer))
    }

    /// What it is on disk.
    fn bytes(&self) -> usize {
        self.record.as_ref().map_or(0, Record::len)
    }

    /// What it takes of memory, but for the records that wait: they have a bound of their own.
    fn memory(&self) -> usize {
        let resolved = self.resolved.as_ref().map_or(0, ResolvedBatch::memory);
        self.bytes() + self.change.memory() + resolved
    }
}
