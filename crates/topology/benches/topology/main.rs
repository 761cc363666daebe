//! A cluster of 5,000 nodes and 150,000 pods: what it takes in memory, what a lookup takes, and how
//! long a reader waits while everything is listed anew: `cargo bench -p kubezonnet-topology`, with
//! names of parts to run only those.

use std::error::Error;

use kubezonnet_testkit::bench::Bench;

mod cluster;
mod lookup;
mod memory;
mod relist;

/// What a part comes to.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A part: its name, and what it measures.
type Part = (&'static str, fn(&mut Bench) -> Outcome);

/// Memory is measured first: what is freed before stays with the process.
const PARTS: &[Part] = &[
    ("topology memory", memory::run),
    ("topology lookup", lookup::run),
    ("topology relist", relist::run),
];

fn main() -> Outcome {
    let mut bench = Bench::from_arguments()?;
    for (part, run) in PARTS {
        if bench.wants(part) || bench.wants("topology") {
            run(&mut bench)?;
        }
    }
    Ok(())
}
