//! What series had in the slots of a stretch of time, as bytes.
//!
//! ```text
//! chunk:   for each series, in order:  its number less the one before, how many cells, cells…
//! cell:    its slot less the one before, bytes, packets
//! ```
//!
//! All are numbers of LEB128. Chunks of the same stretch add up, so that what comes late is a further
//! one, and nothing that is on disk has to be read to be added to.

use std::collections::BTreeMap;

use kubezonnet_model::FlowCounters;

use crate::Resolution;
use crate::varint::{put, take};

/// The number of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(pub u32);

/// What series had in the slots of a stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunk(BTreeMap<SeriesId, BTreeMap<u8, FlowCounters>>);

/// Bytes that are no chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a chunk of history is damaged")]
pub struct Damaged;

impl Chunk {
    /// Adds to a cell.
    pub fn add(&mut self, series: SeriesId, slot: u8, counters: FlowCounters) {
        *self.0.entry(series).or_default().entry(slot).or_default() += counters;
    }

    /// Adds another of the same stretch.
    ///
    /// # Errors
    ///
    /// [`Damaged`] if the bytes are no chunk of that resolution.
    pub fn merge(&mut self, bytes: &[u8], resolution: Resolution) -> Result<(), Damaged> {
        Reader::new(bytes, resolution)
            .each(|series, slot, counters| self.add(series, slot, counters))
    }

    /// Whether it has nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What each series has in all slots: a slot of the next coarser resolution.
    pub fn sums(&self) -> impl Iterator<Item = (SeriesId, FlowCounters)> {
        let sum = |cells: &BTreeMap<u8, FlowCounters>| cells.values().copied().sum();
        self.0
            .iter()
            .map(move |(series, cells)| (*series, sum(cells)))
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut before = 0;
        for (SeriesId(series), cells) in &self.0 {
            put(&mut bytes, u64::from(series - before));
            put(&mut bytes, cells.len() as u64);
            before = *series;
            let mut slot_before = 0;
            for (slot, counters) in cells {
                put(&mut bytes, u64::from(slot - slot_before));
                put(&mut bytes, counters.bytes);
                put(&mut bytes, counters.packets);
                slot_before = *slot;
            }
        }
        bytes
    }
}

/// Reads a chunk without making one: a view of months looks at millions of cells.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    slots: u8,
}

impl<'a> Reader<'a> {
    /// Of these bytes.
    pub fn new(bytes: &'a [u8], resolution: Resolution) -> Self {
        Self {
            bytes,
            slots: resolution.slots(),
        }
    }

    /// Tells of every cell, by series and then by slot.
    ///
    /// # Errors
    ///
    /// [`Damaged`]; cells before the damage were told of.
    pub fn each(self, mut tell: impl FnMut(SeriesId, u8, FlowCounters)) -> Result<(), Damaged> {
        let mut bytes = self.bytes;
        let mut series = 0_u32;
        while !bytes.is_empty() {
            let step = u32::try_from(take(&mut bytes).ok_or(Damaged)?).map_err(|_| Damaged)?;
            series = series.checked_add(step).ok_or(Damaged)?;
            let cells = take(&mut bytes).ok_or(Damaged)?;
            let mut slot = 0_u64;
            for _ in 0..cells {
                let step = take(&mut bytes).ok_or(Damaged)?;
                slot = slot.checked_add(step).ok_or(Damaged)?;
                let position = u8::try_from(slot).ok().filter(|slot| *slot < self.slots);
                let counters = FlowCounters {
                    bytes: take(&mut bytes).ok_or(Damaged)?,
                    packets: take(&mut bytes).ok_or(Damaged)?,
                };
                tell(SeriesId(series), position.ok_or(Damaged)?, counters);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Cell = (u32, u8, u32, u32);

    fn any_cells() -> impl Strategy<Value = Vec<Cell>> {
        proptest::collection::vec((any::<u32>(), 0..60_u8, any::<u32>(), any::<u32>()), 0..50)
    }

    fn chunk(cells: &[Cell]) -> Chunk {
        let mut chunk = Chunk::default();
        for (series, slot, bytes, packets) in cells {
            let counters = FlowCounters {
                bytes: (*bytes).into(),
                packets: (*packets).into(),
            };
            chunk.add(SeriesId(*series), *slot, counters);
        }
        chunk
    }

    proptest! {
        #[test]
        fn a_chunk_comes_back_as_it_was_and_adds_up(one in any_cells(), other in any_cells()) {
            let mut read = Chunk::default();

            read.merge(&chunk(&one).to_bytes(), Resolution::Minute).unwrap();
            prop_assert_eq!(&read, &chunk(&one));
            read.merge(&chunk(&other).to_bytes(), Resolution::Minute).unwrap();

            prop_assert_eq!(read, chunk(&[one, other].concat()));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut cells = 0;

            Reader::new(&bytes, Resolution::Hour).each(|_, slot, _| {
                assert!(slot < 24);
                cells += 1;
            }).ok();

            prop_assert!(cells <= bytes.len());
        }
    }

    #[test]
    fn the_bytes_are_as_they_were() {
        let chunk = chunk(&[(3, 0, 300, 2), (3, 59, 1, 1), (200, 7, 5, 0)]);

        let bytes = chunk.to_bytes();

        assert_eq!(bytes, [3, 2, 0, 0xac, 2, 2, 59, 1, 1, 0xc5, 1, 1, 7, 5, 0]);
        let beyond = Reader::new(&bytes, Resolution::Hour).each(|_, _, _| ());
        assert_eq!(beyond, Err(Damaged));
    }
}
