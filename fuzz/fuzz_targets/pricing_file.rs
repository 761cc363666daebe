//! The file of an operator's own prices.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubezonnet_fuzz::pricing_file(bytes));
