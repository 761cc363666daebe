//! A request to ingest: method, path, headers and body.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubezonnet_fuzz::request(bytes));
