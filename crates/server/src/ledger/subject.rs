//! Who is charged: what a series is of.

use kubezonnet_model::{Name, Namespace, NodeName};
use kubezonnet_topology::{FOLDED_NAMESPACE, NODE_NAMESPACE};
use serde::{Deserialize, Serialize};

/// Stands for the name of what was folded.
const FOLDED: &str = "other";

/// Who is charged: a pod, or a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Subject {
    /// A pod by namespace and name; one that comes back under its name goes on with its series.
    Pod(Namespace, Name),
    /// A node: its own traffic, that of pods which share its network and cannot be told apart, and
    /// what it forwards.
    Node(NodeName),
    /// Those whose series were too many.
    Other,
}

impl Subject {
    /// The labels `namespace` and `pod`.
    pub fn labels(&self) -> [&str; 2] {
        match self {
            Self::Pod(namespace, name) => [namespace.as_str(), name.as_str()],
            Self::Node(name) => [NODE_NAMESPACE, name.as_str()],
            Self::Other => [FOLDED_NAMESPACE, FOLDED],
        }
    }
}
