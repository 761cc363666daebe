//! What writing and reading a typical batch of 20,000 flows costs.
//!
//! `cargo bench -p kubezonnet-wire`: divide a time by 20,000 for that of a flow.
#![allow(missing_docs, reason = "a bench has no users")]

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use kubezonnet_model::Family;
use kubezonnet_wire::{DecodedBatch, Limits, decode, encode};

use crate::synthetic::Load;

#[path = "../tests/it/synthetic.rs"]
mod synthetic;

fn main() {
    divan::main();
}

fn load(name: &str) -> Load {
    let family = Family::ALL
        .into_iter()
        .find(|family| family.as_str() == name);
    Load::typical(family.expect("the arguments below are names of families"))
}

#[divan::bench(args = ["ipv4", "ipv6"])]
fn write(bencher: Bencher<'_, '_>, family: &str) {
    let batch = load(family).batch();
    bencher
        .counter(ItemsCount::new(batch.records.len()))
        .bench(|| encode(&batch));
}

#[divan::bench(args = ["ipv4", "ipv6"])]
fn read(bencher: Bencher<'_, '_>, family: &str) {
    let batch = load(family).batch();
    let body = encode(&batch);
    bencher
        .counter(ItemsCount::new(batch.records.len()))
        .bench(|| decode(&body, &Limits::default()));
}

#[divan::bench(args = ["ipv4", "ipv6"])]
fn read_into_records(bencher: Bencher<'_, '_>, family: &str) {
    let batch = load(family).batch();
    let body = encode(&batch);
    bencher
        .counter(ItemsCount::new(batch.records.len()))
        .bench(|| {
            let decoded = decode(&body, &Limits::default());
            for record in decoded.iter().flat_map(DecodedBatch::records) {
                black_box(record);
            }
        });
}
