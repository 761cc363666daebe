//! Whose an address is that the topology has no holder for, and on whose word.
//!
//! Words differ in weight: the address itself and the cluster's own Services are sure, a node says of
//! itself what it likes, the operator's networks go before what another node says or a user of the
//! Kubernetes API writes. What one of these two claims takes nothing from those whom the topology may
//! yet list, and nothing on the internet. docs/security.md tells what that leaves to either.

use std::net::IpAddr;
use std::sync::Arc;

use kubezonnet_model::{AddressKind, Endpoint, Node, Site, UnknownReason, Window};

use super::{Reporter, Views, party};

/// Who has an address that nobody holds.
pub(super) struct Unheld {
    pub(super) endpoint: Endpoint,
    pub(super) site: Site,
    pub(super) ground: Ground,
}

/// On what ground an address is somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// Nobody else's claim stands against it.
    Sure,
    /// Another node's agent calls it that node's own, and it is in a block from which that node gives
    /// addresses.
    Given,
    /// Another node's agent calls it that node's own, and nothing else speaks for it.
    Claimed,
    /// A Service is reached by it from outside of the cluster.
    External,
}

impl Unheld {
    pub(super) fn find(
        address: IpAddr,
        kind: AddressKind,
        reporter: &Reporter,
        window: Window,
        views: &Views<'_>,
    ) -> Self {
        if kind == AddressKind::Link {
            return Self::at(&reporter.node, Ground::Sure);
        }
        // IPVS puts every Service's address on every node, whose agents may declare it.
        if let Some((service, site)) = views.topology.service_at(address) {
            let endpoint = Endpoint::Service(Arc::clone(service));
            return Self::sure(endpoint, site.clone());
        }
        let external = || {
            let service = views.topology.external_service_at(address)?;
            Some(Self::external(Endpoint::Service(Arc::clone(service)), kind))
        };
        let declarer = views.agents.declarer(address, &reporter.node.name);
        if declarer == Some(&reporter.node.name) {
            return external().unwrap_or_else(|| Self::at(&reporter.node, Ground::Sure));
        }
        if let Some(name) = declarer
            && views.topology.gives(name, address)
        {
            return Self::at(&party::node(name, window, views.topology), Ground::Given);
        }
        if kind != AddressKind::Nobody
            && let Some((network, site)) = views.networks.find(address)
        {
            return Self::sure(Endpoint::Network(Arc::clone(network)), site.clone());
        }
        if let Some(name) = declarer
            && kind == AddressKind::Private
        {
            return Self::at(&party::node(name, window, views.topology), Ground::Claimed);
        }
        if let Some(external) = external() {
            return external;
        }
        if kind == AddressKind::Public {
            return Self::sure(Endpoint::Internet, Site::Internet);
        }
        let reason = UnknownReason::UnlistedAddress;
        Self::sure(Endpoint::Unknown(reason), Site::Unknown(reason))
    }

    fn sure(endpoint: Endpoint, site: Site) -> Self {
        Self {
            endpoint,
            site,
            ground: Ground::Sure,
        }
    }

    fn at(node: &Arc<Node>, ground: Ground) -> Self {
        Self {
            endpoint: Endpoint::Node(Arc::clone(node)),
            site: party::site_of(node),
            ground,
        }
    }

    /// What stands between a Service and the outside has the address. It need not be where the
    /// Service's endpoints are.
    fn external(endpoint: Endpoint, kind: AddressKind) -> Self {
        Self {
            endpoint,
            site: match kind {
                AddressKind::Public => Site::Internet,
                _ => Site::Unknown(UnknownReason::ServiceAddress),
            },
            ground: Ground::External,
        }
    }
}
