//! The body of a batch, as the server decodes it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubezonnet_fuzz::batch(bytes));
