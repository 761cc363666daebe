//! What the server costs: entries a second, answers under load, pages of metrics.
//!
//! `cargo bench -p kubezonnet-server -- [--quick] [PART]…`. Parts:
//!
//! - `wire`: bytes an entry of a typical batch, and the time to write and read it.
//! - `ingest`: entries a second on one processor, from body to ledger, beside reading alone.
//! - `processors`: the same on all processors at once.
//! - `durable`: the same with every window on disk before it is acknowledged, and how long that takes
//!   with a thousand agents.
//! - `latency`: how long answers take at half of the load a processor is to bear.
//! - `metrics`: `/metrics` of many series, idle and under load, beside writing the same samples only.
//! - `memory`: what the program keeps of 5,000 pods.
//! - `history`: views of 90 days of 2,000 pairs of workloads.
#![allow(missing_docs, reason = "a bench has no users")]

mod cluster;
mod durable;
mod history;
mod ingest;
mod latency;
mod memory;
mod metrics;
#[path = "../../../wire/tests/it/synthetic.rs"]
mod synthetic;
mod wire;

use std::error::Error;

use kubezonnet_testkit::bench::Bench;

/// What goes wrong ends the bench.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// A part of the bench.
type Part = fn(&mut Bench) -> Outcome;

fn main() -> Outcome {
    let mut bench = Bench::from_arguments()?;
    let parts: [(&str, Part); 8] = [
        ("wire", wire::run),
        ("ingest", ingest::run),
        ("processors", ingest::processors),
        ("durable", durable::run),
        ("latency", latency::run),
        ("metrics", metrics::run),
        ("memory", memory::run),
        ("history", history::run),
    ];
    for (name, run) in parts {
        if bench.wants(name) {
            // A thread of its own: what it is kept to ends with it.
            let ran = std::thread::scope(|scope| scope.spawn(|| run(&mut bench)).join());
            ran.map_err(|_| format!("{name} panicked"))??;
        }
    }
    Ok(())
}
