//! One batch of a node at a time, without one node waiting for all others.

use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use kubezonnet_model::NodeName;

/// How many nodes can have their turn at once: well above the number of CPUs, so that two nodes
/// seldom share one by chance.
const TURNS: usize = 64;

/// A fixed set of locks; a node always takes the same.
#[derive(Debug)]
pub(super) struct Turns {
    locks: [Mutex<()>; TURNS],
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            locks: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::default(),
        }
    }
}

impl Turns {
    /// Waits until the node's batch before is done.
    pub(super) fn take(&self, node: &NodeName) -> MutexGuard<'_, ()> {
        let turn = self.hasher.hash_one(node) % TURNS as u64;
        let turn = usize::try_from(turn).expect("smaller than the number of locks");
        self.locks[turn]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
