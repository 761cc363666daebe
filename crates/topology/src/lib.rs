//! Who holds this address: from Kubernetes, or a file, to endpoints and sites.
//!
//! ```text
//! kubernetes ─┐  PodState, NodeState, …
//!             ├─────────────────────▶ TopologyIndex ──holder(address, window)──▶ Holder
//! file ───────┘   apply, delete, reset      ▲
//!                                        Topology: the shared handle
//!                                           ▼
//! networks file ────────────────────────▶ Networks ──find(address)──▶ Network
//! ```
//!
//! [`TopologyIndex`] is pure: it is told what happened and when, and answers who held an address
//! in a window. [`Topology`] shares one index between the source that writes it and the readers,
//! and keeps what metrics want to know of the source. [`kubernetes`] and [`mod@file`] are the sources;
//! only the first knows Kubernetes' client. [`networks`] is what the operator says of addresses outside.

mod clock;
pub mod file;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod index;
pub mod kubernetes;
mod labels;
pub mod networks;
mod state;
mod topology;
mod yaml;

pub use clock::Clock;
pub use index::{Holder, HolderRef, Sizes, TopologyIndex};
pub use labels::{KeptLabel, KeptLabels, LabelError};
pub use networks::Networks;
pub use state::{
    EndpointPort, EndpointSliceState, EndpointState, FOLDED_NAMESPACE, NODE_NAMESPACE,
    NamespaceState, NodeState, OwnerKind, OwnerState, PodState, ServiceState,
};
pub use topology::{FailureReason, Source, SourceCounts, Topology};
pub use yaml::{FileError, Problem};
