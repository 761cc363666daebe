//! Why the store cannot be opened, or cannot write.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::blob::{self, Unreadable};
use super::schema::TooOld;

/// Why the store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory, or a file in it, cannot be made or read.
    #[error(
        "--data-dir: cannot {what} {}: {says}; {}", .path.display(), advice(.says.kind())
    )]
    Directory {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system says.
        says: io::Error,
    },
    /// Another server has it.
    #[error(
        "--data-dir: another kubezonnet-server uses {}: each server needs a directory of its own",
        .0.display()
    )]
    InUse(PathBuf),
    /// Another program has the file open.
    #[error(
        "--data-dir: {} is in use by another program, such as sqlite3 or a backup: end that, or let it \
         read a copy",
        .0.display()
    )]
    Locked(PathBuf),
    /// The file is no database of a kubezonnet-server.
    #[error(
        "--data-dir: {} is a database of another program: give a directory of the server's own",
        .0.display()
    )]
    Foreign(PathBuf),
    /// The file, or part of it, was written by a later version.
    #[error(
        "--data-dir: {} was written by a later version of the server ({what}): run that version or a \
         later one, or restore a backup of before",
        .path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// What says so.
        what: String,
    },
    /// The file was written by an earlier version, and is not brought to the schema of today.
    #[error("--data-dir: {} is too old for this server: {why}", .path.display())]
    Older {
        /// The database.
        path: PathBuf,
        /// What of it, and what to do.
        why: TooOld,
    },
    /// The file is damaged.
    #[error(
        "--data-dir: {} is damaged ({what}): restore a backup of it, or move it away together with \
         the -wal file beside it; without it all counters begin again at zero, and windows that \
         were counted but not acknowledged count again",
        .path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Less is there than was acknowledged.
    #[error(
        "--data-dir: {} ends with change {last}, and change {acknowledged} was acknowledged: the -wal \
         file beside it was damaged or taken away; restore a copy of both, or, to go on without what is \
         missing, or if this is an older copy, remove {}",
        .path.display(), .note.display()
    )]
    Cut {
        /// The database.
        path: PathBuf,
        /// The last change there is.
        last: u64,
        /// The last one there was.
        acknowledged: u64,
        /// What says so.
        note: PathBuf,
    },
    /// It cannot be read or written now.
    #[error(
        "--data-dir: cannot use {}: {}; look at its volume and at the rights of the file, or give another \
         directory",
        .path.display(), plain(.says)
    )]
    Unusable {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        says: rusqlite::Error,
    },
}

impl OpenError {
    /// Sorts what SQLite says of a database.
    pub(crate) fn of(path: PathBuf, source: rusqlite::Error) -> Self {
        match Failure::of(&source) {
            Failure::Corrupt => Self::Damaged {
                path,
                what: plain(&source),
            },
            Failure::Locked => Self::Locked(path),
            Failure::Full | Failure::ReadOnly | Failure::Io | Failure::Other => {
                Self::Unusable { path, says: source }
            }
        }
    }

    /// Part of the database cannot be understood.
    pub(super) fn unreadable(path: PathBuf, part: &str, why: &Unreadable) -> Self {
        let what = format!("{part}: {why}");
        match why {
            Unreadable::Version(version) if *version > blob::VERSION => Self::Newer { path, what },
            Unreadable::Version(_) | Unreadable::Damaged(_) | Unreadable::Empty => {
                Self::Damaged { path, what }
            }
        }
    }

    /// What kind of failure it is, for who tries again.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Directory { says, .. } => match says.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Failure::Full,
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                    Failure::ReadOnly
                }
                _ => Failure::Io,
            },
            Self::InUse(_) | Self::Locked(_) => Failure::Locked,
            Self::Foreign(_)
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::Damaged { .. }
            | Self::Cut { .. } => Failure::Corrupt,
            Self::Unusable { says, .. } => Failure::of(says),
        }
    }
}

/// What to do where a directory, or a file in it, cannot be made or read.
fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            "a file is where a directory is to be: give another one, or none to keep everything in memory"
        }
        io::ErrorKind::IsADirectory => {
            "a directory is where a file is to be: give a directory of the server's own"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on the volume, or give a directory on another one"
        }
        _ => {
            "make the directory writable for the server, give another one, or none to keep everything \
             in memory"
        }
    }
}

/// Whether SQLite could make nothing of a statement, as where a table is not there.
fn is_of_a_statement(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_ERROR)
}

/// What SQLite says, once and without the statement that it says it of.
fn plain(error: &rusqlite::Error) -> String {
    let text = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    text.lines().next().unwrap_or_default().to_owned()
}

/// Why something could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No room.
    Full,
    /// The file system, or the file, is read-only.
    ReadOnly,
    /// Reading, writing or syncing failed.
    Io,
    /// The database is damaged.
    Corrupt,
    /// Somebody else has it locked.
    Locked,
    /// Anything else.
    Other,
}

impl Failure {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Full,
        Self::ReadOnly,
        Self::Io,
        Self::Corrupt,
        Self::Locked,
        Self::Other,
    ];

    /// The name in metrics and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ReadOnly => "read_only",
            Self::Io => "io",
            Self::Corrupt => "corrupt",
            Self::Locked => "locked",
            Self::Other => "other",
        }
    }

    /// Sorts what SQLite says.
    pub(super) fn of(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly,
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => Self::Io,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            // The statements are ours: what they ask for was there once.
            _ if is_of_a_statement(error) => Self::Corrupt,
            _ => Self::Other,
        }
    }
}
