//! One address of a batch, resolved: who held it, where that is, and what that means to the node
//! that reports.

use std::net::IpAddr;
use std::sync::Arc;

use kubezonnet_model::{Endpoint, Family, Node, NodeName, Site, UnknownReason, Window};
use kubezonnet_topology::{Holder, TopologyIndex};

use super::{Reporter, Views};
use crate::address::{self, Kind};

/// One address of a batch, resolved for its window and its reporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// The address.
    pub address: IpAddr,
    /// Who held it.
    pub endpoint: Endpoint,
    /// Where that is.
    pub site: Site,
    /// Where that is, seen from the reporter.
    pub place: Place,
    /// Whether its node's agent counted what it sent.
    pub covered: Covered,
    /// Nobody holds it, and the topology may yet tell who does.
    pub may_be_listed: bool,
    /// It means something on its own link only.
    pub link_local: bool,
}

/// Where an endpoint is, seen from the node that reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The reporting node, or a pod on it.
    Here,
    /// Another node, or a pod on one.
    Elsewhere,
    /// No node that is known: outside, unlisted, or a pod not yet placed.
    Nowhere,
}

/// Whether what an endpoint sent in a window was counted by its own node's agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covered {
    /// It was.
    Yes,
    /// It was not, or there is no node.
    No,
    /// The node is one of the cluster, and its agent has not reported to this server yet.
    NotHeardOf,
}

impl Covered {
    fn of(node: &NodeName, address: IpAddr, window: Window, views: &Views<'_>) -> Self {
        if views.agents.covered(node, Family::of(&address), window) {
            Self::Yes
        } else if !views.agents.knows(node) && views.topology.node(node).is_some() {
            Self::NotHeardOf
        } else {
            Self::No
        }
    }
}

impl Party {
    /// Finds out who an address is. The topology goes before what agents declare, and the
    /// reporter's own declaration before another's.
    pub(super) fn resolve(
        address: IpAddr,
        reporter: &Reporter,
        window: Window,
        views: &Views<'_>,
    ) -> Self {
        let kind = address::kind(address);
        let (endpoint, site) = match views.topology.holder(address, window) {
            Holder::Held { endpoint, site } => (endpoint, site),
            Holder::Reused => unknown(UnknownReason::ReusedInWindow),
            Holder::Nobody if kind == Kind::Link => at(&reporter.node),
            Holder::Nobody => match views.agents.declarer(address, &reporter.node.name) {
                Some(name) => at(&node(name, views.topology)),
                None if kind == Kind::Public => (Endpoint::Internet, Site::Internet),
                None => unknown(UnknownReason::UnlistedAddress),
            },
        };
        let holder = match &endpoint {
            Endpoint::Pod(pod) => pod.node.as_ref(),
            Endpoint::Node(node) => Some(&node.name),
            Endpoint::Internet | Endpoint::Unknown(_) => None,
        };
        let unlisted = endpoint == Endpoint::Unknown(UnknownReason::UnlistedAddress);
        Self {
            address,
            place: match holder {
                Some(name) if *name == reporter.node.name => Place::Here,
                Some(_) => Place::Elsewhere,
                None => Place::Nowhere,
            },
            covered: holder.map_or(Covered::No, |name| {
                Covered::of(name, address, window, views)
            }),
            may_be_listed: unlisted && kind == Kind::Private,
            link_local: kind == Kind::Link,
            endpoint,
            site,
        }
    }
}

fn unknown(reason: UnknownReason) -> (Endpoint, Site) {
    (Endpoint::Unknown(reason), Site::Unknown(reason))
}

fn at(node: &Arc<Node>) -> (Endpoint, Site) {
    (Endpoint::Node(Arc::clone(node)), site_of(node))
}

/// The node of that name, without zone where the topology does not know it.
pub(super) fn node(name: &NodeName, topology: &TopologyIndex) -> Arc<Node> {
    topology.node(name).unwrap_or_else(|| {
        Arc::new(Node {
            name: name.clone(),
            zone: None,
            region: None,
        })
    })
}

/// Where a node is.
pub(super) fn site_of(node: &Node) -> Site {
    Site::Known {
        node: Some(node.name.clone()),
        zone: node.zone.clone(),
        region: node.region.clone(),
    }
}
