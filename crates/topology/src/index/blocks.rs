//! What is near the addresses that somebody holds, or held until not long ago, and from where nodes
//! give addresses to their pods.
//!
//! Addresses are given out from blocks: where one is held, the next one is often near. Where the
//! blocks themselves are not told, an IPv4 address has its /24 around it, an IPv6 one its /64.

use std::collections::BTreeMap;

use foldhash::HashMap;

use super::address::{Address, Block};

/// How many addresses there are in each block that has any, and how many nodes have a block.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    held: HashMap<Address, u32>,
    given: HashMap<Block, u32>,
    /// How many of `given` have that length: few lengths are in use.
    lengths: BTreeMap<u8, u32>,
}

impl Blocks {
    /// One more is held in the address's block.
    pub(super) fn add(&mut self, address: Address) {
        *self.held.entry(address.block()).or_default() += 1;
    }

    /// One fewer is remembered in it.
    pub(super) fn remove(&mut self, address: Address) {
        take_one(&mut self.held, &address.block());
    }

    /// One more node gives addresses from these.
    pub(super) fn give(&mut self, blocks: &[Block]) {
        for block in blocks {
            let nodes = self.given.entry(*block).or_default();
            *nodes += 1;
            if *nodes == 1 {
                *self.lengths.entry(block.length).or_default() += 1;
            }
        }
    }

    /// One fewer does.
    pub(super) fn give_no_more(&mut self, blocks: &[Block]) {
        for block in blocks {
            if take_one(&mut self.given, block)
                && let Some(count) = self.lengths.get_mut(&block.length)
            {
                *count -= 1;
                if *count == 0 {
                    self.lengths.remove(&block.length);
                }
            }
        }
    }

    /// Whether any is held near the address, or a node may give it to a pod.
    pub(super) fn have(&self, address: Address) -> bool {
        let is_given = |length: &u8| self.given.contains_key(&address.within(*length));
        self.held.contains_key(&address.block()) || self.lengths.keys().any(is_given)
    }
}

/// One fewer; true if it was the last.
fn take_one<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, u32>, key: &K) -> bool {
    let Some(count) = counts.get_mut(key) else {
        return false;
    };
    *count -= 1;
    let is_last = *count == 0;
    if is_last {
        counts.remove(key);
    }
    is_last
}
