//! Follows a file: says when it has changed and rests, and what it says then.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{FileError, Problem, read};

/// How often the file is looked at. It is looked at, and no event waited for, because that sees
/// every way to change it: written in place, renamed over, or a link (of a link) that is turned,
/// as a mounted `ConfigMap` does.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a file is, and how its text is read.
#[derive(Debug)]
pub(crate) struct Form<V> {
    /// The word for it in messages.
    pub(crate) what: &'static str,
    /// From text to what it says.
    pub(crate) parse: fn(&str) -> Result<V, Problem>,
}

impl<V> Clone for Form<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Form<V> {}

impl<V> Form<V> {
    /// Reads and checks a file.
    pub(crate) fn load(self, path: &Path) -> Result<V, FileError> {
        self.take(path, &read(self.what, path)?)
    }

    fn take(self, path: &Path, text: &str) -> Result<V, FileError> {
        (self.parse)(text).map_err(|problem| FileError::Invalid {
            what: self.what,
            path: path.to_owned(),
            problem,
        })
    }
}

/// A file that is followed.
#[derive(Debug)]
pub(crate) struct Watched<V> {
    path: PathBuf,
    form: Form<V>,
    /// The file as it was when it was last read, or tried to be.
    read: Stamp,
    /// The file at the last look.
    looked: Stamp,
    /// What it said then is in force: false after a reload that failed.
    taken: bool,
    /// Of the text that is in force: a file that says the same again changes nothing.
    digest: u64,
}

/// What a look at the file shows.
#[derive(Debug)]
pub(crate) enum Look<V> {
    /// It says what is in force.
    Same,
    /// It is being written, or as bad as it was at the look before.
    Unsettled,
    /// It says something else.
    Changed(V),
    /// It cannot be used; told once.
    Failed(FileError),
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stamp {
    File {
        modified: Option<SystemTime>,
        /// When anything of it changed, which nobody can set back: seconds and nanoseconds.
        changed: (i64, i64),
        bytes: u64,
        inode: u64,
        device: u64,
    },
    Missing(io::ErrorKind),
}

impl Stamp {
    fn of(path: &Path) -> Self {
        match std::fs::metadata(path) {
            Ok(metadata) => Self::File {
                modified: metadata.modified().ok(),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
                bytes: metadata.len(),
                inode: metadata.ino(),
                device: metadata.dev(),
            },
            Err(error) => Self::Missing(error.kind()),
        }
    }
}

impl<V: Send + 'static> Watched<V> {
    /// Reads the file, to be followed from what it says now.
    pub(crate) fn open(path: PathBuf, form: Form<V>) -> Result<(Self, V), FileError> {
        // The stamp comes first, so that a change between the two is seen at the next look.
        let stamp = Stamp::of(&path);
        let text = read(form.what, &path)?;
        let view = form.take(&path, &text)?;
        let watched = Self {
            path,
            form,
            read: stamp.clone(),
            looked: stamp,
            taken: true,
            digest: digest(&text),
        };
        Ok((watched, view))
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the file a little after the last look.
    pub(crate) async fn look(&mut self) -> Look<V> {
        tokio::time::sleep(LOOK_EVERY).await;
        let path = self.path.clone();
        let stamp = blocking(move || Stamp::of(&path)).await;
        // One that is being written is read when it rests: as it was at two looks.
        let rests = stamp == self.looked;
        self.looked = stamp.clone();
        if stamp == self.read {
            return if self.taken {
                Look::Same
            } else {
                Look::Unsettled
            };
        }
        if !rests {
            return Look::Unsettled;
        }
        self.read = stamp;
        let (path, form, before) = (self.path.clone(), self.form, self.digest);
        match blocking(move || reload(&path, form, before)).await {
            Ok(None) => {
                self.taken = true;
                Look::Same
            }
            Ok(Some((view, digest))) => {
                (self.taken, self.digest) = (true, digest);
                Look::Changed(view)
            }
            Err(error) => {
                self.taken = false;
                Look::Failed(error)
            }
        }
    }
}

/// What a file says that was written again; `None` if that is what it said before.
fn reload<V>(path: &Path, form: Form<V>, before: u64) -> Result<Option<(V, u64)>, FileError> {
    let text = read(form.what, path)?;
    let digest = digest(&text);
    if digest == before {
        return Ok(None);
    }
    Ok(Some((form.take(path, &text)?, digest)))
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Runs what may wait for a disk apart from the tasks that may not.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is being shut down, and this task with it.
        Err(_) => std::future::pending().await,
    }
}
