//! Bytes of any origin give a batch or an error, never a panic; and a batch that comes out is one
//! that could have gone in.

use kubezonnet_wire::{DecodedBatch, Limits, decode, encode};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::any_batch;

/// Whatever was accepted survives being written and read again.
fn check(body: &[u8]) {
    let Ok(decoded) = decode(body, &Limits::default()) else {
        return;
    };
    assert_sound(&decoded);
    let batch = decoded.into_batch();
    let again = decode(&encode(&batch), &Limits::default()).unwrap();
    assert_eq!(again.into_batch(), batch);
}

fn assert_sound(decoded: &DecodedBatch) {
    let flows = &decoded.flows;
    let rows = flows.len();
    assert_eq!(
        [
            flows.source.len(),
            flows.destination.len(),
            flows.shape.len(),
            flows.packets.len()
        ],
        [rows; 4]
    );
    assert!([0, rows].contains(&flows.client_port.len()));
    for record in decoded.records() {
        assert_eq!(
            record.key.source.is_ipv4(),
            record.key.destination.is_ipv4()
        );
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..600)) {
        check(&bytes);
    }

    #[test]
    fn random_columns_never_panic(columns in vec((10..62_u8, vec(0..20_u8, 0..17)), 0..30)) {
        let mut body = b"\x08\x01\x12\x01n\x1a\x10".to_vec();
        body.extend([7; 16]);
        body.extend([0x20, 1]);
        for (number, column) in columns {
            prost::encoding::encode_varint(u64::from(number) << 3 | 2, &mut body);
            prost::encoding::encode_varint(column.len() as u64, &mut body);
            body.extend(column);
        }
        check(&body);
    }

    #[test]
    fn a_body_with_bytes_changed_never_panics(
        batch in any_batch(),
        changes in vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let mut body = encode(&batch);
        for (index, byte) in changes {
            let position = index.index(body.len());
            body[position] = byte;
        }
        check(&body);
    }

    #[test]
    fn a_body_cut_short_never_panics(batch in any_batch(), at in any::<Index>()) {
        let body = encode(&batch);
        check(&body[..at.index(body.len())]);
    }

    #[test]
    fn a_body_with_a_piece_put_in_never_panics(
        batch in any_batch(),
        at in any::<Index>(),
        piece in vec(any::<u8>(), 1..20),
    ) {
        let mut body = encode(&batch);
        let at = at.index(body.len());
        body.splice(at..at, piece);
        check(&body);
    }
}

#[test]
fn the_seeds_of_the_fuzzer_never_panic() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/batch");
    let seeds: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();

    assert!(seeds.len() >= 5, "seeds are missing in {directory}");
    for seed in seeds {
        check(&std::fs::read(seed).unwrap());
    }
}
