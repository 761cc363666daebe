//! The past in a database of the server's own.
//!
//! ```text
//! committer ─▶ Counted ─▶ Keeper, a thread: series numbers, minutes, chunks ─▶ history.db ─▶ Reader
//! ```
//!
//! It is a file beside that of the counters, which can be lost without them. A window is in it once: with
//! what it adds the keeper writes up to which row of the journal that is, and the journal keeps its rows
//! until they are in both. After a crash the rows beyond come again.
//!
//! Each resolution gets every window, so that nothing has to be rolled up: hours sum to their minutes
//! because they are made of the same.

mod database;
mod dictionary;
mod gathered;
mod keeper;
mod kept;
mod reader;
mod retention;
mod room;
mod since;
mod status;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kubezonnet_history::Resolution;
use kubezonnet_model::{FlowCounters, Window};
use kubezonnet_pricing::{PriceBook, Version};
use kubezonnet_topology::Clock;

use self::database::Database;
use self::keeper::{Journal, Keeper, Message};
use self::reader::{Reader, Unanswered};
use self::room::{Patience, Room};
pub use self::status::{HistoryCounts, Lost};
use super::{Answer, AskError, Past, Question, Status};
use crate::ledger::edges::{EdgeKey, EdgeList};
use crate::names::{Lease, Names};
use crate::store::{Disk, OpenError, StoreId};

/// What the keeper is told and has not heard: the windows that there is [`Room`] for, and what else there is
/// to say.
const QUEUE: usize = room::WINDOWS + 64;

/// How long a question waits for what was counted just now to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is kept, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory; `None`: in memory.
    pub directory: Option<PathBuf>,
    /// How long each resolution is kept, in the order of [`Resolution::ALL`].
    pub retention: [Duration; Resolution::ALL.len()],
    /// Most bytes of it on disk; past it the oldest goes.
    pub max_bytes: u64,
    /// The names of the labels that sides have, by their places.
    pub labels: Vec<String>,
    /// By which it is told what is old.
    pub clock: Clock,
    /// How much is free where the directory is.
    pub disk: fn(&Path) -> Option<Disk>,
}

impl Default for Options {
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            directory: None,
            retention: [2 * DAY, 90 * DAY, 400 * DAY],
            max_bytes: 1 << 30,
            labels: Vec::new(),
            clock: Clock::system(),
            disk: Disk::of,
        }
    }
}

/// What a change counted, on its way into the past.
#[derive(Debug)]
pub struct Counted {
    /// The row of the journal.
    pub row: u64,
    /// When it was.
    pub window: Window,
    /// What went from whom to whom: each edge once, and none of those that stand for several.
    pub edges: [EdgeList; 2],
    /// Keeps the ids in it understood.
    pub lease: Lease,
}

impl Counted {
    /// What it takes of memory.
    fn memory(&self) -> usize {
        let edges = self.edges.iter().map(|list| list.0.capacity());
        size_of::<Message>() + edges.sum::<usize>() * size_of::<(EdgeKey, FlowCounters)>()
    }
}

/// Which prices the keeper was told of last.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Priced {
    #[default]
    NotYet,
    By(Option<Version>),
}

