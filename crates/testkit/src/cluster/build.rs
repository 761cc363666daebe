//! Builds the namespaces, links, addresses and routes of a cluster in a few batches of `ip`.
//!
//! No link ever speaks for itself: there is no duplicate address detection, no router discovery,
//! no link-local address, no ARP and no neighbour discovery (links are `arp off`, and the
//! neighbours they need are permanent), no multicast group that would be reported, and no frame
//! that the fabric would flood. So the counters of an idle uplink stand still, and those of a
//! busy one count what was sent over it and nothing else.

use std::net::Ipv4Addr;

use kubezonnet_model::Family;

use super::plan::{self, BRIDGE, UPLINK};
use super::spec::Segmentation;
use super::{Cluster, ClusterNode, bridged, overlay, pod};
use crate::{Error, Netns, tool};

/// Settings of every namespace, before it has a link. Forwarding is switched on for the namespace
/// only and not for its links, for a link that forwards joins the all-routers groups and reports it.
const QUIET: [(&str, &str); 8] = [
    ("ipv6/conf/default/addr_gen_mode", "1"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    // Group numbers that may send echo requests through ordinary datagram sockets: all of them.
    ("ipv4/ping_group_range", "0 2147483647"),
    ("ipv4/conf/all/send_redirects", "0"),
    // The most that a TCP sender has on its way: some 220 segments of MTU 1500, 330 with a packet of
    // BIG TCP, 440 packets if each is fragmented. A virtual link drops what a processor's receive
    // queue of 1,000 packets has no room for, and all clusters of a machine share these queues.
    ("ipv4/tcp_wmem", "4096 16384 262144"),
    // Two fragments of a packet belong together however many others of the same sender came between
    // them. By default no more than 64 may: what is sent from two processors at a time, one of which
    // is kept from its work for a moment, has more, and the kernel then loses the packet.
    ("ipv4/ipfrag_max_dist", "0"),
];

/// Further settings of what forwards: nodes and the fabric.
const FORWARDING: [(&str, &str); 6] = [
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/default/forwarding", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
];

/// The kinds of segmentation that a virtual link offers to do for its sender.
const SEGMENTATION: [&str; 10] = [
    "tso",
    "gso",
    "tx-udp-segmentation",
    "tx-gso-list",
    "tx-sctp-segmentation",
    "tx-gre-segmentation",
    "tx-gre-csum-segmentation",
    "tx-udp_tnl-segmentation",
    "tx-udp_tnl-csum-segmentation",
    "tx-ipxip4-segmentation",
];

/// Tracks every connection that is forwarded, local or sent.
const CONNTRACK: &str = "table inet testkit {
    chain forward { type filter hook forward priority 0; ct state new,established,related accept; }
    chain input { type filter hook input priority 0; ct state new,established,related accept; }
    chain output { type filter hook output priority 0; ct state new,established,related accept; }
}
";

/// Builds all of it. What was built when an error comes is removed by the cluster's run.
pub(super) fn build(cluster: &Cluster) -> Result<(), Error> {
    let fabric = &cluster.fabric.netns;
    let nodes = cluster.nodes.iter().map(|node| &node.netns);
    let pods = cluster.pods.iter().map(|pod| &pod.netns);
    let all: Vec<&Netns> = [fabric]
        .into_iter()
        .chain(nodes.clone())
        .chain(pods)
        .collect();
    let lines: Vec<String> = all
        .iter()
        .map(|netns| format!("netns add {}", netns.name()))
        .collect();
    tool::batch(&["ip", "-batch", "-"], &lines)?;
    for netns in all {
        netns.set(&QUIET)?;
    }
    for netns in [fabric].into_iter().chain(nodes) {
        netns.set(&FORWARDING)?;
    }
    fabric.ip(&fabric_lines(cluster))?;
    fabric.bridge(&forwarding_entries(cluster))?;
    for node in &cluster.nodes {
        node.netns.ip(&node_lines(cluster, node))?;
        bridged::build(cluster, node)?;
        if node.spec.uplink == Segmentation::Off {
            segmentation_off(&node.netns, UPLINK)?;
            segmentation_off(fabric, &plan::fabric_port(node.number))?;
        }
        if let Some(bytes) = node.spec.big_tcp {
            node.netns.allow_large_packets(UPLINK, bytes)?;
            fabric.allow_large_packets(&plan::fabric_port(node.number), bytes)?;
        }
        if let Some(overlay) = cluster.overlay {
            overlay::build(cluster, overlay, node)?;
        }
        if node.spec.conntrack {
            node.netns.tool(&["nft", "-f", "-"], CONNTRACK)?;
        }
    }
    for pod in &cluster.pods {
        pod.netns.ip(&pod::lines(cluster, pod))?;
        if pod.spec.segmentation == Segmentation::Off {
            segmentation_off(&pod.netns, UPLINK)?;
        }
        if let Some(bytes) = pod.spec.big_tcp {
            let node = cluster.node(&pod.node_name);
            pod.netns.allow_large_packets(UPLINK, bytes)?;
            node.netns.allow_large_packets(&pod.link(), bytes)?;
        }
    }
    if cluster
        .nodes
        .iter()
        .any(|node| node.spec.uplink == Segmentation::Off)
    {
        segmentation_off(fabric, BRIDGE)?;
    }
    Ok(())
}

