//! The wire format from outside: what is written, what is read, what is refused.
#![expect(
    clippy::unwrap_used,
    reason = "what fails in a test's helper fails the test"
)]

mod body;
mod forward;
mod golden;
mod hostile;
mod refusal;
mod round_trip;
mod size;
mod support;
mod synthetic;
