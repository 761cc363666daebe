//! The file that tells nodes and pods.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubezonnet_fuzz::topology_file(bytes));
