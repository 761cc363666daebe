//! What is near the addresses that somebody holds, or held until not long ago.
//!
//! Addresses are given out from blocks: where one is held, the next one is often near. The blocks
//! themselves are not told everywhere, so an IPv4 address has its /24 around it, an IPv6 one its /64.

use foldhash::HashMap;

use super::address::Address;

/// How many addresses there are in each block that has any.
#[derive(Debug, Default)]
pub(super) struct Blocks(HashMap<Address, u32>);

impl Blocks {
    /// One more is held in the address's block.
    pub(super) fn add(&mut self, address: Address) {
        *self.0.entry(address.block()).or_default() += 1;
    }

    /// One fewer is remembered in it.
    pub(super) fn remove(&mut self, address: Address) {
        let block = address.block();
        if let Some(count) = self.0.get_mut(&block) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&block);
            }
        }
    }

    /// Whether there is any.
    pub(super) fn have(&self, address: Address) -> bool {
        self.0.contains_key(&address.block())
    }
}
