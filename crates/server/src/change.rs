//! What changes the state of a server: a window, waiting records that are settled, and what is
//! forgotten.
//!
//! Each change is made up where there is much to work out, and takes effect in one place, in one
//! order: first it is on disk, then in memory. The changes of the past, made again in their order,
//! give the state of the present.

use std::net::IpAddr;

use kubezonnet_model::{BatchHeader, NodeName, Timestamp, Window};
use serde::{Deserialize, Serialize};

use crate::ledger::{Entry, Subject};
use crate::pending::Waiting;

/// What changes the state of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A window came that is new.
    Window(Box<Arrived>),
    /// Records have waited long enough.
    Settled(Box<Settled>),
    /// Something is gone, and nobody asks for it any more.
    Forgotten(Forgotten),
}

/// A window that is new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    /// Who reports, and which window it is.
    pub header: BatchHeader,
    /// The addresses the node calls its own.
    pub declared: Vec<IpAddr>,
    /// The window by the server's clock.
    pub window: Window,
    /// When it came.
    pub now: Timestamp,
    /// What it adds to the ledger.
    pub entry: Entry,
    /// What of it waits.
    pub waiting: Vec<Waiting>,
}

/// A group of records that have waited long enough, at least some of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The group as it was.
    pub id: u64,
    /// When it was looked at.
    pub now: Timestamp,
    /// What is settled, for the ledger.
    pub entry: Entry,
    /// What goes on waiting.
    pub waiting: Vec<Waiting>,
}

/// What is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Series of pods and nodes, unless they changed since `before`.
    pub subjects: Vec<Subject>,
    /// Since when they have not changed.
    pub before: Timestamp,
    /// Agents.
    pub agents: Vec<NodeName>,
}
