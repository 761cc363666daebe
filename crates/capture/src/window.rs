//! What is read of a window, and where windows stand.

use std::time::Instant;

use kubezonnet_model::{Epoch, FlowCounters, FlowKey, Skipped, Total};

/// The content of one generation: everything that was counted in a window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drained {
    /// One record a key and socket.
    pub records: Vec<SeenFlow>,
    /// What has no addresses.
    pub totals: Vec<Total>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// Counted by the programs of a newer agent under what this one cannot read: lost.
    pub undecodable: FlowCounters,
    /// How full the maps were.
    pub fill: Fill,
}

/// One key with its socket, and what was counted under both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenFlow {
    /// Who spoke to whom; its socket is not told here but below.
    pub key: FlowKey,
    /// Whose socket it was, as far as the kernel can tell.
    pub socket: Socket,
    /// How much.
    pub counters: FlowCounters,
}

/// Whose socket a packet is of, as far as the kernel can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Socket {
    /// Nobody's: it is forwarded, or only the pair of addresses was kept.
    None,
    /// One that was made in this control group (v2): the lower 32 bits of its number, which is the
    /// number of its directory's inode.
    Cgroup(u32),
    /// The packet came without one, and one that was made in this group sent from its port shortly
    /// before: the port is that one's unless another has it now.
    Learnt(u32),
    /// The kernel's own.
    Kernel,
    /// It came without a socket, and nothing was sent from its port that would tell.
    Unseen,
    /// The kernel does not keep control groups with its sockets.
    Unreadable,
}

/// How full the maps of a generation were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fill {
    /// Entries in the flow map.
    pub flows: u32,
    /// Entries there is room for in the flow map.
    pub max_flows: u32,
    /// Entries in the map of address pairs, which takes what the flow map has no room for.
    pub pairs: u32,
    /// Entries there is room for in the map of address pairs.
    pub max_pairs: u32,
}

/// Where the windows of an epoch stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The epoch, made together with the maps.
    pub epoch: Epoch,
    /// Of the window that is closed, or else of the one that is open.
    pub sequence: u64,
    /// Where that window begins.
    pub opened: Instant,
    /// Who acknowledged a window last, as it named itself.
    pub server: Option<[u8; 16]>,
    /// The window that is closed and not settled, if there is one.
    pub closed: Option<ClosedWindow>,
}

/// A window that an agent before this one has closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedWindow {
    /// Where it ends.
    pub ended: Instant,
    /// What that agent kept of it besides the counts; without it, it was never sent.
    pub note: Option<Vec<u8>>,
}
