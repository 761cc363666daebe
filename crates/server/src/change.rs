//! What changes the state of a server: a window, waiting records that are settled, and what is
//! forgotten.
//!
//! Each change is made up where there is much to work out, and takes effect in one place, in one
//! order: first it is on disk, then in memory. The changes of the past, made again in their order,
//! give the state of the present.

use std::net::IpAddr;

use foldhash::HashSet;
use kubezonnet_model::{BatchHeader, NodeName, Timestamp, Window};
use serde::{Deserialize, Serialize};

use crate::ledger::{Entry, Folded, Moved, Traffic};
use crate::names::Id;
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
    /// Something is counted that is no window of an agent of ours.
    Added(Box<Added>),
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

/// What is counted as it comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// When it came.
    pub now: Timestamp,
    /// What it adds to the ledger.
    pub entry: Entry,
}

/// What leaves the ledger, and agents that are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Series of pods and nodes that are gone.
    pub subjects: Vec<Id>,
    /// Series that were too many, with all they have.
    pub folded: Vec<(Id, Traffic)>,
    /// Into which series these go.
    pub other: Option<Id>,
    /// Edges of which one side is gone, or that were too many.
    pub edges: Vec<Moved>,
    /// How many of them were too many.
    pub counts: Folded,
    /// When the last change before was made.
    pub now: Timestamp,
    /// Agents.
    pub agents: Vec<NodeName>,
}

impl Change {
    /// What it adds to the ledger, if it adds.
    pub fn entry_mut(&mut self) -> Option<&mut Entry> {
        match self {
            Self::Window(arrived) => Some(&mut arrived.entry),
            Self::Settled(settled) => Some(&mut settled.entry),
            Self::Added(added) => Some(&mut added.entry),
            Self::Forgotten(_) => None,
        }
    }

    /// What it takes of memory, but for records that wait.
    pub fn memory(&self) -> usize {
        match self {
            Self::Window(arrived) => arrived.entry.memory(),
            Self::Settled(settled) => settled.entry.memory(),
            Self::Added(added) => added.entry.memory(),
            Self::Forgotten(forgotten) => {
                size_of_val(&*forgotten.subjects)
                    + size_of_val(&*forgotten.folded)
                    + size_of_val(&*forgotten.edges)
                    + size_of_val(&*forgotten.agents)
            }
        }
    }
}

impl Forgotten {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
            && self.folded.is_empty()
            && self.edges.is_empty()
            && self.agents.is_empty()
    }
}

/// What may be forgotten, for who decides it in its place among the changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone {
    /// Series of pods and nodes that are gone, unless they changed since `before`.
    pub subjects: Vec<Id>,
    /// Sides that are gone; their edges, unless they changed since `before`.
    pub sides: HashSet<Id>,
    /// Since when they have not changed.
    pub before: Timestamp,
    /// Agents, unless they reported since `agents_before`.
    pub agents: Vec<NodeName>,
    /// Since when they have not reported.
    pub agents_before: Timestamp,
}
