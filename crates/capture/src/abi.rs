//! The layout of `bpf/flow_abi.h`, decoded and encoded; pure, and without libbpf.
//!
//! Offsets are those of the types generated from the compiled object. Codes have no type there: the
//! lists below hold them in their order, and a test reads the header to see that it is the same.
//!
//! Maps that an agent of another version made can have longer keys and more codes than these: then
//! the known beginning of a key is read, and [`Dimensions`] tells the sizes of the arrays.

use std::mem::offset_of;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use kubezonnet_model::{
    FlowCounters, FlowKey, Hook, InterfaceClass, ObservationPoint, PortSide, Protocol, ServicePort,
    SkipReason, Skipped, Total, TotalKind, Transport,
};

use crate::Tunnel;
use crate::skeleton::types::{flow_counters, flow_key, interface_slot, pair_key};
use crate::window::{SeenFlow, Socket};

/// Size of the counters in a map.
pub(crate) const COUNTERS_BYTES: usize = size_of::<flow_counters>();

/// Size of a flow's key.
pub(crate) const FLOW_KEY_BYTES: usize = size_of::<flow_key>();

/// Size of a pair's key.
pub(crate) const PAIR_KEY_BYTES: usize = size_of::<pair_key>();

pub(crate) const DETAIL_SERVICE: u8 = 0;
pub(crate) const DETAIL_CONNECTION: u8 = 1;
const INTERFACE_SLOTS: u32 = 8192;
/// How many devices of `WireGuard` the programs can be told of.
pub(crate) const WIREGUARD_DEVICES: usize = 64;
/// Size of an interface's slot.
pub(crate) const SLOT_BYTES: usize = size_of::<interface_slot>();

const SIDE_MASK: u8 = 3;
const SIDE_SOURCE: u8 = 1;
const SIDE_DESTINATION: u8 = 2;
const CLIENT_PORT_KEPT: u8 = 4;

const CGROUP_NONE: u32 = 0;
const CGROUP_LEARNT: u32 = 0x8000_0000;
const CGROUP_UNREADABLE: u32 = 0xffff_fffd;
const CGROUP_UNSEEN: u32 = 0xffff_fffe;
const CGROUP_KERNEL: u32 = 0xffff_ffff;

/// The hooks in the order of their codes.
const HOOKS: [Hook; 2] = [Hook::Postrouting, Hook::LocalIn];
/// The interface classes in the order of their codes.
const CLASSES: [InterfaceClass; 6] = [
    InterfaceClass::Other,
    InterfaceClass::Pod,
    InterfaceClass::Uplink,
    InterfaceClass::Tunnel,
    InterfaceClass::Host,
    InterfaceClass::Loopback,
];
/// The kinds of totals in the order of their codes.
const TOTAL_KINDS: [TotalKind; 3] = [
    TotalKind::Coarsened,
    TotalKind::Loopback,
    TotalKind::Multicast,
];
/// The reasons in the order of their codes.
const SKIP_REASONS: [SkipReason; 4] = [
    SkipReason::Looped,
    SkipReason::OutsideCidr,
    SkipReason::Malformed,
    SkipReason::Encapsulated,
];
/// How many codes of each kind a layout has: the sizes of the arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dimensions {
    pub(crate) total_kinds: usize,
    pub(crate) hooks: usize,
    pub(crate) classes: usize,
    pub(crate) skip_reasons: usize,
}

impl Dimensions {
    /// Those of this layout.
    pub(crate) const OURS: Self = Self {
        total_kinds: TOTAL_KINDS.len(),
        hooks: HOOKS.len(),
        classes: CLASSES.len(),
        skip_reasons: SKIP_REASONS.len(),
    };

    /// Entries of one generation in the array of totals.
    pub(crate) const fn totals(&self) -> usize {
        self.total_kinds * self.hooks * self.classes * self.classes
    }

    /// Entries of one generation in the array of what was left out.
    pub(crate) const fn skips(&self) -> usize {
        self.skip_reasons * self.hooks
    }
}

/// A map's content does not follow the layout: the programs never write such an entry, but those of a
/// newer agent may.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an entry of the {map} map does not follow the layout: {entry:02x?}")]
pub struct Undecodable {
    map: &'static str,
    entry: Vec<u8>,
}

/// Decodes one entry of a flow map.
pub(crate) fn flow(key: &[u8], value: &[u8]) -> Result<SeenFlow, Undecodable> {
    flow_parts(key, value).ok_or_else(|| Undecodable {
        map: "flow",
        entry: key.to_vec(),
    })
}

