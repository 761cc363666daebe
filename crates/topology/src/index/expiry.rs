//! What has ended and is to be forgotten, in the order in which it ended.
//!
//! So forgetting costs what is forgotten, not what is kept, and can be done a little at a time.

use std::collections::VecDeque;

use kubezonnet_model::{Service, Timestamp};

use super::address::Address;
use super::nodes::Slot;
use super::pods::PodSlot;
use super::uid::Uid;

/// What may have to be forgotten: whoever takes it looks whether it is still so.
#[derive(Debug)]
pub(super) enum Ended {
    /// A holding of the address.
    Holding(Address),
    /// A pod that completed or went.
    Pod(PodSlot),
    /// A node that went, or that nothing names any more.
    Node(Slot),
    /// A node's place, which it has left.
    Place(Slot),
    /// An owner that went.
    Owner(Uid),
    /// A Service that went.
    Service(Box<Service>),
    /// Something that went before it was told of.
    Unknown(Uid),
}

/// A piece of the queue has so many.
const PIECE: usize = 1024;

/// A queue, oldest first, in pieces that are not moved when more comes. A clock that was set back
/// delays what comes after, and loses nothing.
#[derive(Debug, Default)]
pub(super) struct Expiry(VecDeque<VecDeque<(Timestamp, Ended)>>);

impl Expiry {
    pub(super) fn push(&mut self, at: Timestamp, ended: Ended) {
        if self.0.back().is_none_or(|last| last.len() == PIECE) {
            self.0.push_back(VecDeque::new());
        }
        if let Some(last) = self.0.back_mut() {
            last.push_back((at, ended));
        }
    }

    /// The next that ended before.
    pub(super) fn pop(&mut self, before: Timestamp) -> Option<Ended> {
        let first = self.0.front_mut()?;
        let (_, ended) = first.pop_front_if(|(at, _)| *at < before)?;
        if first.is_empty() {
            self.0.pop_front();
        }
        Some(ended)
    }
}
