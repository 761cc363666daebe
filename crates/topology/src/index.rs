//! Who held an address in a window: the pure index.
//!
//! It is told what pods and nodes there are and when that changed; it reads no clock and does no
//! I/O. For every address it keeps who holds it and, until [`TopologyIndex::prune`], who held it
//! before. An address has one holder at a time:
//!
//! - A pod that completes, goes, or no longer names an address gives it back.
//! - Two that name one address at a time are seen when the end of the first is told late: the one
//!   told of later has it. Of two in one list, which has no order in time, it is the one created
//!   last. One whose deletion has begun takes an address only from one who leaves too.
//! - What was told of a pod or node after its end is not believed, unless by a list.
//!
//! [`TopologyIndex::holder`] says what that means for a window.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use foldhash::HashMap;
use kubezonnet_model::{
    Endpoint, Located, Name, Namespace, Node, NodeName, Pod, PodUid, Protocol, Service, Site,
    Timestamp, Window, Workload,
};

use self::address::Address;
use self::blocks::Blocks;
use self::chores::Chores;
use self::expiry::Expiry;
use self::holding::{Count, Found, Holding, Holdings, Owner};
use self::interned::Interned;
use self::list::List;
use self::namespaces::Namespaces;
use self::nodes::{Nodes, Then};
use self::owners::Owners;
use self::parts::Parts;
use self::pods::{PodEntry, Pods};
use self::services::{Reach, Services};
use self::uid::Uid;
use crate::EndpointPort;

mod address;
mod apply;
mod blocks;
mod chores;
mod claim;
mod context;
mod describe;
mod expiry;
mod holding;
mod interned;
mod list;
mod namespaces;
mod nodes;
mod owners;
mod parts;
mod pods;
mod services;
mod slots;
#[cfg(test)]
mod tests;
mod uid;

use crate::OwnerKind;

/// Who holds and held which address.
#[derive(Debug, Default)]
pub struct TopologyIndex {
    addresses: Parts<Address, Holdings>,
    /// Where the keys of `addresses` are.
    blocks: Blocks,
    /// How many holdings all addresses have.
    holdings: Count,
    pods: Pods,
    nodes: Nodes,
    owners: Owners,
    namespaces: Namespaces,
    services: Services,
    /// The values of labels that pods have, each combination once.
    labels: Interned<Arc<[Option<Name>]>>,
    /// Nodes that went, and pods that went before they were told of, until pruned: an event about
    /// them that comes late changes nothing.
    gone: HashMap<Uid, Timestamp>,
    /// What has ended, until it is pruned.
    expiry: Expiry,
    /// What the last change left to do.
    chores: Chores,
    /// The list of pods being told, if one is.
    pod_list: Option<List>,
    /// The list of nodes being told, if one is.
    node_list: Option<List>,
    /// The list of each kind of owner being told, if one is.
    owner_lists: [Option<List>; OwnerKind::ALL.len()],
    /// The list of namespaces being told, if one is.
    namespace_list: Option<List>,
    /// The list of Services being told, if one is.
    service_list: Option<List>,
    /// The list of `EndpointSlices` being told, if one is.
    endpoints_list: Option<List>,
    /// The number of the last list, so that what it did not have can be told.
    last_list: u32,
    /// How often it was told something.
    version: u64,
}

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

/// Who held an address in a window, lent by the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderRef<'a> {
    /// A pod, and where it is.
    Pod(&'a Arc<Pod>, &'a Site),
    /// A node, and where it is.
    Node(&'a Arc<Node>, &'a Site),
    /// As [`Holder::Reused`].
    Reused,
    /// As [`Holder::Nobody`].
    Nobody,
}

