//! Addresses change hands.

use std::sync::Arc;

use kubezonnet_model::Timestamp;

use super::TopologyIndex;
use super::address::Address;
use super::expiry::Ended;
use super::holding::{Claim, Count, Holding, Holdings, Owner};
use super::nodes::Slot;
use super::pods::Pods;
use super::uid::Uid;

/// What decides between two pods of one list that name one address: it goes to one who stays rather
/// than leaves, then to the one created last.
type Rank = (bool, Option<Timestamp>, Arc<str>);

fn rank(owner: &Owner, pods: &Pods) -> Option<Rank> {
    let Owner::Pod(pod) = owner else {
        return None;
    };
    let entry = pods.find_entry(&Uid::of(&pod.uid))?;
    let stays = entry.is_running() && !entry.leaving;
    Some((stays, entry.created, Arc::clone(&pod.uid)))
}

/// Whether the holder will not go by itself.
fn stays(holder: &Holding, pods: &Pods) -> bool {
    match &holder.owner {
        Owner::Pod(pod) => {
            let entry = pods.find_entry(&Uid::of(&pod.uid));
            entry.is_none_or(|entry| !entry.leaving)
        }
        Owner::Node => true,
    }
}

impl TopologyIndex {
    /// Gives the address to the claimant, whoever has it; but if the claimant's own deletion has
    /// begun (`leaving`), only from one who leaves too. Of two in one list, which has no order in
    /// time, the one with the higher rank has it.
    pub(super) fn claim(&mut self, address: Address, claim: Claim, leaving: bool) {
        let Some(holdings) = self.addresses.get_mut(&address) else {
            let holdings = Holdings::new(claim, &mut self.nodes);
            self.holdings.shift(Count::default(), holdings.count());
            self.addresses.insert(address, holdings);
            self.blocks.add(address);
            return;
        };
        if let Some(holder) = holdings.holder()
            && !holder.is_of(&claim.owner, claim.slot)
        {
            if claim.list != 0 && holder.list == claim.list {
                if rank(&claim.owner, &self.pods) > rank(&holder.owner, &self.pods) {
                    holdings.replace(claim, &mut self.nodes);
                }
                return;
            }
            if leaving && stays(holder, &self.pods) {
                return;
            }
        }
        let before = holdings.count();
        if let Some(ended) = holdings.claim(claim, &mut self.nodes) {
            self.expiry.push(ended, Ended::Holding(address));
        }
        self.holdings.shift(before, holdings.count());
    }

    /// The claimant had the address until now, as far as nobody else has it.
    pub(super) fn claim_past(&mut self, address: Address, claim: Claim) {
        let holder = self.addresses.get(&address).and_then(Holdings::holder);
        if holder.is_none() {
            let (owner, slot, at) = (claim.owner.clone(), claim.slot, claim.at);
            self.claim(address, claim, false);
            self.release([&address].into_iter(), &owner, slot, at);
        }
    }

    /// Takes the addresses back from the holder, as far as it still has them.
    pub(super) fn release<'a>(
        &mut self,
        addresses: impl Iterator<Item = &'a Address>,
        owner: &Owner,
        slot: Slot,
        at: Timestamp,
    ) {
        for address in addresses {
            if let Some(holdings) = self.addresses.get_mut(address) {
                let before = holdings.count();
                if let Some(ended) = holdings.release(owner, slot, at) {
                    self.expiry.push(ended, Ended::Holding(*address));
                }
                self.holdings.shift(before, holdings.count());
            }
        }
    }
}
