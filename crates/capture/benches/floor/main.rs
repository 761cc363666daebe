//! What counting a packet costs, beside a program that does it the plain way.
//!
//! `cargo bench -p kubezonnet-capture --features yardstick -- [--quick] [PART]…`, as root. Parts:
//!
//! - `programs`: nanoseconds a packet of each program on crafted packets (`BPF_PROG_TEST_RUN`).
//! - `scattered`: the same when every packet is another flow.
//! - `verifier`: instructions, those the verifier looked at, time to load.
//! - `traffic`: nanoseconds a packet under real small datagrams, by the kernel's own statistics.
//! - `throughput`: TCP at MTU size and small datagrams, with and without the programs.
//! - `drain`: closing a full window, and emptying it.
//! - `agent`: what the agent keeps in memory; its program and the server's must be built (release).
#![allow(missing_docs, reason = "a bench has no users")]

mod agent;
mod crafted;
mod drain;
mod kernel;
mod nodes;
mod plain;
mod throughput;
mod traffic;
mod verifier;

use std::error::Error;

use kubezonnet_testkit::bench::Bench;

/// What goes wrong ends the bench.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// A part of the bench.
type Part = fn(&mut Bench) -> Outcome;

fn main() -> Outcome {
    kubezonnet_testkit::check_root()?;
    let mut bench = Bench::from_arguments()?;
    let parts: [(&str, Part); 7] = [
        ("verifier", verifier::run),
        ("programs", crafted::programs),
        ("scattered", crafted::scattered),
        ("traffic", traffic::run),
        ("throughput", throughput::run),
        ("drain", drain::run),
        ("agent", agent::run),
    ];
    for (name, run) in parts {
        if bench.wants(name) {
            run(&mut bench)?;
        }
    }
    Ok(())
}
