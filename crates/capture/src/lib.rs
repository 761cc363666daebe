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
//! With a pin directory hooks and maps outlive the process, and the next [`Capture::attach`] goes on
//! where this one stopped, at whatever instant that was. [`Leftover`] is what counted into maps of
//! another layout, [`Detachment`] takes everything off.
//!
//! This is the only crate that knows clang, libbpf and `unsafe`.

mod abi;
mod batch;
mod capture;
mod clock;
mod config;
mod elsewhere;
mod error;
pub mod fault;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hook;
mod leftover;
mod load;
mod maps;
mod namespace;
mod pin;
mod preflight;
mod set;
mod skeleton;
mod state;
mod told;
mod trial;
mod window;

pub use capture::Capture;
pub use config::{Config, FlowDetail, Tunnel};
pub use elsewhere::pinned_elsewhere;
pub use error::{CaptureError, Unpinnable};
pub use hook::Attached;
pub use leftover::{Detachment, Leftover};
pub use preflight::{Problem, preflight};
pub use trial::Trial;
pub use window::{ClosedWindow, Drained, Fill, Progress, SeenFlow, Socket};
