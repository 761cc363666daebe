//! The file: made, opened, put aside if it is damaged; and its rows.

use std::fs::{self, File};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};

use super::{HistoryCounts, Options};
use crate::store::{self, OpenError};

/// The file, in the data directory.
const FILE: &str = "history.db";

/// Says that the file is ours: "kzhi".
const APPLICATION: i32 = 0x6b7a_6869;

/// The schema of today.
const SCHEMA: i64 = 2;

/// In milliseconds.
const A_CHUNK_OF_DAYS: u64 = 30 * 24 * 3_600_000;

/// What SQLite's log takes beside the file, once it was brought into it.
const LOG_BYTES: i64 = 8 << 20;

/// How long a statement waits for another connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that several may use, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<Open>>);

/// A connection to the file that there is now.
#[derive(Debug)]
pub(super) struct Open {
    connection: Connection,
    /// How many files were put aside before it.
    generation: u64,
}

impl Shared {
    fn new(connection: Connection) -> Self {
        Self(Arc::new(Mutex::new(Open {
            connection,
            generation: 0,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Tells the file from those that were put aside before it.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }
}

impl Deref for Open {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Open {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// The file, open.
#[derive(Debug, Clone)]
pub(super) struct Database {
    /// Whose writes are read by `reading`: another connection to the file, and the same in memory. Of both
    /// this is locked first.
    pub(super) writing: Shared,
    pub(super) reading: Shared,
    path: Option<PathBuf>,
}

impl Database {
    /// Opens it, and makes it if there is none, or one that is damaged, which is counted.
    pub(super) fn open(options: &Options, counts: &HistoryCounts) -> Result<Self, OpenError> {
        let Some(directory) = &options.directory else {
            let of = |error| OpenError::of(FILE.into(), error);
            let connection = Connection::open_in_memory().map_err(of)?;
            prepare(&connection).map_err(of)?;
            let shared = Shared::new(connection);
            return Ok(Self {
                writing: shared.clone(),
                reading: shared,
                path: None,
            });
        };
        let path = directory.join(FILE);
        make(directory, &path)?;
        let opened = match connect(&path) {
            Err(error) if is_damage(&error) => {
                put_aside(&path, &error.to_string())?;
                counts.add_damaged();
                make(directory, &path)?;
                connect(&path)
            }
            opened => opened,
        };
        let (writing, version) = opened.map_err(|error| OpenError::of(path.clone(), error))?;
        if version > SCHEMA {
            let what = format!("it has schema {version}, and this server knows schema {SCHEMA}");
            return Err(OpenError::Newer { path, what });
        }
        let reading = to_read(&path).map_err(|error| OpenError::of(path.clone(), error))?;
        Ok(Self {
            writing: Shared::new(writing),
            reading: Shared::new(reading),
            path: Some(path),
        })
    }

    /// Puts a damaged file aside, and makes another.
    pub(super) fn begin_anew(&self, why: &str) -> Result<(), OpenError> {
        let name = self.path.clone().unwrap_or_else(|| FILE.into());
        let of = |error| OpenError::of(name.clone(), error);
        let mut writing = self.writing.lock();
        let Some(path) = &self.path else {
            let connection = Connection::open_in_memory().map_err(of)?;
            prepare(&connection).map_err(of)?;
            writing.connection = connection;
            writing.generation += 1;
            return Ok(());
        };
        let mut reading = self.reading.lock();
        // Closed before: a connection that closes takes away what is beside a file by its name.
        reading.connection = Connection::open_in_memory().map_err(of)?;
        writing.connection = Connection::open_in_memory().map_err(of)?;
        put_aside(path, why)?;
        make(path.parent().unwrap_or(Path::new(".")), path)?;
        (writing.connection, _) = connect(path).map_err(of)?;
        reading.connection = to_read(path).map_err(of)?;
        writing.generation += 1;
        reading.generation = writing.generation;
        Ok(())
    }

    /// Where it is, for messages.
    pub(super) fn name(&self) -> String {
        let path = self.path.as_ref();
        path.map_or_else(|| "memory".to_owned(), |path| path.display().to_string())
    }
}

/// A file that has a page at most has no history: its tables are made at once or not at all.
const EMPTY: u64 = 4096;

/// Makes an empty file if there is none, for the server's eyes only; what SQLite puts beside it is so too.
fn make(directory: &Path, path: &Path) -> Result<(), OpenError> {
    let failed = |what: &'static str, path: &Path| {
        let path = path.to_owned();
        move |says| OpenError::Directory { what, path, says }
    };
    fs::create_dir_all(directory).map_err(failed("make the directory", directory))?;
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(failed("open", path))?;
    Ok(())
}

/// Opens the file for writing; says of which schema it is.
fn connect(path: &Path) -> rusqlite::Result<(Connection, i64)> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // The image has no directory for temporary files.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // What a long question made it grow to is given back.
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    prepare(&connection)?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((connection, version))
}

/// Opens the file for reading.
fn to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reading = Connection::open_with_flags(path, flags)?;
    reading.busy_timeout(PATIENCE)?;
    Ok(reading)
}

/// Makes the tables of a new one, and those of today of an earlier one.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 1 {
        // Nobody knows when its series were last seen: they stay as long as the longest of what is kept now.
        let sql = format!(
            "BEGIN IMMEDIATE; ALTER TABLE series ADD COLUMN last INTEGER NOT NULL DEFAULT 0;
             UPDATE series SET last = (SELECT coalesce(max(start), 0) FROM chunks) + {A_CHUNK_OF_DAYS};
             PRAGMA user_version = {SCHEMA}; COMMIT;"
        );
        return connection.execute_batch(&sql);
    }
    if version > 0 {
        return Ok(());
    }
    let schema = include_str!("schema.sql");
    let sql = format!(
        "BEGIN IMMEDIATE; {schema}
         PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {SCHEMA}; COMMIT;"
    );
    connection.execute_batch(&sql)
}

/// Whether a file is damaged.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Gives a damaged file another name, so that it can be looked at: counting goes on without it. One that was
/// put aside before goes; but if this one is empty, as it could not be made, that one stays and this one goes.
fn put_aside(path: &Path, why: &str) -> Result<(), OpenError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let aside = format!("{FILE}.damaged-{}", now.unwrap_or_default().as_secs());
    let aside = path.with_file_name(aside);
    tracing::error!(
        path = %path.display(),
        %why,
        put_aside_as = %aside.display(),
        "the history is damaged and begins anew; counters are not affected"
    );
    let failed = |path: &Path, says| {
        let (what, path) = ("put aside", path.to_owned());
        OpenError::Directory { what, path, says }
    };
    let beside = |path: &Path| {
        ["", "-wal", "-shm"].map(|ending| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        })
    };
    if fs::metadata(path).is_ok_and(|file| file.len() <= EMPTY) {
        for file in beside(path) {
            remove(&file).map_err(|says| failed(&file, says))?;
        }
        return Ok(());
    }
    if let Some(directory) = path.parent() {
        for file in fs::read_dir(directory).map_err(|says| failed(directory, says))? {
            let file = file.map_err(|says| failed(directory, says))?;
            let name = file.file_name();
            if name
                .to_string_lossy()
                .starts_with(&format!("{FILE}.damaged-"))
            {
                fs::remove_file(file.path()).map_err(|says| failed(&file.path(), says))?;
            }
        }
    }
    for (from, to) in beside(path).iter().zip(beside(&aside)) {
        if let Err(says) = fs::rename(from, to)
            && says.kind() != std::io::ErrorKind::NotFound
        {
            return Err(failed(from, says));
        }
    }
    Ok(())
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(says) if says.kind() != std::io::ErrorKind::NotFound => Err(says),
        _ => Ok(()),
    }
}

/// A value of meta, if it is set.
pub(super) fn meta<T: rusqlite::types::FromSql>(
    connection: &Connection,
    key: &str,
) -> rusqlite::Result<Option<T>> {
    store::meta(connection, key).optional()
}

/// Bytes of the pages that are used.
pub(super) fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let free = pragma(connection, "freelist_count")? * pragma(connection, "page_size")?;
    Ok(file_bytes(connection)?.saturating_sub(free.cast_unsigned()))
}

/// Bytes of all pages.
pub(super) fn file_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let bytes = pragma(connection, "page_count")? * pragma(connection, "page_size")?;
    Ok(bytes.cast_unsigned())
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}
