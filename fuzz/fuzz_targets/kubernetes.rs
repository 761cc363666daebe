//! Pods and nodes, as an API server sends them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubezonnet_fuzz::kubernetes(bytes));
