//! Pods that are ports of a bridge of their node, as flannel and kind have it.
//!
//! Pods of one node reach each other over the bridge, without their node forwarding by IP: whether
//! netfilter sees what they say to each other is a setting of the node. Everything else goes to
//! the bridge itself, which stands for the pods' gateway. The bridge floods nothing but groups and
//! broadcasts, for it is told who is behind which port.

use kubezonnet_model::Family;

use super::plan::{self, POD_BRIDGE, UPLINK};
use super::{Cluster, ClusterNode, ClusterPod, Place};
use crate::Error;

/// Whether netfilter sees what a bridge carries from port to port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BridgeNetfilter {
    /// It does, as Kubernetes asks for (`bridge-nf-call-iptables` is 1).
    On,
    /// It does not.
    Off,
}

/// Whether a node's pods are on a bridge.
pub(super) fn is(node: &ClusterNode) -> bool {
    node.spec.bridge.is_some()
}

/// The lines that make the bridge of a node that is to have one.
pub(super) fn node_lines(node: &ClusterNode) -> Vec<String> {
    if !is(node) {
        return Vec::new();
    }
    let mac = plan::pod_bridge_mac(node.number);
    vec![
        format!("link add {POD_BRIDGE} address {mac} type bridge mcast_snooping 0 stp_state 0"),
        format!("link set {POD_BRIDGE} arp off up"),
    ]
}

/// The lines that make a pod's link a port of the bridge.
pub(super) fn port_lines(pod: &ClusterPod) -> [String; 2] {
    let link = pod.link();
    [
        format!("link set {link} master {POD_BRIDGE}"),
        format!("link set {link} type bridge_slave learning off flood off"),
    ]
}

/// Tells the bridge of a node what it must know, when its ports are there.
pub(super) fn build(cluster: &Cluster, node: &ClusterNode) -> Result<(), Error> {
    let Some(netfilter) = node.spec.bridge else {
        return Ok(());
    };
    let pods = cluster.pods.iter().filter(|pod| pod.node == node.number);
    let entry = |pod: &ClusterPod| {
        let (mac, link) = (plan::pod_mac(pod.node, pod.number), pod.link());
        format!("fdb add {mac} dev {link} master static")
    };
    node.netns.bridge(&pods.map(entry).collect::<Vec<_>>())?;
    let value = match netfilter {
        BridgeNetfilter::On => "1",
        BridgeNetfilter::Off => "0",
    };
    node.netns.set(&[
        ("bridge/bridge-nf-call-iptables", value),
        ("bridge/bridge-nf-call-ip6tables", value),
    ])
}

/// The lines by which a pod knows the others on its bridge.
pub(super) fn neighbour_lines(cluster: &Cluster, pod: &ClusterPod, family: Family) -> Vec<String> {
    let others = cluster
        .pods
        .iter()
        .filter(|other| other.node == pod.node && other.number != pod.number);
    let line = |other: &ClusterPod| {
        let (address, mac) = (
            other.address(family),
            plan::pod_mac(other.node, other.number),
        );
        format!("neigh add {address} lladdr {mac} dev {UPLINK} nud permanent")
    };
    others.map(line).collect()
}
