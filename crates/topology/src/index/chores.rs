//! What one change leaves to do for many pods, and what time does: in portions, so that nobody who
//! reads has to wait for all of it.

use std::collections::VecDeque;

use kubezonnet_model::{Namespace, Timestamp};

use super::TopologyIndex;
use super::address::Address;
use super::expiry::Ended;
use super::holding::Count;
use super::list::List;
use super::pods::{Phase, PodEntry, PodSlot};
use super::uid::Uid;

/// What is left to do.
#[derive(Debug)]
pub(super) enum Chore {
    /// Something with the pods that are so, from that place on.
    Walk(Whom, usize),
    /// What pods that leave claim in a list, after all others.
    Claim(Vec<(Address, PodSlot)>, List),
    /// Pods whose owner was not known, and is.
    Refresh(Vec<PodSlot>),
}

/// With which pods something is to be done.
#[derive(Debug)]
pub(super) enum Whom {
    /// Those that the list does not have: they are gone.
    Unseen(List),
    /// Those in the namespace: it has other labels than it had.
    In(Namespace),
    /// Those of the owner: it has another owner than it had.
    Of(Uid),
}

/// To look at so many pods takes as long as to do something with one.
const LOOKS: usize = 16;

/// All that is left to do, in order.
pub(super) type Chores = VecDeque<Chore>;

impl Whom {
    fn is(&self, pod: &PodEntry) -> bool {
        match self {
            Self::Unseen(list) => pod.seen != list.number && pod.phase != Phase::Gone,
            Self::In(namespace) => pod.pod.namespace == *namespace,
            Self::Of(owner) => pod.controller.as_ref() == Some(owner),
        }
    }
}

impl TopologyIndex {
    /// Does so much of what is left to do; false if nothing is left.
    pub(crate) fn work(&mut self, portion: usize) -> bool {
        let mut left = portion.saturating_mul(LOOKS);
        while let Some(chore) = self.chores.pop_front() {
            if left == 0 {
                self.chores.push_front(chore);
                return true;
            }
            self.version += 1;
            let rest = match chore {
                Chore::Walk(whom, next) => self.walk(whom, next, &mut left),
                Chore::Claim(mut claims, list) => {
                    for (address, slot) in split(&mut claims, &mut left) {
                        self.claim_as_listed(slot, address, list);
                    }
                    (!claims.is_empty()).then_some(Chore::Claim(claims, list))
                }
                Chore::Refresh(mut pods) => {
                    for slot in split(&mut pods, &mut left) {
                        self.refresh_pod(slot);
                    }
                    (!pods.is_empty()).then_some(Chore::Refresh(pods))
                }
            };
            if let Some(rest) = rest {
                self.chores.push_front(rest);
                return true;
            }
        }
        false
    }

    /// Goes from pod to pod; what is left of the walk.
    fn walk(&mut self, whom: Whom, mut next: usize, left: &mut usize) -> Option<Chore> {
        while *left > 0 {
            let (slot, entry) = self.pods.at(next)?;
            next += 1;
            *left -= 1;
            if entry.is_some_and(|entry| whom.is(entry)) {
                *left = left.saturating_sub(LOOKS);
                match &whom {
                    Whom::Unseen(list) => self.end_pod(slot, Phase::Gone, list.at),
                    Whom::In(_) | Whom::Of(_) => self.refresh_pod(slot),
                }
            }
        }
        Some(Chore::Walk(whom, next))
    }

    /// Does all that is left to do.
    pub(super) fn finish(&mut self) {
        while self.work(usize::MAX) {}
    }

    /// Forgets what ended before.
    pub fn prune(&mut self, before: Timestamp) {
        while self.prune_some(before, usize::MAX) {}
    }

    /// Forgets so much of what ended before; false if nothing of it is left.
    pub(crate) fn prune_some(&mut self, before: Timestamp, portion: usize) -> bool {
        for _ in 0..portion {
            let Some(ended) = self.expiry.pop(before) else {
                return false;
            };
            match ended {
                Ended::Holding(address) => self.prune_address(address, before),
                Ended::Pod(slot) => self.prune_pod(slot, before),
                Ended::Node(slot) => self.nodes.forget(slot, before),
                Ended::Place(slot) => self.nodes.forget_places(slot, before),
                Ended::Owner(uid) => self.owners.forget(&uid, before),
                Ended::Service(service) => self.services.forget(&service, before),
                Ended::Unknown(uid) => {
                    if self.gone.get(&uid).is_some_and(|gone| *gone < before) {
                        self.gone.remove(&uid);
                    }
                }
            }
            for (at, slot) in self.nodes.drain_unused() {
                self.expiry.push(at, Ended::Node(slot));
            }
        }
        true
    }

    fn prune_address(&mut self, address: Address, before: Timestamp) {
        let Some(holdings) = self.addresses.get_mut(&address) else {
            return;
        };
        let count = holdings.count();
        let mut left = Count::default();
        if holdings.prune(before, &mut self.nodes) {
            left = holdings.count();
        } else {
            self.addresses.remove(&address);
            self.blocks.remove(address);
        }
        self.holdings.shift(count, left);
    }

    fn prune_pod(&mut self, slot: PodSlot, before: Timestamp) {
        let entry = self.pods.get(slot);
        if entry.is_none_or(|entry| entry.is_running() || entry.ended >= before) {
            return;
        }
        if let Some((uid, entry)) = self.forget_pod(slot)
            && entry.phase == Phase::Completed
        {
            self.pods.completed.insert(uid, entry.seen);
        }
    }
}

/// As many as may be done, taken from the end.
fn split<T>(items: &mut Vec<T>, left: &mut usize) -> Vec<T> {
    let most = left.div_ceil(LOOKS);
    let taken = items.split_off(items.len().saturating_sub(most));
    *left = left.saturating_sub(taken.len().saturating_mul(LOOKS));
    taken
}
