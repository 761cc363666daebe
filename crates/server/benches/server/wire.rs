//! What a typical batch of 20,000 flows costs on the wire, and to write and read.

use std::hint::black_box;

use kubezonnet_model::Family;
use kubezonnet_testkit::bench::{Bench, Figure, keep_to_one_processor, median, timed};
use kubezonnet_wire::{Limits, decode, encode};

use crate::Outcome;
use crate::synthetic::Load;

/// Bytes an entry may take.
const ENTRY_BYTES: f64 = 10.0;

#[expect(clippy::cast_precision_loss, reason = "some thousand")]
pub(crate) fn run(bench: &mut Bench) -> Outcome {
    keep_to_one_processor()?;
    for family in Family::ALL {
        let batch = Load::typical(family).batch();
        let body = encode(&batch);
        let entries = batch.records.len() as f64;
        let (mut write, mut read) = (Vec::new(), Vec::new());
        for _ in 0..bench.rounds(200, 20) {
            let (_, took) = timed(|| black_box(encode(&batch)));
            write.push(took.as_secs_f64() * 1e9 / entries);
            let (decoded, took) = timed(|| decode(&body, &Limits::default()));
            black_box(decoded?);
            read.push(took.as_secs_f64() * 1e9 / entries);
        }
        let figures = [
            Figure::new("bytes an entry", body.len() as f64 / entries).at_most(ENTRY_BYTES),
            Figure::new("ns to write an entry", median(&write)),
            Figure::new("ns to read an entry", median(&read)),
        ];
        bench.tell("wire", family.as_str(), &figures)?;
    }
    Ok(())
}
