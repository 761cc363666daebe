//! Lists: told that these are all there are, the index ends what it has beside them.
//!
//! A list has no order in time: the outcome is the same in whatever order it is told. So two that
//! name one address in it are compared with each other, and those who leave claim when all others
//! have.

use kubezonnet_model::Timestamp;

use super::TopologyIndex;
use super::address::Address;
use super::chores::{Chore, Whom};
use super::expiry::Ended;
use super::holding::Claim;
use super::pods::PodSlot;
use crate::{NodeState, PodState};

/// A list being told.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    pub(super) number: u32,
    /// When it began: everything it tells counts from here.
    pub(super) at: Timestamp,
}

impl List {
    /// The number that an entry keeps of the list that told of it; 0 is none.
    pub(super) fn number(list: Option<Self>) -> u32 {
        list.map_or(0, |list| list.number)
    }
}

impl TopologyIndex {
    /// Begins to tell of all the pods there are: [`Self::apply_pod`] for each, then
    /// [`Self::end_pods`]. One that was begun and not ended is begun anew.
    pub fn begin_pods(&mut self, now: Timestamp) {
        self.pod_list = Some(self.next_list(now));
    }

    /// Ends what [`Self::begin_pods`] began: pods not told of since are gone.
    pub fn end_pods(&mut self) {
        self.end_pods_later();
        self.finish();
    }

    /// As [`Self::end_pods`], leaving what it takes to [`Topology::tell`](crate::Topology::tell).
    pub fn end_pods_later(&mut self) {
        let Some(list) = self.pod_list.take() else {
            return;
        };
        self.version += 1;
        let completed = &mut self.pods.completed;
        for (uid, _) in completed.extract_if(|_, seen| *seen != list.number) {
            self.expiry.push(list.at, Ended::Unknown(uid.clone()));
            self.gone.insert(uid, list.at);
        }
        let claims = std::mem::take(&mut self.pods.claims);
        self.chores.push_back(Chore::Walk(Whom::Unseen(list), 0));
        self.chores.push_back(Chore::Claim(claims, list));
    }

    /// A pod that leaves claims an address as its list told; one that a list tells of twice may
    /// have been told otherwise the second time.
    pub(super) fn claim_as_listed(&mut self, slot: PodSlot, address: Address, list: List) {
        let entry = self.pods.get(slot);
        let is_so = entry.is_some_and(|entry| {
            entry.seen == list.number && entry.is_running() && entry.addresses.contains(&address)
        });
        if is_so {
            self.claim_for(slot, address, list.at, Some(list));
        }
    }

    /// Begins to tell of all the nodes there are, as [`Self::begin_pods`] does for pods.
    pub fn begin_nodes(&mut self, now: Timestamp) {
        self.node_list = Some(self.next_list(now));
    }

    /// Ends what [`Self::begin_nodes`] began: nodes not told of since are gone.
    pub fn end_nodes(&mut self) {
        let Some(list) = self.node_list.take() else {
            return;
        };
        self.version += 1;
        let nodes = self.nodes.live();
        let unseen: Vec<_> = nodes
            .filter(|entry| entry.seen != list.number)
            .map(|entry| (entry.name.clone(), entry.uid.clone()))
            .collect();
        for (name, uid) in unseen {
            self.delete_node(&name, &uid, list.at);
        }
        self.settle_nodes(list.at);
    }

    /// Two nodes should not have one address; if they do, it goes to the last by name.
    fn settle_nodes(&mut self, at: Timestamp) {
        let claims = std::mem::take(&mut self.nodes.claims).into_iter();
        let mut ranked: Vec<_> = claims
            .filter_map(|(address, slot)| {
                let entry = self.nodes.get(slot)?;
                let still = entry.live && entry.addresses.contains(&address);
                still.then(|| (address, entry.name.clone(), slot))
            })
            .collect();
        ranked.sort_unstable_by(|one, other| (&other.0, &other.1).cmp(&(&one.0, &one.1)));
        ranked.dedup_by_key(|(address, ..)| *address);
        for (address, _, slot) in ranked {
            self.claim(address, Claim::of_node(slot, at), false);
        }
    }

    /// These are all the pods there are.
    pub fn reset_pods(&mut self, pods: impl IntoIterator<Item = PodState>, now: Timestamp) {
        self.begin_pods(now);
        for pod in pods {
            self.apply_pod(pod, now);
        }
        self.end_pods();
    }

    /// These are all the nodes there are.
    pub fn reset_nodes(&mut self, nodes: impl IntoIterator<Item = NodeState>, now: Timestamp) {
        self.begin_nodes(now);
        for node in nodes {
            self.apply_node(node, now);
        }
        self.end_nodes();
    }

    pub(super) fn next_list(&mut self, at: Timestamp) -> List {
        self.last_list = self.last_list.checked_add(1).unwrap_or(1);
        List {
            number: self.last_list,
            at,
        }
    }
}
