//! What one change leaves to do for many pods, and what time does: in portions, so that nobody who
//! reads has to wait for all of it.

use std::collections::VecDeque;

use kubezonnet_model::Timestamp;

use super::TopologyIndex;
use super::address::Address;
use super::expiry::Ended;
use super::holding::Count;
use super::list::List;
use super::pods::{Phase, PodSlot};

/// What is left to do.
#[derive(Debug)]
pub(super) enum Chore {
    /// Pods that a list does not have are gone.
    Sweep(Vec<PodSlot>, List),
    /// What pods that leave claim in a list, after all others.
    Claim(Vec<(Address, PodSlot)>, List),
    /// Pods whose owner or namespace is another than it was.
    Refresh(Vec<PodSlot>),
}

/// All that is left to do, in order.
pub(super) type Chores = VecDeque<Chore>;

impl TopologyIndex {
    /// Does so much of what is left to do; false if nothing is left.
    pub(crate) fn work(&mut self, mut portion: usize) -> bool {
        while let Some(chore) = self.chores.pop_front() {
            if portion == 0 {
                self.chores.push_front(chore);
                return true;
            }
            self.version += 1;
            let left = match chore {
                Chore::Sweep(mut pods, list) => {
                    for slot in split(&mut pods, &mut portion) {
                        let entry = self.pods.get(slot);
                        if entry.is_some_and(|it| it.seen != list.number && it.phase != Phase::Gone)
                        {
                            self.end_pod(slot, Phase::Gone, list.at);
                        }
                    }
                    (!pods.is_empty()).then_some(Chore::Sweep(pods, list))
                }
                Chore::Claim(mut claims, list) => {
                    for (address, slot) in split(&mut claims, &mut portion) {
                        self.claim_as_listed(slot, address, list);
                    }
                    (!claims.is_empty()).then_some(Chore::Claim(claims, list))
                }
                Chore::Refresh(mut pods) => {
                    for slot in split(&mut pods, &mut portion) {
                        self.refresh_pod(slot);
                    }
                    (!pods.is_empty()).then_some(Chore::Refresh(pods))
                }
            };
            if let Some(left) = left {
                self.chores.push_front(left);
                return true;
            }
        }
        false
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
fn split<T>(items: &mut Vec<T>, portion: &mut usize) -> Vec<T> {
    let left = items.len().saturating_sub(*portion);
    let taken = items.split_off(left);
    *portion -= taken.len();
    taken
}
