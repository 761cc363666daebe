//! The front door: attach, close a window, clear it.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use kubezonnet_model::{Coverage, FlowRecord, InterfaceClass, Skipped, Total};
use libbpf_rs::Link;

use crate::CaptureError;
use crate::hook::{Attached, HOOKS};
use crate::load::load;
use crate::maps::Maps;

/// Programs that count, and the maps they count into. Dropping it detaches them.
#[derive(Debug)]
pub struct Capture {
    maps: Maps,
    attached: Vec<Attached>,
    /// Only held: the programs are attached as long as these live.
    _links: Vec<Link>,
}

impl Capture {
    /// Loads the programs and attaches them in the network namespace of the calling thread.
    ///
    /// `interfaces` tells the class of each interface by its index; see
    /// [`Self::set_interfaces`].
    ///
    /// # Errors
    ///
    /// [`CaptureError`] where the kernel refuses; [`crate::preflight`] says the common reasons
    /// beforehand, with what to do.
    pub fn attach(
        config: &Config,
        interfaces: &BTreeMap<u32, InterfaceClass>,
    ) -> Result<Self, CaptureError> {
        let mut storage = MaybeUninit::uninit();
        let skeleton = load(config, &mut storage)?;
        let mut maps = Maps::of(&skeleton)?;
        maps.set_networks(&config.networks)?;
        maps.set_tunnel_ports(&config.tunnel_ports)?;
        maps.set_interfaces(interfaces)?;
        let mut links = Vec::new();
        let mut attached = Vec::new();
        for point in &HOOKS {
            let (link, at) = point.attach(point.program(&skeleton))?;
            links.push(link);
            attached.push(at);
        }
        Ok(Self {
            maps,
            attached,
            _links: links,
        })
    }

    /// What is attached, and at which priority.
    pub fn attached(&self) -> &[Attached] {
        &self.attached
    }

    /// The same as what goes into a batch.
    pub fn coverage(&self) -> Coverage {
        let mut coverage = Coverage::default();
        for attached in &self.attached {
            coverage.add(attached.hook, attached.family);
        }
        coverage
    }

    /// Tells the programs the class of each interface; what is not named is
    /// [`InterfaceClass::Other`].
    ///
    /// # Errors
    ///
    /// [`CaptureError::Write`].
    pub fn set_interfaces(
        &mut self,
        interfaces: &BTreeMap<u32, InterfaceClass>,
    ) -> Result<(), CaptureError> {
        self.maps.set_interfaces(interfaces)
    }

    /// Tells the programs which UDP ports of the node hold packets of an overlay; others do not.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Write`].
    pub fn set_tunnel_ports(&mut self, ports: &BTreeMap<u16, Tunnel>) -> Result<(), CaptureError> {
        self.maps.set_tunnel_ports(ports)
    }

    /// Ends the window: switches the programs to the other generation, waits until none adds to the
    /// old one any more, and reads it.
    ///
    /// Until [`Self::clear_closed`] it returns the same window again, and the programs stay where
    /// they are.
    ///
    /// # Errors
    ///
    /// [`CaptureError`]; nothing is lost by one, and the call can be repeated.
    pub fn close_window(&mut self) -> Result<Drained, CaptureError> {
        self.maps.close()
    }

    /// Empties the generation that was closed, once its content is safe elsewhere.
    ///
    /// # Errors
    ///
    /// [`CaptureError`]; the call can be repeated.
    pub fn clear_closed(&mut self) -> Result<(), CaptureError> {
        self.maps.clear_closed()
    }
}

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
            max_flows: 65_536,
            detail: FlowDetail::default(),
            networks: Vec::new(),
            tunnel_ports: BTreeMap::from(USUAL_TUNNEL_PORTS),
            ephemeral_ports: 32_768..=60_999,
        }
    }
}

/// The content of one generation: everything that was counted in a window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drained {
    /// One record a key.
    pub records: Vec<FlowRecord>,
    /// What has no addresses.
    pub totals: Vec<Total>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// How full the maps were.
    pub fill: Fill,
}

/// How full the maps of a generation were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fill {
    /// Entries in the flow map.
    pub flows: u32,
    /// Entries there is room for in the flow map.
    pub max_flows: u32,
    /// Entries in the map of address pairs, which takes what the flow map has no room for.
    pub pairs: u32,
    /// Entries there is room for in the map of address pairs.
    pub max_pairs: u32,
}
