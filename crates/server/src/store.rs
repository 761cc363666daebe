//! What the server keeps on disk: a journal of changes, and tables into which it is brought in time.
//!
//! ```text
//! Change ─▶ journal (one row, one sync for all that came together) ─▶ acknowledged
//!              │ checkpoint: now and then, in short steps
//!              ▼
//!    names, series, edges, totals, agents, waiting ─▶ replay at the next start ─▶ State
//! ```
//!
//! One SQLite file in a directory of the server's own, with a write-ahead log that is synced with
//! every transaction. A file of an earlier schema is brought to that of today; one that is damaged, of
//! another program or of a later version is refused: to begin again at zero is somebody's decision. [`Store`] knows no thread and no time; what is
//! done when a write fails is the committer's part.

mod blob;
mod checkpoint;
mod counts;
mod database;
mod error;
mod last;
mod replay;
mod schema;
mod tables;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kubezonnet_model::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};

use self::checkpoint::{Checkpoint, WaitingChanges};
pub use self::counts::{Disk, StoreCounts, StoreSizes};
use self::database::Directory;
pub use self::error::{Failure, OpenError};
use self::last::Last;
pub use self::schema::TooOld;
pub(crate) use self::tables::{meta, set_meta};
use crate::change::Change;
use crate::history::embedded::Embedded;
use crate::names::{Id, Key, Names};
use crate::pending::Waiting;
use crate::state::State;

/// Bytes that are written to see whether there is room again: as much as a large batch takes.
const PROBE_BYTES: i32 = 1 << 20;

/// Bytes of SQLite's log after which it is brought into the file, as doing so costs two syncs.
const LOG_BYTES: usize = 16 << 20;

/// Bytes of the log that a commit has beside its changes, and those of a step of a checkpoint: some
/// pages, each of which is written whole.
const COMMIT_BYTES: usize = 64 << 10;
const STEP_BYTES: usize = 512 << 10;

/// Longer than between two points in time at which a history of counters looks at them.
const LONG_AGO: Duration = Duration::from_hours(48);

/// Where data is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataDir {
    /// Nowhere: in memory, until the server ends.
    None,
    /// In this directory.
    Path(PathBuf),
}

impl std::str::FromStr for DataDir {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "" => Err("expected a directory, or none".to_owned()),
            path => Ok(Self::Path(path.into())),
        }
    }
}

/// Tells one store from any other: 16 random bytes that are made with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StoreId([u8; 16]);

impl StoreId {
    /// A new one.
    ///
    /// # Panics
    ///
    /// If the kernel has no random bytes, which it always has.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the kernel has random bytes for everybody");
        Self(bytes)
    }
}

impl fmt::Display for StoreId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreId({self})")
    }
}

/// A change as it goes to disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record(Vec<u8>);

impl Record {
    /// The bytes of a change.
    pub fn of(change: &Change) -> Self {
        Self(blob::write(change))
    }

    /// How many bytes it is.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is nothing at all, which it never is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads a change of the journal, and what is written of it again, for the fuzz target.
#[cfg(fuzzing)]
pub fn read_twice(bytes: &[u8]) -> Option<(Change, Change)> {
    let change: Change = blob::read(bytes).ok()?;
    let again = blob::read(&blob::write(&change)).expect("what was read is written");
    Some((change, again))
}

/// When the journal is brought into the tables, and in what steps.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Rows and bytes of the journal after which it is: they bound the disk that it takes, and the
    /// time that a start takes (a row of a busy node is some 30 kB, and is made again in a tenth of
    /// a millisecond).
    pub rows: u64,
    /// See `rows`.
    pub bytes: usize,
    /// After this time it is, however little there is.
    pub every: Duration,
    /// Rows of the tables that one step writes.
    pub rows_a_step: usize,
}

impl Default for Pace {
    /// A step of one or two milliseconds.
    fn default() -> Self {
        Self {
            rows: 4096,
            bytes: 64 << 20,
            every: Duration::from_mins(1),
            rows_a_step: 512,
        }
    }
}

/// A directory that no other server has: whatever is in it may be opened, and mended.
#[derive(Debug)]
pub struct Locked(Directory);

