//! Two generations of maps: filled at the start, switched, read, emptied.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::{AsFd, AsRawFd};

use ipnet::IpNet;
use kubezonnet_model::{FlowCounters, FlowRecord, InterfaceClass};
use libbpf_rs::{MapCore, MapFlags, MapHandle};

use crate::capture::{Drained, Fill};
use crate::skeleton::CaptureSkel;
use crate::{CaptureError, Tunnel, abi, batch};

/// Two generations of maps, and which one is active.
#[derive(Debug)]
pub(crate) struct Maps {
    active: MapHandle,
    generations: [Generation; 2],
    totals: MapHandle,
    skipped: MapHandle,
    interfaces: MapHandle,
    networks: MapHandle,
    tunnel_ports: MapHandle,
    wireguard_devices: MapHandle,
    /// The generation the programs add to: the one that `active` holds.
    current: usize,
    /// The other one holds a closed window.
    closed: bool,
    /// Words of `tunnel_ports` that are in use.
    tunnel_words: BTreeMap<u32, u64>,
    /// Slots of `interfaces` that are in use.
    slots: BTreeMap<u32, [u8; abi::SLOT_BYTES]>,
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
        let empty = abi::empty_hot(number);
        let place = vec![empty.to_vec(); cpus];
        for (key, value) in read("hot", &self.hot)?.iter() {
            if value.chunks_exact(empty.len()).any(|hot| hot != empty) {
                self.hot
                    .update_percpu(key, &place, MapFlags::ANY)
                    .map_err(failed)?;
            }
        }
        Ok(())
    }
}

impl Maps {
    /// Takes hold of the maps, so that they outlive the object they were loaded with.
    pub(crate) fn of(skeleton: &CaptureSkel<'_>) -> Result<Self, CaptureError> {
        let maps = &skeleton.maps;
        let hold = |map| MapHandle::try_from(map).map_err(CaptureError::Load);
        let generations = [
            Generation {
                flows: hold(&maps.flows_0)?,
                hot: hold(&maps.hot_0)?,
                pairs: hold(&maps.pairs_0)?,
            },
            Generation {
                flows: hold(&maps.flows_1)?,
                hot: hold(&maps.hot_1)?,
                pairs: hold(&maps.pairs_1)?,
            },
        ];
        for (generation, number) in generations.iter().zip([0, 1]) {
            generation.empty_hot(number)?;
        }
        Ok(Self {
            active: hold(&maps.active)?,
            generations,
            totals: hold(&maps.totals)?,
            skipped: hold(&maps.skipped)?,
            interfaces: hold(&maps.interfaces)?,
            networks: hold(&maps.networks)?,
            tunnel_ports: hold(&maps.tunnel_ports)?,
            wireguard_devices: hold(&maps.wireguard_devices)?,
            tunnel_words: BTreeMap::new(),
            current: 0,
            closed: false,
            slots: BTreeMap::new(),
        })
    }

    pub(crate) fn set_networks(&self, networks: &[IpNet]) -> Result<(), CaptureError> {
        for network in networks {
            self.networks
                .update(&abi::network(network), &[1], MapFlags::ANY)
                .map_err(|source| CaptureError::Write {
                    map: "networks",
                    source,
                })?;
        }
        Ok(())
    }

    pub(crate) fn set_tunnel_ports(
        &mut self,
        ports: &BTreeMap<u16, Tunnel>,
    ) -> Result<(), CaptureError> {
        let devices = self.set_wireguard_devices(ports)?;
        let is_told = |tunnel: &Tunnel| match tunnel {
            Tunnel::WireGuard { interface } => devices.contains(interface),
            Tunnel::Vxlan | Tunnel::Geneve => true,
        };
        let mut words = BTreeMap::new();
        for (&port, &tunnel) in ports.iter().filter(|(_, tunnel)| is_told(tunnel)) {
            let (word, kind) = abi::tunnel_port(port, tunnel);
            *words.entry(word).or_insert(0) |= kind;
        }
        for &word in self.tunnel_words.keys().chain(words.keys()) {
            let kinds = words.get(&word).copied().unwrap_or_default();
            write(
                &self.tunnel_ports,
                "tunnel_ports",
                word,
                &u64::to_ne_bytes(kinds),
            )?;
        }
        self.tunnel_words = words;
        Ok(())
    }

