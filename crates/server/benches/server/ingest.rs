//! Entries a second on one processor: bodies are decoded, resolved, and added to the ledger, in
//! turns with decoding alone; and on all of them at once.

use std::fs::OpenOptions;
use std::hint::black_box;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kubezonnet_model::FlowBatch;
use kubezonnet_server::export::flow_log::{FlowLog, Format, Selection};
use kubezonnet_server::export::{ExportCounts, Exporter, Exporters};
use kubezonnet_server::pipeline::Pipeline;
use kubezonnet_server::resolve::ResolvedBatch;
use kubezonnet_testkit::bench::{Bench, Figure, keep_to_one_processor, median, timed};
use kubezonnet_wire::{Limits, decode, encode};

use crate::Outcome;
use crate::cluster::{self, NOW};

/// Million entries a second that a processor is to bear without flow log.
const ENTRIES: f64 = 5.0;

/// Nodes that report in turns. The pods of all nodes are looked up.
const NODES: u32 = 20;

pub(crate) fn run(bench: &mut Bench) -> Outcome {
    keep_to_one_processor()?;
    for pods in [5_000, 50_000] {
        for flows in [3_000, 20_000] {
            for log in [Selection::Off, Selection::CrossZone, Selection::All] {
                measure(bench, pods, flows, log)?;
            }
        }
    }
    Ok(())
}

fn measure(bench: &mut Bench, pods: u32, flows: usize, selection: Selection) -> Outcome {
    let log = RoundLog::default();
    let exporters = match selection {
        Selection::Off => Exporters::default(),
        Selection::CrossZone | Selection::All => Exporters::of(vec![Box::new(log.clone())]),
    };
    let pipeline = cluster::pipeline(cluster::topology(pods)?, exporters);
    cluster::let_all_report(&pipeline, pods)?;
    let mut batches = (0..NODES)
        .map(|node| cluster::batch(pods, node, flows))
        .collect::<Outcome<Vec<_>>>()?;
    let entries: usize = batches.iter().map(|batch| batch.records.len()).sum();
    let (mut all, mut bare, mut dropped) = (Vec::new(), Vec::new(), 0);
    for _ in 0..bench.rounds(30, 3) {
        let bodies = next_windows(&mut batches);
        log.open(selection)?;
        let (applied, took) = timed(|| apply(&pipeline, &bodies, &log));
        dropped += applied?;
        all.push(millions_a_second(entries, took));
        let (decoded, took) = timed(|| -> Outcome {
            for body in &bodies {
                black_box(decode(body, &Limits::default())?);
            }
            Ok(())
        });
        decoded?;
        bare.push(millions_a_second(entries, took));
    }
    if dropped > 0 {
        return Err(format!("{dropped} lines of the flow log were dropped").into());
    }
    let (all, bare) = (median(&all), median(&bare));
    let speed = Figure::new("million entries/s", all);
    let (log, speed) = match selection {
        Selection::Off => ("off", speed.at_least(ENTRIES)),
        Selection::CrossZone => ("cross-zone", speed),
        Selection::All => ("all", speed),
    };
    let figures = [
        speed,
        Figure::new("ns an entry", 1e3 / all),
        Figure::new("bare decode, million/s", bare),
        Figure::new("of bare decode", all / bare),
    ];
    let subject = format!("{pods} pods, batches of {flows}, flow log {log}");
    bench.tell("ingest", &subject, &figures)?;
    Ok(())
}

/// What all processors together bear, in turns with what one does: how much ingest is in its own way.
pub(crate) fn processors(bench: &mut Bench) -> Outcome {
    let all = std::thread::available_parallelism()?.get();
    let (pods, flows) = (5_000, 3_000);
    let pipeline = cluster::pipeline(cluster::topology(pods)?, Exporters::default());
    cluster::let_all_report(&pipeline, pods)?;
    let mut batches = (0..NODES)
        .map(|node| cluster::batch(pods, node, flows))
        .collect::<Outcome<Vec<_>>>()?;
    let entries: usize = batches.iter().map(|batch| batch.records.len()).sum();
    let (mut by_one, mut by_all) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds(30, 3) {
        for (threads, speeds) in [(1, &mut by_one), (all, &mut by_all)] {
            let bodies = next_windows(&mut batches);
            let share = bodies.len().div_ceil(threads);
            let (applied, took) = timed(|| {
                std::thread::scope(|scope| {
                    let pipeline = &pipeline;
                    let apply = |share| move || apply(pipeline, share, &RoundLog::default());
                    let threads = bodies.chunks(share).map(|share| scope.spawn(apply(share)));
                    let threads: Vec<_> = threads.collect();
                    let ends = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
                    ends.collect::<Result<Vec<_>, _>>()
                })
            });
            let applied = applied.map_err(|_| "a thread panicked")?;
            applied.into_iter().collect::<Outcome<Vec<_>>>()?;
            speeds.push(millions_a_second(entries, took));
        }
    }
    let (by_one, by_all) = (median(&by_one), median(&by_all));
    let figures = [
        Figure::new("million entries/s", by_all),
        Figure::new("of one processor", by_one),
        Figure::new("times as much", by_all / by_one),
    ];
    let subject = format!("{pods} pods, batches of {flows}, {all} processors");
    bench.tell("processors", &subject, &figures)?;
    Ok(())
}

/// What the server does with each body; with a flow log, until it is written. Returns how many of
/// its lines were dropped.
fn apply(pipeline: &Pipeline, bodies: &[Vec<u8>], log: &RoundLog) -> Outcome<u64> {
    for body in bodies {
        let batch = decode(body, &Limits::default())?;
        pipeline.apply(&batch, Duration::ZERO, NOW)?;
    }
    Ok(log.finish())
}

/// A flow log that lives for a round, at whose end all of it is written.
#[derive(Debug, Clone, Default)]
struct RoundLog(Arc<Mutex<Option<FlowLog>>>);

impl RoundLog {
    fn open(&self, selection: Selection) -> Outcome {
        if selection != Selection::Off {
            let writer = OpenOptions::new().write(true).open("/dev/null")?;
            *self.now() = Some(FlowLog::to(writer, selection, Format::Json, Vec::new()));
        }
        Ok(())
    }

    fn finish(&self) -> u64 {
        let Some(log) = self.now().take() else {
            return 0;
        };
        log.close(Duration::from_mins(1));
        log.counts().dropped
    }

    fn now(&self) -> MutexGuard<'_, Option<FlowLog>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exporter for RoundLog {
    fn name(&self) -> &'static str {
        "flow_log"
    }

    fn offer(&self, batch: &Arc<ResolvedBatch>) {
        if let Some(log) = &*self.now() {
            log.offer(batch);
        }
    }

    fn counts(&self) -> ExportCounts {
        self.now()
            .as_ref()
            .map(Exporter::counts)
            .unwrap_or_default()
    }

    fn close(&self, _: Duration) {
        self.finish();
    }
}

/// Each batch as the next window of its node.
pub(crate) fn next_windows(batches: &mut [FlowBatch]) -> Vec<Vec<u8>> {
    let next = |batch: &mut FlowBatch| {
        batch.header.sequence += 1;
        encode(batch)
    };
    batches.iter_mut().map(next).collect()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub(crate) fn millions_a_second(entries: usize, took: Duration) -> f64 {
    entries as f64 / took.as_secs_f64() / 1e6
}
