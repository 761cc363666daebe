//! What the kernel tells of links, addresses and routes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubezonnet_fuzz::netlink(bytes));
