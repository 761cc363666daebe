//! [`FlowBatch`](kubezonnet_model::FlowBatch) to bytes and back.
//!
//! ```text
//! agent: FlowBatch ─▶ encode ─▶ bytes ──POST──▶ decode ─▶ DecodedBatch :server
//! ```
//!
//! The bytes are columnar protobuf: a dictionary of addresses, a dictionary of [`Shape`]s, and one
//! column of packed varints for each part of a flow. `proto/flow_batch.proto` is the schema,
//! docs/wire-format.md explains it. [`DecodedBatch`] keeps the columns, so that the server resolves
//! each address once and adds up by index.
//!
//! [`decode`] is made for bytes of any origin: it checks all sizes before it takes memory, takes no
//! more than [`MEMORY_PER_BODY_BYTE`] times the body, and never panics.
//!
//! ```
//! use std::time::Duration;
//! use kubezonnet_model::{BatchHeader, Coverage, Epoch, FlowBatch, NodeName};
//! use kubezonnet_wire::{Limits, decode, encode};
//!
//! let batch = FlowBatch {
//!     header: BatchHeader {
//!         node: NodeName::new("node-a")?,
//!         epoch: Epoch([7; 16]),
//!         sequence: 1,
//!         window: Duration::from_secs(10),
//!         coverage: Coverage::full(),
//!     },
//!     records: Vec::new(),
//!     totals: Vec::new(),
//!     skipped: Vec::new(),
//!     node_addresses: Vec::new(),
//! };
//!
//! let body = encode(&batch);
//!
//! assert_eq!(decode(&body, &Limits::default())?.into_batch(), batch);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing in this crate does I/O, reads a clock or is async.

mod batch;
mod code;
mod decode;
mod encode;
mod error;
mod field;
mod proto;

pub use batch::{DecodedBatch, Flows, Shape};
pub use decode::{Limits, MEMORY_PER_BODY_BYTE, decode};
pub use encode::encode;
pub use error::DecodeError;

/// The format this crate writes, and the only one it reads.
///
/// It changes only when an old reader would misunderstand what a new writer sends. Additions are
/// new fields, which old readers skip.
pub const FORMAT_VERSION: u32 = 1;

/// The media type of a body: the request's `Content-Type`.
pub const CONTENT_TYPE: &str = "application/x-protobuf";

/// Where a server takes batches, by `POST`.
pub const INGEST_PATH: &str = "/api/v1/flow-batches";

/// The header that says how long ago the window ended, in milliseconds, at the time of this send.
///
/// It is not in the body, because the body stays the same over retries and the age does not.
pub const AGE_HEADER: &str = "kubezonnet-window-age-ms";

/// The header that says what the agent's wall clock shows at the time of this send, in milliseconds
/// since 1970-01-01T00:00:00Z.
///
/// Nothing is placed in time by it: the server compares it with its own clock and shows the difference.
pub const TIME_HEADER: &str = "kubezonnet-agent-time-ms";
