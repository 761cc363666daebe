//! The server: from a body an agent sent to counters, flow log and metrics.
//!
//! ```text
//! ingest ─▶ pipeline: agents (once?) ─▶ resolve (whose, which side) ─▶ ledger ─▶ metrics
//!  limits             pending (no owner yet) ◀─┘        └─▶ export: flow log
//! ```
//!
//! [`app::run`] wires it and is the only place that knows all of it. [`ingest`] is the edge to the
//! network and where time comes in; [`resolve`], [`ledger`] and rendering are pure. Nothing calls
//! back: each stage has one input, one output, and counts what it could not keep.
//!
//! The books always balance: what the hooks saw is what has a [`books::Disposition`], and what is
//! pending.

pub mod agents;
pub mod api;
pub mod app;
pub mod authenticate;
pub mod books;
pub mod budgets;
mod bypass;
pub mod change;
pub mod committer;
pub mod config;
pub mod connections;
pub mod costs;
pub mod dashboard;
mod edge;
pub mod export;
pub mod history;
pub mod http;
pub mod ingest;
pub mod ledger;
pub mod metrics;
pub mod names;
pub mod pending;
pub mod pipeline;
pub mod prices;
pub mod resolve;
mod source;
pub mod state;
pub mod store;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod tls;
