//! Follows a file: what it says now is what the topology is.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{FileError, FileView, parse, read};
use crate::{Clock, Source, Topology};

/// How often the file is looked at. It is looked at, and no event waited for, because that sees
/// every way to change it: written in place, renamed over, or a link (of a link) that is turned,
/// as a mounted `ConfigMap` does.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A topology that follows a file.
#[derive(Debug)]
pub struct FileWatch {
    path: PathBuf,
    topology: Topology,
    clock: Clock,
    /// The file as it was when it was last read, or tried to be.
    read: Stamp,
    /// The file at the last look.
    looked: Stamp,
    /// What it said then is what the topology is: false after a reload that failed, and the
    /// topology ages.
    taken: bool,
    /// Of the text that the topology is made of: a file that says the same again changes nothing.
    digest: u64,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stamp {
    File {
        modified: Option<SystemTime>,
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
                bytes: metadata.len(),
                inode: metadata.ino(),
                device: metadata.dev(),
            },
            Err(error) => Self::Missing(error.kind()),
        }
    }
}

impl FileWatch {
    /// Reads the file into the topology, which is synced then.
    ///
    /// # Errors
    ///
    /// As [`load`](super::load): a server does not start with a file that it cannot use.
    pub fn open(path: PathBuf, topology: Topology, clock: Clock) -> Result<Self, FileError> {
        // The stamp comes first, so that a change between the two is seen at the next look.
        let stamp = Stamp::of(&path);
        let text = read(&path)?;
        let view = parse(&path, &text)?;
        let watch = Self {
            path,
            topology,
            clock,
            read: stamp.clone(),
            looked: stamp,
            taken: true,
            digest: digest(&text),
        };
        watch.take(view);
        watch.topology.set_synced();
        Ok(watch)
    }

    /// Follows the file for ever. A file that cannot be used changes nothing: it is logged and
    /// counted once, and the topology stays what it was.
    pub async fn run(mut self) -> ! {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let path = self.path.clone();
            let stamp = blocking(move || Stamp::of(&path)).await;
            self.look(stamp).await;
        }
    }

    async fn look(&mut self, stamp: Stamp) {
        // One that is being written is read when it rests: as it was at two looks.
        let rests = stamp == self.looked;
        self.looked = stamp.clone();
        if stamp == self.read {
            if self.taken {
                self.topology.heard(self.clock.now());
            }
            return;
        }
        if !rests {
            return;
        }
        self.read = stamp;
        let path = self.path.clone();
        let digest = self.digest;
        match blocking(move || reload(&path, digest)).await {
            Ok(Reload::Same) => {
                self.taken = true;
                self.topology.heard(self.clock.now());
            }
            Ok(Reload::Changed { view, digest }) => {
                let (nodes, pods) = (view.nodes.len(), view.pods.len());
                self.take(view);
                (self.taken, self.digest) = (true, digest);
                self.topology.count_event(Source::File);
                tracing::info!(path = %self.path.display(), nodes, pods, "topology file reloaded");
            }
            Err(error) => {
                self.taken = false;
                self.topology.count_failure(Source::File, error.reason());
                tracing::warn!(%error, "topology file not reloaded: what it said before stays");
            }
        }
    }

    fn take(&self, view: FileView) {
        let now = self.clock.now();
        view.give_to(&self.topology, now);
        self.topology.count_relist(Source::File);
        self.topology.heard(now);
    }
}

/// What a file says that was written again.
enum Reload {
    /// What it said before.
    Same,
    /// Something else.
    Changed { view: FileView, digest: u64 },
}

fn reload(path: &Path, before: u64) -> Result<Reload, FileError> {
    let text = read(path)?;
    let digest = digest(&text);
    if digest == before {
        return Ok(Reload::Same);
    }
    let view = parse(path, &text)?;
    Ok(Reload::Changed { view, digest })
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Runs what may wait for a disk apart from the tasks that may not.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is being shut down, and this task with it.
        Err(_) => std::future::pending().await,
    }
}
