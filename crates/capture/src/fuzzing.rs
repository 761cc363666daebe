//! The decoders of map entries and of the state, for the fuzz target.

use crate::abi::{self, Dimensions};
use crate::state::State;

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
    let _ = State::decode(bytes);
    let index = bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>();
    for size in [8, 64, 72, 1 + index % 256] {
        abi::hot(bytes, size).for_each(drop);
    }
    let ours = Dimensions::OURS;
    let others = Dimensions {
        classes: index % 16,
        ..ours
    };
    for dimensions in [ours, others] {
        for index in [index, index % ours.totals(), index % ours.skips()] {
            let _ = abi::total(index, value, &dimensions);
            let _ = abi::skip(index, value, &dimensions);
        }
    }
}
