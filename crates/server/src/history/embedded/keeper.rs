//! The thread that writes the past.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use kubezonnet_history::{ChunkStart, Resolution, merge};
use kubezonnet_model::Timestamp;
use kubezonnet_pricing::{PriceBook, Version};
use rusqlite::{Connection, TransactionBehavior, params};

use super::database::{Database, Shared, meta, used_bytes};
use super::dictionary::{Dictionary, NumberError};
use super::gathered::Gathered;
use super::{Counted, HistoryCounts, Lost, Options};
use crate::names::Names;
use crate::store::{StoreId, set_meta};

/// How often it is written if nobody asks: what a crash leaves to the journal.
const EVERY: Duration = Duration::from_secs(30);

/// How soon it is written again for who asks: each time makes parts that are to be merged.
const SOONEST: Duration = Duration::from_secs(1);

/// How soon it is tried again after a failure.
const RETRY: Duration = Duration::from_secs(2);

/// Cells that are gathered at most while they can be written: 50 bytes each.
const MOST_CELLS: usize = 200_000;

/// Parts of a level that are merged into one of the next.
const PARTS: usize = 16;

/// What the keeper is told.
#[derive(Debug)]
pub(super) enum Message {
    Counted(Counted),
    Prices(Box<PriceBook>),
    Follow(Journal),
    /// To write now; somebody may wait for it.
    Flush(Option<SyncSender<()>>),
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

/// A stretch of time and a level.
type Stretch = (Resolution, ChunkStart, u8);

/// Writes the past.
#[derive(Debug)]
pub(super) struct Keeper {
    connection: Shared,
    name: String,
    options: Options,
    names: Arc<Names>,
    through: Arc<AtomicU64>,
    counts: Arc<HistoryCounts>,
    dictionary: Dictionary,
    gathered: Gathered,
    /// The last row that is gathered, and the time of the latest window.
    row: u64,
    latest: Timestamp,
    /// How many parts there are, where there is more than one.
    parts: BTreeMap<Stretch, usize>,
    next_part: i64,
    since: Option<Timestamp>,
    last_flush: Instant,
    /// Whether that failed.
    has_failed: bool,
}

impl Keeper {
    pub(super) fn new(
        database: &Database,
        options: Options,
        names: Arc<Names>,
        through: Arc<AtomicU64>,
        counts: Arc<HistoryCounts>,
    ) -> Self {
        let row = through.load(Ordering::Acquire);
        let mut keeper = Self {
            connection: database.writing.clone(),
            name: database.name(),
            dictionary: Dictionary::default(),
            options,
            names,
            through,
            counts,
            gathered: Gathered::default(),
            row,
            latest: Timestamp::default(),
            parts: BTreeMap::new(),
            next_part: 1,
            since: None,
            last_flush: Instant::now(),
            has_failed: false,
        };
        if let Err(error) = keeper.load() {
            keeper.fail(&error);
        }
        keeper
    }

