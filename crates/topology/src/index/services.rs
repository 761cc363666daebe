//! The Services: who has which address, and whose endpoint is which.

use std::sync::{Arc, OnceLock};

use foldhash::HashMap;
use kubezonnet_model::{Located, Service, Site, Timestamp, UnknownReason};

use super::address::Address;
use super::nodes::{Nodes, Slot};
use super::parts::Parts;
use super::slots::Slots;
use super::uid::Uid;
use crate::EndpointPort;

/// The Services that were told of, or that an `EndpointSlice` names.
#[derive(Debug, Default)]
pub(super) struct Services {
    known: HashMap<Arc<Service>, ServiceEntry>,
    /// Who has an address, by [`Reach`]: several can share that of a load balancer.
    by_address: [HashMap<Address, Vec<Arc<Service>>>; Reach::ALL.len()],
    slices: HashMap<Uid, SliceSlot>,
    entries: Slots<SliceEntry>,
    /// The slices that an endpoint is in.
    targets: Parts<Address, Targets>,
}

#[derive(Debug, Default)]
struct ServiceEntry {
    uid: Option<Uid>,
    /// By [`Reach`].
    addresses: [Box<[Address]>; Reach::ALL.len()],
    slices: Vec<SliceSlot>,
    /// Where all its endpoints are, once asked for.
    site: OnceLock<Site>,
    /// The list that last had it.
    seen: u32,
    /// Told of, and not gone.
    live: bool,
    /// When it went.
    gone: Timestamp,
}

/// From where an address leads to a Service: whoever may write Services chooses the external ones, and
/// takes no address from another by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Within the cluster.
    Cluster,
    /// From outside: by an external address or a load balancer's.
    External,
}

impl Reach {
    const ALL: [Self; 2] = [Self::Cluster, Self::External];
}

/// Where a slice is in [`Services`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SliceSlot(u32);

#[derive(Debug)]
struct SliceEntry {
    service: Arc<Service>,
    endpoints: Box<[Endpoint]>,
    ports: Box<[EndpointPort]>,
    /// The list that last had it.
    seen: u32,
}

/// An address that stands behind a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) address: Address,
    pub(super) node: Slot,
    pub(super) is_ready: bool,
}

/// The slices that an endpoint is in: nearly always one.
#[derive(Debug)]
struct Targets {
    first: SliceSlot,
    more: Box<[SliceSlot]>,
}

impl Services {
    /// The Service that has the address. Of several that share one, none can be named; one that is gone
    /// has it as long as nobody else does.
    pub(super) fn at(&self, address: Address, reach: Reach) -> Option<&Arc<Service>> {
        let holders = self.by_address[reach as usize].get(&address)?;
        let entries = holders
            .iter()
            .filter_map(|service| self.known.get_key_value(service));
        let mut live = entries.clone().filter(|(_, entry)| entry.live);
        let (service, _) = match (live.next(), live.next()) {
            (Some(one), None) => one,
            (None, _) => entries.max_by_key(|(_, entry)| entry.gone)?,
            _ => return None,
        };
        Some(service)
    }

    /// What all endpoints of a Service have in common.
    pub(super) fn site(&self, service: &Service, nodes: &Nodes) -> Option<&Site> {
        let entry = self.known.get(service)?;
        Some(entry.site.get_or_init(|| self.common_site(entry, nodes)))
    }

    /// What all its ready endpoints have in common.
    fn common_site(&self, entry: &ServiceEntry, nodes: &Nodes) -> Site {
        let slices = entry.slices.iter().filter_map(|slot| self.slice(*slot));
        let endpoints = slices.flat_map(|slice| &*slice.endpoints);
        let ready = endpoints.filter(|endpoint| endpoint.is_ready);
        let mut sites = ready.map(|endpoint| Some(&nodes.get(endpoint.node)?.site));
        let unknown = Site::Unknown(UnknownReason::ServiceAddress);
        let Some(first) = sites.next().flatten() else {
            return unknown;
        };
        let common = sites.try_fold(first.clone(), |common, site| common_of(&common, site?));
        common.unwrap_or(unknown)
    }

