//! How the past is kept, for metrics and for who asks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kubezonnet_history::Resolution;
use kubezonnet_model::Timestamp;

use crate::history::Status;

/// Why something of the past is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// It was older than it is kept.
    Age,
    /// There was no room for it.
    Size,
}

impl Lost {
    /// Every reason.
    pub const ALL: [Self; 2] = [Self::Age, Self::Size];

    /// The name in metrics.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Size => "size",
        }
    }
}

/// How the past is kept.
#[derive(Debug, Default)]
pub struct HistoryCounts {
    bytes: AtomicU64,
    series: AtomicU64,
    /// Milliseconds since 1970; zero where there is none.
    since: AtomicU64,
    deleted: [[AtomicU64; Lost::ALL.len()]; Resolution::ALL.len()],
    flushes: AtomicU64,
    failures: AtomicU64,
    /// Rows of the journal that are in the counters and not in here.
    lost_rows: AtomicU64,
    is_failing: AtomicBool,
    failing: Mutex<Option<String>>,
    /// Since when something waits to be written.
    waits_since: Mutex<Option<Instant>>,
}

impl HistoryCounts {
    /// What it takes on disk, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many series there are.
    pub fn series(&self) -> u64 {
        self.series.load(Ordering::Relaxed)
    }

    /// How often something was written.
    pub fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Relaxed)
    }

    /// How often it could not be.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Windows and other changes that are counted, and that the past does not have.
    pub fn lost_rows(&self) -> u64 {
        self.lost_rows.load(Ordering::Relaxed)
    }

    /// Hours, days and months that were deleted.
    pub fn deleted(&self, resolution: Resolution, why: Lost) -> u64 {
        self.deleted[resolution as usize][why as usize].load(Ordering::Relaxed)
    }

    /// Whether it cannot be written.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Since when there is any.
    pub fn since(&self) -> Option<Timestamp> {
        let since = self.since.load(Ordering::Relaxed);
        (since > 0).then_some(Timestamp(since))
    }

    /// How long the oldest waits to be written.
    pub fn behind(&self) -> Duration {
        let waits_since = self
            .waits_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waits_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    pub(super) fn status(&self) -> Status {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        Status {
            source: "embedded",
            since: self.since(),
            behind: self.behind(),
            bytes: self.bytes(),
            failing: failing.clone(),
        }
    }

    pub(super) fn set_sizes(&self, bytes: u64, series: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
        self.series.store(series, Ordering::Relaxed);
    }

    pub(super) fn set_since(&self, since: Timestamp) {
        self.since.store(since.0, Ordering::Relaxed);
    }

    pub(super) fn add_lost_rows(&self, rows: u64) {
        self.lost_rows.fetch_add(rows, Ordering::Relaxed);
    }

    pub(super) fn add_deleted(&self, resolution: Resolution, why: Lost) {
        self.deleted[resolution as usize][why as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn something_waits(&self) {
        let mut waits_since = self
            .waits_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waits_since.get_or_insert_with(Instant::now);
    }

    pub(super) fn written(&self) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        *self
            .waits_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
        self.set_failing(None);
    }

    pub(super) fn failed(&self, why: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.set_failing(Some(why));
    }

    fn set_failing(&self, why: Option<String>) {
        self.is_failing.store(why.is_some(), Ordering::Relaxed);
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}