    /// Tells of the devices of `WireGuard`, and returns those that there was room for.
    ///
    /// To be called before their ports are told: what they send in between is counted twice rather
    /// than not at all.
    fn set_wireguard_devices(
        &self,
        ports: &BTreeMap<u16, Tunnel>,
    ) -> Result<BTreeSet<u32>, CaptureError> {
        let failed = |source| CaptureError::Write {
            map: "wireguard_devices",
            source,
        };
        let device = |tunnel: &Tunnel| match tunnel {
            Tunnel::WireGuard { interface } => Some(*interface),
            Tunnel::Vxlan | Tunnel::Geneve => None,
        };
        let mut devices: BTreeSet<u32> = ports.values().filter_map(device).collect();
        while devices.len() > abi::WIREGUARD_DEVICES {
            devices.pop_last();
        }
        let map = &self.wireguard_devices;
        let wanted: Vec<_> = devices.iter().map(|index| index.to_ne_bytes()).collect();
        let is_gone = |key: &Vec<u8>| !wanted.iter().any(|device| device[..] == key[..]);
        for gone in map.keys().filter(is_gone).collect::<Vec<_>>() {
            map.delete(&gone).map_err(failed)?;
        }
        for device in &wanted {
            map.update(device, &1_u32.to_ne_bytes(), MapFlags::ANY)
                .map_err(failed)?;
        }
        Ok(devices)
    }

    pub(crate) fn set_interfaces(
        &mut self,
        interfaces: &BTreeMap<u32, InterfaceClass>,
    ) -> Result<(), CaptureError> {
        for (slot, content) in slots(interfaces) {
            if self.slots.get(&slot) != Some(&content) {
                write(&self.interfaces, "interfaces", slot, &content)?;
                self.slots.insert(slot, content);
            }
        }
        let unused = self.slots.keys().copied();
        let unused = unused.filter(|slot| {
            !interfaces
                .keys()
                .any(|&ifindex| abi::slot_of(ifindex) == *slot)
        });
        for slot in unused.collect::<Vec<_>>() {
            write(&self.interfaces, "interfaces", slot, &[0; abi::SLOT_BYTES])?;
            self.slots.remove(&slot);
        }
        Ok(())
    }

    pub(crate) fn close(&mut self) -> Result<Drained, CaptureError> {
        if !self.closed {
            let next = 1 - self.current;
            let fd = self.generations[next].hot.as_fd().as_raw_fd();
            // The kernel returns from this when no program that saw the old entry runs any more.
            write(&self.active, "active", 0, &fd.to_ne_bytes())?;
            self.current = next;
            self.closed = true;
        }
        self.read(1 - self.current)
    }

    fn read(&self, generation: usize) -> Result<Drained, CaptureError> {
        let Generation {
            flows, hot, pairs, ..
        } = &self.generations[generation];
        let mut drained = Drained::default();
        // A flow can be hot on several CPUs, and in the flow map too.
        let mut hot_flows = HashMap::new();
        for (_, value) in read("hot", hot)?.iter() {
            for record in abi::hot(value) {
                let record = record?;
                *hot_flows.entry(record.key).or_insert(FlowCounters::ZERO) += record.counters;
            }
        }
        let flow_entries = read("flows", flows)?;
        drained
            .records
            .reserve(flow_entries.len() + hot_flows.len());
        for (key, value) in flow_entries.iter() {
            let mut record = abi::flow(key, value)?;
            record.counters += hot_flows.remove(&record.key).unwrap_or_default();
            drained.records.push(record);
        }
        let only_hot = hot_flows.into_iter();
        drained
            .records
            .extend(only_hot.map(|(key, counters)| FlowRecord { key, counters }));
        let pair_entries = read("pairs", pairs)?;
        for (key, value) in pair_entries.iter() {
            drained.records.push(abi::pair(key, value)?);
        }
        drained.fill = Fill {
            flows: count(flow_entries.len()),
            max_flows: flows.max_entries(),
            pairs: count(pair_entries.len()),
            max_pairs: pairs.max_entries(),
        };
        for (index, value) in of_generation("totals", &self.totals, generation, abi::TOTALS)? {
            drained.totals.extend(abi::total(index, &value)?);
        }
        for (index, value) in of_generation("skipped", &self.skipped, generation, abi::SKIPS)? {
            drained.skipped.extend(abi::skip(index, &value)?);
        }
        Ok(drained)
    }