    /// The ports that an endpoint has, each with its Service.
    pub(super) fn behind(
        &self,
        address: Address,
    ) -> impl Iterator<Item = (EndpointPort, &Arc<Service>)> {
        let targets = self.targets.get(&address).into_iter();
        let slots = targets.flat_map(|targets| [&targets.first].into_iter().chain(&targets.more));
        let slices = slots.filter_map(|slot| self.slice(*slot));
        slices.flat_map(|slice| slice.ports.iter().map(|port| (*port, &slice.service)))
    }

    /// The one endpoint that a Service has on a node.
    pub(super) fn endpoint_on(&self, service: &Service, node: Slot) -> Option<Address> {
        let slices = &self.known.get(service)?.slices;
        let slices = slices.iter().filter_map(|slot| self.slice(*slot));
        let endpoints = slices.flat_map(|slice| &*slice.endpoints);
        let mut here = endpoints.filter(|endpoint| endpoint.node == node);
        let first = here.next()?.address;
        here.all(|other| other.address == first).then_some(first)
    }

    /// Takes over a Service as it is, with its addresses by [`Reach`].
    pub(super) fn told(
        &mut self,
        service: Service,
        uid: Uid,
        addresses: &[Box<[Address]>; Reach::ALL.len()],
        list: u32,
    ) {
        let service = self.shared(service);
        let entry = self.known.entry(Arc::clone(&service)).or_default();
        entry.uid = Some(uid);
        (entry.live, entry.seen) = (true, list);
        let had = std::mem::replace(&mut entry.addresses, addresses.clone());
        for (reach, (had, has)) in Reach::ALL.into_iter().zip(had.iter().zip(addresses)) {
            for address in had.iter().filter(|address| !has.contains(address)) {
                self.give_back(*address, reach, &service);
            }
            for address in has.iter().filter(|address| !had.contains(address)) {
                let holders = self.by_address[reach as usize].entry(*address);
                holders.or_default().push(Arc::clone(&service));
            }
        }
    }

    /// The Service is gone, unless another of its name has taken its place; true if it went now.
    pub(super) fn gone(&mut self, service: &Service, uid: &Uid, at: Timestamp) -> bool {
        let entry = self.known.get_mut(service);
        let Some(entry) = entry.filter(|entry| entry.live && entry.uid.as_ref() == Some(uid))
        else {
            return false;
        };
        entry.live = false;
        entry.gone = at;
        true
    }

    /// Forgets the addresses of a Service that went before.
    pub(super) fn forget(&mut self, service: &Service, before: Timestamp) {
        let Some((shared, entry)) = self.known.get_key_value(service) else {
            return;
        };
        if entry.live || entry.gone >= before {
            return;
        }
        let service = Arc::clone(shared);
        if let Some(entry) = self.known.get_mut(&service) {
            let had = std::mem::take(&mut entry.addresses);
            for (reach, had) in Reach::ALL.into_iter().zip(had) {
                for address in had {
                    self.give_back(address, reach, &service);
                }
            }
        }
        self.drop_if_unused(&service);
    }

    /// Services that the list did not have.
    pub(super) fn unseen(&self, list: u32) -> Vec<(Arc<Service>, Uid)> {
        let known = self.known.iter();
        known
            .filter(|(_, entry)| entry.live && entry.seen != list)
            .filter_map(|(service, entry)| Some((Arc::clone(service), entry.uid.clone()?)))
            .collect()
    }

    /// Takes over a slice as it is.
    pub(super) fn slice_told(
        &mut self,
        uid: Uid,
        service: Service,
        endpoints: Box<[Endpoint]>,
        ports: Box<[EndpointPort]>,
        (list, nodes): (u32, &mut Nodes),
    ) {
        let known = self.slices.get(&uid).copied();
        if let Some(slot) = known
            && let Some(slice) = self.slice_mut(slot)
        {
            slice.seen = list;
            let is_same =
                *slice.service == service && slice.endpoints == endpoints && slice.ports == ports;
            if is_same {
                return;
            }
        }
        for endpoint in &endpoints {
            nodes.take(endpoint.node);
        }
        self.slice_gone(&uid, nodes);
        let service = self.shared(service);
        let entry = self.known.entry(Arc::clone(&service)).or_default();
        let addresses: Vec<_> = endpoints.iter().map(|endpoint| endpoint.address).collect();
        let slot = SliceSlot(self.entries.insert(SliceEntry {
            service,
            endpoints,
            ports,
            seen: list,
        }));
        entry.slices.push(slot);
        entry.site.take();
        for address in addresses {
            self.add_target(address, slot);
        }
        self.slices.insert(uid, slot);
    }

