//! What a source tells the index: a pod or a node as it is now.

use std::net::IpAddr;

use kubezonnet_model::{Name, Namespace, NodeName, Region, Timestamp, Workload, Zone, ZoneId};

/// What stands for the namespace of a node where pods have one. No namespace of Kubernetes is called
/// so, as `_` may not be in its name.
pub const NODE_NAMESPACE: &str = "_node_";

/// A pod as its source has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodState {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: Name,
    /// What tells it from an earlier or later pod of the same name; never repeated by another pod.
    pub uid: String,
    /// The node it runs on, once scheduled.
    pub node: Option<NodeName>,
    /// Its top owner; `None` for a pod that is its own.
    pub workload: Option<Workload>,
    /// Every address it names, of either family.
    pub addresses: Vec<IpAddr>,
    /// It shares its node's network: its addresses are the node's, and it holds none itself.
    pub host_network: bool,
    /// It has run to its end (phase Succeeded or Failed): it gives its addresses back, though it
    /// still names them.
    pub completed: bool,
    /// Its deletion has begun: it may still speak, but not take an address from another.
    pub leaving: bool,
    /// When it was created, if the source knows: it held nothing before.
    pub created: Option<Timestamp>,
}

/// A node as its source has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// Its name.
    pub name: NodeName,
    /// What tells it from an earlier or later node of the same name.
    pub uid: String,
    /// Its availability zone, if labelled.
    pub zone: Option<Zone>,
    /// Its availability zone by the name that is the same in all accounts, if labelled.
    pub zone_id: Option<ZoneId>,
    /// Its region, if labelled.
    pub region: Option<Region>,
    /// Every address it holds, inside and outside.
    pub addresses: Vec<IpAddr>,
}