fn segmentation_off(netns: &Netns, interface: &str) -> Result<(), Error> {
    let mut words = vec!["ethtool", "-K", interface];
    for kind in SEGMENTATION {
        words.extend([kind, "off"]);
    }
    netns.tool(&words, "")
}

fn fabric_lines(cluster: &Cluster) -> Vec<String> {
    let mac = plan::gateway_mac();
    let mut lines = vec![
        "link set lo up".to_owned(),
        format!("link add {BRIDGE} address {mac} type bridge mcast_snooping 0 stp_state 0"),
        format!("link set {BRIDGE} arp off up"),
    ];
    for family in Family::ALL {
        let (gateway, prefix) = (plan::gateway_address(family), plan::fabric_prefix(family));
        lines.push(address_line(&format!("{gateway}/{prefix}"), BRIDGE, family));
        let (outside, prefix) = (plan::outside_address(family), plan::host_prefix(family));
        lines.push(address_line(&format!("{outside}/{prefix}"), "lo", family));
    }
    for node in &cluster.nodes {
        let (number, mtu) = (node.number, node.spec.mtu);
        let (port, mac, netns) = (
            plan::fabric_port(number),
            plan::node_mac(number),
            node.netns.name(),
        );
        lines.extend([
            format!("link add {port} mtu {mtu} type veth peer name {UPLINK} address {mac} mtu {mtu} netns {netns}"),
            format!("link set {port} master {BRIDGE}"),
            format!("link set {port} type bridge_slave learning off flood off"),
            format!("link set {port} arp off up"),
        ]);
        for family in Family::ALL {
            let address = plan::node_address(number, family);
            lines.push(format!(
                "neigh add {address} lladdr {mac} dev {BRIDGE} nud permanent"
            ));
            // Connections from here come from outside too.
            let (outside, host) = (plan::outside_address(family), plan::host_prefix(family));
            lines.push(format!(
                "route add {address}/{host} dev {BRIDGE} src {outside}"
            ));
            lines.push(format!(
                "route add {} via {address} dev {BRIDGE} src {outside}",
                plan::pod_network(number, family)
            ));
        }
    }
    lines
}

/// Tells the bridge which node is behind which port.
fn forwarding_entries(cluster: &Cluster) -> Vec<String> {
    let entry = |node: &ClusterNode| {
        let (mac, port) = (plan::node_mac(node.number), plan::fabric_port(node.number));
        format!("fdb add {mac} dev {port} master static")
    };
    cluster.nodes.iter().map(entry).collect()
}

fn node_lines(cluster: &Cluster, node: &ClusterNode) -> Vec<String> {
    let number = node.number;
    let limit = limit(node.spec.path_mtu);
    let mut lines = vec![
        "link set lo up".to_owned(),
        format!("link set {UPLINK} arp off up"),
    ];
    for family in Family::ALL {
        let (own, prefix) = (
            plan::node_address(number, family),
            plan::fabric_prefix(family),
        );
        let host = plan::host_prefix(family);
        let (gateway, gateway_mac) = (plan::gateway_address(family), plan::gateway_mac());
        lines.push(address_line(&format!("{own}/{prefix}"), UPLINK, family));
        lines.push(format!(
            "neigh add {gateway} lladdr {gateway_mac} dev {UPLINK} nud permanent"
        ));
        lines.push(format!(
            "route add {} via {gateway} dev {UPLINK}{limit}",
            everywhere(family)
        ));
        for other in cluster.nodes.iter().filter(|other| other.number != number) {
            let (address, mac) = (
                plan::node_address(other.number, family),
                plan::node_mac(other.number),
            );
            lines.push(format!(
                "neigh add {address} lladdr {mac} dev {UPLINK} nud permanent"
            ));
            if node.spec.path_mtu.is_some() {
                lines.push(format!("route add {address}/{host} dev {UPLINK}{limit}"));
            }
            if cluster.overlay.is_none() {
                lines.push(format!(
                    "route add {} via {address} dev {UPLINK}{limit}",
                    plan::pod_network(other.number, family)
                ));
            }
        }
    }
    lines.push(everyone_line(plan::BROADCAST));
    lines.push(everyone_line(Ipv4Addr::BROADCAST));
    lines.extend(bridged::node_lines(node));
    for pod in cluster.pods.iter().filter(|pod| pod.node == number) {
        lines.extend(pod::node_lines(cluster, pod));
    }
    lines
}

pub(super) fn address_line(address: &str, interface: &str, family: Family) -> String {
    match family {
        Family::Ipv4 => format!("address add {address} dev {interface}"),
        Family::Ipv6 => format!("address add {address} dev {interface} nodad"),
    }
}

/// What a route says of a path MTU. Locked, for else IPv6 does not heed it for what is forwarded,
/// and packets sent by IPv4 say that they may not be fragmented.
pub(super) fn limit(path_mtu: Option<u32>) -> String {
    path_mtu.map_or_else(String::new, |mtu| format!(" mtu lock {mtu}"))
}

/// Without ARP, the kernel takes a link's own MAC for that of everyone on it.
pub(super) fn everyone_line(address: Ipv4Addr) -> String {
    format!("neigh add {address} lladdr ff:ff:ff:ff:ff:ff dev {UPLINK} nud permanent")
}

/// Everywhere, written as a prefix: the word `default` would not say which family it is of.
pub(super) fn everywhere(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "0.0.0.0/0",
        Family::Ipv6 => "::/0",
    }
}
