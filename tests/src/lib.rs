//! What the tests of the whole way share: a cluster with a deployment on it, and the books of its
//! server against what the uplinks carried; and a real Prometheus.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]
#![expect(clippy::missing_panics_doc, reason = "to panic is how a test fails")]

pub mod books;
pub mod prometheus;
