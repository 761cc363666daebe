//! How large the programs are, how much of them the verifier had to look at, and how long it took.

use std::mem::MaybeUninit;
use std::time::Instant;

use kubezonnet_capture::{Config, Trial};
use kubezonnet_model::InterfaceClass;
use kubezonnet_testkit::bench::{Bench, Figure, median};

use crate::plain::Plain;
use crate::{Outcome, kernel};

/// What the verifier looks at before it gives up, since Linux 5.2 (`BPF_COMPLEXITY_LIMIT_INSNS`).
const COMPLEXITY_LIMIT: f64 = 1_000_000.0;

#[expect(clippy::cast_precision_loss, reason = "programs are small")]
pub(crate) fn run(bench: &mut Bench) -> Outcome {
    let mut took = Vec::new();
    for _ in 0..bench.rounds(10, 2) {
        let began = Instant::now();
        let _trial = Trial::load(&Config::default(), InterfaceClass::Uplink)?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let mut plain_storage = MaybeUninit::uninit();
    let _trial = Trial::load(&Config::default(), InterfaceClass::Uplink)?;
    let _plain = Plain::load(&mut plain_storage)?;
    // In the order of loading, which is that of the object. The kernel keeps 15 characters of a name.
    let names = [
        "postrouting ipv4",
        "postrouting ipv6",
        "local_in ipv4",
        "local_in ipv6",
        "stub post ipv4",
        "stub post ipv6",
        "stub in ipv4",
        "stub in ipv6",
        "empty",
        "yardstick ipv4",
        "yardstick ipv6",
    ];
    let programs = kernel::programs(&kernel::held_programs()?);
    for (program, name) in programs.iter().zip(names) {
        let short = program
            .name
            .to_string_lossy()
            .replace("_v", " ipv")
            .replace('_', " ");
        if !name.replace('_', " ").starts_with(&short) {
            return Err(format!("{short} is loaded where {name} is expected").into());
        }
        let figures = [
            Figure::new("instructions", (program.xlated_prog_insns.len() / 8) as f64),
            Figure::new(
                "bytes of machine code",
                program.jited_prog_insns.len() as f64,
            ),
            Figure::new("verified instructions", f64::from(program.verified_insns))
                .at_most(COMPLEXITY_LIMIT),
        ];
        bench.tell("verifier", name, &figures)?;
    }
    let figures = [Figure::new("ms to load", median(&took))];
    bench.tell("load", "all programs and maps", &figures)?;
    Ok(())
}
