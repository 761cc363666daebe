//! The programs on crafted packets: the verifier accepts them, and each packet is charged to the
//! right key with the right bytes, however odd it is.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod classes;
mod headers;
mod limits;
mod packets;
mod segments;
mod tunnels;