impl Locked {
    /// Locks it, and makes it if there is none.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if another server has it, or there can be none.
    pub fn of(path: &Path) -> Result<Self, OpenError> {
        Directory::lock(path).map(Self)
    }
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    pace: Pace,
    directory: Directory,
    last: Last,
    /// About how many bytes SQLite's log has grown by since it was last brought into the file.
    log_bytes: usize,
    /// How often that failed.
    log_failures: u64,
    /// `None` between a failure and the next try.
    connection: Option<Connection>,
    id: StoreId,
    created: Timestamp,
    /// The next row of the journal.
    next: u64,
    /// The first row of the journal that is there.
    first: u64,
    /// Bytes of the journal's rows since the last checkpoint began.
    journal_bytes: usize,
    waiting: WaitingChanges,
    checkpoint: Option<Checkpoint>,
    /// What has to have the journal's rows before they go.
    past: Option<Arc<Embedded>>,
}

impl Store {
    /// [`open_in`](Self::open_in) of a directory that it locks itself.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which says which file it is and what to do.
    #[cfg(test)]
    pub fn open(path: &Path, state: &State, pace: Pace) -> Result<Self, OpenError> {
        Self::open_in(Locked::of(path)?, state, pace)
    }

    /// Opens the store of a directory that is locked already, makes it if there is none, and brings the state,
    /// which knows nothing yet, to where it is.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which says which file it is and what to do.
    pub fn open_in(
        Locked(directory): Locked,
        state: &State,
        pace: Pace,
    ) -> Result<Self, OpenError> {
        let (connection, is_new) = directory.open()?;
        let path = directory.database();
        let of = |error| OpenError::of(path.clone(), error);
        if is_new {
            tracing::warn!(
                path = %path.display(),
                "there was no database: counters begin at zero, as they must on a first start only"
            );
        }
        let id: [u8; 16] = tables::meta(&connection, "id").map_err(|error| match error {
            rusqlite::Error::QueryReturnedNoRows => OpenError::Damaged {
                path: path.clone(),
                what: "it has no name".to_owned(),
            },
            error => of(error),
        })?;
        let created = created(&connection, &directory, is_new).map_err(of)?;
        let replayed = replay::replay(&connection, &path, state, StoreId(id))?;
        let (first, last) = replayed.rows.unwrap_or((0, 0));
        let next = last.max(replayed.folded) + 1;
        let noted = open_last(&directory, StoreId(id))?;
        if let Some(acknowledged) = noted.1.filter(|acknowledged| *acknowledged >= next) {
            return Err(OpenError::Cut {
                path,
                last: next - 1,
                acknowledged,
                note: directory.last(),
            });
        }
        tracing::info!(
            path = %path.display(),
            store = %StoreId(id),
            agents = state.agents().states().len(),
            replayed = last.saturating_sub(replayed.folded),
            waiting_records = state.pending().len(),
            "the database is open"
        );
        Ok(Self {
            pace,
            directory,
            last: noted.0,
            log_bytes: 0,
            log_failures: 0,
            connection: Some(connection),
            id: StoreId(id),
            created,
            next,
            first: if replayed.rows.is_some() { first } else { next },
            journal_bytes: 0,
            waiting: replayed.waiting,
            checkpoint: None,
            past: state.past().cloned(),
        })
    }

    /// The last row of the journal.
    pub fn last_row(&self) -> u64 {
        self.next - 1
    }

    /// What tells it from any other.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// When it was made. Of one that does not say, what is known: two days ago at least.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Writes changes as one transaction, with the names that are not on disk yet, and a step of the checkpoint that is under way with them.
    /// Returns once they are on disk, and says whether a checkpoint has ended.
    ///
    /// # Errors
    ///
    /// Why it failed. Whether the changes are on disk is not known then: [`Self::reopen`] tells.
    pub fn commit(&mut self, names: &Names, records: &[Record]) -> Result<bool, Failure> {
        // One that waits for the past writes nothing.
        let has_step = self.has_step();
        let checkpoint = self.checkpoint.as_ref().filter(|_| has_step);
        let connection = self.connection.as_mut().ok_or(Failure::Io)?;
        let unwritten = names.unwritten();
        let written = write(
            connection, &unwritten, self.next, records, checkpoint, self.pace,
        );
        match written {
            Ok(position) => {
                self.have_written(records);
                if let Some((last, _)) = unwritten.last() {
                    names.written(*last);
                }
                self.relieve_log(records);
                Ok(self.advance(position))
            }
            Err(error) => {
                tracing::error!(
                    path = %self.directory.database().display(),
                    %error,
                    "cannot write: no window is acknowledged until it can be written again"
                );
                let failure = Failure::of(&error);
                // Whatever it is worth now: it is opened anew.
                self.connection = None;
                Err(failure)
            }
        }
    }