impl From<HolderRef<'_>> for Holder {
    fn from(found: HolderRef<'_>) -> Self {
        match found {
            HolderRef::Pod(pod, site) => Self::Held {
                endpoint: Endpoint::Pod(Arc::clone(pod)),
                site: site.clone(),
            },
            HolderRef::Node(node, site) => Self::Held {
                endpoint: Endpoint::Node(Arc::clone(node)),
                site: site.clone(),
            },
            HolderRef::Reused => Self::Reused,
            HolderRef::Nobody => Self::Nobody,
        }
    }
}

/// A window that begins after all that is told.
const NOW: Window = Window {
    start: Timestamp(u64::MAX),
    end: Timestamp(u64::MAX),
};

/// Where a pod is that is on no node.
static NOWHERE: LazyLock<Site> = LazyLock::new(|| Site::from(Located::default()));

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
    /// `ReplicaSets` and `Jobs`.
    pub owners: usize,
    /// Services.
    pub services: usize,
    /// Pods whose owner may itself be owned and was not told of: their workload is what the pod
    /// itself tells.
    pub ownerless: usize,
}

impl TopologyIndex {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Who held the address in the window.
    ///
    /// - Two or more, one after another: [`Holder::Reused`].
    /// - One, if only for a part of the window: that one. Nobody else could speak with the address.
    /// - None by what was told, and one that got it after the window: that one, if it existed by
    ///   the window's end, since we hear of a pod a little after it began to speak. Of a holder
    ///   whose creation is not known this is taken to be so if it is the address's first.
    ///
    /// A pod's site is its node's name with the zone and region the node had at the window's end (or
    /// when it went); of a node that was not told of, only the name is known. A label that was missing
    /// and came counts for windows before as well, as machines do not move.
    pub fn holder(&self, address: IpAddr, window: Window) -> Holder {
        self.find(address, window).into()
    }

