//! Who may report: real servers, what agents and others send them over real TLS, and the fake API
//! server.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod answers;
mod certificates;
mod desk;
mod rotation;
mod tokens;
