//! The file of an operator's budgets.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubezonnet_fuzz::budgets_file(bytes));
