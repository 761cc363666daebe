//! The file: made, locked, checked, brought to the schema of today.
//!
//! A new one is made under another name and then given its own, so that a file of the right name is
//! never a half-made one: if it is empty or no database, it is damaged.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use kubezonnet_model::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::OpenError;
use super::schema::{self, Stop};

/// The database, in the data directory.
const FILE: &str = "kubezonnet.db";

/// The lock, in the data directory. It is never removed: that would part those who wait for it.
const LOCK: &str = "kubezonnet.lock";

/// The last change that was acknowledged, in the data directory.
const LAST: &str = "kubezonnet.last";

/// Says that the file is ours: "kznt".
pub(super) const APPLICATION: i32 = 0x6b7a_6e74;

/// How long to wait for a server that is about to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The directory of one server's data, locked for as long as this lives.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Held, not used: closing it gives the lock to another server.
    _lock: File,
}

impl Directory {
    /// Makes the directory if need be, and locks it.
    pub(super) fn lock(path: &Path) -> Result<Self, OpenError> {
        let failed = |what: &'static str, path: &Path| {
            let path = path.to_owned();
            move |says| OpenError::Directory { what, path, says }
        };
        fs::create_dir_all(path).map_err(failed("make the directory", path))?;
        let lock_path = path.join(LOCK);
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&lock_path)
            .map_err(failed("open", &lock_path))?;
        let begun = Instant::now();
        let mut told = false;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                    if !told {
                        tracing::info!(
                            directory = %path.display(),
                            seconds = PATIENCE.as_secs(),
                            "another kubezonnet-server uses the data directory: waiting for it to end"
                        );
                        told = true;
                    }
                    thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
                Err(TryLockError::Error(error)) => return Err(failed("lock", &lock_path)(error)),
            }
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// When it was made, as far as that is known: its lock is never written.
    pub(super) fn made(&self) -> Option<Timestamp> {
        let lock = fs::metadata(self.path.join(LOCK)).ok()?;
        lock.modified().ok().map(super::timestamp)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the database is.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join(FILE)
    }

    /// Where the last change that was acknowledged is noted.
    pub(super) fn last(&self) -> PathBuf {
        self.path.join(LAST)
    }

    /// The files that grow: the database, and SQLite's journal.
    pub(super) fn files(&self) -> [PathBuf; 2] {
        [FILE.to_owned(), format!("{FILE}-wal")].map(|name| self.path.join(name))
    }

    /// Opens the database with all that is checked at a start: the whole of it, and its schema.
    /// Makes one if there is none; says whether it did.
    pub(super) fn open(&self) -> Result<(Connection, bool), OpenError> {
        let path = self.database();
        let of = |error| OpenError::of(path.clone(), error);
        let is_new = !path.exists();
        if is_new {
            self.make()?;
        }
        if fs::metadata(&path).is_ok_and(|file| file.len() == 0) {
            return Err(OpenError::Damaged {
                path,
                what: "it is empty".to_owned(),
            });
        }
        let mut connection = connect(&path).map_err(of)?;
        self.check_owner(&connection)?;
        let verdict: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(of)?;
        if verdict != "ok" {
            return Err(OpenError::Damaged {
                path,
                what: verdict.replace('\n', " "),
            });
        }
        settle_in(&connection).map_err(of)?;
        schema::migrate(&mut connection).map_err(|stop| self.stopped(stop))?;
        Ok((connection, is_new))
    }

    /// Opens the database again after a failure, and brings all that is in SQLite's journal into the
    /// file, with a sync: after a sync that failed, what can be read may not be on disk.
    pub(super) fn reopen(&self) -> Result<Connection, OpenError> {
        let path = self.database();
        let of = |error| OpenError::of(path.clone(), error);
        if !path.exists() {
            return Err(OpenError::Damaged {
                path,
                what: "it is gone".to_owned(),
            });
        }
        let connection = connect(&path).map_err(of)?;
        self.check_owner(&connection)?;
        settle_in(&connection).map_err(of)?;
        empty_wal(&connection).map_err(of)?;
        Ok(connection)
    }

    /// Makes a new database and gives it its name.
    fn make(&self) -> Result<(), OpenError> {
        let path = self.database();
        let wal = self.path.join(format!("{FILE}-wal"));
        if wal.exists() {
            let what = format!("it is gone, and {} is left of it", wal.display());
            return Err(OpenError::Damaged { path, what });
        }
        let failed = |what: &'static str, path: &Path| {
            let path = path.to_owned();
            move |says| OpenError::Directory { what, path, says }
        };
        let new = self.path.join(format!("{FILE}-new"));
        for left in [new.clone(), self.path.join(format!("{FILE}-new-journal"))] {
            match fs::remove_file(&left) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(failed("remove", &left)(error));
                }
                _ => {}
            }
        }
        // For the server's eyes only; what SQLite puts beside it is so too.
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)
            .map_err(failed("make", &new))?;
        let of = |error| OpenError::of(path.clone(), error);
        let mut connection = Connection::open(&new).map_err(of)?;
        connection
            // Rows of the journal are tens of kilobytes: few large pages are written in less time.
            .execute_batch(
                // Pages that get free are used again by the next changes; the file stays as large as
                // it once had to be.
                "PRAGMA page_size = 16384; PRAGMA synchronous = FULL; PRAGMA auto_vacuum = NONE;",
            )
            .map_err(of)?;
        schema::migrate(&mut connection).map_err(|stop| self.stopped(stop))?;
        let name = "INSERT INTO meta (key, value) VALUES ('id', randomblob(16)), ('folded', 0), \
                    ('next_id', 1)";
        connection.execute_batch(name).map_err(of)?;
        connection.close().map_err(|(_, error)| of(error))?;
        fs::rename(&new, &path).map_err(failed("name", &path))?;
        let directory = File::open(&self.path).and_then(|directory| directory.sync_all());
        directory.map_err(failed("sync", &self.path))
    }

    /// Refuses a database that is of another program, or of a later version.
    fn check_owner(&self, connection: &Connection) -> Result<(), OpenError> {
        let path = self.database();
        let of = |error| OpenError::of(path.clone(), error);
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        if pragma("application_id").map_err(of)? != i64::from(APPLICATION) {
            return Err(OpenError::Foreign(path));
        }
        let found = pragma("user_version").map_err(of)?;
        if found < 1 {
            let what = format!("it has schema {found}, and the first there was is 1");
            return Err(OpenError::Damaged { path, what });
        }
        if usize::try_from(found).is_ok_and(|found| found > schema::CURRENT) {
            let what = format!(
                "it has schema {found}, and this server knows schemas up to {}",
                schema::CURRENT
            );
            return Err(OpenError::Newer { path, what });
        }
        Ok(())
    }

    /// Sorts why a database is not brought to the schema of today.
    fn stopped(&self, stop: Stop) -> OpenError {
        let path = self.database();
        match stop {
            Stop::Database(error) => OpenError::of(path, error),
            Stop::Old(why) => OpenError::Older { path, why },
            Stop::Unreadable { table, source } => OpenError::unreadable(path, table, &source),
        }
    }
}

/// Brings all that is in SQLite's journal into the file, and empties it.
pub(super) fn empty_wal(connection: &Connection) -> rusqlite::Result<()> {
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 {
        Ok(())
    } else {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        Err(rusqlite::Error::SqliteFailure(busy, None))
    }
}

/// Brings what is in SQLite's journal into the file, so that it begins again at its beginning.
pub(super) fn relieve_wal(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    Ok(connection)
}

/// How every connection works: nothing is done before it is on disk.
fn settle_in(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Of its own accord it would tell nobody that it failed.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // The image has no directory for temporary files.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Takes the lock now, and not with the first batch.
    connection.execute_batch("BEGIN IMMEDIATE; COMMIT;")
}
