//! The thread that writes the past.
//!
//! What it is told it does in order. What fails stays first in the row and is tried again: nothing that comes
//! after is priced by the book before, and no number is missing from it. What waits behind it has its
//! [`Place`], so that who feeds finds no more room then, and counts what it leaves out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use kubezonnet_history::SeriesId;
use kubezonnet_pricing::{PriceBook, Version};
use rusqlite::{TransactionBehavior, params};

use super::database::{Database, is_damage, meta, used_bytes};
use super::dictionary::{Dictionary, NumberError};
use super::gathered::Gathered;
use super::kept::Kept;
use super::retention::{self, Retention};
use super::room::Place;
use super::{Counted, HistoryCounts, Lost, Options};
use crate::names::Names;
use crate::store::{StoreId, set_meta};

/// How often it is written if nobody asks: what a crash leaves to the journal.
const EVERY: Duration = Duration::from_secs(30);

/// How soon it is written again for who asks: each time makes parts that are to be merged.
pub(super) const SOONEST: Duration = Duration::from_secs(1);

/// How soon it is tried again after a failure.
const RETRY: Duration = Duration::from_secs(2);

/// A file that is damaged so soon after it was made is not put aside at once: it is the disk.
const AGAIN: Duration = Duration::from_mins(1);

/// Cells after which they are written: 50 bytes each. While they cannot be, no window is added to them.
const MOST_CELLS: usize = 200_000;

/// What the keeper is told.
#[derive(Debug)]
pub(super) enum Message {
    Counted(Counted, Place),
    /// `None`: there are none.
    Prices(Option<Box<PriceBook>>),
    Follow(Journal),
    /// To write now; somebody may wait for it.
    Flush(Option<SyncSender<()>>),
    /// Somebody found the file of that generation damaged.
    Damaged(u64, String),
}

/// Whose changes come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Journal {
    /// The store whose journal it is.
    pub(super) store: StoreId,
    /// The row up to which that is in its tables.
    pub(super) folded: u64,
    /// Its last row.
    pub(super) last: u64,
}

/// Writes the past.
#[derive(Debug)]
pub(super) struct Keeper {
    database: Database,
    options: Options,
    names: Arc<Names>,
    through: Arc<AtomicU64>,
    counts: Arc<HistoryCounts>,
    dictionary: Dictionary,
    gathered: Gathered,
    kept: Kept,
    retention: Retention,
    /// What is to be done, in its order.
    to_do: VecDeque<Message>,
    /// The last row that is gathered.
    row: u64,
    store: Option<StoreId>,
    book: Option<Box<PriceBook>>,
    state: Loaded,
    /// When it last wrote; before it ever did, when it was made.
    last_flush: Instant,
    has_flushed: bool,
    /// When it last failed, if nothing went well since.
    failed: Option<Instant>,
    /// When it last put a file aside.
    begun: Option<Instant>,
}

/// What is known of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Loaded {
    /// It is to be read.
    NotYet,
    /// It is damaged, and to be put aside.
    Damaged(String),
    /// It is new, and has to be told what the one before knew.
    Anew,
    Yes,
}

impl Keeper {
    pub(super) fn new(
        database: Database,
        options: Options,
        names: Arc<Names>,
        through: Arc<AtomicU64>,
        counts: Arc<HistoryCounts>,
    ) -> Self {
        let mut keeper = Self {
            database,
            options,
            names,
            through,
            counts,
            dictionary: Dictionary::default(),
            gathered: Gathered::default(),
            kept: Kept::default(),
            retention: Retention::default(),
            to_do: VecDeque::new(),
            row: 0,
            store: None,
            book: None,
            state: Loaded::NotYet,
            last_flush: Instant::now(),
            has_flushed: false,
            failed: None,
            begun: None,
        };
        keeper.prepare();
        keeper
    }