fn flow_parts(key: &[u8], value: &[u8]) -> Option<SeenFlow> {
    let protocol = Protocol(*key.get(offset_of!(flow_key, protocol))?);
    let ports = *key.get(offset_of!(flow_key, ports))?;
    let side = match ports & SIDE_MASK {
        0 => None,
        SIDE_SOURCE => Some(PortSide::Source),
        SIDE_DESTINATION => Some(PortSide::Destination),
        _ => return None,
    };
    let service_port = u16_at(key, offset_of!(flow_key, service_port))?;
    let client_port = u16_at(key, offset_of!(flow_key, client_port))?;
    let transport = Transport {
        protocol,
        service: side.map(|side| ServicePort {
            number: service_port,
            side,
        }),
        client_port: (ports & CLIENT_PORT_KEPT != 0).then_some(client_port),
    };
    // The keys of older layouts end before it.
    let cgroup = u32_at(key, offset_of!(flow_key, cgroup)).unwrap_or(CGROUP_NONE);
    let key = FlowKey {
        source: address(key, offset_of!(flow_key, src))?,
        destination: address(key, offset_of!(flow_key, dst))?,
        transport: Some(transport),
        point: point(
            key,
            offset_of!(flow_key, hook),
            offset_of!(flow_key, interfaces),
        )?,
        socket: None,
    };
    Some(SeenFlow {
        key,
        socket: socket(cgroup),
        counters: counters(value)?,
    })
}

fn socket(cgroup: u32) -> Socket {
    match cgroup {
        CGROUP_NONE => Socket::None,
        CGROUP_UNREADABLE => Socket::Unreadable,
        CGROUP_UNSEEN => Socket::Unseen,
        CGROUP_KERNEL => Socket::Kernel,
        number if number & CGROUP_LEARNT != 0 => Socket::Learnt(number & !CGROUP_LEARNT),
        number => Socket::Cgroup(number),
    }
}

/// Keys and counters of the hot flows of one place, one a CPU of `size` bytes each; places that hold
/// none are left out. The key is the first of it, the counters are the last.
pub(crate) fn hot(value: &[u8], size: usize) -> impl Iterator<Item = (&[u8], &[u8])> {
    value.chunks_exact(size).filter_map(move |hot| {
        let (rest, counters) = hot.split_at(size.checked_sub(COUNTERS_BYTES)?);
        let is_empty = counters.iter().all(|byte| *byte == 0);
        (!is_empty).then_some((rest, counters))
    })
}

/// A place of that many bytes for a hot flow, which holds none.
pub(crate) fn empty_hot(generation: u32, size: usize) -> Vec<u8> {
    let mut hot = vec![0; size];
    // The word before the counters holds the generation, and a bit that is not set.
    let holder = size - COUNTERS_BYTES - 4;
    hot[holder..][..4].copy_from_slice(&(generation * 2).to_ne_bytes());
    hot
}

/// Decodes one entry of a pair map.
pub(crate) fn pair(key: &[u8], value: &[u8]) -> Result<SeenFlow, Undecodable> {
    pair_parts(key, value).ok_or_else(|| Undecodable {
        map: "pair",
        entry: key.to_vec(),
    })
}

fn pair_parts(key: &[u8], value: &[u8]) -> Option<SeenFlow> {
    let key = FlowKey {
        source: address(key, offset_of!(pair_key, src))?,
        destination: address(key, offset_of!(pair_key, dst))?,
        transport: None,
        point: point(
            key,
            offset_of!(pair_key, hook),
            offset_of!(pair_key, interfaces),
        )?,
        socket: None,
    };
    Some(SeenFlow {
        key,
        socket: Socket::None,
        counters: counters(value)?,
    })
}

/// Decodes entry `index` of a generation's totals; `None` if nothing was counted there.
pub(crate) fn total(
    index: usize,
    value: &[u8],
    dimensions: &Dimensions,
) -> Result<Option<Total>, Undecodable> {
    let entry = || Undecodable {
        map: "totals",
        entry: value.to_vec(),
    };
    let counters = counters(value).ok_or_else(entry)?;
    if counters == FlowCounters::ZERO {
        return Ok(None);
    }
    let (rest, output) = split(index, dimensions.classes);
    let (rest, input) = split(rest, dimensions.classes);
    let (kind, hook) = split(rest, dimensions.hooks);
    let (input, output) = (class(input), class(output));
    let hook = *HOOKS.get(hook).ok_or_else(entry)?;
    if kind >= dimensions.total_kinds {
        return Err(entry());
    }
    // What only a newer agent knows is a total without detail.
    let kind = TOTAL_KINDS
        .get(kind)
        .copied()
        .unwrap_or(TotalKind::Coarsened);
    let point = ObservationPoint {
        hook,
        input,
        output,
    };
    Ok(Some(Total {
        kind,
        point,
        counters,
    }))
}

