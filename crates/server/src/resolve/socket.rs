//! Whose socket it was: the pods that share their node's network, told apart.
//!
//! All of them have the node's addresses, so the address says no more than the node. The agent tells
//! the pod's uid with what went through a socket; the topology says which pod that is, and that it is
//! on the node that reports. What went through the socket of any other is the node's: the address and
//! the interface are its own, whatever the uid.

use std::sync::Arc;

use kubezonnet_model::{Endpoint, Hook, Pod, PodUid, SocketOwner, Window};
use kubezonnet_topology::TopologyIndex;

use super::{MayBeListed, Party, Reporter, ResolvedBatch, ResolvedFlow};

/// The pod whose socket it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A pod of the node that reports.
    Pod(Arc<Pod>),
    /// A pod of another node, which has no socket here.
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
    /// Who this is if the socket was the owner's; `None` if that changes nothing: the owner cannot
    /// have had it, or the address is not the node's own and says itself whose it is, whoever sends
    /// with it.
    pub fn with_socket_of(&self, owner: &Owner, reporter: &Reporter) -> Option<Self> {
        match &self.endpoint {
            Endpoint::Node(node) if node.name == reporter.node.name => {}
            _ => return None,
        }
        let node = self.clone();
        match owner {
            Owner::Pod(pod) => Some(Self {
                endpoint: Endpoint::Pod(Arc::clone(pod)),
                ..node
            }),
            Owner::Foreign => None,
            Owner::Unlisted => Some(Self {
                may_be_listed: MayBeListed::Anywhere,
                ..node
            }),
        }
    }
}

/// Whose socket it was, as far as the topology bears the agent out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// As the agent tells.
    Told(SocketOwner),
    /// A pod that is not on the node by what the topology was told: the node is charged.
    Unlisted,
}

impl Process {
    /// The name in metrics and in the flow log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Told(owner) => owner.as_str(),
            Self::Unlisted => "unlisted",
        }
    }
}

impl ResolvedBatch {
    /// Whose socket the flow went through on the node's own network, if it did.
    pub fn process(&self, flow: &ResolvedFlow) -> Option<Process> {
        let owner = flow.socket?;
        let local = match flow.point.hook {
            Hook::Postrouting => flow.source,
            Hook::LocalIn => flow.destination,
        };
        let is_the_node = match &self.parties[local as usize].endpoint {
            Endpoint::Node(node) => node.name == self.reporter.node.name,
            _ => false,
        };
        Some(match owner {
            SocketOwner::Pod(_) if is_the_node => Process::Unlisted,
            told => Process::Told(told),
        })
    }
}
