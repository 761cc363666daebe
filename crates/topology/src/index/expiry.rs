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
    /// An owner that went.
    Owner(Uid),
    /// A Service that went.
    Service(Box<Service>),
    /// Something that went before it was told of.
    Unknown(Uid),
}

/// A queue, oldest first. A clock that was set back delays what comes after, and loses nothing.
#[derive(Debug, Default)]
pub(super) struct Expiry(VecDeque<(Timestamp, Ended)>);

impl Expiry {
    pub(super) fn push(&mut self, at: Timestamp, ended: Ended) {
        self.0.push_back((at, ended));
    }

    /// The next that ended before.
    pub(super) fn pop(&mut self, before: Timestamp) -> Option<Ended> {
        self.0
            .pop_front_if(|(at, _)| *at < before)
            .map(|(_, ended)| ended)
    }
}
