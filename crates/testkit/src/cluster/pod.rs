//! The link between a pod and its node: its MTU, and what either end must know.

use std::net::Ipv4Addr;

use kubezonnet_model::Family;

use super::build::{address_line, everyone_line, everywhere, limit};
use super::plan::{self, UPLINK};
use super::{Cluster, ClusterPod, Place, bridged};

/// The MTU of a pod's link where nothing else is said.
const DEFAULT_MTU: u32 = 1500;

/// The hop-by-hop header with the length of a packet that is too large for the IPv6 header
/// (RFC 2675).
const JUMBO_HEADER_BYTES: u32 = 8;

/// The lines at its node.
pub(super) fn node_lines(cluster: &Cluster, pod: &ClusterPod) -> Vec<String> {
    let (netns, link, mtu) = (pod.netns.name(), pod.link(), mtu(cluster, pod));
    let mac = plan::pod_mac(pod.node, pod.number);
    let gateway_mac = plan::pod_gateway_mac(pod.node, pod.number);
    let mut lines = vec![
        format!(
            "link add {link} address {gateway_mac} mtu {mtu} type veth peer name {UPLINK} address {mac} mtu {mtu} netns {netns}"
        ),
        format!("link set {link} arp off up"),
    ];
    let bridged = bridged::is(cluster.node(&pod.node_name));
    if bridged {
        lines.extend(bridged::port_lines(pod));
    }
    let device = if bridged { plan::POD_BRIDGE } else { &link };
    for family in Family::ALL {
        let address = pod.address(family);
        let prefix = plan::host_prefix(family);
        lines.push(format!("route add {address}/{prefix} dev {device}"));
        lines.push(format!(
            "neigh add {address} lladdr {mac} dev {device} nud permanent"
        ));
    }
    lines
}

/// The lines in the pod itself.
pub(super) fn lines(cluster: &Cluster, pod: &ClusterPod) -> Vec<String> {
    let bridged = bridged::is(cluster.node(&pod.node_name));
    let gateway_mac = if bridged {
        plan::pod_bridge_mac(pod.node)
    } else {
        plan::pod_gateway_mac(pod.node, pod.number)
    };
    let mut lines = vec![
        "link set lo up".to_owned(),
        format!("link set {UPLINK} arp off up"),
        everyone_line(Ipv4Addr::BROADCAST),
    ];
    let gateways = [
        plan::POD_GATEWAY_V4.to_string(),
        plan::POD_GATEWAY_V6.to_string(),
    ];
    for (family, gateway) in Family::ALL.into_iter().zip(gateways) {
        let (address, prefix) = (pod.address(family), plan::host_prefix(family));
        let limit = limit(path_mtu(cluster, pod, family));
        lines.push(address_line(&format!("{address}/{prefix}"), UPLINK, family));
        lines.push(format!(
            "neigh add {gateway} lladdr {gateway_mac} dev {UPLINK} nud permanent"
        ));
        lines.push(format!(
            "route add {} via {gateway} dev {UPLINK} onlink{limit}",
            everywhere(family)
        ));
        if bridged {
            let network = plan::pod_network(pod.node, family);
            lines.push(format!("route add {network} dev {UPLINK}{limit}"));
            lines.extend(bridged::neighbour_lines(cluster, pod, family));
        }
    }
    lines
}

/// The MTU of its link.
fn mtu(cluster: &Cluster, pod: &ClusterPod) -> u32 {
    let default = match cluster.overlay {
        Some(overlay) => overlay.inner_mtu(cluster.node(&pod.node_name).spec.mtu),
        None => DEFAULT_MTU,
    };
    pod.spec.mtu.unwrap_or(default)
}

/// What its routes know of the path. A large packet of IPv6 has a header more, which is not on the
/// wire, but nodes do not forward it if with that its segments are larger than a link's MTU.
fn path_mtu(cluster: &Cluster, pod: &ClusterPod, family: Family) -> Option<u32> {
    let jumbo = || mtu(cluster, pod).saturating_sub(JUMBO_HEADER_BYTES);
    let large = pod.spec.big_tcp.filter(|_| family == Family::Ipv6);
    pod.spec.path_mtu.or(large.map(|_| jumbo()))
}
