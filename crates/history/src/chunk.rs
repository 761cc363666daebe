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

    /// Whether it has nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut before = 0;
        for (SeriesId(series), cells) in &self.0 {
            let cells: Vec<_> = cells
                .iter()
                .map(|(slot, counters)| (*slot, *counters))
                .collect();
            write_series(&mut bytes, series - before, &cells);
            before = *series;
        }
        bytes
    }
}

/// What one series had in one slot.
pub type Cell = (SeriesId, u8, FlowCounters);

/// Reads a chunk without making one: a view of months looks at millions of cells. Cells come by series
/// and then by slot. After damage there is nothing more.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    slots: u8,
    series: u32,
    slot: u64,
    /// Cells of the series that are still to come.
    left: u64,
}

impl<'a> Reader<'a> {
    /// Of these bytes.
    pub fn new(bytes: &'a [u8], resolution: Resolution) -> Self {
        Self {
            bytes,
            slots: resolution.slots(),
            series: 0,
            slot: 0,
            left: 0,
        }
    }

    /// Tells of every cell.
    ///
    /// # Errors
    ///
    /// [`Damaged`]; cells before the damage were told of.
    pub fn each(self, mut tell: impl FnMut(SeriesId, u8, FlowCounters)) -> Result<(), Damaged> {
        for cell in self {
            let (series, slot, counters) = cell?;
            tell(series, slot, counters);
        }
        Ok(())
    }

    fn cell(&mut self) -> Option<Cell> {
        while self.left == 0 {
            let step = u32::try_from(take(&mut self.bytes)?).ok()?;
            self.series = self.series.checked_add(step)?;
            self.left = take(&mut self.bytes)?;
            self.slot = 0;
        }
        self.slot = self.slot.checked_add(take(&mut self.bytes)?)?;
        self.left -= 1;
        let slot = u8::try_from(self.slot)
            .ok()
            .filter(|slot| *slot < self.slots)?;
        let counters = FlowCounters {
            bytes: take(&mut self.bytes)?,
            packets: take(&mut self.bytes)?,
        };
        Some((SeriesId(self.series), slot, counters))
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Cell, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() && self.left == 0 {
            return None;
        }
        let cell = self.cell().ok_or(Damaged);
        if cell.is_err() {
            (self.bytes, self.left) = (&[], 0);
        }
        Some(cell)
    }
}

/// Chunks of one stretch as one, in little more memory than its bytes.
///
/// # Errors
///
/// [`Damaged`] if one of them is no chunk of that resolution.
pub fn merge(parts: &[&[u8]], resolution: Resolution) -> Result<Vec<u8>, Damaged> {
    let mut readers: Vec<_> = parts
        .iter()
        .map(|part| Reader::new(part, resolution))
        .collect();
    let mut heads = Vec::with_capacity(readers.len());
    for reader in &mut readers {
        heads.push(reader.next().transpose()?);
    }
    let mut bytes = Vec::new();
    let mut before = 0;
    let place = |(series, slot, _): &Cell| (*series, *slot);
    while let Some(SeriesId(series)) = heads.iter().flatten().map(|(series, ..)| *series).min() {
        let mut cells: Vec<(u8, FlowCounters)> = Vec::new();
        while let Some(next) = heads.iter().flatten().map(place).min()
            && next.0.0 == series
        {
            let mut sum = FlowCounters::ZERO;
            for (head, reader) in heads.iter_mut().zip(&mut readers) {
                while let Some(cell) = head
                    && place(cell) == next
                {
                    sum += cell.2;
                    *head = reader.next().transpose()?;
                }
            }
            cells.push((next.1, sum));
        }
        write_series(&mut bytes, series - before, &cells);
        before = series;
    }
    Ok(bytes)
}

fn write_series(bytes: &mut Vec<u8>, step: u32, cells: &[(u8, FlowCounters)]) {
    put(bytes, u64::from(step));
    put(bytes, cells.len() as u64);
    let mut slot_before = 0;
    for (slot, counters) in cells {
        put(bytes, u64::from(slot - slot_before));
        put(bytes, counters.bytes);
        put(bytes, counters.packets);
        slot_before = *slot;
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
        fn chunks_come_back_as_they_were_and_add_up(
            parts in proptest::collection::vec(any_cells(), 0..5),
        ) {
            let bytes: Vec<_> = parts.iter().map(|cells| chunk(cells).to_bytes()).collect();
            let bytes: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();

            let merged = merge(&bytes, Resolution::Minute).unwrap();

            prop_assert_eq!(&merged, &chunk(&parts.concat()).to_bytes());
            let mut read = Chunk::default();
            Reader::new(&merged, Resolution::Minute)
                .each(|series, slot, counters| read.add(series, slot, counters))
                .unwrap();
            prop_assert_eq!(read, chunk(&parts.concat()));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut cells = 0;

            Reader::new(&bytes, Resolution::Hour).each(|_, slot, _| {
                assert!(slot < 24);
                cells += 1;
            }).ok();
            merge(&[&bytes, &bytes], Resolution::Hour).ok();

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
