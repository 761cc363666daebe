//! The addresses of a cluster: one fixed plan, so that a packet says by its address whose it is.
//!
//! | who | IPv4 | IPv6 | MAC |
//! |---|---|---|---|
//! | node N, uplink | 10.66.0.N/24 | `fd66::N/64` | 02:66:00:00:00:N |
//! | pod K of node N | 10.67.N.K/32 | `fd67:N::K/128` | 02:67:N:K:00:01 |
//! | its node's end of the pod's link | none | none | 02:67:N:K:00:02 |
//! | the bridge of node N's pods | none | none | 02:67:N:00:00:02 |
//! | a pod's gateway | 169.254.1.1 | `fe80::1` | its node's end, or the bridge |
//! | node N, tunnel device | 10.67.N.0/32 | `fd67:N::/128` | 02:68:00:00:00:N |
//! | fabric's gateway | 10.66.0.254 | `fd66::fe` | 02:66:00:00:00:fe |
//! | a host outside the cluster | 45.67.89.7 | `2a0e:4567::7` | – |
//!
//! The host outside has public addresses, so that it is on the internet for whoever classifies it;
//! no packet to them leaves the namespaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kubezonnet_model::Family;

/// The uplink of a node, and a pod's only link.
pub(crate) const UPLINK: &str = "eth0";

/// The fabric's bridge.
pub(crate) const BRIDGE: &str = "br0";

/// A node's tunnel device, where there is an overlay.
pub(crate) const TUNNEL: &str = "vxlan.1";

/// A node's bridge for its pods, where it has one: the name that flannel and others give it.
pub(crate) const POD_BRIDGE: &str = "cni0";

/// Nodes are 1 to 253: 254 is the gateway.
pub(crate) const MAX_NODES: usize = 253;

/// Pods of one node are 1 to 254.
pub(crate) const MAX_PODS: usize = 254;

/// The number of the fabric's gateway among the nodes.
const GATEWAY: u8 = 254;

/// The last address of the nodes' network.
pub(crate) const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 255);

/// The pods' gateway, the same everywhere: it exists as a neighbour only, as Calico has it.
pub(crate) const POD_GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
pub(crate) const POD_GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

pub(crate) fn node_address(node: u8, family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::new(10, 66, 0, node).into(),
        Family::Ipv6 => Ipv6Addr::new(0xfd66, 0, 0, 0, 0, 0, 0, node.into()).into(),
    }
}

pub(crate) fn gateway_address(family: Family) -> IpAddr {
    node_address(GATEWAY, family)
}

pub(crate) fn outside_address(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::new(45, 67, 89, 7).into(),
        Family::Ipv6 => Ipv6Addr::new(0x2a0e, 0x4567, 0, 0, 0, 0, 0, 7).into(),
    }
}

pub(crate) fn pod_address(node: u8, pod: u8, family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::new(10, 67, node, pod).into(),
        Family::Ipv6 => Ipv6Addr::new(0xfd67, node.into(), 0, 0, 0, 0, 0, pod.into()).into(),
    }
}

/// The address of a node's tunnel device: the first of its pod network, as flannel has it.
pub(crate) fn tunnel_address(node: u8, family: Family) -> IpAddr {
    pod_address(node, 0, family)
}

/// The network that all pods of a node are in.
pub(crate) fn pod_network(node: u8, family: Family) -> String {
    match family {
        Family::Ipv4 => format!("10.67.{node}.0/24"),
        Family::Ipv6 => format!("fd67:{node:x}::/32"),
    }
}

/// The length of a prefix that holds one address only.
pub(crate) fn host_prefix(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 32,
        Family::Ipv6 => 128,
    }
}

/// The length of the prefix that the nodes share.
pub(crate) fn fabric_prefix(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 24,
        Family::Ipv6 => 64,
    }
}

pub(crate) fn node_mac(node: u8) -> String {
    format!("02:66:00:00:00:{node:02x}")
}

pub(crate) fn tunnel_mac(node: u8) -> String {
    format!("02:68:00:00:00:{node:02x}")
}

pub(crate) fn gateway_mac() -> String {
    node_mac(GATEWAY)
}

pub(crate) fn pod_mac(node: u8, pod: u8) -> String {
    format!("02:67:{node:02x}:{pod:02x}:00:01")
}

pub(crate) fn pod_gateway_mac(node: u8, pod: u8) -> String {
    format!("02:67:{node:02x}:{pod:02x}:00:02")
}

/// The MAC of a node's bridge for its pods: it stands for their gateway.
pub(crate) fn pod_bridge_mac(node: u8) -> String {
    pod_gateway_mac(node, 0)
}

/// The name of a pod's link at its node: short enough for the 15 bytes an interface name may have.
pub(crate) fn pod_link(pod: u8) -> String {
    format!("pod{pod}")
}

/// The name of a node's port at the fabric's bridge.
pub(crate) fn fabric_port(node: u8) -> String {
    format!("node{node}")
}