    /// As [`Self::holder`], without taking a share in what it finds: for who looks up many and
    /// keeps few.
    pub fn find(&self, address: IpAddr, window: Window) -> HolderRef<'_> {
        let holdings = self.addresses.get(&Address::from(address));
        self.holder_of(holdings, window)
    }

    /// As [`Self::find`] for each address of a batch, in their order. Most of what a lookup takes is to
    /// wait for memory: so many at a time wait together.
    pub fn find_all(
        &self,
        addresses: &[IpAddr],
        window: Window,
    ) -> impl Iterator<Item = HolderRef<'_>> {
        let holdings = addresses
            .iter()
            .map(|address| self.addresses.get(&Address::from(*address)));
        let holdings: Vec<_> = holdings.collect();
        holdings
            .into_iter()
            .map(move |holdings| self.holder_of(holdings, window))
    }

    fn holder_of<'a>(&'a self, holdings: Option<&'a Holdings>, window: Window) -> HolderRef<'a> {
        match holdings.map_or(Found::None, |holdings| holdings.within(window)) {
            Found::One(holding) => self.holder_by(holding, window),
            Found::Several => HolderRef::Reused,
            Found::None => HolderRef::Nobody,
        }
    }

    fn holder_by<'a>(&'a self, holding: &'a Holding, window: Window) -> HolderRef<'a> {
        let then = self.nodes.then(holding.slot, window);
        let site = then.map_or(&*NOWHERE, Then::site);
        match &holding.owner {
            Owner::Pod(pod) => HolderRef::Pod(pod, site),
            Owner::Node => match then.and_then(Then::node) {
                Some(node) => HolderRef::Node(node, site),
                None => HolderRef::Nobody,
            },
        }
    }

    /// The node of each who held the address in the window by what was told, one after another;
    /// `None` for a pod on no node. With [`Holder::Reused`] there are two at least.
    pub fn nodes_of_holders(
        &self,
        address: IpAddr,
        window: Window,
    ) -> impl Iterator<Item = Option<&NodeName>> {
        let holdings = self.addresses.get(&Address::from(address)).into_iter();
        holdings
            .flat_map(move |holdings| holdings.overlapping(window))
            .map(|holding| self.nodes.get(holding.slot).map(|entry| &entry.name))
    }

    /// The addresses that are held now, a portion of them: of all portions, from the first on, until
    /// there is none.
    pub(crate) fn held(
        &self,
        portion: usize,
    ) -> Option<impl Iterator<Item = (IpAddr, HolderRef<'_>)>> {
        let held = self.addresses.part(portion)?;
        Some(held.filter_map(|(address, holdings)| {
            let holder = self.holder_by(holdings.holder()?, NOW);
            Some((IpAddr::from(*address), holder))
        }))
    }

    /// Whether it may soon be a new pod's or node's: a node gives its pods addresses from there, or
    /// somebody holds an address near this one, or did until not long ago, in the same /24 or the same
    /// /64 of IPv6.
    pub fn is_near(&self, address: IpAddr) -> bool {
        self.blocks.have(Address::from(address))
    }

    /// Whether the node of that name gives its pods addresses from a block that has this one.
    pub fn gives(&self, node: &NodeName, address: IpAddr) -> bool {
        let address = Address::from(address);
        let entry = self.nodes.find(node);
        entry.is_some_and(|entry| {
            let mut blocks = entry.blocks.iter();
            blocks.any(|block| address.within(block.length) == *block)
        })
    }

    /// The node of that name; one that is gone is known until it is pruned.
    pub fn node(&self, name: &NodeName) -> Option<Arc<Node>> {
        self.nodes.find(name)?.node.clone()
    }

    /// The node of that name as it was in the window.
    pub fn node_in(&self, name: &NodeName, window: Window) -> Option<&Arc<Node>> {
        self.nodes.then(self.nodes.slot_of(name)?, window)?.node()
    }

    /// Whether there is a node of that name now.
    pub fn has_node(&self, name: &NodeName) -> bool {
        self.nodes.find(name).is_some_and(|entry| entry.live)
    }

    /// The nodes there are now; in no order.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.live().filter_map(|entry| entry.node.as_ref())
    }

    /// The nodes there are that no agent can run on; in no order.
    pub fn nodes_without_agents(&self) -> impl Iterator<Item = &NodeName> {
        let nodes = self.nodes.live().filter(|entry| !entry.can_run_agent);
        nodes.map(|entry| &entry.name)
    }

    /// What clouds call the nodes there are, as far as they are told; in no order.
    pub fn provider_ids(&self) -> impl Iterator<Item = &str> {
        let nodes = self.nodes.live();
        nodes.filter_map(|entry| entry.provider_id.as_deref())
    }

    /// The node of a pod that has not completed, by the pod's name and uid.
    pub fn node_of_pod(&self, name: &str, uid: &str) -> Option<NodeName> {
        let entry = self.pods.find_entry(&Uid::of(uid))?;
        let is_it = entry.is_running() && entry.pod.name.as_str() == name;
        entry.pod.node.clone().filter(|_| is_it)
    }

    /// The pod with that uid, or the static pod that the kubelet of that node calls so, and where it
    /// is; until it is pruned one that is over, too. A uid is one pod's for ever, whatever the window
    /// and the node. Static pods of one manifest follow each other, and several nodes may read it: of
    /// them it is the one that was on that node in the window.
    pub fn pod_by_uid(
        &self,
        uid: PodUid,
        window: Window,
        node: &NodeName,
    ) -> Option<(&Arc<Pod>, &Site)> {
        let entry = match self.pods.find_entry(&Uid::Bits(uid)) {
            Some(entry) => entry,
            None => self.static_pod(uid, window, node)?,
        };
        let then = self.nodes.then(entry.slot, window);
        Some((&entry.pod, then.map_or(&*NOWHERE, Then::site)))
    }

    /// Of the static pods with that digest the one that was on that node in the window: of several
    /// the last.
    fn static_pod(&self, digest: PodUid, window: Window, node: &NodeName) -> Option<&PodEntry> {
        let was_there = |entry: &&PodEntry| {
            let on = self.nodes.get(entry.slot);
            on.is_some_and(|on| on.name == *node)
                && entry.ended > window.start
                && entry.created.is_none_or(|at| at < window.end)
        };
        let fitting = self.pods.of_digest(digest).filter(was_there);
        fitting.max_by_key(|entry| entry.created)
    }

    /// Whether a pod of that name runs: is there and has not completed.
    pub fn has_pod(&self, namespace: &str, name: &str) -> bool {
        self.pods.runs(namespace, name)
    }

    /// Whether a pod of that workload runs.
    pub fn has_workload(&self, namespace: &str, kind: &str, name: &str) -> bool {
        let (Ok(kind), Ok(name)) = (Name::new(kind), Name::new(name)) else {
            return false;
        };
        self.namespaces.runs(namespace, &Workload { kind, name })
    }

    /// Whether a pod is remembered that is or was in the namespace, or it was told of and is not gone.
    pub fn has_namespace(&self, name: &Namespace) -> bool {
        self.namespaces.has(name)
    }

    /// The values of a label that is kept, by its place, that pods have and namespaces. Some come more
    /// than once.
    pub fn label_values(&self, place: usize) -> impl Iterator<Item = &Name> {
        let combinations = self.labels.values();
        let of_pods = combinations.filter_map(move |values| values.get(place)?.as_ref());
        of_pods.chain(self.namespaces.values(place))
    }

    /// The Service that has the address in the cluster, and what its ready endpoints have in common:
    /// one node, one zone, or one region only. If that is nothing, it is
    /// [`UnknownReason::ServiceAddress`]. One that is gone has its address until it is pruned, or
    /// another has it; of several that share one, none is told.
    ///
    /// [`UnknownReason::ServiceAddress`]: kubezonnet_model::UnknownReason::ServiceAddress
    pub fn service_at(&self, address: IpAddr) -> Option<(&Arc<Service>, &Site)> {
        let service = self.services.at(Address::from(address), Reach::Cluster)?;
        Some((service, self.services.site(service, &self.nodes)?))
    }

    /// The Service that has the address outside of the cluster, as an external one or as its load
    /// balancer's; else as [`Self::service_at`]. Who sends with it is not the Service's endpoints
    /// alone, nor need it be where they are.
    pub fn external_service_at(&self, address: IpAddr) -> Option<&Arc<Service>> {
        self.services.at(Address::from(address), Reach::External)
    }

    /// The Service that has that port of that address for an endpoint; `None` if several have.
    pub fn service_of(
        &self,
        endpoint: IpAddr,
        protocol: Protocol,
        port: u16,
    ) -> Option<&Arc<Service>> {
        let behind = self.services_behind(endpoint);
        let mut services = behind
            .filter(|(own, _)| own.is(protocol, port))
            .map(|(_, service)| service);
        let first = services.next()?;
        services.all(|other| other == first).then_some(first)
    }

    /// The ports that address has as an endpoint, each with its Service.
    pub fn services_behind(
        &self,
        endpoint: IpAddr,
    ) -> impl Iterator<Item = (EndpointPort, &Arc<Service>)> {
        self.services.behind(Address::from(endpoint))
    }

    /// The endpoint of the Service on that node; `None` if there is none, or more than one.
    pub fn service_endpoint_on(&self, service: &Service, node: &NodeName) -> Option<IpAddr> {
        let slot = self.nodes.slot_of(node)?;
        self.services.endpoint_on(service, slot).map(IpAddr::from)
    }

    /// A number that rises with everything the index is told. While it stays, so do the answers, but
    /// for windows so old that their holders were pruned.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How much it holds.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            pods: self.pods.count_running(),
            nodes: self.nodes.live().count(),
            addresses: self.holdings.open,
            past: self.holdings.ended,
            owners: self.owners.count(),
            services: self.services.count(),
            ownerless: self.owners.count_waiting(),
        }
    }
}
