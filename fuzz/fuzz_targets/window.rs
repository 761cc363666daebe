//! A batch that was decoded, and what the server makes of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubezonnet_fuzz::window(bytes));
