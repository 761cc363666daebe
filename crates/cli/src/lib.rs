//! kubectl-zonnet: what crosses zones and what it costs, on the command line.
//!
//! ```text
//! args ─▶ app ─▶ command ─▶ client ─▶ /api/v1 of the server
//!                   │          by a URL, or by a port-forward through the API server
//!                   ▼
//!            text, listing, live ─▶ console
//! ```
//!
//! It talks to the server's API only, in the words of `kubezonnet-api`, and never to agents. `check`
//! looks at Kubernetes too.

pub mod app;
pub mod args;
pub mod client;
pub mod command;
pub mod console;
pub mod entry;
pub mod failure;
pub mod key;
pub mod listing;
pub mod live;
pub mod text;
