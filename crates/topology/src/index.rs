//! Who held an address in a window: the pure index.

use std::net::IpAddr;
use std::sync::Arc;

use kubezonnet_model::{Endpoint, Node, NodeName, Site, Timestamp, Window};

use crate::{NodeState, PodState};

/// Who holds and held which address.
#[derive(Debug, Default)]
pub struct TopologyIndex {}

/// Who held an address in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// This one.
    Held {
        /// Who.
        endpoint: Endpoint,
        /// Where that is.
        site: Site,
    },
    /// One after another: whose bytes the window has cannot be told.
    Reused,
    /// No one that the index knows.
    Nobody,
}

/// How much an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Pods that have not completed.
    pub pods: usize,
    /// Nodes.
    pub nodes: usize,
    /// Addresses that someone holds now.
    pub addresses: usize,
    /// Holdings that have ended and are kept for the windows before their end.
    pub past: usize,
}

impl TopologyIndex {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Who held the address in the window.
    pub fn holder(&self, _address: IpAddr, _window: Window) -> Holder {
        Holder::Nobody
    }

    /// The node of that name; one that is gone is known until it is pruned.
    pub fn node(&self, _name: &NodeName) -> Option<Arc<Node>> {
        None
    }

    /// How much it holds.
    pub fn sizes(&self) -> Sizes {
        Sizes::default()
    }

    /// Takes over a pod as it is since `now`.
    pub fn apply_pod(&mut self, _pod: PodState, _now: Timestamp) {}

    /// Ends everything the pod held.
    pub fn delete_pod(&mut self, _uid: &str, _now: Timestamp) {}

    /// Takes over a node as it is since `now`.
    pub fn apply_node(&mut self, _node: NodeState, _now: Timestamp) {}

    /// Ends everything the node held, unless another of the same name has taken its place.
    pub fn delete_node(&mut self, _name: &NodeName, _uid: &str, _now: Timestamp) {}

    /// Begins to tell of all the pods there are: [`Self::apply_pod`] for each, then
    /// [`Self::end_pods`].
    pub fn begin_pods(&mut self, _now: Timestamp) {}

    /// Ends what [`Self::begin_pods`] began: pods not told of since are gone.
    pub fn end_pods(&mut self) {}

    /// Begins to tell of all the nodes there are, as [`Self::begin_pods`] does for pods.
    pub fn begin_nodes(&mut self, _now: Timestamp) {}

    /// Ends what [`Self::begin_nodes`] began: nodes not told of since are gone.
    pub fn end_nodes(&mut self) {}

    /// These are all the pods there are.
    pub fn reset_pods(&mut self, pods: impl IntoIterator<Item = PodState>, now: Timestamp) {
        self.begin_pods(now);
        for pod in pods {
            self.apply_pod(pod, now);
        }
        self.end_pods();
    }

    /// These are all the nodes there are.
    pub fn reset_nodes(&mut self, nodes: impl IntoIterator<Item = NodeState>, now: Timestamp) {
        self.begin_nodes(now);
        for node in nodes {
            self.apply_node(node, now);
        }
        self.end_nodes();
    }

    /// Forgets the holdings that ended before.
    pub fn prune(&mut self, _before: Timestamp) {}
}
