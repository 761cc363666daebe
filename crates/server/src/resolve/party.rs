//! One address of a batch, resolved: who held it, where that is, and what that means to the node
//! that reports.

use std::net::IpAddr;
use std::sync::Arc;

use kubezonnet_model::{
    AddressKind, Endpoint, Family, InterfaceClass, Located, Node, NodeName, Site, UnknownReason,
    Window,
};
use kubezonnet_topology::{Holder, HolderRef, TopologyIndex};

use super::unheld::{Ground, Unheld};
use super::{Reporter, Views};
use crate::agents::Extent;

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
    /// Whether the topology may yet tell who holds it.
    pub may_be_listed: MayBeListed,
    /// Where on the reporting node it is this one's.
    pub reach: Reach,
}

/// Where on the reporting node an address is whoever it is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Behind each interface.
    Everywhere,
    /// It means something on its own link only: the node's own, unless it is behind the uplink.
    Link,
    /// Another node's by the word of that node's agent, which does not go for what is behind this
    /// node's pods, or on the node itself.
    Outside,
}

/// Where an endpoint is, seen from the node that reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The reporting node, or a pod on it; or one of those who had the address one after another was.
    Here,
    /// Another node, or a pod on one.
    Elsewhere,
    /// No node that is known: outside, unlisted, or a pod not yet placed.
    Nowhere,
}

/// Whether what an endpoint sent in a window was counted by its own node's agent. In order: of several
/// that may have sent it the last decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Covered {
    /// It was.
    Yes,
    /// A part of it was: the agent began or ended within the window.
    Partly,
    /// The node is one of the cluster, and its agent has not reported to this server yet.
    NotHeardOf,
    /// Its agent reports, and some packets bypass its hooks.
    Bypassed,
    /// It was not, or there is no node.
    No,
}

/// Whether the topology may yet tell who holds an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayBeListed {
    /// Somebody holds it, or nobody ever will.
    No,
    /// If it is behind a pod's interface: a public address is a new pod's there, and one of a named
    /// network.
    BehindPods,
    /// Wherever it is.
    Anywhere,
}

impl MayBeListed {
    /// Whether so for an address behind that interface.
    pub fn behind(self, interface: InterfaceClass) -> bool {
        match self {
            Self::No => false,
            Self::BehindPods => interface == InterfaceClass::Pod,
            Self::Anywhere => true,
        }
    }
}

impl Covered {
    /// Whether, where this is the receiver, its agent counts what comes from a node whose hooks are
    /// bypassed.
    pub(super) fn counts_for_others(self) -> bool {
        matches!(self, Self::Yes | Self::Partly)
    }

    /// Whether what the address sent was counted, whoever of those nodes' pods had it when.
    fn of_all<'a>(
        nodes: impl Iterator<Item = Option<&'a NodeName>>,
        address: IpAddr,
        window: Window,
        views: &Views<'_>,
    ) -> Self {
        let each = |node: Option<&NodeName>| {
            node.map_or(Self::No, |node| Self::of(node, address, window, views))
        };
        nodes.map(each).max().unwrap_or(Self::Yes)
    }

    fn of(node: &NodeName, address: IpAddr, window: Window, views: &Views<'_>) -> Self {
        match views.agents.covered(node, Family::of(&address), window) {
            Extent::Whole => Self::Yes,
            Extent::Part => Self::Partly,
            Extent::Bypassed => Self::Bypassed,
            Extent::None if !views.agents.knows(node) && views.topology.node(node).is_some() => {
                Self::NotHeardOf
            }
            Extent::None => Self::No,
        }
    }
}

impl Party {
    /// Finds out who an address is: the topology goes before everything else.
    pub(super) fn resolve(
        address: IpAddr,
        reporter: &Reporter,
        window: Window,
        views: &Views<'_>,
    ) -> Self {
        let holder = views.topology.find(address, window);
        Self::of(address, holder, reporter, window, views)
    }

