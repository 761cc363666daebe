//! Decoding takes no more memory than a small multiple of the body, whatever is in it.
//!
//! Everything allocated while decoding is added up, freed or not, so that the peak is below it. One
//! test only, as the counts are the process's.

use std::alloc::System;

use kubezonnet_model::Family;
use kubezonnet_wire::{Limits, MEMORY_PER_BODY_BYTE, decode, encode};
use prost::encoding::encode_varint;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::body::Body;
use crate::synthetic::Load;

#[path = "it/body.rs"]
#[expect(dead_code, reason = "the tests of refusals use the rest of it")]
mod body;
#[path = "it/synthetic.rs"]
mod synthetic;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What comes on top of the multiple: the node's name.
const NAME: usize = 4_096;

/// Decodes, and gives how many bytes were taken for it, and whether the body was accepted.
fn taken(body: &[u8]) -> (usize, bool) {
    let limits = Limits {
        max_records: usize::MAX,
    };
    let region = Region::new(ALLOCATOR);
    let decoded = decode(body, &limits);
    let change = region.change();
    // Growing in place is told apart from new memory.
    let grown = usize::try_from(change.bytes_reallocated).unwrap_or(0);
    (change.bytes_allocated + grown, decoded.is_ok())
}

fn header() -> Vec<u8> {
    let mut body = b"\x08\x01\x12\x01n\x1a\x10".to_vec();
    body.extend([7; 16]);
    body.extend([0x20, 1]);
    body
}

fn put(body: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    encode_varint(number << 3 | 2, body);
    encode_varint(bytes.len() as u64, body);
    body.extend(bytes);
}

/// As many IPv6 addresses as a body can hold, in runs of 256 that differ in the last byte only, all
/// of them the node's own.
fn dense_ipv6() -> Vec<u8> {
    let (mut shared, mut rest) = (Vec::new(), Vec::new());
    for run in 0..=255_u8 {
        for last in 0..=255_u8 {
            match (run, last) {
                (0, 0) => {
                    shared.push(0);
                    rest.extend([0; 16]);
                }
                (_, 0) => {
                    shared.push(14);
                    rest.extend([run, 0]);
                }
                _ => {
                    shared.push(15);
                    rest.push(last);
                }
            }
        }
    }
    let mut own = vec![1; shared.len()];
    own[0] = 0;
    let mut body = header();
    put(&mut body, 11, &shared);
    put(&mut body, 12, &rest);
    put(&mut body, 13, &own);
    body
}

/// Flows of four bytes each: one destination after the other for one source.
fn dense_flows() -> Vec<u8> {
    let shapes = 100;
    let per_pair = vec![(0..shapes).collect::<Vec<u8>>(); 256].concat();
    let mut destinations = vec![0; per_pair.len()];
    for first in (usize::from(shapes)..destinations.len()).step_by(usize::from(shapes)) {
        destinations[first] = 1;
    }
    let addresses: Vec<u8> = (0..=255_u8).flat_map(|last| [10, 0, 0, last]).collect();
    let mut flows = Vec::new();
    encode_varint(per_pair.len() as u64, &mut flows);
    let mut body = header();
    put(&mut body, 10, &addresses);
    put(&mut body, 20, &vec![1; usize::from(shapes)]);
    put(&mut body, 21, &(0..shapes).collect::<Vec<u8>>());
    for column in 22..=24 {
        put(&mut body, column, &vec![1; usize::from(shapes)]);
    }
    put(&mut body, 30, &[0]);
    put(&mut body, 31, &flows);
    put(&mut body, 32, &destinations);
    put(&mut body, 33, &per_pair);
    put(&mut body, 35, &vec![1; per_pair.len()]);
    put(&mut body, 36, &vec![1; per_pair.len()]);
    body
}

/// Totals, or skipped, of one byte a column.
fn dense_tables() -> Vec<u8> {
    let mut body = header();
    for column in (40..=45).chain(50..=53) {
        put(&mut body, column, &[1; 10_000]);
    }
    body
}

#[track_caller]
fn check(name: &str, body: &[u8]) {
    let (memory, _) = taken(body);
    let limit = MEMORY_PER_BODY_BYTE * body.len() + NAME;
    assert!(
        memory <= limit,
        "{name}: {memory} bytes for a body of {}",
        body.len()
    );
}

/// One column is longer than all others, and promises as many values as it has bytes.
fn check_with_each_column_replaced(name: &str, body: &[u8]) {
    let parsed = Body::parse(body);
    for number in 2..=74 {
        for filling in [0, 1, 0x7f] {
            let body = parsed.clone().bytes(number, &vec![filling; 50_000]).write();
            check(&format!("{name}, field {number} replaced"), &body);
        }
    }
}

/// Two columns that fit each other in length, and nothing else.
fn check_all_pairs_of_columns() {
    for one in 10..=53 {
        for other in one..=53 {
            for filling in [0, 1] {
                let mut body = Body::parse(&header());
                for number in [one, other] {
                    body = body.bytes(number, &[filling; 2_000]);
                }
                check(&format!("fields {one} and {other} alone"), &body.write());
            }
        }
    }
}

#[test]
fn decoding_takes_a_small_multiple_of_the_body_at_most() {
    let accepted = [
        ("typical IPv4", encode(&Load::typical(Family::Ipv4).batch())),
        ("typical IPv6", encode(&Load::typical(Family::Ipv6).batch())),
        ("dense IPv6", dense_ipv6()),
        ("dense flows", dense_flows()),
        ("dense tables", dense_tables()),
    ];
    for (name, body) in &accepted {
        let (memory, is_accepted) = taken(body);
        assert!(is_accepted, "{name} was refused");
        let limit = MEMORY_PER_BODY_BYTE * body.len() + NAME;
        assert!(
            memory <= limit,
            "{name}: {memory} bytes for a body of {}",
            body.len()
        );
    }
    for (name, body) in &accepted {
        check_with_each_column_replaced(name, body);
    }
    check_all_pairs_of_columns();
    // The bound is no wishful one: the worst case comes near it.
    let worst = dense_ipv6();
    let (memory, _) = taken(&worst);
    assert!(memory > (MEMORY_PER_BODY_BYTE - 2) * worst.len());
}
