//! The decoder of map entries, for the fuzz target.

use crate::abi::{self, SKIPS, TOTALS};

/// Reads bytes as an entry of each map: the first half is the key. Nothing panics.
pub fn entries(bytes: &[u8]) {
    let (key, value) = bytes.split_at(bytes.len().min(48));
    for key in [
        key,
        &key[..key.len().min(44)],
        &key[..key.len().min(40)],
        &key[..key.len().min(36)],
    ] {
        let _ = abi::flow(key, value);
        let _ = abi::pair(key, value);
    }
    abi::hot(bytes).for_each(drop);
    let index = bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>();
    for index in [index, index % TOTALS, index % SKIPS] {
        let _ = abi::total(index, value);
        let _ = abi::skip(index, value);
    }
}
