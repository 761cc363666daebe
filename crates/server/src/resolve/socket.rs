//! Whose socket it was: the pods that share their node's network, told apart.
//!
//! All of them have the node's addresses, so the address says no more than the node. The agent tells
//! the pod's uid with what went through a socket; the topology says which pod that is, and that it is
//! on the node that reports.

use std::sync::Arc;

use kubezonnet_model::{Endpoint, Pod, PodUid, Window};
use kubezonnet_topology::TopologyIndex;

use super::{MayBeListed, Party, Place, Reporter};

/// The pod whose socket it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A pod of the node that reports.
    Pod(Arc<Pod>),
    /// A pod of another node, which this agent cannot speak for.
    Foreign,
    /// No pod that the topology has told of yet, or not yet where it runs.
    Unlisted,
}

impl Owner {
    /// Finds the pod with that uid.
    pub fn find(
        uid: PodUid,
        reporter: &Reporter,
        window: Window,
        topology: &TopologyIndex,
    ) -> Self {
        let node = &reporter.node.name;
        let Some((pod, _)) = topology.pod_by_uid(uid, window, node) else {
            return Self::Unlisted;
        };
        match &pod.node {
            Some(on) if on == node => Self::Pod(Arc::clone(pod)),
            Some(_) => Self::Foreign,
            None => Self::Unlisted,
        }
    }
}

impl Party {
    /// Who this is if the socket was the owner's; `None` if that changes nothing: an address that
    /// is not the node's own says itself whose it is, whoever sends with it.
    pub fn with_socket_of(&self, owner: &Owner, reporter: &Reporter) -> Option<Self> {
        match &self.endpoint {
            Endpoint::Node(node) if node.name == reporter.node.name => {}
            _ => return None,
        }
        let node = self.clone();
        Some(match owner {
            Owner::Pod(pod) => Self {
                endpoint: Endpoint::Pod(Arc::clone(pod)),
                ..node
            },
            Owner::Foreign => Self {
                place: Place::Foreign,
                ..node
            },
            Owner::Unlisted => Self {
                may_be_listed: MayBeListed::Anywhere,
                ..node
            },
        })
    }
}
