//! Addresses change hands.

use std::collections::hash_map::Entry;

use kubezonnet_model::Timestamp;

use super::TopologyIndex;
use super::address::Address;
use super::holding::{Claim, Holdings, Owner};
use super::nodes::Slot;

impl TopologyIndex {
    /// Gives the address to the claimant, unless one who holds it has the better right.
    ///
    /// `leaving`: the claimant's deletion has begun. `listed`: a list tells of it.
    pub(super) fn claim(&mut self, address: Address, claim: Claim, leaving: bool, listed: bool) {
        let holdings = match self.addresses.entry(address) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                entry.insert(Holdings::new(claim));
                return;
            }
        };
        let Some(holder) = holdings.holder() else {
            holdings.claim(claim);
            return;
        };
        let rival = match &holder.owner {
            Owner::Pod(pod) => self.pods.by_uid.get(&pod.uid),
            Owner::Node => None,
        };
        let rival_leaves = rival.is_some_and(|rival| rival.leaving);
        if leaving && !rival_leaves {
            return;
        }
        if !listed || holder.from != claim.at {
            holdings.claim(claim);
            return;
        }
        // Both are of one list, which has no order in time: the rank must give the same one in
        // whatever order they are told.
        let rank_of_rival = rival.map(|rival| (!rival.leaving, rival.created, &rival.pod.uid));
        let rank = match &claim.owner {
            Owner::Pod(pod) => Some((!leaving, claim.created, &pod.uid)),
            Owner::Node => None,
        };
        if rank > rank_of_rival {
            holdings.replace(claim);
        }
    }

    /// The claimant had the address until now, as far as nobody else has it.
    pub(super) fn claim_past(&mut self, address: Address, claim: Claim) {
        let at = claim.at;
        let (owner, slot) = (claim.owner.clone(), claim.slot);
        match self.addresses.entry(address) {
            Entry::Vacant(entry) => {
                entry.insert(Holdings::new(claim)).release(&owner, slot, at);
            }
            Entry::Occupied(mut entry) => {
                let holdings = entry.get_mut();
                if holdings.holder().is_none() {
                    holdings.claim(claim);
                    holdings.release(&owner, slot, at);
                }
            }
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
                holdings.release(owner, slot, at);
            }
        }
    }

    /// Renews what is told of the holder of the address, if it still has it.
    pub(super) fn renew(&mut self, address: Address, owner: &Owner, slot: Slot) {
        if let Some(holdings) = self.addresses.get_mut(&address) {
            holdings.renew(owner, slot);
        }
    }
}
