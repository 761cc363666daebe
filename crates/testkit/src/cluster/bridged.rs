//! Pods that are ports of a bridge of their node, as most CNI plugins of old have it.
//!
//! Pods of one node see each other on the link, without their node forwarding anything: whether
//! netfilter sees what they say to each other is a setting of the node. Everything else goes to
//! the bridge itself, which stands for the pods' gateway. The bridge floods no unicast, for every
//! MAC is known, and knows no groups.

use kubezonnet_model::Family;

use super::plan::{self, POD_BRIDGE, UPLINK};
use super::{Cluster, ClusterNode, ClusterPod, Place};
use crate::Error;

/// Whether netfilter sees what a bridge carries between its ports (`net.bridge.bridge-nf-call-*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BridgeNetfilter {
    /// It does, as Kubernetes asks for.
    On,
    /// It does not: its hooks see what enters or leaves the bridge by IP only.
    Off,
}

/// Makes the bridge of a node that is to have one. Its MAC is that of every pod's gateway.
pub(super) fn build(node: &ClusterNode) -> Result<(), Error> {
    let Some(netfilter) = node.spec.bridge else {
        return Ok(());
    };
    let mac = plan::pod_bridge_mac(node.number);
    node.netns.ip(&[
        format!("link add {POD_BRIDGE} address {mac} type bridge mcast_snooping 0 stp_state 0"),
        format!("link set {POD_BRIDGE} arp off up"),
    ])?;
    let value = match netfilter {
        BridgeNetfilter::On => "1",
        BridgeNetfilter::Off => "0",
    };
    node.netns.set(&[
        ("bridge/bridge-nf-call-iptables", value),
        ("bridge/bridge-nf-call-ip6tables", value),
    ])
}

/// Puts a pod's link, which is there, onto the bridge.
pub(super) fn attach(node: &ClusterNode, pod: &ClusterPod) -> Result<(), Error> {
    if node.spec.bridge.is_none() {
        return Ok(());
    }
    let (link, mac) = (pod.link(), plan::pod_mac(pod.node, pod.number));
    node.netns.ip(&[
        format!("link set {link} master {POD_BRIDGE}"),
        format!("link set {link} type bridge_slave learning off flood off"),
    ])?;
    node.netns.bridge(&[format!("fdb add {mac} dev {link} master static")])
}

/// What a pod knows of the others on its bridge.
pub(super) fn neighbour_lines(cluster: &Cluster, pod: &ClusterPod) -> Vec<String> {
    if cluster.node(&pod.node_name).spec.bridge.is_none() {
        return Vec::new();
    }
    let others = || {
        let same_node = cluster.pods.iter().filter(|other| other.node == pod.node);
        same_node.filter(|other| other.number != pod.number)
    };
    let mut lines = Vec::new();
    for family in Family::ALL {
        let network = plan::pod_network(pod.node, family);
        lines.push(format!("route add {network} dev {UPLINK}"));
        for other in others() {
            let (address, mac) = (other.address(family), plan::pod_mac(other.node, other.number));
            lines.push(format!(
                "neigh add {address} lladdr {mac} dev {UPLINK} nud permanent"
            ));
        }
    }
    lines
}