    /// Notes what a change that is on disk does to the records that wait.
    pub fn note(&mut self, taken: Option<u64>, put: &[Waiting]) {
        if let Some(id) = taken {
            self.waiting.remove(id);
        }
        for waiting in put {
            self.waiting.put(waiting);
        }
    }

    /// Opens the database again after a failure, and says whether the changes that failed, so many,
    /// are on disk. If they are, they are as good as committed.
    ///
    /// # Errors
    ///
    /// If it still cannot be used.
    pub fn reopen(&mut self, records: &[Record]) -> Result<bool, OpenError> {
        let path = self.directory.database();
        let of = |error| OpenError::of(path.clone(), error);
        let connection = self.directory.reopen()?;
        // What was lost while it was closed, or put there by others, is not what memory holds.
        let id: [u8; 16] = tables::meta(&connection, "id").map_err(of)?;
        if id != self.id.0 {
            return Err(OpenError::Damaged {
                path,
                what: "another database has taken its place".to_owned(),
            });
        }
        let last = connection.query_row("SELECT max(id) FROM journal", [], |row| {
            Ok(row.get::<_, Option<i64>>(0)?.map(i64::cast_unsigned))
        });
        let last = last.map_err(of)?;
        let made = !records.is_empty() && last.is_some_and(|last| last >= self.next);
        probe(&connection).map_err(of)?;
        self.connection = Some(connection);
        if made {
            self.have_written(records);
        }
        Ok(made)
    }

    /// Begins to bring the journal into the tables if it is time to, `idle` after it last was; says
    /// whether it did.
    pub fn begin_checkpoint_if_due(&mut self, state: &State, idle: Duration) -> bool {
        let rows = self.next - self.first;
        let due = rows >= self.pace.rows
            || self.journal_bytes >= self.pace.bytes
            || (rows > 0 && idle >= self.pace.every);
        if !due || self.checkpoint.is_some() {
            return false;
        }
        self.begin_checkpoint(state)
    }

    /// Begins to bring the journal into the tables, if that is not under way already; says whether it
    /// did. What is in it has to have its price first: then nothing new is taken either.
    pub fn begin_checkpoint(&mut self, state: &State) -> bool {
        let at = self.next - 1;
        if self.checkpoint.is_some() || at < self.first {
            return false;
        }
        let Some(spent) = state.costs().kept(state.names()) else {
            return false;
        };
        let waiting = std::mem::take(&mut self.waiting);
        self.checkpoint = Some(Checkpoint::of(state, at, self.first, waiting, spent));
        self.journal_bytes = 0;
        if let Some(past) = &self.past {
            past.flush();
        }
        true
    }

    /// Whether a checkpoint is under way.
    pub fn is_checkpointing(&self) -> bool {
        self.checkpoint.is_some()
    }

    /// Whether a checkpoint is under way that has something to write now.
    pub fn has_step(&self) -> bool {
        self.checkpoint
            .as_ref()
            .is_some_and(|checkpoint| !checkpoint.is_to_fold() || self.is_followed(checkpoint))
    }

    /// Whether the past has what is in a checkpoint, so that rows of the journal may go.
    fn is_followed(&self, checkpoint: &Checkpoint) -> bool {
        self.past
            .as_ref()
            .is_none_or(|past| past.is_through(checkpoint.at()))
    }

    /// How large things are.
    pub fn sizes(&self) -> StoreSizes {
        let files = self.directory.files();
        let bytes = files
            .iter()
            .map(|file| std::fs::metadata(file).map_or(0, |file| file.len()));
        StoreSizes {
            journal_rows: self.next - self.first,
            journal_bytes: self.journal_bytes,
            database_bytes: bytes.sum(),
            log_failures: self.log_failures,
            disk: Disk::of(self.directory.path()),
        }
    }

