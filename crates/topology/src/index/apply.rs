//! Single changes: a pod or a node is as told, or gone.

use std::sync::Arc;

use kubezonnet_model::{Node, NodeName, Site, Timestamp};

use super::TopologyIndex;
use super::address::Address;
use super::holding::{Claim, Owner};
use super::list::List;
use super::pods::PodEntry;
use crate::{NodeState, PodState};

impl TopologyIndex {
    /// Takes over a pod as it is since `now`.
    pub fn apply_pod(&mut self, state: PodState, now: Timestamp) {
        self.version += 1;
        let list = self.pod_list;
        if list.is_some() {
            self.gone.remove(state.uid.as_str());
        } else if self.gone.contains_key(state.uid.as_str()) {
            return;
        }
        let at = list.map_or(now, |list| list.at);
        if state.completed {
            self.complete_pod(state, at, list);
        } else if list.is_some() || !self.pods.completed.contains_key(state.uid.as_str()) {
            self.run_pod(state, at, list);
        }
    }

    fn run_pod(&mut self, state: PodState, at: Timestamp, list: Option<List>) {
        self.pods.completed.remove(state.uid.as_str());
        let addresses = holdable(&state);
        let (created, leaving) = (state.created, state.leaving);
        let (pod, slot) = self.pods.shared(state, &mut self.nodes);
        let owner = Owner::Pod(Arc::clone(&pod));
        let entry = PodEntry {
            pod: Arc::clone(&pod),
            slot,
            addresses: addresses.clone(),
            created,
            leaving,
            seen: List::number(list),
        };
        let known = self.pods.by_uid.insert(Arc::clone(&pod.uid), entry);
        let had = known.map(|entry| entry.addresses).unwrap_or_default();

        let dropped = had.iter().filter(|address| !addresses.contains(address));
        self.release(dropped, &owner, slot, at);
        for address in addresses {
            if had.contains(&address) {
                self.renew(address, &owner, slot);
            } else if list.is_some() {
                self.pods.claims.push((address, Arc::clone(&pod.uid)));
            } else {
                let claim = Claim {
                    owner: owner.clone(),
                    slot,
                    at,
                    created,
                };
                self.claim(address, claim, leaving);
            }
        }
    }

    fn complete_pod(&mut self, state: PodState, at: Timestamp, list: Option<List>) {
        let (addresses, created) = (holdable(&state), state.created);
        let (pod, slot) = self.pods.shared(state, &mut self.nodes);
        let known = self.pods.by_uid.remove(&pod.uid);
        let completed = &mut self.pods.completed;
        let before = completed.insert(Arc::clone(&pod.uid), List::number(list));
        let owner = Owner::Pod(pod);
        let had = known.map(|entry| entry.addresses).unwrap_or_default();
        self.release(had.iter(), &owner, slot, at);

        if before.is_some() || list.is_some() {
            return;
        }
        // It completed just now. An address that it names and was never told to have, it had until
        // now: a short pod is over before its first address is told.
        for address in addresses {
            if !had.contains(&address) {
                let claim = Claim {
                    owner: owner.clone(),
                    slot,
                    at,
                    created,
                };
                self.claim_past(address, claim);
            }
        }
    }

    /// Ends everything the pod held.
    pub fn delete_pod(&mut self, uid: &str, now: Timestamp) {
        self.version += 1;
        self.gone.insert(uid.into(), now);
        self.pods.completed.remove(uid);
        if let Some(entry) = self.pods.by_uid.remove(uid) {
            let owner = Owner::Pod(entry.pod);
            self.release(entry.addresses.iter(), &owner, entry.slot, now);
        }
    }

    /// Takes over a node as it is since `now`.
    pub fn apply_node(&mut self, state: NodeState, now: Timestamp) {
        self.version += 1;
        let list = self.node_list;
        if list.is_some() {
            self.gone.remove(state.uid.as_str());
        } else if self.gone.contains_key(state.uid.as_str()) {
            return;
        }
        let at = list.map_or(now, |list| list.at);
        let addresses = Address::holdable(&state.addresses);
        let (slot, entry) = self.nodes.named(&state.name);
        entry.site = Site::Known {
            node: Some(entry.name.clone()),
            zone: state.zone.clone(),
            zone_id: state.zone_id.clone(),
            region: state.region.clone(),
        };
        entry.node = Some(Arc::new(Node {
            name: entry.name.clone(),
            zone: state.zone,
            zone_id: state.zone_id,
            region: state.region,
        }));
        entry.uid = state.uid;
        entry.live = true;
        entry.seen = List::number(list);
        let had = std::mem::replace(&mut entry.addresses, addresses.clone());

        let dropped = had.iter().filter(|address| !addresses.contains(address));
        self.release(dropped, &Owner::Node, slot, at);
        for address in addresses.iter().filter(|address| !had.contains(address)) {
            if list.is_some() {
                self.nodes.claims.push((*address, slot));
            } else {
                self.claim(*address, Claim::of_node(slot, at), false);
            }
        }
    }

    /// Ends everything the node held, unless another of the same name has taken its place.
    pub fn delete_node(&mut self, name: &NodeName, uid: &str, now: Timestamp) {
        self.version += 1;
        self.gone.insert(uid.into(), now);
        let Some((slot, entry)) = self.nodes.find_mut(name) else {
            return;
        };
        if entry.live && entry.uid == uid {
            entry.live = false;
            entry.gone = now;
            let addresses = std::mem::take(&mut entry.addresses);
            self.release(addresses.iter(), &Owner::Node, slot, now);
        }
    }
}

/// The addresses that are the pod's own.
fn holdable(state: &PodState) -> Box<[Address]> {
    if state.host_network {
        Box::default()
    } else {
        Address::holdable(&state.addresses)
    }
}
