//! The file that names networks.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubezonnet_fuzz::networks_file(bytes));
