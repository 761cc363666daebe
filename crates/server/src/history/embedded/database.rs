//! The file: made, opened, put aside if it is damaged; and its rows.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};

use super::Options;
use crate::store::{self, OpenError};

/// The file, in the data directory.
const FILE: &str = "history.db";

/// Says that the file is ours: "kzhi".
const APPLICATION: i32 = 0x6b7a_6869;

/// The schema of today.
const SCHEMA: i64 = 1;

/// How long a statement waits for another connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that several may use, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<Connection>>);

impl Shared {
    fn new(connection: Connection) -> Self {
        Self(Arc::new(Mutex::new(connection)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file, open.
#[derive(Debug)]
pub(super) struct Database {
    /// Whose writes are read by `reading`: another connection to the file, and the same in memory.
    pub(super) writing: Shared,
    pub(super) reading: Shared,
    path: Option<PathBuf>,
}

impl Database {
    /// Opens it, and makes it if there is none.
    pub(super) fn open(options: &Options) -> Result<Self, OpenError> {
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
                put_aside(&path, &error)?;
                connect(&path)
            }
            opened => opened,
        };
        let (writing, version) = opened.map_err(|error| OpenError::of(path.clone(), error))?;
        if version > SCHEMA {
            let what = format!("it has schema {version}, and this server knows schema {SCHEMA}");
            return Err(OpenError::Newer { path, what });
        }
        let of = |error| OpenError::of(path.clone(), error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reading = Connection::open_with_flags(&path, flags).map_err(of)?;
        reading.busy_timeout(PATIENCE).map_err(of)?;
        Ok(Self {
            writing: Shared::new(writing),
            reading: Shared::new(reading),
            path: Some(path),
        })
    }

    /// The row of the journal up to which it is in here.
    pub(super) fn through(&self) -> u64 {
        let through = meta::<i64>(&self.writing.lock(), "through");
        through.ok().flatten().map_or(0, i64::cast_unsigned)
    }

    /// Where it is, for messages.
    pub(super) fn name(&self) -> String {
        let path = self.path.as_ref();
        path.map_or_else(|| "memory".to_owned(), |path| path.display().to_string())
    }
}

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
    prepare(&connection)?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((connection, version))
}

/// Makes the tables of a new one.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
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

fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Gives a damaged file another name, so that it can be looked at: counting goes on without it.
fn put_aside(path: &Path, why: &rusqlite::Error) -> Result<(), OpenError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let aside = format!("{FILE}.damaged-{}", now.unwrap_or_default().as_secs());
    let aside = path.with_file_name(aside);
    tracing::error!(
        path = %path.display(),
        %why,
        put_aside_as = %aside.display(),
        "the history is damaged and begins anew; counters are not affected"
    );
    for ending in ["", "-wal", "-shm"] {
        let of = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        if let Err(says) = fs::rename(of(path), of(&aside))
            && says.kind() != std::io::ErrorKind::NotFound
        {
            let (what, path) = ("put aside", of(path));
            return Err(OpenError::Directory { what, path, says });
        }
    }
    Ok(())
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
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    Ok((pages * pragma("page_size")?).cast_unsigned())
}
