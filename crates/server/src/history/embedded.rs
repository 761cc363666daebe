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
mod reader;
mod status;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kubezonnet_history::Resolution;
use kubezonnet_model::Window;
use kubezonnet_pricing::PriceBook;

use self::database::Database;
use self::keeper::{Journal, Keeper, Message};
use self::reader::Reader;
pub use self::status::{HistoryCounts, Lost};
use super::{Answer, AskError, Past, Question, Status};
use crate::ledger::edges::EdgeList;
use crate::names::{Lease, Names};
use crate::store::{OpenError, StoreId};

/// Windows that wait for the keeper; who brings one more waits. It takes one in tens of microseconds.
const QUEUE: usize = 1024;

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
    /// How many cells, of 50 bytes each, may wait while they cannot be written. What comes then is lost to
    /// the past, and counted as such.
    pub max_waiting: usize,
    /// The names of the labels that sides have, by their places.
    pub labels: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            directory: None,
            retention: [2 * DAY, 90 * DAY, 400 * DAY],
            max_bytes: 1 << 30,
            max_waiting: 500_000,
            labels: Vec::new(),
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

/// The past in a database of the server's own.
#[derive(Debug)]
pub struct Embedded {
    /// `None` once it is closed.
    queue: Mutex<Option<SyncSender<Message>>>,
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
        let database = Database::open(&options)?;
        let through = Arc::new(AtomicU64::new(database.through()));
        let reader = Reader::new(&database, options.labels.clone(), Arc::clone(&counts));
        let keeper = Keeper::new(
            &database,
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
            through,
            reader,
            counts,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Says whose journal it follows, up to which row that is in the tables, and which is its last. Rows that
    /// it has already it leaves alone when they come again.
    pub fn follow(&self, store: StoreId, folded: u64, last: u64) {
        self.send(Message::Follow(Journal {
            store,
            folded,
            last,
        }));
    }

    /// Takes what a change counted, once it is made. Changes come in the order of the journal.
    ///
    /// Waits while many are under way; not if they cannot be written. Then it is lost to the past, and
    /// counted as such.
    pub fn feed(&self, counted: Counted) {
        let queue = self.queue();
        match queue.map(|queue| queue.try_send(Message::Counted(counted))) {
            Some(Err(TrySendError::Full(message))) if !self.counts.is_failing() => {
                self.send(message);
            }
            Some(Err(_)) | None => self.counts.add_lost_rows(1),
            Some(Ok(())) => {}
        }
    }

    /// These prices are in force for what comes.
    pub fn price(&self, book: &PriceBook) {
        self.send(Message::Prices(Box::new(book.clone())));
    }

    /// Asks for all that came to be on disk: [`Self::is_through`] tells.
    pub fn flush(&self) {
        self.send(Message::Flush(None));
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

    fn send(&self, message: Message) {
        let queue = self
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(queue) = queue {
            // A keeper that is gone is told by its status.
            queue.send(message).ok();
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

impl Past for Embedded {
    fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let (reply, answer) = sync_channel(1);
        self.send(Message::Flush(Some(reply)));
        // What cannot be written is not told; the rest is.
        answer.recv_timeout(PATIENCE).ok();
        self.reader.ask(question)
    }

    fn status(&self) -> Status {
        self.counts.status()
    }
}

#[cfg(test)]
mod tests;
