//! What is read of a window, and where windows stand.

use std::time::Instant;

use kubezonnet_model::{Epoch, FlowRecord, Skipped, Total};

/// The content of one generation: everything that was counted in a window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drained {
    /// One record a key.
    pub records: Vec<FlowRecord>,
    /// What has no addresses.
    pub totals: Vec<Total>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// How full the maps were.
    pub fill: Fill,
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