    /// As [`Self::resolve`], with who held the address looked up before.
    pub(super) fn of(
        address: IpAddr,
        holder: HolderRef<'_>,
        reporter: &Reporter,
        window: Window,
        views: &Views<'_>,
    ) -> Self {
        let kind = AddressKind::of(address);
        let sure = |(endpoint, site)| (endpoint, site, Ground::Sure);
        let (endpoint, site, ground) = match Holder::from(holder) {
            Holder::Held { endpoint, site } => sure((endpoint, site)),
            Holder::Reused => sure(unknown(UnknownReason::ReusedInWindow)),
            Holder::Nobody => {
                let unheld = Unheld::find(address, kind, reporter, window, views);
                (unheld.endpoint, unheld.site, unheld.ground)
            }
        };
        let (place, covered) = match &endpoint {
            Endpoint::Pod(pod) => standing(pod.node.as_ref(), address, reporter, window, views),
            Endpoint::Node(node) => standing(Some(&node.name), address, reporter, window, views),
            Endpoint::Unknown(UnknownReason::ReusedInWindow) => {
                let nodes = || views.topology.nodes_of_holders(address, window);
                let is_here = nodes().flatten().any(|node| *node == reporter.node.name);
                let place = if is_here { Place::Here } else { Place::Nowhere };
                (place, Covered::of_all(nodes(), address, window, views))
            }
            // A load balancer sends, and who only has its address.
            Endpoint::Service(_) if ground == Ground::External => (Place::Nowhere, Covered::No),
            // Whoever is behind it has sent from a node of the cluster.
            Endpoint::Service(_) => (Place::Nowhere, Covered::Yes),
            Endpoint::Network(_) | Endpoint::Internet | Endpoint::Unknown(_) => {
                (Place::Nowhere, Covered::No)
            }
        };
        let is_doubtful = matches!(ground, Ground::Claimed | Ground::External)
            || matches!(endpoint, Endpoint::Internet | Endpoint::Network(_));
        Self {
            address,
            place,
            covered,
            may_be_listed: match &endpoint {
                _ if is_doubtful
                    && views.topology.is_near(address)
                    && !views.networks.lists(address) =>
                {
                    MayBeListed::Anywhere
                }
                // Elsewhere it does not wait: a network's traffic is as steady as the internet's.
                Endpoint::Internet | Endpoint::Network(_) => MayBeListed::BehindPods,
                Endpoint::Unknown(UnknownReason::UnlistedAddress)
                    if kind == AddressKind::Private =>
                {
                    MayBeListed::Anywhere
                }
                _ => MayBeListed::No,
            },
            reach: match ground {
                _ if kind == AddressKind::Link => Reach::Link,
                Ground::Given | Ground::Claimed => Reach::Outside,
                Ground::Sure | Ground::External => Reach::Everywhere,
            },
            endpoint,
            site,
        }
    }

    /// The reporting node itself, with an address that is its own.
    pub(super) fn node(
        address: IpAddr,
        reporter: &Reporter,
        window: Window,
        views: &Views<'_>,
    ) -> Self {
        let (endpoint, site) = at(&reporter.node);
        let node = Some(&reporter.node.name);
        let (place, covered) = standing(node, address, reporter, window, views);
        Self {
            address,
            endpoint,
            site,
            place,
            covered,
            may_be_listed: MayBeListed::No,
            reach: Reach::Everywhere,
        }
    }

    /// Whether it is outside of the cluster by its address alone.
    pub(super) fn is_outside(&self) -> bool {
        matches!(self.endpoint, Endpoint::Internet | Endpoint::Network(_))
    }

    /// Who has the address behind that interface, where it is another one than this: a link-local
    /// address behind the uplink is a neighbour's, known to nobody but the link, and one that another
    /// node claims is on this node, or a new pod's here, where it is seen so.
    pub fn neighbour_behind(&self, interface: InterfaceClass) -> Option<Self> {
        use InterfaceClass::{Host, Pod, Uplink};
        let may_be_listed = match (self.reach, interface) {
            (Reach::Link, Uplink) => MayBeListed::No,
            (Reach::Outside, Pod | Host) => MayBeListed::Anywhere,
            _ => return None,
        };
        let (endpoint, site) = unknown(UnknownReason::UnlistedAddress);
        Some(Self {
            endpoint,
            site,
            place: Place::Nowhere,
            covered: Covered::No,
            may_be_listed,
            ..self.clone()
        })
    }
}

/// Where a holder on that node is, seen from the reporter, and whether the node is covered.
fn standing(
    node: Option<&NodeName>,
    address: IpAddr,
    reporter: &Reporter,
    window: Window,
    views: &Views<'_>,
) -> (Place, Covered) {
    let Some(node) = node else {
        return (Place::Nowhere, Covered::No);
    };
    let place = if *node == reporter.node.name {
        Place::Here
    } else {
        Place::Elsewhere
    };
    (place, Covered::of(node, address, window, views))
}

fn unknown(reason: UnknownReason) -> (Endpoint, Site) {
    (Endpoint::Unknown(reason), Site::Unknown(reason))
}

fn at(node: &Arc<Node>) -> (Endpoint, Site) {
    (Endpoint::Node(Arc::clone(node)), site_of(node))
}

/// The node of that name, without zone where the topology does not know it.
pub(super) fn node(name: &NodeName, window: Window, topology: &TopologyIndex) -> Arc<Node> {
    let known = topology.node_in(name, window).map(Arc::clone);
    known.unwrap_or_else(|| {
        Arc::new(Node {
            name: name.clone(),
            zone: None,
            zone_id: None,
            region: None,
        })
    })
}

/// Where a node is.
pub(super) fn site_of(node: &Node) -> Site {
    Site::from(Located {
        node: Some(node.name.clone()),
        zone: node.zone.clone(),
        zone_id: node.zone_id.clone(),
        region: node.region.clone(),
    })
}
