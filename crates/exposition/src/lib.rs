//! What the agent's and the server's pages of metrics have in common.
//!
//! ```text
//! Accept ─▶ Format::accepted ─▶ Format
//!                                 │
//! registry ─▶ OpenMetrics text ─▶ Format::from_open_metrics ─▶ page
//!     ▲
//!     └── Process::encode ◀── Process::of_self ◀── /proc/self
//! ```
//!
//! [`Format`] is one of the two text formats: who asks for OpenMetrics by name gets it, all others
//! the classic text. [`Process`] is what the kernel says of this process, and [`FAMILIES`] the names
//! under which it is shown.
//!
//! ```
//! use kubezonnet_exposition::Format;
//!
//! let format = Format::accepted(["text/plain"]);
//!
//! assert_eq!(format, Format::Classic);
//! assert_eq!(
//!     format.from_open_metrics("# TYPE sent counter\nsent_total 1\n# EOF\n".to_owned()),
//!     "# TYPE sent_total counter\nsent_total 1\n",
//! );
//! ```
//!
//! It serves nothing itself, and knows no metric of the agent or of the server.

mod classic;
mod format;
mod process;

pub use format::Format;
pub use process::{FAMILIES, Process, ProcessCollector, ProcessFamily};
