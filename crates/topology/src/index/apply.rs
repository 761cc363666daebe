//! Single changes: a pod or a node is as told, or gone.

use std::sync::Arc;

use kubezonnet_model::{Located, Node, NodeName, Site, Timestamp};

use super::TopologyIndex;
use super::address::{Address, Block};
use super::expiry::Ended;
use super::holding::{Claim, OPEN, Owner};
use super::list::List;
use super::pods::{Phase, PodSlot};
use super::uid::Uid;
use crate::{NodeState, PodState};

impl TopologyIndex {
    /// Takes over a pod as it is since `now`.
    pub fn apply_pod(&mut self, state: PodState, now: Timestamp) {
        self.version += 1;
        let list = self.pod_list;
        let uid = Uid::of(&state.uid);
        let known = self.pods.find(&uid);
        let phase = known.and_then(|slot| Some(self.pods.get(slot)?.phase));
        if let Some(list) = list {
            self.gone.remove(&uid);
            if let Some(seen) = self.pods.completed.get_mut(&uid)
                && state.completed
            {
                *seen = list.number;
                return;
            }
            self.pods.completed.remove(&uid);
        } else {
            // What is told of one that is over comes late.
            let is_over = matches!(phase, Some(Phase::Completed | Phase::Gone))
                || self.pods.completed.contains_key(&uid)
                || self.gone.contains_key(&uid);
            if is_over {
                return;
            }
        }
        let at = list.map_or(now, |list| list.at);
        if state.completed {
            self.complete_pod(uid, known, state, at);
        } else {
            self.run_pod(uid, known, state, at);
        }
    }

    fn run_pod(&mut self, uid: Uid, known: Option<PodSlot>, state: PodState, at: Timestamp) {
        let addresses = holdable(&state);
        let leaving = state.leaving;
        let slot = match known {
            Some(slot) => {
                self.run_again(slot);
                self.renew_pod(slot, state);
                slot
            }
            None => self.add_pod(uid, state, Phase::Running, OPEN),
        };
        let had = self.name_addresses(slot, addresses.clone(), at);
        let new = addresses.iter().filter(|address| !had.contains(address));
        for address in new {
            if leaving && self.pod_list.is_some() {
                self.pods.claims.push((*address, slot));
            } else {
                self.claim_for(slot, *address, at, self.pod_list);
            }
        }
    }

    /// A pod that was over, by what was told, is not: what it held it has no longer.
    fn run_again(&mut self, slot: PodSlot) {
        if let Some(entry) = self.pods.get_mut(slot)
            && !entry.is_running()
        {
            entry.addresses = Box::default();
            self.set_phase(slot, Phase::Running, OPEN);
        }
    }

    /// The pod names these now; returns those of them that it named before, and gives back the
    /// others.
    fn name_addresses(
        &mut self,
        slot: PodSlot,
        addresses: Box<[Address]>,
        at: Timestamp,
    ) -> Box<[Address]> {
        let Some(entry) = self.pods.get_mut(slot) else {
            return Box::default();
        };
        if entry.addresses == addresses {
            return addresses;
        }
        let had = std::mem::replace(&mut entry.addresses, addresses.clone());
        let (owner, node) = (Owner::Pod(Arc::clone(&entry.pod)), entry.slot);
        let dropped = had.iter().filter(|address| !addresses.contains(address));
        self.release(dropped, &owner, node, at);
        had
    }

    /// The pod in the slot claims the address, and keeps it or not.
    pub(super) fn claim_for(
        &mut self,
        slot: PodSlot,
        address: Address,
        at: Timestamp,
        list: Option<List>,
    ) {
        if let Some(entry) = self.pods.get(slot) {
            let claim = Claim {
                owner: Owner::Pod(Arc::clone(&entry.pod)),
                slot: entry.slot,
                at,
                created: entry.created,
                list: List::number(list),
            };
            let leaving = entry.leaving;
            self.claim(address, claim, leaving);
        }
    }

    fn complete_pod(&mut self, uid: Uid, known: Option<PodSlot>, state: PodState, at: Timestamp) {
        let addresses = holdable(&state);
        let (slot, had) = if let Some(slot) = known {
            self.renew_pod(slot, state);
            let had = self.pods.get(slot).map(|entry| entry.addresses.clone());
            self.end_pod(slot, Phase::Completed, at);
            (slot, had.unwrap_or_default())
        } else {
            let slot = self.add_pod(uid, state, Phase::Completed, at);
            self.expiry.push(at, Ended::Pod(slot));
            (slot, Box::default())
        };
        if self.pod_list.is_some() {
            return;
        }
        // It completed just now. An address that it names and was never told to have, it had until
        // now: a short pod is over before its first address is told.
        let Some(entry) = self.pods.get_mut(slot) else {
            return;
        };
        let (pod, node, created) = (Arc::clone(&entry.pod), entry.slot, entry.created);
        let all = had.iter().chain(&addresses).copied();
        entry.addresses = all.collect();
        for address in addresses.iter().filter(|address| !had.contains(address)) {
            let claim = Claim {
                owner: Owner::Pod(Arc::clone(&pod)),
                slot: node,
                at,
                created,
                list: 0,
            };
            self.claim_past(*address, claim);
        }
    }

