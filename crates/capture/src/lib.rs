//! Counts packets in the kernel, and reads the counts.
//!
//! ```text
//! packet ─▶ netfilter hook ─▶ account() ─▶ flow map of the active generation     (bpf/)
//!                                            │ close_window(): switch, then read
//!                                            ▼
//!                                         Drained ─▶ agent
//! ```
//!
//! [`Capture::attach`] loads the programs and attaches them in the network namespace of the calling
//! thread. [`Capture::close_window`] switches to the other generation of maps and reads the one
//! that was left; [`Capture::clear_closed`] empties it once its content is safe elsewhere. The
//! programs always let the packet pass.
//!
//! This is the only crate that knows clang, libbpf and `unsafe`.

mod abi;
mod batch;
mod capture;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hook;
mod load;
mod maps;
mod preflight;
mod skeleton;
mod trial;

pub use capture::{Capture, Config, Drained, Fill, FlowDetail, Tunnel};
pub use error::CaptureError;
pub use hook::Attached;
pub use preflight::{Problem, preflight};
pub use trial::Trial;