    /// Takes messages until nobody can send any more.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let every = if self.has_failed { RETRY } else { EVERY };
            let patience = every.saturating_sub(self.last_flush.elapsed());
            match messages.recv_timeout(patience) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let is_due = self.last_flush.elapsed() >= every;
            let is_much = self.gathered.len() > MOST_CELLS && !self.has_failed;
            if is_due || is_much {
                self.flush();
            }
        }
        self.flush();
        // All of it in one file, for who copies it. If that fails, it is in two.
        let connection = self.connection.lock();
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        connection.query_row(sql, [], |_| Ok(())).ok();
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Counted(counted) => self.gather(&counted),
            Message::Prices(book) => {
                if let Err(error) = self.price(&book) {
                    self.fail(&error);
                }
            }
            Message::Follow(journal) => {
                if let Err(error) = self.follow(journal) {
                    self.fail(&error);
                }
            }
            Message::Flush(None) => self.flush(),
            Message::Flush(Some(reply)) => {
                if self.last_flush.elapsed() >= SOONEST {
                    self.flush();
                }
                reply.send(()).ok();
            }
        }
    }

    /// Reads what it was before.
    fn load(&mut self) -> rusqlite::Result<()> {
        let connection = self.connection.clone();
        let connection = connection.lock();
        let book = meta::<i64>(&connection, "book")?;
        let book = book.map(|version| Version(version.cast_unsigned()));
        self.dictionary = Dictionary::new(self.options.labels.clone(), book);
        let since = meta::<i64>(&connection, "since")?;
        self.since = since.map(|since| Timestamp(since.cast_unsigned()));
        if let Some(since) = self.since {
            self.counts.set_since(since);
        }
        let sql = "SELECT resolution, start, level, count(*), max(part) FROM chunks
                   GROUP BY resolution, start, level";
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let resolution: usize = row.get::<_, i64>(0)?.try_into().unwrap_or(usize::MAX);
            let Some(resolution) = Resolution::ALL.get(resolution) else {
                continue;
            };
            let start = ChunkStart(Timestamp(row.get::<_, i64>(1)?.cast_unsigned()));
            let parts = usize::try_from(row.get::<_, i64>(3)?).unwrap_or(0);
            self.parts.insert((*resolution, start, row.get(2)?), parts);
            self.next_part = self.next_part.max(row.get::<_, i64>(4)? + 1);
        }
        self.measure(&connection)
    }

    fn follow(&mut self, journal: Journal) -> rusqlite::Result<()> {
        let Journal {
            store,
            folded,
            last,
        } = journal;
        let connection = self.connection.clone();
        let connection = connection.lock();
        let followed: Option<String> = meta(&connection, "store")?;
        let store = store.to_string();
        if followed.as_ref() != Some(&store) {
            if followed.is_some() {
                tracing::warn!(
                    "the counters are others than before; the history goes on with them"
                );
            }
            set_meta(&connection, "store", &store)?;
            // What the counters had before they are followed is not in here.
            self.row = folded;
        } else if self.row < folded {
            let lost = folded - self.row;
            tracing::error!(
                changes = lost,
                "the history could not be written when these were counted, and does not have them"
            );
            self.counts.add_lost_rows(lost);
            self.row = folded;
        }
        // Of an older copy of the counters: their next rows are others than those that are here.
        self.row = self.row.min(last);
        set_meta(&connection, "through", self.row.cast_signed())?;
        self.through.store(self.row, Ordering::Release);
        Ok(())
    }

    fn price(&mut self, book: &PriceBook) -> rusqlite::Result<()> {
        let version = book.version();
        let connection = self.connection.lock();
        let sql = "INSERT INTO books (version, book) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        connection.execute(sql, params![version.0.cast_signed(), book.to_text()])?;
        set_meta(&connection, "book", version.0.cast_signed())?;
        drop(connection);
        self.dictionary.price(version);
        Ok(())
    }

    fn gather(&mut self, counted: &Counted) {
        if counted.row <= self.row {
            return;
        }
        if self.has_failed && self.gathered.len() > self.options.max_waiting {
            self.counts.add_lost_rows(1);
            self.row = counted.row;
            return;
        }
        let edges = || counted.edges.iter().flat_map(|list| &list.0);
        if edges().any(|(key, _)| self.dictionary.find(key).is_none())
            && let Err(error) = self.number(counted)
        {
            // The rows that follow would not be complete without it.
            self.counts.add_lost_rows(1);
            tracing::error!(path = %self.name, %error, "the history cannot take what was counted");
            self.counts.failed(error.to_string());
            self.row = counted.row;
            return;
        }
        for (key, counters) in edges() {
            if let Some(series) = self.dictionary.find(key) {
                self.gathered.add(series, counted.window, *counters);
            }
        }
        self.row = counted.row;
        self.latest = self.latest.max(counted.window.end);
        self.counts.something_waits();
    }

    /// Gives the edges of a window numbers, which are written at once; they are on disk with the next
    /// flush at the latest.
    fn number(&mut self, counted: &Counted) -> Result<(), NumberError> {
        let mut connection = self.connection.lock();
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let edges = counted.edges.iter().flat_map(|list| &list.0);
        let keys = edges.map(|(key, _)| key);
        let numbered = self.dictionary.number(keys, &self.names, &transaction);
        let numbered = numbered.and_then(|()| Ok(transaction.commit()?));
        if numbered.is_err() {
            self.dictionary.forget();
        }
        numbered
    }

    /// Writes what is gathered, and what is to be done of the rest.
    fn flush(&mut self) {
        self.last_flush = Instant::now();
        let written = self.write().and_then(|()| {
            self.through.store(self.row, Ordering::Release);
            self.tidy()
        });
        self.has_failed = written.is_err();
        match written {
            Ok(()) => self.counts.written(),
            Err(error) => self.fail(&error),
        }
    }

    fn write(&mut self) -> rusqlite::Result<()> {
        if self.row == self.through.load(Ordering::Acquire) && self.gathered.len() == 0 {
            return Ok(());
        }
        let connection = self.connection.clone();
        let mut connection = connection.lock();
        connection.pragma_update(None, "synchronous", "FULL")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut part = self.next_part;
        let chunks = self.gathered.chunks();
        for ((resolution, start), chunk) in &chunks {
            put(
                &transaction,
                (*resolution, *start, 0),
                part,
                &chunk.to_bytes(),
            )?;
            part += 1;
        }
        set_meta(&transaction, "through", self.row.cast_signed())?;
        let since = [self.since, self.gathered.earliest()]
            .into_iter()
            .flatten()
            .min();
        if let Some(since) = since {
            set_meta(&transaction, "since", since.0.cast_signed())?;
        }
        transaction.commit()?;
        self.next_part = part;
        for (resolution, start) in chunks.into_keys() {
            *self.parts.entry((resolution, start, 0)).or_default() += 1;
        }
        self.gathered.clear();
        if let Some(since) = since {
            self.since = Some(since);
            self.counts.set_since(since);
        }
        Ok(())
    }

    /// Merges parts, and deletes what is too old or too much.
    fn tidy(&mut self) -> rusqlite::Result<()> {
        let connection = self.connection.clone();
        let mut connection = connection.lock();
        let many = self.parts.iter().filter(|(_, parts)| **parts >= PARTS);
        for stretch in many.map(|(stretch, _)| *stretch).collect::<Vec<_>>() {
            self.merge(&mut connection, stretch)?;
        }
        self.delete_old(&connection)?;
        self.delete_excess(&connection)?;
        self.measure(&connection)
    }

    /// Makes one part of the next level of all that a level has.
    fn merge(&mut self, connection: &mut Connection, stretch: Stretch) -> rusqlite::Result<()> {
        let (resolution, start, level) = stretch;
        let at = params![resolution as u8, start.0.0.cast_signed(), level];
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let merged = {
            let sql = "SELECT body FROM chunks WHERE resolution = ?1 AND start = ?2 AND level = ?3";
            let mut statement = transaction.prepare_cached(sql)?;
            let bodies = statement.query_map(at, |row| row.get::<_, Vec<u8>>(0))?;
            let bodies = bodies.collect::<Result<Vec<_>, _>>()?;
            let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
            merge(&bodies, resolution)
        };
        let Ok(merged) = merged else {
            tracing::error!(
                path = %self.name,
                resolution = resolution.as_str(),
                start = start.0.0,
                "a part of the history is damaged, and is left as it is"
            );
            self.parts.remove(&stretch);
            return Ok(());
        };
        let sql = "DELETE FROM chunks WHERE resolution = ?1 AND start = ?2 AND level = ?3";
        transaction.prepare_cached(sql)?.execute(at)?;
        put(
            &transaction,
            (resolution, start, level + 1),
            self.next_part,
            &merged,
        )?;
        transaction.commit()?;
        self.next_part += 1;
        self.parts.remove(&stretch);
        *self
            .parts
            .entry((resolution, start, level + 1))
            .or_default() += 1;
        Ok(())
    }

    fn delete_old(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for resolution in Resolution::ALL {
            let kept = self.options.retention[resolution as usize] + resolution.chunk();
            let before = self.latest.minus(kept);
            let first = self.parts.keys().find(|(of, ..)| *of == resolution);
            if let Some((_, start, _)) = first
                && start.0 < before
            {
                self.delete(connection, resolution, *start, Lost::Age)?;
            }
        }
        Ok(())
    }

    fn delete_excess(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        while used_bytes(connection)? > self.options.max_bytes {
            // Of the resolution that has the most: its oldest.
            let sql = "SELECT resolution, min(start) FROM chunks GROUP BY resolution
                       HAVING count(DISTINCT start) > 1 ORDER BY sum(length(body)) DESC LIMIT 1";
            let oldest = connection.query_row(sql, [], |row| {
                Ok((row.get::<_, u8>(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
            });
            let (resolution, start) = match oldest {
                Ok(oldest) => oldest,
                // What is under way stays.
                Err(rusqlite::Error::QueryReturnedNoRows) => break,
                Err(error) => return Err(error),
            };
            let Some(resolution) = Resolution::ALL.get(usize::from(resolution)) else {
                break;
            };
            let start = ChunkStart(Timestamp(start));
            self.delete(connection, *resolution, start, Lost::Size)?;
        }
        Ok(())
    }

    fn delete(
        &mut self,
        connection: &Connection,
        resolution: Resolution,
        start: ChunkStart,
        why: Lost,
    ) -> rusqlite::Result<()> {
        let sql = "DELETE FROM chunks WHERE resolution = ?1 AND start = ?2";
        let mut statement = connection.prepare_cached(sql)?;
        statement.execute(params![resolution as u8, start.0.0.cast_signed()])?;
        self.parts
            .retain(|(of, at, _), _| (*of, *at) != (resolution, start));
        self.counts.add_deleted(resolution, why);
        Ok(())
    }

    fn measure(&self, connection: &Connection) -> rusqlite::Result<()> {
        let series = connection.query_row("SELECT max(id) FROM series", [], |row| {
            Ok(row.get::<_, Option<i64>>(0)?.unwrap_or(0).cast_unsigned())
        })?;
        self.counts.set_sizes(used_bytes(connection)?, series);
        Ok(())
    }

    fn fail(&self, error: &rusqlite::Error) {
        if !self.counts.is_failing() {
            tracing::error!(
                path = %self.name,
                %error,
                "the history cannot be written: it is tried again, and counting goes on"
            );
        }
        self.counts.failed(error.to_string());
    }
}

fn put(connection: &Connection, stretch: Stretch, part: i64, body: &[u8]) -> rusqlite::Result<()> {
    let (resolution, start, level) = stretch;
    let sql = "INSERT INTO chunks (resolution, start, level, part, body)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let start = start.0.0.cast_signed();
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![resolution as u8, start, level, part, body])?;
    Ok(())
}