/// The past in a database of the server's own.
#[derive(Debug)]
pub struct Embedded {
    /// `None` once it is closed.
    queue: Mutex<Option<SyncSender<Message>>>,
    room: Arc<Room>,
    /// It is told what a journal has: who tells has time.
    is_told: AtomicBool,
    /// The prices that it was told last.
    priced: Mutex<Priced>,
    /// When a question last had it written.
    asked: Mutex<Option<Instant>>,
    /// It is to be written for the next question, however short ago it was.
    is_asked: AtomicBool,
    /// The row of the journal up to which it is on disk.
    through: Arc<AtomicU64>,
    reader: Reader,
    counts: Arc<HistoryCounts>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Embedded {
    /// Opens it. A file that is damaged is put aside, and the past begins anew.
    ///
    /// # Errors
    ///
    /// If there can be no file.
    ///
    /// # Panics
    ///
    /// If the system has no thread for it.
    pub fn open(options: Options, names: Arc<Names>) -> Result<Self, OpenError> {
        let counts = Arc::<HistoryCounts>::default();
        let database = Database::open(&options, &counts)?;
        let through = Arc::<AtomicU64>::default();
        let labels = options.labels.clone();
        let reader = Reader::new(&database, labels, Arc::clone(&counts));
        let keeper = Keeper::new(
            database,
            options,
            names,
            Arc::clone(&through),
            Arc::clone(&counts),
        );
        let (queue, messages) = sync_channel(QUEUE);
        let thread = thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || keeper.run(&messages))
            .expect("a system that runs a server has one thread more");
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            room: Arc::default(),
            is_told: AtomicBool::new(false),
            priced: Mutex::default(),
            asked: Mutex::default(),
            is_asked: AtomicBool::new(false),
            through,
            reader,
            counts,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Says whose journal it follows, up to which row that is in the tables, and which is its last. Rows that
    /// it has already it leaves alone when they come again.
    pub fn follow(&self, store: StoreId, folded: u64, last: u64) {
        self.is_told.store(true, Ordering::Release);
        self.send(Message::Follow(Journal {
            store,
            folded,
            last,
        }));
    }

    /// All that the journal had was fed: what comes from now on is counted while somebody waits.
    pub fn have_told(&self) {
        self.is_told.store(false, Ordering::Release);
    }

    /// Takes what a change counted, once it is made. Changes come in the order of the journal.
    ///
    /// Waits for a moment while many are under way; not if they cannot be written. What finds no room is lost
    /// to the past, and counted as such.
    pub fn feed(&self, counted: Counted) {
        let patience = || {
            if self.counts.is_failing() || self.has_ended() {
                Patience::None
            } else if self.is_told.load(Ordering::Acquire) {
                Patience::All
            } else {
                Patience::Some
            }
        };
        let place = self.room.take(counted.memory(), patience);
        let is_taken = place.is_some_and(|place| self.try_send(Message::Counted(counted, place)));
        if !is_taken {
            self.counts.add_lost_rows(1);
        }
    }

    /// These prices are in force for what comes; `None`: there are none.
    pub fn price(&self, book: Option<&PriceBook>) {
        let by = Priced::By(book.map(PriceBook::version));
        let mut priced = self.priced.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *priced, by) != by {
            self.send(Message::Prices(book.cloned().map(Box::new)));
        }
    }

    /// Asks for all that came to be on disk: [`Self::is_through`] tells.
    pub fn flush(&self) {
        self.is_asked.store(true, Ordering::Release);
        // One that has so much to do writes soon.
        self.try_send(Message::Flush(None));
    }

    /// Whether it is on disk up to that row of the journal, or not going to be soon.
    pub fn is_through(&self, row: u64) -> bool {
        self.through.load(Ordering::Acquire) >= row || self.counts.is_failing() || self.has_ended()
    }

    /// How it fares.
    pub fn counts(&self) -> &HistoryCounts {
        &self.counts
    }

    /// Writes what came, and closes it.
    pub fn close(&self) {
        drop(
            self.queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // It says itself what it panics of.
            thread.join().ok();
        }
    }

    /// Whether nobody writes any more.
    fn has_ended(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn queue(&self) -> Option<SyncSender<Message>> {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until the keeper hears it. One that is gone is told by its status.
    fn send(&self, message: Message) {
        if let Some(queue) = self.queue() {
            queue.send(message).ok();
        }
    }

    /// Says whether the keeper is going to hear it.
    fn try_send(&self, message: Message) -> bool {
        self.queue()
            .is_some_and(|queue| queue.try_send(message).is_ok())
    }

    /// Has what was counted just now written, once for all questions of a moment.
    fn catch_up(&self) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = asked.is_some_and(|asked| asked.elapsed() < keeper::SOONEST);
        let is_asked = self.is_asked.swap(false, Ordering::AcqRel);
        if self.counts.is_failing() || (is_recent && !is_asked) {
            return;
        }
        let (reply, answer) = sync_channel(1);
        if self.try_send(Message::Flush(Some(reply))) {
            // What cannot be written is not told; the rest is.
            answer.recv_timeout(PATIENCE).ok();
        }
        *asked = Some(Instant::now());
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

impl Past for Embedded {
    fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        self.catch_up();
        let answer = self.reader.ask(question);
        let why = answer.as_ref().err().map(ToString::to_string);
        self.counts.set_unanswered(why);
        answer.map_err(|error| {
            let says = error.to_string();
            if let Unanswered::Damaged(generation, why) = error {
                // If it does not hear it, the next question tells it.
                self.try_send(Message::Damaged(generation, why));
            }
            AskError::Unreadable(says)
        })
    }

    fn status(&self) -> Status {
        self.counts.status()
    }
}

#[cfg(test)]
mod tests;