/// Decodes entry `index` of what a generation left out; `None` if nothing was.
pub(crate) fn skip(
    index: usize,
    value: &[u8],
    dimensions: &Dimensions,
) -> Result<Option<Skipped>, Undecodable> {
    let entry = || Undecodable {
        map: "skipped",
        entry: value.to_vec(),
    };
    let counters = counters(value).ok_or_else(entry)?;
    if counters == FlowCounters::ZERO {
        return Ok(None);
    }
    let (reason, hook) = split(index, dimensions.hooks);
    let hook = *HOOKS.get(hook).ok_or_else(entry)?;
    let reason = *SKIP_REASONS.get(reason).ok_or_else(entry)?;
    Ok(Some(Skipped {
        reason,
        hook,
        counters,
    }))
}

/// Takes the last dimension off the index into a flat array.
fn split(index: usize, dimension: usize) -> (usize, usize) {
    (index / dimension.max(1), index % dimension.max(1))
}

/// The slot that holds an interface's class.
pub(crate) fn slot_of(ifindex: u32) -> u32 {
    ifindex % INTERFACE_SLOTS
}

/// The content of a slot: up to two interfaces with their classes.
pub(crate) fn interfaces(two: &[(u32, InterfaceClass)]) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    let mut set = |at: usize, value: u32| slot[at..][..4].copy_from_slice(&value.to_ne_bytes());
    for (place, (ifindex, class)) in two.iter().take(2).enumerate() {
        let code = (0..)
            .zip(CLASSES)
            .find_map(|(code, each)| (each == *class).then_some(code));
        set(offset_of!(interface_slot, ifindex) + place * 4, *ifindex);
        set(
            offset_of!(interface_slot, class) + place * 4,
            code.expect("the list has every class"),
        );
    }
    slot
}

/// The word of the tunnel ports that a port is in, and its kind's place there.
pub(crate) fn tunnel_port(port: u16, tunnel: Tunnel) -> (u32, u64) {
    let code: u64 = match tunnel {
        Tunnel::Vxlan => 1,
        Tunnel::Geneve => 2,
        Tunnel::WireGuard { .. } => 3,
    };
    (u32::from(port >> 3), code << ((port & 7) * 8))
}

/// The key of a network in the trie.
pub(crate) fn network(network: &IpNet) -> [u8; 20] {
    let (address, length) = match network {
        IpNet::V4(v4) => (
            v4.network().to_ipv6_mapped(),
            96 + u32::from(v4.prefix_len()),
        ),
        IpNet::V6(v6) => (v6.network(), u32::from(v6.prefix_len())),
    };
    let mut key = [0; 20];
    key[..4].copy_from_slice(&length.to_ne_bytes());
    key[4..].copy_from_slice(&address.octets());
    key
}

/// The counters that any value has.
pub(crate) fn counters(value: &[u8]) -> Option<FlowCounters> {
    let word = |at: usize| Some(u64::from_ne_bytes(value.get(at..at + 8)?.try_into().ok()?));
    Some(FlowCounters {
        bytes: word(offset_of!(flow_counters, bytes))?,
        packets: word(offset_of!(flow_counters, packets))?,
    })
}

fn point(key: &[u8], hook: usize, interfaces: usize) -> Option<ObservationPoint> {
    let interfaces = *key.get(interfaces)?;
    Some(ObservationPoint {
        hook: *HOOKS.get(usize::from(*key.get(hook)?))?,
        input: class(usize::from(interfaces >> 4)),
        output: class(usize::from(interfaces & 0xf)),
    })
}

/// The class of a code; one that only a newer agent knows is another class.
fn class(code: usize) -> InterfaceClass {
    CLASSES.get(code).copied().unwrap_or(InterfaceClass::Other)
}

fn address(key: &[u8], at: usize) -> Option<IpAddr> {
    let bytes: [u8; 16] = key.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(bytes).to_canonical())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests;
