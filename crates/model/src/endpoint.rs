//! What stands behind an address.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Name, Namespace, NodeName, Region, Zone};

/// Who held an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A pod with an address of its own.
    Pod(Arc<Pod>),
    /// A node, and the pods that share its network.
    Node(Arc<Node>),
    /// A public address nobody in the topology holds.
    Internet,
    /// Nobody can be named.
    Unknown(UnknownReason),
}

/// A pod with an address of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pod {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: Name,
    /// What tells it from an earlier or later pod of the same name (`metadata.uid`).
    pub uid: Arc<str>,
    /// Its owner, where it is known.
    pub workload: Option<Workload>,
    /// The node it runs on, once scheduled.
    pub node: Option<NodeName>,
}

/// What a pod belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Workload {
    /// The kind: Deployment, StatefulSet, DaemonSet, …
    pub kind: Name,
    /// Its name; its namespace is the pod's.
    pub name: Name,
}

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Its availability zone, if labelled.
    pub zone: Option<Zone>,
    /// Its region, if labelled.
    pub region: Option<Region>,
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
}

impl UnknownReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [
        Self::UnlistedAddress,
        Self::ReusedInWindow,
        Self::MissingZone,
        Self::Coarsened,
    ];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnlistedAddress => "unlisted_address",
            Self::ReusedInWindow => "reused_in_window",
            Self::MissingZone => "missing_zone",
            Self::Coarsened => "coarsened",
        }
    }
}
