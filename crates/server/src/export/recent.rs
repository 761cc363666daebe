//! The last windows, kept in memory for whoever asks what went just now.
//!
//! Ingest hands over a batch by a pointer: nothing is rendered, copied or looked up before somebody asks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{ExportCounts, Exporter};
use crate::resolve::{Outcome, ResolvedBatch, ResolvedFlow};

/// How many flows are kept: a minute of a hundred nodes with some 170 flows in each window of ten seconds.
const MOST_FLOWS: u64 = 100_000;

/// How much memory their batches may take, the flows that are not counted included. The newest is kept
/// however large it is.
const MOST_BYTES: usize = 64 << 20;

/// The last windows.
#[derive(Debug)]
pub struct Recent {
    /// Tells this life of the server from any other: numbers begin again with it.
    life: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    batches: VecDeque<Batch>,
    /// How many flows came in all.
    count: u64,
    /// What the batches take of memory.
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Batch {
    resolved: Arc<ResolvedBatch>,
    /// How many flows came before it.
    first: u64,
    /// How many of its flows are counted.
    flows: u64,
}

/// Some flows of the last windows.
#[derive(Debug, Clone)]
pub struct Excerpt {
    batches: Vec<Batch>,
    /// How many flows had come when they were taken.
    pub count: u64,
    /// How many flows had come before the first that is kept.
    pub first: u64,
}

impl Recent {
    /// Nothing yet.
    pub fn new(life: u64) -> Self {
        Self {
            life,
            kept: Mutex::default(),
        }
    }

    /// What tells this life of the server from any other.
    pub fn life(&self) -> u64 {
        self.life
    }

    /// Everything that came after the first `number` flows, as far as it is kept.
    pub fn after(&self, number: u64) -> Excerpt {
        let kept = self.kept();
        let begin = kept
            .batches
            .partition_point(|batch| batch.first + batch.flows <= number);
        Excerpt {
            batches: kept.batches.range(begin..).cloned().collect(),
            count: kept.count,
            first: kept.batches.front().map_or(kept.count, |batch| batch.first),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Excerpt {
    /// Each flow with its number, which rises by one from each to the next, and its batch; the newest last.
    pub fn flows(&self) -> impl DoubleEndedIterator<Item = (u64, &ResolvedBatch, &ResolvedFlow)> {
        self.batches.iter().flat_map(|kept| {
            let counted: Vec<_> = counted(&kept.resolved).collect();
            let flows = counted.into_iter().zip(kept.first..);
            let flows: Vec<_> = flows.collect();
            flows
                .into_iter()
                .map(|(flow, number)| (number, &*kept.resolved, flow))
        })
    }
}

impl Exporter for Arc<Recent> {
    fn name(&self) -> &'static str {
        "recent"
    }

    fn offer(&self, batch: &Arc<ResolvedBatch>) {
        let flows = counted(batch).count() as u64;
        if flows == 0 {
            return;
        }
        let mut kept = self.kept();
        let first = kept.count;
        kept.count += flows;
        kept.bytes += batch.memory();
        kept.batches.push_back(Batch {
            resolved: Arc::clone(batch),
            first,
            flows,
        });
        let mut gone = Vec::new();
        while kept.batches.len() > 1
            && (kept.bytes > MOST_BYTES || kept.count - kept.batches[0].first > MOST_FLOWS)
        {
            let oldest = kept.batches.pop_front().expect("there are two at least");
            kept.bytes -= oldest.resolved.memory();
            gone.push(oldest);
        }
        drop(kept);
        // Freed while nobody waits.
        drop(gone);
    }

    fn counts(&self) -> ExportCounts {
        ExportCounts {
            written: self.kept().count,
            dropped: 0,
        }
    }

    fn close(&self, _patience: Duration) {}
}

/// The flows that are counted: what was counted elsewhere or refused is no flow of its own.
pub(super) fn counted(batch: &ResolvedBatch) -> impl Iterator<Item = &ResolvedFlow> {
    let is_counted = |flow: &&ResolvedFlow| matches!(flow.outcome, Outcome::Counted(..));
    batch.flows.iter().filter(is_counted)
}

#[cfg(test)]
mod tests;