    /// Ends everything the pod held.
    pub fn delete_pod(&mut self, uid: &str, now: Timestamp) {
        self.version += 1;
        let uid = Uid::of(uid);
        if let Some(slot) = self.pods.find(&uid) {
            self.end_pod(slot, Phase::Gone, now);
        } else {
            self.pods.completed.remove(&uid);
            self.expiry.push(now, Ended::Unknown(uid.clone()));
            self.gone.insert(uid, now);
        }
    }

    /// The pod is over, if it was not yet.
    pub(super) fn end_pod(&mut self, slot: PodSlot, phase: Phase, at: Timestamp) {
        let Some(entry) = self.pods.get_mut(slot) else {
            return;
        };
        if !entry.is_running() {
            // It is remembered from now on, as one that was not known.
            let ended = if entry.phase == phase {
                entry.ended
            } else {
                at
            };
            self.set_phase(slot, phase, ended);
            self.expiry.push(ended, Ended::Pod(slot));
            return;
        }
        let (owner, node) = (Owner::Pod(Arc::clone(&entry.pod)), entry.slot);
        let addresses = entry.addresses.clone();
        self.set_phase(slot, phase, at);
        self.expiry.push(at, Ended::Pod(slot));
        self.release(addresses.iter(), &owner, node, at);
    }

    /// Takes over a node as it is since `now`.
    pub fn apply_node(&mut self, state: NodeState, now: Timestamp) {
        self.version += 1;
        let uid = Uid::of(&state.uid);
        if self.node_list.is_some() {
            self.gone.remove(&uid);
        } else if self.gone.contains_key(&uid) {
            return;
        }
        let list = self.node_list;
        let (at, number) = (list.map_or(now, |list| list.at), List::number(list));
        let addresses = Address::holdable(&state.addresses);
        let (slot, entry) = self.nodes.named(&state.name);
        let site = Site::from(Located {
            node: Some(entry.name.clone()),
            zone: state.zone.clone(),
            zone_id: state.zone_id.clone(),
            region: state.region.clone(),
        });
        let node = Arc::new(Node {
            name: entry.name.clone(),
            zone: state.zone,
            zone_id: state.zone_id,
            region: state.region,
        });
        let is_same_machine = entry.uid == state.uid;
        if entry.site != site {
            self.services.forget_sites();
        }
        if self.nodes.place(slot, (site, node), is_same_machine, at) {
            self.expiry.push(at, Ended::Place(slot));
        }
        let (_, entry) = self.nodes.named(&state.name);
        entry.uid = state.uid;
        entry.provider_id = state.provider_id.map(Into::into);
        entry.can_run_agent = state.can_run_agent;
        entry.live = true;
        entry.seen = number;
        let had = std::mem::replace(&mut entry.addresses, addresses.clone());
        let blocks = Block::of_pods(&state.pod_cidrs);
        if entry.blocks != blocks {
            self.blocks.give(&blocks);
            let before = std::mem::replace(&mut entry.blocks, blocks);
            self.blocks.give_no_more(&before);
        }

        let dropped = had.iter().filter(|address| !addresses.contains(address));
        self.release(dropped, &Owner::Node, slot, at);
        for address in addresses.iter().filter(|address| !had.contains(address)) {
            if number == 0 {
                self.claim(*address, Claim::of_node(slot, at), false);
            } else {
                self.nodes.claims.push((*address, slot));
            }
        }
    }

    /// Ends everything the node held, unless another of the same name has taken its place.
    pub fn delete_node(&mut self, name: &NodeName, uid: &str, now: Timestamp) {
        self.version += 1;
        let key = Uid::of(uid);
        self.expiry.push(now, Ended::Unknown(key.clone()));
        self.gone.insert(key, now);
        let Some((slot, entry)) = self.nodes.find_mut(name) else {
            return;
        };
        if entry.live && entry.uid == uid {
            entry.live = false;
            entry.gone = now;
            let addresses = std::mem::take(&mut entry.addresses);
            self.blocks.give_no_more(&std::mem::take(&mut entry.blocks));
            self.expiry.push(now, Ended::Node(slot));
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
