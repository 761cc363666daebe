//! What came in, counted: batches, records, bytes, refusals, time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kubezonnet_model::BatchHeader;
use kubezonnet_wire::DecodedBatch;

use super::Refusal;
use crate::connections::ConnectionCounts;
use crate::pipeline::Acceptance;

/// What is left of a batch that is on its way to the disk.
#[derive(Debug)]
pub(super) struct Received {
    /// Whose window it is.
    pub(super) header: BatchHeader,
    /// How many records it had.
    records: u64,
}

impl Received {
    pub(super) fn of(batch: &DecodedBatch) -> Self {
        let records = batch.flows.len() + batch.totals.len() + batch.skipped.len();
        Self {
            header: batch.header.clone(),
            records: u64::try_from(records).unwrap_or(u64::MAX),
        }
    }
}

/// What came in so far; all of it only rises.
#[derive(Debug, Default)]
pub struct IngestCounts {
    applied: AtomicU64,
    duplicate: AtomicU64,
    records: AtomicU64,
    body_bytes: AtomicU64,
    missed: AtomicU64,
    midway: AtomicU64,
    /// Agents that broke off, and for how many milliseconds nobody counted for them.
    broke_off: AtomicU64,
    uncounted_millis: AtomicU64,
    undeclared: AtomicU64,
    legacy: AtomicU64,
    /// In the order of [`Refusal::reasons`].
    refused: Refused,
    /// How long requests took, from the head read to the answer made.
    pub(super) latency: Latency,
    connections: Arc<ConnectionCounts>,
}

/// One counter for each reason.
#[derive(Debug)]
struct Refused([AtomicU64; Refusal::REASON_COUNT]);

impl Default for Refused {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl IngestCounts {
    /// Batches counted.
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Relaxed)
    }

    /// Batches that had been counted before.
    pub fn duplicates(&self) -> u64 {
        self.duplicate.load(Ordering::Relaxed)
    }

    /// Records of the batches counted.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Bytes of the bodies read whole.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes.load(Ordering::Relaxed)
    }

    /// Windows that never came, by the gaps in sequences.
    pub fn missed_windows(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Agents of which nothing was known when a window came that was not their first.
    pub fn met_midway_agents(&self) -> u64 {
        self.midway.load(Ordering::Relaxed)
    }

    /// Agents that broke off and were followed by others.
    pub fn broken_off_agents(&self) -> u64 {
        self.broke_off.load(Ordering::Relaxed)
    }

    /// For how long nobody counted what the nodes of agents that broke off sent.
    pub fn uncounted(&self) -> Duration {
        Duration::from_millis(self.uncounted_millis.load(Ordering::Relaxed))
    }

    /// Addresses that agents declared beyond the limit.
    pub fn undeclared_addresses(&self) -> u64 {
        self.undeclared.load(Ordering::Relaxed)
    }

    /// Reports of agents of the Go system that were taken.
    pub fn legacy_reports(&self) -> u64 {
        self.legacy.load(Ordering::Relaxed)
    }

    /// Batches refused, by reason.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self
            .refused
            .0
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        Refusal::reasons().zip(counts)
    }

    /// How long requests took.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// The connections that it comes in by.
    pub fn connections(&self) -> &Arc<ConnectionCounts> {
        &self.connections
    }

    pub(super) fn body(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.body_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn accepted(&self, received: &Received, acceptance: Acceptance) {
        match acceptance {
            Acceptance::Applied {
                missed,
                undeclared,
                midway,
                uncounted,
            } => {
                self.applied.fetch_add(1, Ordering::Relaxed);
                self.records.fetch_add(received.records, Ordering::Relaxed);
                rise(&self.missed, missed);
                self.undeclared.fetch_add(undeclared, Ordering::Relaxed);
                if midway {
                    self.met_midway(received);
                }
                if let Some(uncounted) = uncounted {
                    self.broke_off(received, uncounted);
                }
                if missed > 0 {
                    tracing::warn!(
                        node = %received.header.node,
                        sequence = received.header.sequence,
                        missed,
                        "windows of this node never came"
                    );
                }
            }
            Acceptance::Duplicate => {
                self.duplicate.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn took_legacy(&self) {
        self.legacy.fetch_add(1, Ordering::Relaxed);
    }

    fn broke_off(&self, received: &Received, uncounted: Duration) {
        self.broke_off.fetch_add(1, Ordering::Relaxed);
        let millis = u64::try_from(uncounted.as_millis()).unwrap_or(u64::MAX);
        rise(&self.uncounted_millis, millis);
        tracing::warn!(
            node = %received.header.node,
            seconds = uncounted.as_secs_f64(),
            "the agent before broke off without a word: what this node sent until the next one began \
             is counted by nobody, and what receivers saw of it stands as counted by sender"
        );
    }

    fn met_midway(&self, received: &Received) {
        self.midway.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            node = %received.header.node,
            sequence = received.header.sequence,
            "this agent has reported elsewhere before: this server is new to it, or its data were lost \
             or restored from earlier; what the agent sent there and did not hear of counts twice"
        );
    }

    pub(super) fn refused(&self, refusal: &Refusal) {
        let position = Refusal::reasons()
            .position(|reason| reason == refusal.reason())
            .expect("the list is made of the lines that give the reasons");
        self.refused.0[position].fetch_add(1, Ordering::Relaxed);
    }
}

/// Adds, and stays at the largest number rather than begin again: what is added is a sender's word.
fn rise(counter: &AtomicU64, more: u64) {
    let add = |count: u64| Some(count.saturating_add(more));
    // It never fails: there is always a new value.
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
        .ok();
}

/// Upper bounds of the latency histogram in seconds: a small batch takes tens of microseconds, a
/// full one tens of milliseconds, a slow sender up to the 30 seconds a body may take.
pub const LATENCY_BOUNDS: [f64; 11] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
];

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Latency {
    /// How many were at most as long as each bound and longer than the one before; the last are
    /// longer than all.
    buckets: [AtomicU64; LATENCY_BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Latency {
    /// Adds one.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = LATENCY_BOUNDS.partition_point(|bound| *bound < seconds);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// How many fell in each bucket, by upper bound; the last has none.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = LATENCY_BOUNDS.into_iter().chain([f64::INFINITY]);
        let counts = self
            .buckets
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        bounds.zip(counts).collect()
    }

    /// The sum of all, in seconds.
    pub fn sum(&self) -> f64 {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Report;

    #[test]
    fn missed_windows_never_begin_again_at_zero() {
        let counts = IngestCounts::default();
        let received = Received::of(&Report::of("n1", 1).decoded());

        for missed in [u64::MAX - 1, u64::MAX, 5] {
            let applied = Acceptance::Applied {
                missed,
                undeclared: 0,
                midway: false,
                uncounted: None,
            };
            counts.accepted(&received, applied);
            assert!(counts.missed_windows() >= u64::MAX - 1, "it fell");
        }
    }
}