    /// The slice is gone.
    pub(super) fn slice_gone(&mut self, uid: &Uid, nodes: &mut Nodes) {
        let Some(slot) = self.slices.remove(uid) else {
            return;
        };
        let Some(slice) = self.entries.remove(slot.0) else {
            return;
        };
        for endpoint in &slice.endpoints {
            nodes.give_back(endpoint.node);
            self.drop_target(endpoint.address, slot);
        }
        if let Some(entry) = self.known.get_mut(&slice.service) {
            entry.slices.retain(|each| *each != slot);
            entry.site.take();
        }
        self.drop_if_unused(&slice.service);
    }

    /// Slices that the list did not have.
    pub(super) fn unseen_slices(&self, list: u32) -> Vec<Uid> {
        let slices = self.slices.iter();
        slices
            .filter(|(_, slot)| self.slice(**slot).is_some_and(|slice| slice.seen != list))
            .map(|(uid, _)| uid.clone())
            .collect()
    }

    /// A node is where it was not: what endpoints have in common is to be found anew.
    pub(super) fn forget_sites(&mut self) {
        for entry in self.known.values_mut() {
            entry.site.take();
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.known.values().filter(|entry| entry.live).count()
    }

    fn slice(&self, slot: SliceSlot) -> Option<&SliceEntry> {
        self.entries.get(slot.0)
    }

    fn slice_mut(&mut self, slot: SliceSlot) -> Option<&mut SliceEntry> {
        self.entries.get_mut(slot.0)
    }

    fn shared(&self, service: Service) -> Arc<Service> {
        let known = self.known.get_key_value(&service);
        known.map_or_else(|| Arc::new(service), |(shared, _)| Arc::clone(shared))
    }

    fn give_back(&mut self, address: Address, reach: Reach, service: &Arc<Service>) {
        let by_address = &mut self.by_address[reach as usize];
        if let Some(holders) = by_address.get_mut(&address) {
            holders.retain(|each| each != service);
            if holders.is_empty() {
                by_address.remove(&address);
            }
        }
    }

    fn drop_if_unused(&mut self, service: &Arc<Service>) {
        let is_unused = |entry: &ServiceEntry| {
            !entry.live
                && entry.slices.is_empty()
                && entry.addresses.iter().all(|addresses| addresses.is_empty())
        };
        if self.known.get(service).is_some_and(is_unused) {
            self.known.remove(service);
        }
    }

    fn add_target(&mut self, address: Address, slot: SliceSlot) {
        if let Some(targets) = self.targets.get_mut(&address) {
            let more = targets.more.iter().copied().chain([slot]);
            targets.more = more.collect();
            return;
        }
        let targets = Targets {
            first: slot,
            more: Box::default(),
        };
        self.targets.insert(address, targets);
    }

    fn drop_target(&mut self, address: Address, slot: SliceSlot) {
        let Some(targets) = self.targets.get_mut(&address) else {
            return;
        };
        let all = [targets.first]
            .into_iter()
            .chain(targets.more.iter().copied());
        let mut left = all.filter(|each| *each != slot);
        if let Some(first) = left.next() {
            let more = left.collect();
            *targets = Targets { first, more };
        } else {
            drop(left);
            self.targets.remove(&address);
        }
    }
}

/// What two sites have in common, if anything.
fn common_of(one: &Site, other: &Site) -> Option<Site> {
    fn both<T: Clone + PartialEq>(one: Option<&T>, other: Option<&T>) -> Option<T> {
        one.filter(|_| one == other).cloned()
    }
    let common = Located {
        node: both(one.node(), other.node()),
        zone: both(one.zone(), other.zone()),
        zone_id: both(one.zone_id(), other.zone_id()),
        region: both(one.region(), other.region()),
    };
    (common != Located::default()).then(|| common.into())
}
