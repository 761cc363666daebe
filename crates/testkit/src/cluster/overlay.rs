//! Tunnels between the nodes, through which the pods of different nodes reach each other.
//!
//! As flannel has it: a VXLAN device on each node, a MAC of its own, the pod networks of the other
//! nodes routed into it, and forwarding entry and neighbours of each other node set by hand. So a
//! node's own packets to a pod of another node carry the address of its tunnel device, unless
//! their socket has another one.

use std::net::IpAddr;

use kubezonnet_model::Family;

use super::plan::{self, UPLINK};
use super::{Cluster, ClusterNode, build};
use crate::{Error, LinkCounters, Place};

/// The port of VXLAN, as IANA has it.
const PORT: u16 = 4789;

/// The VXLAN network identifier, which is part of the device's name too.
const IDENTIFIER: u32 = 1;

/// Headers of UDP, VXLAN and the inner Ethernet.
const HEADERS_WITHOUT_IP: u32 = 8 + 8 + 14;

/// A network of tunnels.
#[derive(Debug, Clone, Copy)]
pub struct Overlay {
    port: u16,
    checksum_offload: bool,
    underlay: Family,
}

impl Overlay {
    /// VXLAN over IPv4 to port 4789, with the tunnel devices leaving checksums to the uplinks.
    pub const fn vxlan() -> Self {
        Self {
            port: PORT,
            checksum_offload: true,
            underlay: Family::Ipv4,
        }
    }

    /// Sets the UDP port: flannel's is 8472, as that of Linux before there was a standard.
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Says whether the tunnel devices take packets without a checksum, and with that large ones
    /// to be cut into segments later. kops switches it off (`tx-checksum-ip-generic`).
    pub const fn checksum_offload(mut self, offload: bool) -> Self {
        self.checksum_offload = offload;
        self
    }

    /// Says between which addresses of the nodes the tunnels are.
    pub const fn underlay(mut self, family: Family) -> Self {
        self.underlay = family;
        self
    }

    /// Bytes that the tunnel adds to a packet: 50 over IPv4, 70 over IPv6.
    pub const fn overhead(self) -> u32 {
        match self.underlay {
            Family::Ipv4 => 20 + HEADERS_WITHOUT_IP,
            Family::Ipv6 => 40 + HEADERS_WITHOUT_IP,
        }
    }

    /// The MTU that is left inside of the tunnel.
    pub(super) const fn inner_mtu(self, outer: u32) -> u32 {
        outer.saturating_sub(self.overhead())
    }
}

impl ClusterNode {
    /// The name of its tunnel device, in a cluster with an [`Overlay`].
    pub const fn tunnel_link(&self) -> &'static str {
        plan::TUNNEL
    }

    /// The address of its tunnel device, in a cluster with an [`Overlay`]. As in a Kubernetes
    /// cluster, the topology does not know it.
    pub fn tunnel_address(&self, family: Family) -> IpAddr {
        plan::tunnel_address(self.number, family)
    }

    /// The counters of its tunnel device, as they are now. Such a device counts inner IP bytes,
    /// without Ethernet headers: they are `tx_bytes` and `rx_bytes` themselves.
    ///
    /// # Errors
    ///
    /// If the cluster has no [`Overlay`], or the namespace is gone.
    pub fn tunnel(&self) -> Result<LinkCounters, Error> {
        self.netns.counters(plan::TUNNEL)
    }
}

/// Makes the tunnel device of a node, and sets what it must know of the other nodes.
pub(super) fn build(cluster: &Cluster, overlay: Overlay, node: &ClusterNode) -> Result<(), Error> {
    let number = node.number;
    let others = || cluster.nodes.iter().filter(|other| other.number != number);
    let device = plan::TUNNEL;
    let mut lines = vec![
        format!(
            "link add {device} address {} mtu {} type vxlan id {IDENTIFIER} dstport {} local {} dev {UPLINK} nolearning",
            plan::tunnel_mac(number),
            overlay.inner_mtu(node.spec.mtu),
            overlay.port,
            node.address(overlay.underlay),
        ),
        format!("link set {device} arp off up"),
    ];
    for family in Family::ALL {
        let host = plan::host_prefix(family);
        let own = plan::tunnel_address(number, family);
        lines.push(build::address_line(
            &format!("{own}/{host}"),
            device,
            family,
        ));
        for other in others() {
            let (address, mac) = (
                plan::tunnel_address(other.number, family),
                plan::tunnel_mac(other.number),
            );
            lines.push(format!(
                "neigh add {address} lladdr {mac} dev {device} nud permanent"
            ));
            lines.push(format!(
                "route add {} via {address} dev {device} onlink",
                plan::pod_network(other.number, family)
            ));
        }
    }
    node.netns.ip(&lines)?;
    let entry = |other: &ClusterNode| {
        let (mac, address) = (
            plan::tunnel_mac(other.number),
            other.address(overlay.underlay),
        );
        format!("fdb add {mac} dev {device} dst {address} self permanent")
    };
    node.netns
        .bridge(&others().map(entry).collect::<Vec<_>>())?;
    if overlay.checksum_offload {
        return Ok(());
    }
    let words = ["ethtool", "-K", device, "tx-checksum-ip-generic", "off"];
    node.netns.tool(&words, "")
}
