//! What prost makes of `proto/flow_batch.proto`. Used to write; reading is by hand, in
//! [`crate::decode`], because a generated reader takes memory before sizes are checked.

// Generated code: its documentation is the schema's, and it names every path in full.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

include!(concat!(env!("OUT_DIR"), "/kubezonnet.v1.rs"));
