//! A change in the journal of the server's database.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubezonnet_fuzz::journal(bytes));