    /// Closes it, all of it in one file.
    ///
    /// # Errors
    ///
    /// If that fails; nothing is lost, as the next start reads SQLite's journal too.
    pub fn close(mut self) -> Result<(), rusqlite::Error> {
        match self.connection.take() {
            Some(connection) => {
                database::empty_wal(&connection)?;
                // All of it is in the database, and who puts another in its place means to.
                Last::remove(&self.directory.last());
                connection.close().map_err(|(_, error)| error)
            }
            None => Ok(()),
        }
    }

    /// Brings SQLite's log into the file once it has grown: then it is written from its beginning
    /// again. If that fails all is in the log still, and it is tried again when it has grown by as
    /// much.
    fn relieve_log(&mut self, records: &[Record]) {
        self.log_bytes += COMMIT_BYTES + records.iter().map(Record::len).sum::<usize>();
        if self.checkpoint.is_some() {
            self.log_bytes += STEP_BYTES;
        }
        if self.log_bytes < LOG_BYTES {
            return;
        }
        self.log_bytes = 0;
        if let Some(connection) = &self.connection
            && let Err(error) = database::relieve_wal(connection)
        {
            self.log_failures += 1;
            tracing::warn!(
                path = %self.directory.database().display(),
                %error,
                "cannot bring the write-ahead log into the database, it goes on growing"
            );
        }
    }

    fn have_written(&mut self, records: &[Record]) {
        self.next += u64::try_from(records.len()).expect("a group of changes is small");
        if !records.is_empty() {
            self.last.note(self.next - 1);
        }
        self.journal_bytes += records.iter().map(Record::len).sum::<usize>();
    }

    fn advance(&mut self, position: Option<checkpoint::Position>) -> bool {
        let (Some(checkpoint), Some(position)) = (&mut self.checkpoint, position) else {
            return false;
        };
        let ended = checkpoint.advance(position);
        if ended {
            self.first = checkpoint.at() + 1;
            self.checkpoint = None;
        }
        ended
    }
}

/// When the counters of a store began: as it says, or from now on says.
fn created(
    connection: &Connection,
    directory: &Directory,
    is_new: bool,
) -> rusqlite::Result<Timestamp> {
    match tables::meta::<i64>(connection, "created") {
        Ok(created) => return Ok(Timestamp(created.cast_unsigned())),
        Err(rusqlite::Error::QueryReturnedNoRows) => {}
        Err(error) => return Err(error),
    }
    let now = wall_clock();
    let created = if is_new {
        now
    } else {
        // It is older than this server, which is all that who looks at the counters has to know.
        directory.made().unwrap_or(now).min(now.minus(LONG_AGO))
    };
    set_meta(connection, "created", created.0.cast_signed())?;
    Ok(created)
}

/// What the clock on the wall shows.
pub(crate) fn wall_clock() -> Timestamp {
    timestamp(SystemTime::now())
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn open_last(directory: &Directory, id: StoreId) -> Result<(Last, Option<u64>), OpenError> {
    let path = directory.last();
    Last::open(&path, id).map_err(|says| OpenError::Directory {
        what: "open",
        path,
        says,
    })
}

fn write(
    connection: &mut Connection,
    names: &[(Id, Arc<Key>)],
    first: u64,
    records: &[Record],
    checkpoint: Option<&Checkpoint>,
    pace: Pace,
) -> rusqlite::Result<Option<checkpoint::Position>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (id, key) in names {
        tables::put_name(&transaction, *id, key)?;
    }
    {
        let mut insert =
            transaction.prepare_cached("INSERT INTO journal (id, change) VALUES (?1, ?2)")?;
        for (id, Record(bytes)) in (first..).zip(records) {
            insert.execute(params![id.cast_signed(), bytes])?;
        }
    }
    let position = match checkpoint {
        Some(checkpoint) => Some(checkpoint.write(&transaction, pace.rows_a_step)?),
        None => None,
    };
    transaction.commit()?;
    Ok(position)
}

/// Writes as much as a large batch takes, and removes it.
fn probe(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES ('probe', zeroblob(?1))";
    connection.execute(sql, [PROBE_BYTES])?;
    connection.execute("DELETE FROM meta WHERE key = 'probe'", [])?;
    Ok(())
}
