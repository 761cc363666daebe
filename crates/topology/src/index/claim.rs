//! Addresses change hands.

use std::collections::hash_map::Entry;

use kubezonnet_model::Timestamp;

use super::TopologyIndex;
use super::address::Address;
use super::holding::{Claim, Count, Holding, Holdings, Owner};
use super::nodes::Slot;

impl TopologyIndex {
    /// Gives the address to the claimant, whoever has it; but if the claimant's own deletion has
    /// begun (`leaving`), only from one who leaves too.
    pub(super) fn claim(&mut self, address: Address, claim: Claim, leaving: bool) {
        let holdings = match self.addresses.entry(address) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let holdings = entry.insert(Holdings::new(claim));
                self.holdings.shift(Count::default(), holdings.count());
                return;
            }
        };
        let stays = |holder: &Holding| match &holder.owner {
            Owner::Pod(pod) => {
                let rival = self.pods.by_uid.get(&pod.uid);
                rival.is_none_or(|rival| !rival.leaving)
            }
            Owner::Node => true,
        };
        if !leaving || !holdings.holder().is_some_and(stays) {
            let before = holdings.count();
            holdings.claim(claim);
            self.holdings.shift(before, holdings.count());
        }
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
                holdings.release(owner, slot, at);
                self.holdings.shift(before, holdings.count());
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
