//! What is not written yet: by series and minute.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;
use kubezonnet_history::{Chunk, ChunkStart, Resolution, SeriesId, spread};
use kubezonnet_model::{FlowCounters, Timestamp, Window};

use super::since::Since;

/// What is not written yet.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    cells: HashMap<(SeriesId, Timestamp), FlowCounters>,
    /// When the earliest window in it began.
    earliest: Option<Timestamp>,
}

/// The same as chunks of every resolution.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    pub(super) by: BTreeMap<(Resolution, ChunkStart), Chunk>,
    /// Those that something is of which came after their time was deleted; it is not in them.
    pub(super) late: Vec<Resolution>,
}

impl Gathered {
    /// Adds what a series had in a window.
    pub(super) fn add(&mut self, series: SeriesId, window: Window, counters: FlowCounters) {
        for (minute, share) in spread(window, counters) {
            *self.cells.entry((series, minute)).or_default() += share;
            // A window of more than a day is not in all of it.
            let begun = window.start.max(minute);
            let earliest = self.earliest.get_or_insert(begun);
            *earliest = begun.min(*earliest);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.earliest
    }

    /// The last minute of each series.
    pub(super) fn last(&self) -> HashMap<SeriesId, Timestamp> {
        let mut last: HashMap<_, Timestamp> = HashMap::default();
        for (series, minute) in self.cells.keys() {
            let of = last.entry(*series).or_default();
            *of = (*minute).max(*of);
        }
        last
    }

    /// The same as chunks of every resolution. What was deleted stays so.
    pub(super) fn chunks(&self, since: &Since) -> Chunks {
        let mut chunks = Chunks::default();
        let mut late = BTreeSet::new();
        for ((series, minute), counters) in &self.cells {
            for resolution in Resolution::ALL {
                let (start, slot) = resolution.place(*minute);
                if *minute < since.deleted(resolution) {
                    late.insert((resolution, start));
                    continue;
                }
                let chunk = chunks.by.entry((resolution, start)).or_default();
                chunk.add(*series, slot, *counters);
            }
        }
        chunks.late = late.into_iter().map(|(resolution, _)| resolution).collect();
        chunks
    }

    /// It is written: begins anew, with as much room.
    pub(super) fn clear(&mut self) {
        self.cells.clear();
        self.earliest = None;
    }
}
