//! What surrounds pods: owners, namespaces, Services. Owners and namespaces told of late, or anew,
//! renew the pods.

use kubezonnet_model::{Namespace, Service, Timestamp};

use super::TopologyIndex;
use super::address::Address;
use super::chores::{Chore, Whom};
use super::expiry::Ended;
use super::list::List;
use super::nodes::Slot;
use super::owners::Change;
use super::services::Endpoint;
use super::uid::Uid;
use crate::{EndpointSliceState, NamespaceState, OwnerKind, OwnerState, ServiceState};

impl TopologyIndex {
    /// Takes over an owner as it is now.
    pub fn apply_owner(&mut self, state: OwnerState) {
        self.apply_owner_later(state);
        self.finish();
    }

    /// As [`Self::apply_owner`], leaving what it takes to [`Topology::tell`](crate::Topology::tell).
    pub fn apply_owner_later(&mut self, state: OwnerState) {
        self.version += 1;
        let uid = Uid::of(&state.uid);
        let list = List::number(self.owner_lists[state.kind as usize]);
        let told = self
            .owners
            .told(uid.clone(), state.kind, state.workload, list);
        let chore = match told {
            Change::Nothing => return,
            Change::New(pods) => Chore::Refresh(pods),
            Change::Other => Chore::Walk(Whom::Of(uid), 0),
        };
        self.chores.push_back(chore);
    }

    /// The owner is gone: its pods belong to what they did, and so do those told of late.
    pub fn delete_owner(&mut self, uid: &str, now: Timestamp) {
        self.version += 1;
        let uid = Uid::of(uid);
        if self.owners.gone(&uid, now) {
            self.expiry.push(now, Ended::Owner(uid));
        }
    }

    /// Begins to tell of all the owners of that kind, as [`Self::begin_pods`] does for pods.
    pub fn begin_owners(&mut self, kind: OwnerKind, now: Timestamp) {
        self.owner_lists[kind as usize] = Some(self.next_list(now));
    }

    /// Ends what [`Self::begin_owners`] began: owners not told of since are gone.
    pub fn end_owners(&mut self, kind: OwnerKind) {
        let Some(list) = self.owner_lists[kind as usize].take() else {
            return;
        };
        self.version += 1;
        for uid in self.owners.unseen(kind, list.number) {
            if self.owners.gone(&uid, list.at) {
                self.expiry.push(list.at, Ended::Owner(uid));
            }
        }
    }

    /// Takes over a namespace as it is now.
    pub fn apply_namespace(&mut self, state: NamespaceState) {
        self.apply_namespace_later(state);
        self.finish();
    }

    /// As [`Self::apply_namespace`], leaving what it takes to [`Topology::tell`](crate::Topology::tell).
    pub fn apply_namespace_later(&mut self, state: NamespaceState) {
        self.version += 1;
        let list = List::number(self.namespace_list);
        let NamespaceState { name, labels } = state;
        if self.namespaces.told(name.clone(), labels, list) {
            self.chores.push_back(Chore::Walk(Whom::In(name), 0));
        }
    }

    /// The namespace is gone: its pods keep what it said of them.
    pub fn delete_namespace(&mut self, name: &Namespace) {
        self.version += 1;
        self.namespaces.gone(name);
    }

    /// Begins to tell of all the namespaces, as [`Self::begin_pods`] does for pods.
    pub fn begin_namespaces(&mut self, now: Timestamp) {
        self.namespace_list = Some(self.next_list(now));
    }

    /// Ends what [`Self::begin_namespaces`] began: namespaces not told of since are gone.
    pub fn end_namespaces(&mut self) {
        let Some(list) = self.namespace_list.take() else {
            return;
        };
        self.version += 1;
        for namespace in self.namespaces.unseen(list.number) {
            self.namespaces.gone(&namespace);
        }
    }

    /// Takes over a Service as it is now.
    pub fn apply_service(&mut self, state: ServiceState) {
        self.version += 1;
        let addresses =
            [&state.addresses, &state.external].map(|addresses| Address::holdable(addresses));
        let uid = Uid::of(&state.uid);
        let list = List::number(self.service_list);
        self.services.told(state.service, uid, &addresses, list);
    }

    /// The Service is gone: its addresses stay its own until they are pruned, or another has them.
    pub fn delete_service(&mut self, service: &Service, uid: &str, now: Timestamp) {
        self.version += 1;
        self.end_service(service, &Uid::of(uid), now);
    }

    fn end_service(&mut self, service: &Service, uid: &Uid, at: Timestamp) {
        if self.services.gone(service, uid, at) {
            self.expiry
                .push(at, Ended::Service(Box::new(service.clone())));
        }
    }

    /// Begins to tell of all the Services, as [`Self::begin_pods`] does for pods.
    pub fn begin_services(&mut self, now: Timestamp) {
        self.service_list = Some(self.next_list(now));
    }

    /// Ends what [`Self::begin_services`] began: Services not told of since are gone.
    pub fn end_services(&mut self) {
        let Some(list) = self.service_list.take() else {
            return;
        };
        self.version += 1;
        for (service, uid) in self.services.unseen(list.number) {
            self.end_service(&service, &uid, list.at);
        }
    }

    /// Takes over an `EndpointSlice` as it is now.
    pub fn apply_endpoints(&mut self, state: EndpointSliceState) {
        self.version += 1;
        let nodes = &mut self.nodes;
        let endpoints = state.endpoints.into_iter().filter_map(|endpoint| {
            let address = Address::holdable(&[endpoint.address]).first().copied()?;
            let node = endpoint.node.map_or(Slot::NONE, |name| nodes.slot(&name));
            Some(Endpoint {
                address,
                node,
                is_ready: endpoint.is_ready,
            })
        });
        let endpoints = endpoints.collect();
        let list = List::number(self.endpoints_list);
        let (uid, ports) = (Uid::of(&state.uid), state.ports.into());
        let service = state.service;
        self.services
            .slice_told(uid, service, endpoints, ports, (list, nodes));
    }

    /// The `EndpointSlice` is gone.
    pub fn delete_endpoints(&mut self, uid: &str) {
        self.version += 1;
        self.services.slice_gone(&Uid::of(uid), &mut self.nodes);
    }

    /// Begins to tell of all the `EndpointSlices`, as [`Self::begin_pods`] does for pods.
    pub fn begin_endpoints(&mut self, now: Timestamp) {
        self.endpoints_list = Some(self.next_list(now));
    }

    /// Ends what [`Self::begin_endpoints`] began: `EndpointSlices` not told of since are gone.
    pub fn end_endpoints(&mut self) {
        let Some(list) = self.endpoints_list.take() else {
            return;
        };
        self.version += 1;
        for uid in self.services.unseen_slices(list.number) {
            self.services.slice_gone(&uid, &mut self.nodes);
        }
    }
}
