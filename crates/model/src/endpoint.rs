//! What stands behind an address.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Name, Namespace, NodeName, Region, Zone, ZoneId};

/// Who held an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A pod: by an address of its own, or by its socket on its node's network.
    Pod(Arc<Pod>),
    /// A node, less what is known to be of the pods that share its network.
    Node(Arc<Node>),
    /// A network that the operator has given a name: a managed database, another cluster, …
    Network(Arc<Network>),
    /// A Service's own address: which of its endpoints is behind it, the packet does not tell.
    Service(Arc<Service>),
    /// A public address nobody in the topology holds.
    Internet,
    /// Nobody can be named.
    Unknown(UnknownReason),
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pod {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: Name,
    /// What tells it from an earlier or later pod of the same name (`metadata.uid`).
    pub uid: Arc<str>,
    /// Its top owner; a bare pod is its own.
    pub workload: Arc<Workload>,
    /// The node it runs on, once scheduled.
    pub node: Option<NodeName>,
    /// What charge-back goes by.
    pub labels: Labels,
}

/// The values of the labels that are kept for charge-back, in the order in which they are
/// configured; `None` where neither the pod nor its namespace has the label. Empty if none is kept.
///
/// Shared: pods with the same values have the same slice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Labels(pub Option<Arc<[Option<Name>]>>);

impl Labels {
    /// The value of the label at that place of the configuration.
    pub fn get(&self, place: usize) -> Option<&Name> {
        self.0.as_deref()?.get(place)?.as_ref()
    }
}

/// What a pod belongs to: the owner that no other owns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Workload {
    /// The kind: Deployment, `StatefulSet`, `DaemonSet`, `CronJob`, Job, Rollout, …, or
    /// [`Pod`](Self::POD) for a pod that nothing owns.
    pub kind: Name,
    /// Its name; its namespace is the pod's.
    pub name: Name,
}

impl Workload {
    /// The kind of a bare pod.
    pub const POD: &str = "Pod";
}

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Its availability zone, if labelled.
    pub zone: Option<Zone>,
    /// Its availability zone by the name that is the same in all accounts (on AWS), if labelled.
    pub zone_id: Option<ZoneId>,
    /// Its region, if labelled.
    pub region: Option<Region>,
}

/// A network that is not the cluster's, by the name the operator gave it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: NetworkKind,
    /// The availability zone it is in, if it is in one.
    pub zone: Option<Zone>,
    /// The same by the name that all accounts have for it.
    pub zone_id: Option<ZoneId>,
    /// The region it is in, if it is in one.
    pub region: Option<Region>,
    /// Whom the cloud charges.
    pub billed: Billed,
}

/// What a named network is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkKind {
    /// A database that the cloud runs.
    ManagedDatabase,
    /// A cache that the cloud runs.
    Cache,
    /// Object storage.
    ObjectStorage,
    /// A load balancer.
    LoadBalancer,
    /// A network that is peered with the cluster's.
    PeeredVpc,
    /// On premises.
    OnPremises,
    /// Another cluster.
    Cluster,
    /// Anything else.
    #[default]
    Other,
}

impl NetworkKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::ManagedDatabase,
        Self::Cache,
        Self::ObjectStorage,
        Self::LoadBalancer,
        Self::PeeredVpc,
        Self::OnPremises,
        Self::Cluster,
        Self::Other,
    ];

    /// The name in files, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ManagedDatabase => "managed-database",
            Self::Cache => "cache",
            Self::ObjectStorage => "object-storage",
            Self::LoadBalancer => "load-balancer",
            Self::PeeredVpc => "peered-vpc",
            Self::OnPremises => "on-premises",
            Self::Cluster => "cluster",
            Self::Other => "other",
        }
    }
}

/// Which side of the traffic between the cluster and a named network the cloud charges, where it
/// charges at all.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Billed {
    /// Each for its own part, as between two nodes.
    #[default]
    Both,
    /// The cluster only.
    Cluster,
    /// The network only.
    Network,
    /// Nobody.
    Neither,
}

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Service {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: Name,
}

/// Why bytes have no locality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum UnknownReason {
    /// A private address that nobody in the topology held during the window.
    UnlistedAddress,
    /// The address changed hands within the window.
    ReusedInWindow,
    /// The endpoint is known and its zone is not.
    MissingZone,
    /// The kernel's maps were full, so that no addresses were kept.
    Coarsened,
    /// A Service's own address, whose endpoints are not all in one place.
    ServiceAddress,
}

impl UnknownReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::UnlistedAddress,
        Self::ReusedInWindow,
        Self::MissingZone,
        Self::Coarsened,
        Self::ServiceAddress,
    ];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnlistedAddress => "unlisted_address",
            Self::ReusedInWindow => "reused_in_window",
            Self::MissingZone => "missing_zone",
            Self::Coarsened => "coarsened",
            Self::ServiceAddress => "service_address",
        }
    }
}
