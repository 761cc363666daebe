//! One function for each decoder of what comes from outside, which panics if what must hold does not.
//!
//! `make fuzz` runs them all. `cargo +nightly fuzz run --sanitizer none TARGET` runs one for as long as
//! you like.

mod agent;
mod ingest;
mod pricing;
mod topology;

pub use agent::{answer, flags, map_entries, netlink};
pub use ingest::{batch, journal, legacy, request, token, window};
pub use pricing::{budgets_file, pricing_file};
pub use topology::{kubernetes, networks_file, topology_file};
