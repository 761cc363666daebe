//! Prints what a flow costs on the wire, for batches of several shapes.
//!
//! `cargo run --release -p kubezonnet-wire --example size`
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use kubezonnet_model::Family;
use kubezonnet_wire::encode;

use crate::synthetic::Load;

#[path = "../tests/it/synthetic.rs"]
mod synthetic;

fn main() {
    println!(
        "{:<32}{:>8}{:>12}{:>16}",
        "batch", "family", "bytes", "bytes per flow"
    );
    for family in Family::ALL {
        let typical = Load::typical(family);
        let loads = [
            ("typical: 500 peers", typical),
            (
                "few flows: 2,000",
                Load {
                    flows: 2_000,
                    ..typical
                },
            ),
            (
                "scattered: 10,000 peers",
                Load {
                    peers: 10_000,
                    ..typical
                },
            ),
            (
                "many services: 1,000",
                Load {
                    services: 1_000,
                    ..typical
                },
            ),
        ];
        for (name, load) in loads {
            let body = encode(&load.batch());
            let hundredths = body.len() * 100 / load.flows;
            println!(
                "{name:<32}{:>8}{:>12}{:>13}.{:02}",
                family.as_str(),
                body.len(),
                hundredths / 100,
                hundredths % 100
            );
        }
    }
}
