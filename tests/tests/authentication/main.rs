//! Who may report: real servers, the agent's own sending, and the fake API server, over real TLS.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod certificates;
mod desk;
mod rotation;
mod tokens;
