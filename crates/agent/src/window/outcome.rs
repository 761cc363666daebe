//! What goes into the machine of windows, and what it says.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kubezonnet_model::{Coverage, Epoch, FlowCounters, FlowRecord, Skipped, Total};

use crate::answer::ServerId;
use crate::sockets::Owners;

/// What a window holds when it is closed.
#[derive(Debug)]
pub struct Contents {
    /// What the kernel counted, each flow with its owner.
    pub records: Vec<FlowRecord>,
    /// What it counted without addresses.
    pub totals: Vec<Total>,
    /// What it left out.
    pub skipped: Vec<Skipped>,
    /// What was told of owners, to be kept with the window.
    pub told: Owners,
    /// What was attached.
    pub coverage: Coverage,
    /// The node's own addresses.
    pub node_addresses: Vec<IpAddr>,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Close a window, then call [`super::Windows::close`].
    Close,
    /// Keep [`super::Windows::note`], then call [`super::Windows::kept`].
    Keep,
    /// Send [`super::Windows::outgoing`], then call [`super::Windows::answer`].
    Send,
    /// The time is over: call [`super::Windows::abandon`].
    Abandon,
    /// Empty the closed generation, then call [`super::Windows::cleared`].
    Clear,
    /// Nothing before this point in time.
    Wait(Instant),
    /// Nothing any more.
    Done,
}

/// One attempt to deliver a window.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The epoch it belongs to.
    pub epoch: Epoch,
    /// Its number within the epoch.
    pub sequence: u64,
    /// How long ago the window ended; the only thing that differs between two attempts.
    pub age: Duration,
    /// The encoded batch.
    pub body: Bytes,
}

/// What an answer did to the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The server has it: another one than had the last, if that is told.
    Delivered(Option<ServerChange>),
    /// The server will never have it.
    Lost(Loss),
    /// It goes out again after this wait.
    Retry(Duration),
}

/// A window was acknowledged by another server than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerChange {
    /// Who acknowledged the window before.
    pub from: ServerId,
    /// Who acknowledged this one.
    pub to: ServerId,
    /// The first may have this window too: an attempt to deliver it ended without an answer.
    pub is_maybe_twice: bool,
}

/// Bytes that were counted and do not reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Why.
    pub reason: LossReason,
    /// The window they were in.
    pub sequence: u64,
    /// How many.
    pub counters: FlowCounters,
}

/// Why counted bytes do not reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LossReason {
    /// The server refused the window.
    Refused,
    /// The agent ended before the server acknowledged the window.
    Undelivered,
    /// The programs of a newer agent counted it, under what this one cannot read.
    Undecodable,
}

impl LossReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Refused, Self::Undelivered, Self::Undecodable];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Undelivered => "undelivered",
            Self::Undecodable => "undecodable",
        }
    }
}
