//! Whether packets leave a node by ways that its hooks do not see.

use kubezonnet_model::{NodeName, Uplinks};

/// What left through a node's uplinks since its first window here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeUplinks {
    /// The node.
    pub node: NodeName,
    /// The sums.
    pub uplinks: Uplinks,
    /// Packets bypass the hooks, by the last window in which enough was sent to tell.
    pub bypassed: bool,
}
