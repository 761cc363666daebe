//! Bodies kept as files: neither writing nor reading may change for them, ever.
//!
//! `tests/golden/*.hex` are hexadecimal bytes, with what they mean behind a `#`.

use kubezonnet_model::FlowBatch;
use kubezonnet_wire::{Limits, decode, encode};

use crate::support::{bypassed, empty, in_order, small, sockets};

/// Both directions of one file.
fn check(name: &str, text: &str, batch: &FlowBatch) {
    let golden = bytes(text);

    assert_eq!(
        hex(&encode(batch)),
        hex(&golden),
        "{name}: written otherwise"
    );
    let decoded = decode(&golden, &Limits::default()).unwrap();
    assert_eq!(&decoded.into_batch(), batch, "{name}: read otherwise");
}

fn bytes(text: &str) -> Vec<u8> {
    let code = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or(""));
    let pairs = code.flat_map(str::split_whitespace);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

#[test]
fn an_empty_window_is_these_bytes() {
    check("empty", include_str!("../golden/empty.hex"), &empty());
}

#[test]
fn a_window_with_one_of_everything_is_these_bytes() {
    check("small", include_str!("../golden/small.hex"), &small());
}

#[test]
fn a_window_with_bytes_of_the_uplinks_is_these_bytes() {
    check(
        "uplinks",
        include_str!("../golden/uplinks.hex"),
        &bypassed(),
    );
}

#[test]
fn a_window_with_sockets_of_the_node_is_these_bytes() {
    check(
        "sockets",
        include_str!("../golden/sockets.hex"),
        &in_order(sockets()),
    );
}

#[test]
fn the_document_shows_the_golden_bytes() {
    let document = include_str!("../../../../docs/wire-format.md");

    for golden in [
        include_str!("../golden/empty.hex"),
        include_str!("../golden/small.hex"),
        include_str!("../golden/uplinks.hex"),
        include_str!("../golden/sockets.hex"),
    ] {
        assert!(
            document.contains(golden.trim()),
            "docs/wire-format.md lacks:\n{golden}"
        );
    }
}