    /// Takes messages until nobody can send any more.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let next = match self.failed {
                Some(failed) => RETRY.saturating_sub(failed.elapsed()),
                None => EVERY.saturating_sub(self.last_flush.elapsed()),
            };
            match messages.recv_timeout(next) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.work();
            let is_due = self.failed.is_some() || self.last_flush.elapsed() >= EVERY;
            if is_due && !self.rests() {
                self.flush();
            }
        }
        // Once more, however short ago it failed.
        self.failed = None;
        self.work();
        self.flush();
        // All of it in one file, for who copies it. If that fails, it is in two.
        let connection = self.database.writing.lock();
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        connection.query_row(sql, [], |_| Ok(())).ok();
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Counted(..) => {
                self.counts.something_waits();
                self.to_do.push_back(message);
            }
            Message::Prices(_) | Message::Follow(_) => self.to_do.push_back(message),
            Message::Flush(reply) => {
                self.work();
                let was_just_now = self.has_flushed && self.last_flush.elapsed() < SOONEST;
                let is_soon = reply.is_some() && was_just_now;
                if !is_soon && !self.rests() {
                    self.flush();
                }
                if let Some(reply) = reply {
                    reply.send(()).ok();
                }
            }
            Message::Damaged(generation, why) => {
                if self.database.reading.lock().generation() == generation {
                    self.state = Loaded::Damaged(why);
                    self.prepare();
                }
            }
        }
    }

    /// Whether it failed a short while ago: it is not tried again yet.
    fn rests(&self) -> bool {
        self.failed.is_some_and(|failed| failed.elapsed() < RETRY)
    }

    /// Does what is to be done, up to what fails.
    fn work(&mut self) {
        // Writing comes first: it makes room.
        if self.failed.is_some() && !self.rests() {
            self.flush();
        }
        while !self.rests() && (self.gathered.len() <= MOST_CELLS || self.flush()) {
            let Some(message) = self.to_do.pop_front() else {
                return;
            };
            if !self.prepare() {
                self.to_do.push_front(message);
                return;
            }
            let done = match &message {
                Message::Counted(counted, _) => self.gather(counted),
                Message::Prices(book) => self.price(book.as_deref()),
                Message::Follow(journal) => self.follow(*journal),
                Message::Flush(_) | Message::Damaged(..) => Ok(()),
            };
            match (done, message) {
                // Now there is room for another.
                (Ok(()), Message::Counted(_, place)) => drop(place),
                (Ok(()), _) => {}
                (Err(error), message) => {
                    self.to_do.push_front(message);
                    self.fail(&error);
                }
            }
        }
    }

    /// Sees to it that there is a file, and that it is read; says whether that went well.
    fn prepare(&mut self) -> bool {
        loop {
            let done = match self.state.clone() {
                Loaded::Yes => return true,
                Loaded::NotYet => self.load(),
                Loaded::Anew => self.introduce(),
                Loaded::Damaged(why) => match self.begin_anew(&why) {
                    Ok(()) => Ok(()),
                    Err(error) => {
                        self.have_failed(&error.to_string());
                        return false;
                    }
                },
            };
            if let Err(error) = done {
                self.fail(&error);
                if self.rests() {
                    return false;
                }
            }
        }
    }

    /// Reads what it was before.
    fn load(&mut self) -> rusqlite::Result<()> {
        let connection = self.database.writing.clone();
        let connection = connection.lock();
        let number = |key| meta::<i64>(&connection, key).map(|value| value.map(i64::cast_unsigned));
        let through = number("through")?.unwrap_or(0);
        let book = number("book")?.map(Version);
        self.kept = Kept::load(&connection)?;
        self.measure(&connection)?;
        self.dictionary = Dictionary::new(self.options.labels.clone(), book);
        self.row = through;
        self.through.store(through, Ordering::Release);
        self.state = Loaded::Yes;
        Ok(())
    }

    /// Puts a file that is damaged aside. What was not written yet has its numbers in that: it is lost too.
    fn begin_anew(&mut self, why: &str) -> Result<(), crate::store::OpenError> {
        self.database.begin_anew(why)?;
        let through = self.through.load(Ordering::Acquire);
        self.counts.add_lost_rows(self.row.saturating_sub(through));
        self.counts.add_damaged();
        self.begun = Some(Instant::now());
        self.gathered.clear();
        self.kept = Kept::default();
        self.retention = Retention::default();
        self.dictionary = Dictionary::new(self.options.labels.clone(), None);
        self.state = Loaded::Anew;
        Ok(())
    }

    /// Tells a new file whose past it is.
    fn introduce(&mut self) -> rusqlite::Result<()> {
        let connection = self.database.writing.clone();
        let mut connection = connection.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(store) = self.store {
            set_meta(&transaction, "store", store.to_string())?;
        }
        set_meta(&transaction, "through", self.row.cast_signed())?;
        if let Some(book) = &self.book {
            put_book(&transaction, book)?;
        }
        let kept = Kept::load(&transaction)?;
        transaction.commit()?;
        self.kept = kept;
        self.dictionary
            .price(self.book.as_ref().map(|book| book.version()));
        self.through.store(self.row, Ordering::Release);
        self.state = Loaded::Yes;
        self.measure(&connection)
    }

    fn follow(&mut self, journal: Journal) -> rusqlite::Result<()> {
        let Journal {
            store,
            folded,
            last,
        } = journal;
        let connection = self.database.writing.clone();
        let mut connection = connection.lock();
        let followed: Option<String> = meta(&connection, "store")?;
        let name = store.to_string();
        let (mut row, mut lost) = (self.row, 0);
        let is_another = followed.as_ref() != Some(&name);
        // One that is damaged is told as that.
        let is_new = followed.is_none() && self.counts.damaged() == 0;
        if is_another {
            // What the counters had before they are followed is not in here.
            row = folded;
            lost = if is_new { folded } else { 0 };
        } else if row < folded {
            lost = folded - row;
            row = folded;
        }
        // Of an older copy of the counters: their next rows are others than those that are here.
        row = row.min(last);
        // Both, or else the next start takes the journal for another's.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        set_meta(&transaction, "store", &name)?;
        set_meta(&transaction, "through", row.cast_signed())?;
        transaction.commit()?;
        if is_another && followed.is_some() {
            tracing::warn!("the counters are others than before; the history goes on with them");
        }
        if lost > 0 && is_new {
            tracing::warn!(
                path = %self.database.name(),
                changes = lost,
                "the history is new and lacks what was counted before: its file was taken away, or none \
                 was kept then"
            );
        } else if lost > 0 {
            tracing::error!(
                changes = lost,
                "the history could not be written when these were counted, and does not have them"
            );
        }
        self.counts.add_lost_rows(lost);
        self.store = Some(store);
        self.row = row;
        self.through.store(row, Ordering::Release);
        Ok(())
    }

    fn price(&mut self, book: Option<&PriceBook>) -> rusqlite::Result<()> {
        let connection = self.database.writing.clone();
        let mut connection = connection.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match book {
            Some(book) => put_book(&transaction, book)?,
            None => {
                transaction.execute("DELETE FROM meta WHERE key = 'book'", [])?;
            }
        }
        transaction.commit()?;
        self.dictionary.price(book.map(PriceBook::version));
        self.book = book.map(|book| Box::new(book.clone()));
        Ok(())
    }

    fn gather(&mut self, counted: &Counted) -> rusqlite::Result<()> {
        if counted.row <= self.row {
            return Ok(());
        }
        let edges = || counted.edges.iter().flat_map(|list| &list.0);
        let find = |this: &Self| edges().map(|(key, _)| this.dictionary.find(key)).collect();
        let mut series: Vec<Option<SeriesId>> = find(self);
        if series.contains(&None) {
            match self.number(counted) {
                Ok(()) => series = find(self),
                Err(NumberError::Database(error)) => return Err(error),
                Err(error) => {
                    // That does not change by trying again.
                    self.counts.add_lost_rows(1);
                    let path = self.database.name();
                    tracing::error!(%path, %error, "the history cannot take what was counted");
                    self.row = counted.row;
                    return Ok(());
                }
            }
        }
        for ((_, counters), series) in edges().zip(series) {
            if let Some(series) = series {
                self.gathered.add(series, counted.window, *counters);
            }
        }
        self.row = counted.row;
        Ok(())
    }

    /// Gives the edges of a window numbers, which are written at once; they are on disk with the next
    /// flush at the latest.
    fn number(&mut self, counted: &Counted) -> Result<(), NumberError> {
        let mut connection = self.database.writing.lock();
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let edges = counted.edges.iter().flat_map(|list| &list.0);
        let keys = edges.map(|(key, _)| key);
        let at = counted.window.end;
        let numbered = self.dictionary.number(keys, at, &self.names, &transaction);
        let numbered = numbered.and_then(|()| Ok(transaction.commit()?));
        if numbered.is_err() {
            self.dictionary.forget();
        }
        numbered
    }

    /// Writes what is gathered, and what is to be done of the rest; says whether that went well.
    fn flush(&mut self) -> bool {
        if !self.prepare() {
            return false;
        }
        self.last_flush = Instant::now();
        self.has_flushed = true;
        match self.write().and_then(|()| self.tidy()) {
            Ok(()) => {
                self.failed = None;
                self.counts.written(!self.to_do.is_empty());
                true
            }
            Err(error) => {
                self.fail(&error);
                false
            }
        }
    }

    fn write(&mut self) -> rusqlite::Result<()> {
        let connection = self.database.writing.clone();
        let mut connection = connection.lock();
        let with = (&self.options, &*self.counts);
        let bytes = 3 * CELL * self.gathered.len();
        self.retention
            .look_at_volume(&mut connection, &mut self.kept, bytes, with)?;
        if self.row == self.through.load(Ordering::Acquire) && self.gathered.len() == 0 {
            return Ok(());
        }
        let seen = self.dictionary.unseen(self.gathered.last());
        let late = self
            .kept
            .write(&mut connection, &self.gathered, self.row, &seen)?;
        for resolution in late {
            self.counts.add_deleted(resolution, Lost::Late);
        }
        self.dictionary.have_seen(seen);
        self.gathered.clear();
        self.through.store(self.row, Ordering::Release);
        Ok(())
    }

    /// Merges parts, and deletes what is too old or too much.
    fn tidy(&mut self) -> rusqlite::Result<()> {
        let connection = self.database.writing.clone();
        let mut connection = connection.lock();
        self.kept.merge(&mut connection)?;
        let with = (&self.options, &*self.counts);
        let deleted = self.retention.delete(&mut connection, &mut self.kept, with);
        if self.retention.take_pruned() {
            self.dictionary.forget();
        }
        deleted?;
        self.measure(&connection)
    }

    fn measure(&self, connection: &rusqlite::Connection) -> rusqlite::Result<()> {
        let series = retention::series(connection)?;
        self.counts.set_sizes(used_bytes(connection)?, series);
        self.counts.set_since(self.kept.since().any());
        Ok(())
    }

    /// It is tried again after a while; at once with another file if this is damaged.
    fn fail(&mut self, error: &rusqlite::Error) {
        if !is_damage(error) {
            self.have_failed(&error.to_string());
            return;
        }
        self.state = Loaded::Damaged(error.to_string());
        if self.begun.is_some_and(|begun| begun.elapsed() < AGAIN) {
            self.have_failed(&error.to_string());
        } else {
            self.prepare();
        }
    }

    fn have_failed(&mut self, error: &str) {
        if !self.counts.is_failing() {
            tracing::error!(
                path = %self.database.name(),
                %error,
                "the history cannot be written: it is tried again, and counting goes on"
            );
        }
        self.failed = Some(Instant::now());
        self.counts.failed(error.to_owned());
    }
}

/// Bytes of a cell in a chunk, at most, and what SQLite adds.
const CELL: usize = 24;

fn put_book(connection: &rusqlite::Connection, book: &PriceBook) -> rusqlite::Result<()> {
    let version = book.version().0.cast_signed();
    let sql = "INSERT INTO books (version, book) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    connection.execute(sql, params![version, book.to_text()])?;
    set_meta(connection, "book", version)
}