    pub(crate) fn clear_closed(&mut self) -> Result<(), CaptureError> {
        if !self.closed {
            return Ok(());
        }
        let closed = 1 - self.current;
        let Generation { flows, pairs, .. } = &self.generations[closed];
        for (name, map) in [("flows", flows), ("pairs", pairs)] {
            batch::empty(map).map_err(|source| CaptureError::Read { map: name, source })?;
        }
        self.generations[closed].empty_hot(count(closed))?;
        for (name, array, size) in [
            ("totals", &self.totals, abi::TOTALS),
            ("skipped", &self.skipped, abi::SKIPS),
        ] {
            for (index, value) in of_generation(name, array, closed, size)? {
                if value.iter().any(|byte| *byte != 0) {
                    let index = count(closed * size + index);
                    write(array, name, index, &[0; abi::COUNTERS_BYTES])?;
                }
            }
        }
        self.closed = false;
        Ok(())
    }
}

/// The slots that interfaces take. Where more than two meet, those stay whose class matters most.
fn slots(interfaces: &BTreeMap<u32, InterfaceClass>) -> BTreeMap<u32, [u8; abi::SLOT_BYTES]> {
    let mut by_slot: BTreeMap<u32, Vec<(u32, InterfaceClass)>> = BTreeMap::new();
    for (&ifindex, &class) in interfaces {
        by_slot
            .entry(abi::slot_of(ifindex))
            .or_default()
            .push((ifindex, class));
    }
    for sharing in by_slot.values_mut().filter(|sharing| sharing.len() > 2) {
        sharing.sort_by_key(|(_, class)| match class {
            InterfaceClass::Loopback => 0,
            InterfaceClass::Uplink => 1,
            InterfaceClass::Tunnel => 2,
            InterfaceClass::Pod => 3,
            InterfaceClass::Host | InterfaceClass::Other => 4,
        });
        tracing::warn!(
            ifindexes = ?sharing.iter().map(|(ifindex, _)| ifindex).collect::<Vec<_>>(),
            "more than two interfaces share a slot; the rest of them is seen as other"
        );
    }
    by_slot
        .into_iter()
        .map(|(slot, sharing)| (slot, abi::interfaces(&sharing)))
        .collect()
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

fn read(name: &'static str, map: &MapHandle) -> Result<batch::Entries, CaptureError> {
    batch::read(map).map_err(|source| CaptureError::Read { map: name, source })
}

fn write(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_that_share_a_slot_keep_their_class_and_those_that_matter_most_win() {
        let two = BTreeMap::from([(1, InterfaceClass::Loopback), (8193, InterfaceClass::Pod)]);
        let four = BTreeMap::from([
            (2, InterfaceClass::Uplink),
            (8194, InterfaceClass::Pod),
            (16_386, InterfaceClass::Host),
            (24_578, InterfaceClass::Tunnel),
        ]);

        let both = abi::interfaces(&[(1, InterfaceClass::Loopback), (8193, InterfaceClass::Pod)]);
        let best = abi::interfaces(&[
            (2, InterfaceClass::Uplink),
            (24_578, InterfaceClass::Tunnel),
        ]);
        assert_eq!(slots(&two), BTreeMap::from([(1, both)]));
        assert_eq!(slots(&four), BTreeMap::from([(2, best)]));
    }
}
