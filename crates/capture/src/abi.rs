//! The layout of `bpf/flow_abi.h`, decoded and encoded; pure, and without libbpf.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use kubezonnet_model::{
    FlowCounters, FlowKey, FlowRecord, Hook, InterfaceClass, ObservationPoint, PortSide, Protocol,
    ServicePort, SkipReason, Skipped, Total, TotalKind, Transport,
};

pub(crate) const FLOW_KEY_BYTES: usize = 40;
pub(crate) const PAIR_KEY_BYTES: usize = 40;
pub(crate) const COUNTERS_BYTES: usize = 16;

pub(crate) const DETAIL_CONNECTION: u8 = 1;
const INTERFACE_SLOTS: u32 = 8192;

const SIDE_MASK: u8 = 3;
const SIDE_SOURCE: u8 = 1;
const SIDE_DESTINATION: u8 = 2;
const CLIENT_PORT_KEPT: u8 = 4;

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
const SKIP_REASONS: [SkipReason; 3] = [
    SkipReason::Looped,
    SkipReason::OutsideCidr,
    SkipReason::Malformed,
];

/// Entries of one generation in the array of totals.
pub(crate) const TOTALS: u32 = 3 * 2 * 6 * 6;
/// Entries of one generation in the array of what was left out.
pub(crate) const SKIPS: u32 = 3 * 2;

/// A map's content does not follow the layout; the programs never write such an entry.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an entry of the {map} map does not follow the layout: {entry:02x?}")]
pub struct Undecodable {
    map: &'static str,
    entry: Vec<u8>,
}

/// Decodes one entry of a flow map.
pub(crate) fn flow(key: &[u8], value: &[u8]) -> Result<FlowRecord, Undecodable> {
    flow_parts(key, value).ok_or_else(|| Undecodable {
        map: "flow",
        entry: key.to_vec(),
    })
}

fn flow_parts(key: &[u8], value: &[u8]) -> Option<FlowRecord> {
    let protocol = Protocol(*key.get(36)?);
    let ports = *key.get(37)?;
    let side = match ports & SIDE_MASK {
        0 => None,
        SIDE_SOURCE => Some(PortSide::Source),
        SIDE_DESTINATION => Some(PortSide::Destination),
        _ => return None,
    };
    let transport = Transport {
        protocol,
        service: side
            .map(|side| {
                Some(ServicePort {
                    number: u16_at(key, 32)?,
                    side,
                })
            })
            .flatten(),
        client_port: if ports & CLIENT_PORT_KEPT == 0 {
            None
        } else {
            u16_at(key, 34)
        },
    };
    let key = FlowKey {
        source: address(key.get(..16)?)?,
        destination: address(key.get(16..32)?)?,
        transport: Some(transport),
        point: point(*key.get(38)?, *key.get(39)?)?,
    };
    Some(FlowRecord {
        key,
        counters: counters(value)?,
    })
}

/// Decodes one entry of a pair map.
pub(crate) fn pair(key: &[u8], value: &[u8]) -> Result<FlowRecord, Undecodable> {
    pair_parts(key, value).ok_or_else(|| Undecodable {
        map: "pair",
        entry: key.to_vec(),
    })
}

fn pair_parts(key: &[u8], value: &[u8]) -> Option<FlowRecord> {
    let key = FlowKey {
        source: address(key.get(..16)?)?,
        destination: address(key.get(16..32)?)?,
        transport: None,
        point: point(*key.get(32)?, *key.get(33)?)?,
    };
    Some(FlowRecord {
        key,
        counters: counters(value)?,
    })
}

/// Decodes entry `index` of a generation's totals; `None` if nothing was counted there.
pub(crate) fn total(index: u32, value: &[u8]) -> Result<Option<Total>, Undecodable> {
    let entry = || Undecodable {
        map: "totals",
        entry: value.to_vec(),
    };
    let counters = counters(value).ok_or_else(entry)?;
    if counters == FlowCounters::ZERO {
        return Ok(None);
    }
    let at = index as usize;
    let point = ObservationPoint {
        hook: HOOKS[at / 36 % 2],
        input: CLASSES[at / 6 % 6],
        output: CLASSES[at % 6],
    };
    let kind = *TOTAL_KINDS.get(at / 72).ok_or_else(entry)?;
    Ok(Some(Total {
        kind,
        point,
        counters,
    }))
}

/// Decodes entry `index` of what a generation left out; `None` if nothing was.
pub(crate) fn skip(index: u32, value: &[u8]) -> Result<Option<Skipped>, Undecodable> {
    let entry = || Undecodable {
        map: "skipped",
        entry: value.to_vec(),
    };
    let counters = counters(value).ok_or_else(entry)?;
    if counters == FlowCounters::ZERO {
        return Ok(None);
    }
    let at = index as usize;
    let reason = *SKIP_REASONS.get(at / 2).ok_or_else(entry)?;
    Ok(Some(Skipped {
        reason,
        hook: HOOKS[at % 2],
        counters,
    }))
}

/// The slot that holds an interface's class.
pub(crate) fn interface_slot(ifindex: u32) -> u32 {
    ifindex % INTERFACE_SLOTS
}

/// The content of a slot: which interface it is for, and its class.
pub(crate) fn interface(ifindex: u32, class: InterfaceClass) -> [u8; 8] {
    let code = CLASSES.iter().position(|each| *each == class);
    let code = code
        .and_then(|code| u32::try_from(code).ok())
        .unwrap_or_default();
    let mut slot = [0; 8];
    slot[..4].copy_from_slice(&ifindex.to_ne_bytes());
    slot[4..].copy_from_slice(&code.to_ne_bytes());
    slot
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

fn counters(value: &[u8]) -> Option<FlowCounters> {
    let word = |at: usize| Some(u64::from_ne_bytes(value.get(at..at + 8)?.try_into().ok()?));
    Some(FlowCounters {
        bytes: word(0)?,
        packets: word(8)?,
    })
}

fn point(hook: u8, interfaces: u8) -> Option<ObservationPoint> {
    let class = |code: u8| CLASSES.get(usize::from(code)).copied();
    Some(ObservationPoint {
        hook: *HOOKS.get(usize::from(hook))?,
        input: class(interfaces >> 4)?,
        output: class(interfaces & 0xf)?,
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    Some(Ipv6Addr::from(bytes).to_canonical())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests;
