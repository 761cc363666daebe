//! The program, started as people start it, against a server that is a fake.
#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod answers;
mod failures;
mod fake;
mod flows;
mod kubernetes;
mod manual;
mod program;
mod rights;
mod screen;
mod secure;
mod tables;
mod terminal;
mod usage;
