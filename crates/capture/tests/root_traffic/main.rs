//! Real traffic through real hooks, between the pods and nodes of clusters of network namespaces.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod bench;
mod encrypted;
mod exact;
mod groups;
mod limits;
mod matrix;
mod nodes;
mod odd;
mod page;
mod paths;
mod pinned;
mod stand_in;
mod system;
