//! Bytes of any origin give a batch or an error; a batch survives being written and read again.
//!
//! `cargo +nightly fuzz run decode` in crates/wire, for as long as you like.
#![no_main]

use kubezonnet_wire::{Limits, decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(decoded) = decode(body, &Limits::default()) else {
        return;
    };
    let batch = decoded.into_batch();
    let again = decode(&encode(&batch), &Limits::default()).expect("what was accepted is written");
    assert_eq!(again.into_batch(), batch);
});
