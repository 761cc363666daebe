//! How the store fares, for metrics and health.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Failure;
use crate::ingest::Latency;

/// How long a commit may take before the disk passes for one that does not answer: agents wait fifteen
/// seconds for an answer.
const HANGS: Duration = Duration::from_secs(10);

/// How large things are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreSizes {
    /// Rows of the journal.
    pub journal_rows: u64,
    /// Bytes that were written to the journal since the last checkpoint began.
    pub journal_bytes: usize,
    /// Bytes of the database and of SQLite's own journal.
    pub database_bytes: u64,
    /// How often SQLite's own journal could not be brought into the database.
    pub log_failures: u64,
    /// The file system that all of it is on, where it tells.
    pub disk: Option<Disk>,
}

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Its size.
    pub size_bytes: u64,
    /// What who is not root may still write.
    pub free_bytes: u64,
}

impl Disk {
    /// That of a directory.
    pub(crate) fn of(directory: &Path) -> Option<Self> {
        let told = nix::sys::statvfs::statvfs(directory).ok()?;
        let fragment = told.fragment_size();
        Some(Self {
            size_bytes: told.blocks().saturating_mul(fragment),
            free_bytes: told.blocks_available().saturating_mul(fragment),
        })
    }
}

/// How the store fares.
#[derive(Debug, Default)]
pub struct StoreCounts {
    /// There is one: what is acknowledged is on disk.
    durable: AtomicBool,
    /// Why it cannot write now.
    down: Mutex<Option<Failure>>,
    /// When the commit began that is under way.
    writing_since: Mutex<Option<Instant>>,
    /// Commits and tries to open that failed, in the order of [`Failure::ALL`].
    failures: [AtomicU64; Failure::ALL.len()],
    /// How long each commit took.
    commits: Latency,
    checkpoints: AtomicU64,
    sizes: Mutex<StoreSizes>,
}

impl StoreCounts {
    /// Whether what is acknowledged is on disk.
    pub fn is_durable(&self) -> bool {
        self.durable.load(Ordering::Relaxed)
    }

    /// Why it cannot write now; `None` while it can.
    pub fn down(&self) -> Option<Failure> {
        let down = *self.down.lock().unwrap_or_else(PoisonError::into_inner);
        down.or_else(|| self.hangs().then_some(Failure::Io))
    }

    /// Whether a commit takes so long that the disk does not answer, as one over a network may not.
    fn hangs(&self) -> bool {
        let since = self.writing_since.lock();
        let since = *since.unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() > HANGS)
    }

    /// A commit begins, or has ended.
    pub(crate) fn set_writing(&self, since: Option<Instant>) {
        *self
            .writing_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// How often it failed, by reason.
    pub fn failures(&self) -> impl Iterator<Item = (Failure, u64)> {
        let counts = self
            .failures
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        Failure::ALL.into_iter().zip(counts)
    }

    /// How long commits took.
    pub fn commits(&self) -> &Latency {
        &self.commits
    }

    /// How often the journal was brought into the tables.
    pub fn checkpoints(&self) -> u64 {
        self.checkpoints.load(Ordering::Relaxed)
    }

    /// How large things are.
    pub fn sizes(&self) -> StoreSizes {
        *self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_durable(&self) {
        self.durable.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_down(&self, failure: Option<Failure>) {
        *self.down.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        if let Some(failure) = failure {
            self.failures[failure as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn committed(&self, took: Duration) {
        self.commits.observe(took);
    }

    pub(crate) fn checkpointed(&self) {
        self.checkpoints.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set_sizes(&self, sizes: StoreSizes) {
        *self.sizes.lock().unwrap_or_else(PoisonError::into_inner) = sizes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_does_not_end_passes_for_a_disk_that_fails() {
        let counts = StoreCounts::default();
        let now = Instant::now();
        let long_ago = now.checked_sub(HANGS + Duration::from_secs(1));

        counts.set_writing(Some(now));
        assert_eq!(counts.down(), None);
        counts.set_writing(Some(long_ago.expect("the machine is up for longer")));
        assert_eq!(counts.down(), Some(Failure::Io));
        counts.set_writing(None);
        assert_eq!(counts.down(), None);
    }
}
