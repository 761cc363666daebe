//! Ending a window whose map is full: switch, wait, read; and emptying it after.

use kubezonnet_capture::Config;
use kubezonnet_model::Family;
use kubezonnet_testkit::bench::{Bench, Figure, median, timed};

use crate::Outcome;
use crate::nodes::{self, Flood};

/// Half a map of each family.
const PORTS: u16 = 32_767;

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub(crate) fn run(bench: &mut Bench) -> Outcome {
    let cluster = nodes::cluster()?;
    let mut capture = nodes::attach(cluster.node("node-a"), &Config::default())?;
    let floods = Family::ALL.map(|family| Flood::between(&cluster, family));
    let mut floods_ready = Vec::new();
    for flood in floods {
        floods_ready.push(flood?);
    }
    for (subject, ports) in [("empty", 0), ("full", PORTS)] {
        let (mut close, mut clear, mut records) = (Vec::new(), Vec::new(), 0);
        for _ in 0..bench.rounds(20, 3) {
            for flood in &floods_ready {
                flood.scatter(ports)?;
            }
            let (drained, took) = timed(|| capture.close_window());
            records = drained?.records.len();
            close.push(took.as_secs_f64() * 1e3);
            let (cleared, took) = timed(|| capture.clear_closed(None));
            cleared?;
            clear.push(took.as_secs_f64() * 1e3);
        }
        let figures = [
            Figure::new("records", records as f64),
            Figure::new("ms to close", median(&close)),
            Figure::new("ms to clear", median(&clear)),
        ];
        bench.tell("drain", subject, &figures)?;
    }
    Ok(())
}
