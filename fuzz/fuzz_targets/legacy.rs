//! The report of an agent of the Go system.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubezonnet_fuzz::legacy(bytes));
