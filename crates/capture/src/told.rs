//! What the programs are told: classes of interfaces, networks, ports of tunnels.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use kubezonnet_model::InterfaceClass;
use libbpf_rs::{MapCore, MapFlags, MapHandle};

use crate::maps::{GetMap, read, write};
use crate::{CaptureError, Tunnel, abi};

/// The maps that the programs only read, and what is in them.
#[derive(Debug)]
pub(crate) struct Told {
    interfaces: MapHandle,
    networks: MapHandle,
    tunnel_ports: MapHandle,
    wireguard_devices: MapHandle,
    /// Words of `tunnel_ports` that are in use.
    tunnel_words: BTreeMap<u32, u64>,
    /// Slots of `interfaces` that are in use.
    slots: BTreeMap<u32, Vec<u8>>,
}

impl Told {
    /// Takes hold of the maps, and reads what an agent before this one has written there.
    pub(crate) fn of(get: GetMap<'_>) -> Result<Self, CaptureError> {
        let mut told = Self {
            interfaces: get("interfaces")?,
            networks: get("networks")?,
            tunnel_ports: get("tunnel_ports")?,
            wireguard_devices: get("wireguard_devices")?,
            tunnel_words: BTreeMap::new(),
            slots: BTreeMap::new(),
        };
        for (index, value) in used("interfaces", &told.interfaces)? {
            told.slots.insert(index, value);
        }
        for (index, value) in used("tunnel_ports", &told.tunnel_ports)? {
            let word = value.try_into().map_or(0, u64::from_ne_bytes);
            told.tunnel_words.insert(index, word);
        }
        Ok(told)
    }

    /// Adds networks to those that are told.
    pub(crate) fn add_networks(&self, networks: &[IpNet]) -> Result<(), CaptureError> {
        for network in networks {
            self.networks
                .update(&abi::network(network), &[1], MapFlags::ANY)
                .map_err(not_told)?;
        }
        Ok(())
    }

    /// Forgets all other networks. Comes after the programs that know them are out of their slots.
    pub(crate) fn keep_only_networks(&self, networks: &[IpNet]) -> Result<(), CaptureError> {
        let wanted: Vec<_> = networks.iter().map(abi::network).collect();
        let known: Vec<Vec<u8>> = self.networks.keys().collect();
        let is_wanted = |key: &[u8]| wanted.iter().any(|each| each[..] == *key);
        for key in known.iter().filter(|key| !is_wanted(key)) {
            self.networks.delete(key).map_err(not_told)?;
        }
        Ok(())
    }

    pub(crate) fn set_tunnel_ports(
        &mut self,
        ports: &BTreeMap<u16, Tunnel>,
    ) -> Result<(), CaptureError> {
        let devices = self.add_wireguard_devices(ports)?;
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
        self.keep_only_wireguard_devices(&devices)
    }

    /// Tells of the devices of `WireGuard`, and returns those that there was room for.
    ///
    /// To be called before their ports are told, and [`Self::keep_only_wireguard_devices`] after:
    /// what they send in between is counted twice rather than not at all.
    fn add_wireguard_devices(
        &self,
        ports: &BTreeMap<u16, Tunnel>,
    ) -> Result<BTreeSet<u32>, CaptureError> {
        let device = |tunnel: &Tunnel| match tunnel {
            Tunnel::WireGuard { interface } => Some(*interface),
            Tunnel::Vxlan | Tunnel::Geneve => None,
        };
        let mut devices: BTreeSet<u32> = ports.values().filter_map(device).collect();
        while devices.len() > abi::WIREGUARD_DEVICES {
            devices.pop_last();
        }
        for device in &devices {
            self.wireguard_devices
                .update(&device.to_ne_bytes(), &1_u32.to_ne_bytes(), MapFlags::ANY)
                .map_err(device_not_told)?;
        }
        Ok(devices)
    }

    fn keep_only_wireguard_devices(&self, devices: &BTreeSet<u32>) -> Result<(), CaptureError> {
        let map = &self.wireguard_devices;
        let wanted: Vec<_> = devices.iter().map(|index| index.to_ne_bytes()).collect();
        let is_gone = |key: &Vec<u8>| !wanted.iter().any(|device| device[..] == key[..]);
        for gone in map.keys().filter(is_gone).collect::<Vec<_>>() {
            map.delete(&gone).map_err(device_not_told)?;
        }
        Ok(())
    }

    pub(crate) fn set_interfaces(
        &mut self,
        interfaces: &BTreeMap<u32, InterfaceClass>,
    ) -> Result<(), CaptureError> {
        for (slot, content) in slots(interfaces) {
            if self
                .slots
                .get(&slot)
                .is_none_or(|known| known[..] != content)
            {
                write(&self.interfaces, "interfaces", slot, &content)?;
                self.slots.insert(slot, content.to_vec());
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
}

fn device_not_told(source: libbpf_rs::Error) -> CaptureError {
    CaptureError::Write {
        map: "wireguard_devices",
        source,
    }
}

fn not_told(source: libbpf_rs::Error) -> CaptureError {
    CaptureError::Write {
        map: "networks",
        source,
    }
}

/// The entries of an array that are not all zero.
fn used(name: &'static str, array: &MapHandle) -> Result<Vec<(u32, Vec<u8>)>, CaptureError> {
    let entries = read(name, array)?;
    let values = entries.iter().map(|(_, value)| value.to_vec());
    let used = (0..).zip(values);
    Ok(used
        .filter(|(_, value)| value.iter().any(|byte| *byte != 0))
        .collect())
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
