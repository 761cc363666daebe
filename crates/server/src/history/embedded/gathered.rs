//! What is not written yet: by series and minute.

use std::collections::BTreeMap;

use foldhash::HashMap;
use kubezonnet_history::{Chunk, ChunkStart, Resolution, SeriesId, spread};
use kubezonnet_model::{FlowCounters, Timestamp, Window};

/// What is not written yet.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    cells: HashMap<(SeriesId, Timestamp), FlowCounters>,
    /// When the earliest window in it began.
    earliest: Option<Timestamp>,
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

    /// The same as chunks of every resolution.
    pub(super) fn chunks(&self) -> BTreeMap<(Resolution, ChunkStart), Chunk> {
        let mut chunks: BTreeMap<_, Chunk> = BTreeMap::new();
        for ((series, minute), counters) in &self.cells {
            for resolution in Resolution::ALL {
                let (start, slot) = resolution.place(*minute);
                let chunk = chunks.entry((resolution, start)).or_default();
                chunk.add(*series, slot, *counters);
            }
        }
        chunks
    }

    /// It is written: begins anew, with as much room.
    pub(super) fn clear(&mut self) {
        self.cells.clear();
        self.earliest = None;
    }
}
