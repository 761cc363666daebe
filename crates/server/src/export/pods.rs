//! What each pod sent, received and pays, by minute for the last hour: for whoever asks which of them it is.
//!
//! Added up by a thread of its own. History is kept by workload, as pods come and go; this is in memory
//! only, and begins anew with the server.

mod minutes;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use kubezonnet_model::{Timestamp, Window};
use kubezonnet_pricing::{Currency, PriceBook};
use kubezonnet_topology::Clock;

use self::minutes::Minutes;
pub use self::minutes::{Had, PodSide};
use super::recent::counted;
use super::{ExportCounts, Exporter};
use crate::resolve::ResolvedBatch;

/// How many batches may wait to be added up: ten seconds of a thousand nodes.
const MAX_BATCHES: usize = 1024;

/// How much memory they may take together: as the flow log's queue.
const MAX_HELD_BYTES: usize = 64 << 20;

/// What each pod had in the last hour.
#[derive(Debug)]
pub struct Pods {
    /// `None` once it is closed.
    queue: Mutex<Option<SyncSender<Arc<ResolvedBatch>>>>,
    shared: Arc<Shared>,
    /// Told when the thread has ended.
    ended: Mutex<Receiver<()>>,
}

#[derive(Debug)]
struct Shared {
    /// The prices in force, once they are known.
    book: OnceLock<PriceBook>,
    minutes: Mutex<Minutes>,
    clock: Option<Clock>,
    counted: AtomicU64,
    dropped: AtomicU64,
    /// What the batches that wait take of memory.
    held_bytes: AtomicUsize,
}

impl Pods {
    /// Nothing yet.
    ///
    /// # Panics
    ///
    /// If the system gives no thread.
    pub fn new() -> Self {
        Self::told_by(None)
    }

    /// Nothing yet, and what is older than an hour by this clock is forgotten, rather than by the newest window
    /// that came.
    ///
    /// # Panics
    ///
    /// If the system gives no thread.
    pub fn by(clock: Clock) -> Self {
        Self::told_by(Some(clock))
    }

    fn told_by(clock: Option<Clock>) -> Self {
        let shared = Arc::new(Shared {
            book: OnceLock::new(),
            minutes: Mutex::default(),
            clock,
            counted: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            held_bytes: AtomicUsize::new(0),
        });
        let (queue, batches) = sync_channel::<Arc<ResolvedBatch>>(MAX_BATCHES);
        let (ending, ended) = sync_channel(1);
        let adds = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("pods".into())
            .spawn(move || {
                for batch in batches {
                    adds.add(&batch);
                }
                // Nobody may be waiting for it.
                ending.try_send(()).ok();
            })
            .expect("the system has room for one more thread");
        Self {
            queue: Mutex::new(Some(queue)),
            shared,
            ended: Mutex::new(ended),
        }
    }

    /// What each pod had in each minute of a range, in no order.
    pub fn had(&self, range: Window) -> Vec<Had> {
        self.shared.minutes().had(range)
    }

    /// Since when they are told apart; `None` before anything came.
    pub fn since(&self) -> Option<Timestamp> {
        self.shared.minutes().since()
    }

    /// What costs are in; `None` without prices.
    pub fn currency(&self) -> Option<Currency> {
        self.shared.book.get().map(PriceBook::currency)
    }
}

impl Default for Pods {
    fn default() -> Self {
        Self::new()
    }
}

impl Exporter for Arc<Pods> {
    fn name(&self) -> &'static str {
        "pods"
    }

    fn begin(&self, book: &PriceBook) {
        self.shared.book.get_or_init(|| book.clone());
    }

    fn offer(&self, batch: &Arc<ResolvedBatch>) {
        let shared = &self.shared;
        let bytes = batch.memory();
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let held = shared.held_bytes.load(Ordering::Acquire);
        let fits = held == 0 || held.saturating_add(bytes) <= MAX_HELD_BYTES;
        if let Some(queue) = queue.as_ref().filter(|_| fits) {
            shared.held_bytes.fetch_add(bytes, Ordering::AcqRel);
            if queue.try_send(Arc::clone(batch)).is_ok() {
                return;
            }
            shared.held_bytes.fetch_sub(bytes, Ordering::AcqRel);
        }
        let flows = counted(batch).count() as u64;
        shared.dropped.fetch_add(flows, Ordering::Relaxed);
    }

    fn counts(&self) -> ExportCounts {
        ExportCounts {
            written: self.shared.counted.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
        }
    }

    fn close(&self, patience: Duration) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody asks any more: what is left is lost with the rest.
        ended.recv_timeout(patience).ok();
    }
}

impl Shared {
    fn add(&self, batch: &ResolvedBatch) {
        let sums = minutes::of(batch, self.book.get());
        // Held for moments only: who asks waits for it.
        let now = self.clock.as_ref().map(Clock::now);
        self.minutes().add(sums, batch.window, now);
        let flows = counted(batch).count() as u64;
        self.counted.fetch_add(flows, Ordering::Relaxed);
        self.held_bytes.fetch_sub(batch.memory(), Ordering::AcqRel);
    }

    fn minutes(&self) -> MutexGuard<'_, Minutes> {
        self.minutes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
