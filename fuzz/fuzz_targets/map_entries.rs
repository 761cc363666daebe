//! Entries of the kernel's maps.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubezonnet_fuzz::map_entries(bytes));
