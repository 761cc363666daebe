//! Two generations of maps that are counted into: switched, read, emptied.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd};

use kubezonnet_model::{FlowCounters, FlowKey};
use libbpf_rs::{MapCore, MapFlags, MapHandle, MapInfo};

use crate::abi::{self, Dimensions, Undecodable};
use crate::window::{Drained, Fill, SeenFlow, Socket};
use crate::{CaptureError, batch, fault};

/// Two generations of maps, and which one is active.
#[derive(Debug)]
pub(crate) struct Generations {
    active: MapHandle,
    both: [Generation; 2],
    totals: MapHandle,
    skipped: MapHandle,
    dimensions: Dimensions,
    /// The generation the programs add to: the one that `active` holds.
    current: usize,
}

#[derive(Debug)]
struct Generation {
    flows: MapHandle,
    hot: MapHandle,
    pairs: MapHandle,
}

impl Generation {
    /// Empties every place of every CPU, but for the generation's number.
    fn empty_hot(&self, number: u32) -> Result<(), CaptureError> {
        let failed = |source| CaptureError::Write { map: "hot", source };
        let cpus = libbpf_rs::num_possible_cpus().map_err(failed)?;
        let empty = abi::empty_hot(number, self.hot_bytes());
        let place = vec![empty.clone(); cpus];
        for (key, value) in read("hot", &self.hot)?.iter() {
            if value.chunks_exact(empty.len()).any(|hot| hot != empty) {
                self.hot
                    .update_percpu(key, &place, MapFlags::ANY)
                    .map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Bytes of a place of one CPU.
    fn hot_bytes(&self) -> usize {
        self.hot.value_size() as usize
    }
}

/// Gives a map by its name.
pub(crate) type GetMap<'a> = &'a dyn Fn(&str) -> Result<MapHandle, CaptureError>;

impl Generations {
    /// Takes hold of the maps. Both generations are to be numbered if they are new.
    pub(crate) fn of(get: GetMap<'_>, dimensions: Dimensions) -> Result<Self, CaptureError> {
        let generation = |number: usize| {
            Ok::<_, CaptureError>(Generation {
                flows: get(["flows_0", "flows_1"][number])?,
                hot: get(["hot_0", "hot_1"][number])?,
                pairs: get(["pairs_0", "pairs_1"][number])?,
            })
        };
        let mut maps = Self {
            active: get("active")?,
            both: [generation(0)?, generation(1)?],
            totals: get("totals")?,
            skipped: get("skipped")?,
            dimensions,
            current: 0,
        };
        maps.current = maps.find_current()?;
        Ok(maps)
    }

    /// Writes each generation's number to its places.
    pub(crate) fn number(&self) -> Result<(), CaptureError> {
        for (generation, number) in self.both.iter().zip([0, 1]) {
            generation.empty_hot(number)?;
        }
        Ok(())
    }

    /// The generation that the programs add to.
    pub(crate) fn current(&self) -> usize {
        self.current
    }

    /// What `active` holds: user space is given the number of the map in it.
    fn find_current(&self) -> Result<usize, CaptureError> {
        let failed = |source| CaptureError::Write {
            map: "active",
            source,
        };
        let id = self.active.lookup(&0_u32.to_ne_bytes(), MapFlags::ANY);
        let id = id.map_err(failed)?.unwrap_or_default();
        for (number, generation) in self.both.iter().enumerate() {
            let info = MapInfo::new(generation.hot.as_fd()).map_err(failed)?;
            if id == info.info.id.to_ne_bytes() {
                return Ok(number);
            }
        }
        Err(CaptureError::NoGeneration)
    }

    /// Makes the other generation the active one. On return no program adds to the old one any more.
    pub(crate) fn switch(&mut self) -> Result<(), CaptureError> {
        let next = 1 - self.current;
        self.activate(next)?;
        self.current = next;
        Ok(())
    }

    /// Returns when every program that ran when it was called has ended.
    pub(crate) fn wait_for_programs(&self) -> Result<(), CaptureError> {
        self.activate(self.current)
    }

    fn activate(&self, generation: usize) -> Result<(), CaptureError> {
        let fd = self.both[generation].hot.as_fd().as_raw_fd();
        // The kernel returns from this when no program that saw the old entry runs any more.
        write(&self.active, "active", 0, &fd.to_ne_bytes())
    }

    /// What is in the generation that is not active.
    pub(crate) fn read_other(&self) -> Result<Drained, CaptureError> {
        let number = 1 - self.current;
        let generation = &self.both[number];
        let Generation { flows, hot, pairs } = generation;
        let mut drained = Drained::default();
        // A flow can be hot on several CPUs, and in the flow map too.
        let mut merged = Merged::new();
        let mut lost = Lost::default();
        for (_, value) in read("hot", hot)?.iter() {
            for (key, value) in abi::hot(value, generation.hot_bytes()) {
                let record = lost.or_read(abi::flow(key, value), value)?;
                if let Some(record) = record {
                    add(&mut merged, record);
                }
            }
        }
        let flow_entries = read("flows", flows)?;
        let pair_entries = read("pairs", pairs)?;
        // Several keys of a newer layout can be one to us.
        let are_ours = |map: &MapHandle, bytes| map.key_size() as usize == bytes;
        if are_ours(flows, abi::FLOW_KEY_BYTES) {
            drained
                .records
                .reserve(flow_entries.len() + merged.len() + pair_entries.len());
            for (key, value) in flow_entries.iter() {
                let Some(mut record) = lost.or_read(abi::flow(key, value), value)? else {
                    continue;
                };
                let hot = merged.remove(&(record.key, record.socket));
                record.counters += hot.unwrap_or_default();
                drained.records.push(record);
            }
        } else {
            for (key, value) in flow_entries.iter() {
                let record = lost.or_read(abi::flow(key, value), value)?;
                if let Some(record) = record {
                    add(&mut merged, record);
                }
            }
        }
        if are_ours(pairs, abi::PAIR_KEY_BYTES) {
            for (key, value) in pair_entries.iter() {
                let record = lost.or_read(abi::pair(key, value), value)?;
                drained.records.extend(record);
            }
        } else {
            for (key, value) in pair_entries.iter() {
                let record = lost.or_read(abi::pair(key, value), value)?;
                if let Some(record) = record {
                    add(&mut merged, record);
                }
            }
        }
        let merged = merged.into_iter();
        drained
            .records
            .extend(merged.map(|((key, socket), counters)| SeenFlow {
                key,
                socket,
                counters,
            }));
        drained.fill = Fill {
            flows: count(flow_entries.len()),
            max_flows: flows.max_entries(),
            pairs: count(pair_entries.len()),
            max_pairs: pairs.max_entries(),
        };
        let dimensions = &self.dimensions;
        for (index, value) in of_generation("totals", &self.totals, number, dimensions.totals())? {
            let total = lost.or_read(abi::total(index, &value, dimensions), &value)?;
            drained.totals.extend(total.flatten());
        }
        for (index, value) in of_generation("skipped", &self.skipped, number, dimensions.skips())? {
            let skipped = lost.or_read(abi::skip(index, &value, dimensions), &value)?;
            drained.skipped.extend(skipped.flatten());
        }
        drained.undecodable = lost.0;
        Ok(drained)
    }

    /// Empties the generation that is not active.
    pub(crate) fn clear_other(&self) -> Result<(), CaptureError> {
        let number = 1 - self.current;
        let Generation { flows, pairs, .. } = &self.both[number];
        for (name, map) in [("flows", flows), ("pairs", pairs)] {
            batch::empty(map).map_err(|source| CaptureError::Read { map: name, source })?;
            fault::point("half-cleared");
        }
        self.both[number].empty_hot(count(number))?;
        for (name, array, size) in [
            ("totals", &self.totals, self.dimensions.totals()),
            ("skipped", &self.skipped, self.dimensions.skips()),
        ] {
            for (index, value) in of_generation(name, array, number, size)? {
                if value.iter().any(|byte| *byte != 0) {
                    let index = count(number * size + index);
                    write(array, name, index, &vec![0; value.len()])?;
                }
            }
        }
        Ok(())
    }
}

/// What cannot be read of a generation.
///
/// It must not keep the rest from being read: nobody would ever get past it.
#[derive(Debug, Default)]
struct Lost(FlowCounters);

impl Lost {
    /// What was read of an entry; else its counters are added to what is lost.
    fn or_read<T>(
        &mut self,
        read: Result<T, Undecodable>,
        value: &[u8],
    ) -> Result<Option<T>, Undecodable> {
        match (read, abi::counters(value)) {
            (Ok(read), _) => Ok(Some(read)),
            (Err(error), Some(counters)) => {
                tracing::debug!(%error, "an entry is lost");
                self.0 += counters;
                Ok(None)
            }
            (Err(error), None) => Err(error),
        }
    }
}

/// Counters by key, where one key can come several times.
type Merged = HashMap<(FlowKey, Socket), FlowCounters>;

fn add(merged: &mut Merged, record: SeenFlow) {
    let key = (record.key, record.socket);
    *merged.entry(key).or_insert(FlowCounters::ZERO) += record.counters;
}

/// The part of an array that belongs to a generation, each value by its index in that part.
fn of_generation(
    name: &'static str,
    array: &MapHandle,
    generation: usize,
    size: usize,
) -> Result<Vec<(usize, Vec<u8>)>, CaptureError> {
    let entries = read(name, array)?;
    let values = entries.iter().map(|(_, value)| value.to_vec());
    Ok((0..size).zip(values.skip(generation * size)).collect())
}

pub(crate) fn read(name: &'static str, map: &MapHandle) -> Result<batch::Entries, CaptureError> {
    batch::read(map).map_err(|source| CaptureError::Read { map: name, source })
}

pub(crate) fn write(
    map: &MapHandle,
    name: &'static str,
    index: u32,
    value: &[u8],
) -> Result<(), CaptureError> {
    map.update(&index.to_ne_bytes(), value, MapFlags::ANY)
        .map_err(|source| CaptureError::Write { map: name, source })
}

fn count(entries: usize) -> u32 {
    u32::try_from(entries).expect("a map's size is a u32")
}
