//! The agent: reports what one node's hooks counted, window by window.
//!
//! ```text
//! kernel maps ─▶ Source::close_window ─▶ Windows ─▶ body ─▶ Deliver ─▶ server
//!                      ▲                   │  ▲                │
//!   links ─ classes ───┘                   │  └──── Answer ────┘
//!                 clear_closed ◀───────────┘  once acknowledged
//! ```
//!
//! One tick is: drain, batch, encode, send. [`window::Windows`] decides what is next and is pure;
//! [`tick`] carries it out. At most one window is unacknowledged; it is encoded once and its body
//! never changes. Meanwhile the kernel's other generation of maps collects: the kernel map is the
//! spool, and nothing here grows while the server is away.
//!
//! Whose the flows of the node's own network are, [`sockets`] tells: by control groups, whose
//! directories the kubelet makes, and [`cgroups`] follows.
//!
//! The agent never talks to Kubernetes. [`app::run`] is the front door, and only [`app`] wires.

pub mod answer;
pub mod app;
pub mod backoff;
pub mod cgroups;
pub mod config;
pub mod links;
mod lock;
pub mod metrics;
pub mod send;
pub mod sockets;
pub mod source;
pub mod status;
pub mod table;
pub mod tick;
pub mod uplinks;
pub mod window;
