//! What is decided before the programs are loaded.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use ipnet::IpNet;

/// How much of a flow's ports is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FlowDetail {
    /// The service's port only: ten to a hundred times fewer entries.
    #[default]
    Service,
    /// Both ports.
    Connection,
}

/// What is inside of an overlay's UDP datagrams. Tunnels without UDP (IPIP, SIT, GRE) are known by
/// their protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tunnel {
    /// VXLAN (RFC 7348).
    Vxlan,
    /// Geneve (RFC 8926).
    Geneve,
    /// WireGuard, of the device with this interface index: what is inside is encrypted, so packets
    /// are counted as they pass the device.
    WireGuard {
        /// The device.
        interface: u32,
    },
}

/// The ports that IANA gave to VXLAN and Geneve, and the one that Linux gave to VXLAN before.
const USUAL_TUNNEL_PORTS: [(u16, Tunnel); 3] = [
    (4789, Tunnel::Vxlan),
    (8472, Tunnel::Vxlan),
    (6081, Tunnel::Geneve),
];

/// What is decided before the programs are loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The directory in a BPF file system in which hooks and counts outlive this process; they end
    /// with it if there is none.
    pub pin_dir: Option<PathBuf>,
    /// Entries of each generation's flow map; the map of address pairs that takes over when it is
    /// full has an eighth of it.
    pub max_flows: u32,
    /// How much of a flow's ports is kept.
    pub detail: FlowDetail,
    /// Packets are counted if source or destination is in one of these; all are if it is empty.
    pub networks: Vec<IpNet>,
    /// The UDP ports of the node whose datagrams hold packets of an overlay.
    pub tunnel_ports: BTreeMap<u16, Tunnel>,
    /// The ports that clients use (`net.ipv4.ip_local_port_range`).
    pub ephemeral_ports: RangeInclusive<u16>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            pin_dir: None,
            max_flows: 65_536,
            detail: FlowDetail::default(),
            networks: Vec::new(),
            tunnel_ports: BTreeMap::from(USUAL_TUNNEL_PORTS),
            ephemeral_ports: 32_768..=60_999,
        }
    }
}
