//! How the past is kept, for metrics and for who asks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
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
    /// The volume was nearly full.
    Volume,
    /// It came after its time was deleted.
    Late,
}

impl Lost {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Age, Self::Size, Self::Volume, Self::Late];

    /// The name in metrics.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Size => "size",
            Self::Volume => "volume",
            Self::Late => "late",
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
    /// Files that were put aside.
    damaged: AtomicU64,
    /// What cannot be read.
    unreadable: AtomicU64,
    /// The volume has too little free for it to grow.
    is_short: AtomicBool,
    is_failing: AtomicBool,
    /// Why it cannot be written, and why not be read.
    failing: Mutex<[Option<String>; 2]>,
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

    /// How often it was damaged, put aside and begun anew.
    pub fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Chunks, series and price books that could not be read and are left out of answers.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// Whether it does not grow, as the volume is nearly full.
    pub fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }

    /// Whether it can be written and read.
    pub fn is_up(&self) -> bool {
        self.failing().iter().all(Option::is_none)
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
        let failing = match &*self.failing() {
            [Some(why), _] => Some(format!("it cannot be written: {why}")),
            [None, why] => why.clone(),
        };
        let short = self.is_short().then(|| {
            "the volume is nearly full: the history does not grow, and its oldest is deleted"
                .to_owned()
        });
        let unreadable = match self.unreadable() {
            0 => None,
            1 => Some("a part of it cannot be read".to_owned()),
            parts => Some(format!("{parts} parts of it cannot be read")),
        };
        let unreadable =
            unreadable.map(|parts| format!("{parts}, and answers go without: the log says more"));
        let lacking: Vec<_> = [short, unreadable].into_iter().flatten().collect();
        Status {
            source: "embedded",
            since: self.since(),
            behind: self.behind(),
            bytes: self.bytes(),
            failing,
            lacking: (!lacking.is_empty()).then(|| lacking.join("; ")),
            lost_changes: self.lost_rows(),
            damaged: self.damaged(),
        }
    }

    fn failing(&self) -> MutexGuard<'_, [Option<String>; 2]> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_sizes(&self, bytes: u64, series: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
        self.series.store(series, Ordering::Relaxed);
    }

    pub(super) fn set_since(&self, since: Option<Timestamp>) {
        let since = since.map_or(0, |since| since.0);
        self.since.store(since, Ordering::Relaxed);
    }

    pub(super) fn set_short(&self, is_short: bool) {
        self.is_short.store(is_short, Ordering::Relaxed);
    }

    pub(super) fn add_damaged(&self) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_unreadable(&self, parts: u64) {
        self.unreadable.store(parts, Ordering::Relaxed);
    }

    pub(super) fn add_unreadable(&self) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }

    /// Why a question had no answer.
    pub(super) fn set_unanswered(&self, why: Option<String>) {
        self.failing()[1] = why;
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

    /// All was written, but for what waits.
    pub(super) fn written(&self, waits: bool) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        if !waits {
            *self
                .waits_since
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = None;
        }
        self.set_failing(None);
    }

    pub(super) fn failed(&self, why: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.set_failing(Some(why));
    }

    fn set_failing(&self, why: Option<String>) {
        self.is_failing.store(why.is_some(), Ordering::Relaxed);
        self.failing()[0] = why;
    }
}
