//! What a source tells the index: a pod, a node, an owner or a namespace as it is now.

use std::net::IpAddr;

use ipnet::IpNet;
use kubezonnet_model::{
    Name, Namespace, NodeName, PodUid, Protocol, Region, Service, Timestamp, Workload, Zone, ZoneId,
};

/// What stands for the namespace of a node where pods have one. No namespace of Kubernetes is called
/// so, as `_` may not be in its name.
pub const NODE_NAMESPACE: &str = "_node_";

/// Under which namespace pods and nodes stand in metrics that are too many to have series of their own.
pub const FOLDED_NAMESPACE: &str = "_other_";

/// A pod as its source has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodState {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: Name,
    /// What tells it from an earlier or later pod of the same name; never repeated by another pod.
    pub uid: String,
    /// How the kubelet of its node calls it, if it is a static pod.
    pub digest: Option<PodUid>,
    /// The node it runs on, once scheduled.
    pub node: Option<NodeName>,
    /// Its top owner, as far as the pod itself tells; `None` for a pod that is its own.
    pub workload: Option<Workload>,
    /// The uid of its controller, if that is of a kind that another may own ([`OwnerKind`]): what is
    /// told of that one goes before `workload`.
    pub controller: Option<String>,
    /// The values of its own labels that are kept for charge-back, in the order in which they are
    /// configured; where it has none its namespace's counts.
    pub labels: Box<[Option<Name>]>,
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

impl PodState {
    /// A pod of which nothing is known but this: it runs, on no node, with no address, and is its
    /// own workload.
    pub fn new(namespace: Namespace, name: Name, uid: impl Into<String>) -> Self {
        Self {
            namespace,
            name,
            uid: uid.into(),
            digest: None,
            node: None,
            workload: None,
            controller: None,
            labels: Box::default(),
            addresses: Vec::new(),
            host_network: false,
            completed: false,
            leaving: false,
            created: None,
        }
    }
}

/// A kind of owner that may itself be owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OwnerKind {
    /// By a Deployment, a Rollout, …
    ReplicaSet,
    /// By a `CronJob`, a `JobSet`, …
    Job,
}

impl OwnerKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::ReplicaSet, Self::Job];

    /// The name in Kubernetes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReplicaSet => "ReplicaSet",
            Self::Job => "Job",
        }
    }
}

/// An owner of pods as its source has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerState {
    /// Its kind.
    pub kind: OwnerKind,
    /// What tells it from every other owner.
    pub uid: String,
    /// What its pods belong to: its own controller, or itself if it has none.
    pub workload: Workload,
}

/// A namespace as its source has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceState {
    /// Its name.
    pub name: Namespace,
    /// The values of its labels that are kept for charge-back, in the order in which they are
    /// configured: they count for its pods that have none of their own.
    pub labels: Box<[Option<Name>]>,
}

/// A Service as its source has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceState {
    /// Its namespace and name.
    pub service: Service,
    /// What tells it from an earlier or later Service of the same name.
    pub uid: String,
    /// The addresses by which it is reached within the cluster: nobody else has them.
    pub addresses: Vec<IpAddr>,
    /// Those by which it is reached from outside: external ones, and its load balancer's.
    pub external: Vec<IpAddr>,
}

/// Endpoints of a Service as their source has them now: all of them, or a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSliceState {
    /// What tells it from every other slice.
    pub uid: String,
    /// Whose endpoints they are.
    pub service: Service,
    /// The endpoints.
    pub endpoints: Vec<EndpointState>,
    /// The ports that each of them has.
    pub ports: Vec<EndpointPort>,
}

/// What stands behind a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointState {
    /// Its address.
    pub address: IpAddr,
    /// The node it is on, if it is on one.
    pub node: Option<NodeName>,
    /// It takes new connections.
    pub is_ready: bool,
}

/// A port of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EndpointPort {
    /// The protocol.
    pub protocol: Protocol,
    /// The number; `None` for all of them.
    pub number: Option<u16>,
}

impl EndpointPort {
    /// Whether that port is meant.
    pub fn is(self, protocol: Protocol, number: u16) -> bool {
        self.protocol == protocol && self.number.is_none_or(|own| own == number)
    }
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
    /// What its cloud calls it, which tells which cloud that is (`spec.providerID`).
    pub provider_id: Option<String>,
    /// Whether an agent can run there: not on Windows, nor on what is no machine of the cluster's own, such
    /// as a Fargate node.
    pub can_run_agent: bool,
    /// Every address it holds, inside and outside.
    pub addresses: Vec<IpAddr>,
    /// From where it gives addresses to its pods, where that is told: an address of these may soon be a
    /// pod's.
    pub pod_cidrs: Vec<IpNet>,
}
