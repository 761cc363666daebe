//! From packet to metric: real traffic in a cluster of network namespaces, real agents, a real
//! server, and what its metrics say in the end against what the uplinks carried.
//!
//! Needs the binaries of agent and server, which `make test` builds.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod exact;
mod outage;
mod paths;
mod rights;
mod succession;
