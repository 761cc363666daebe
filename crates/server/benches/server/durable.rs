//! What it costs to keep every window on disk before it is acknowledged: entries a second on one
//! processor with a store and without, and as the server runs, with the past and what pods had, in
//! turns, with the windows of twenty nodes on their way at once; and how long a commit takes with a
//! thousand agents.

use std::time::Duration;

use kubezonnet_model::{FlowBatch, Window};
use kubezonnet_server::export::{ExportCounts, Exporters};
use kubezonnet_server::history::{By, Filter, Past as _, Question};
use kubezonnet_server::pipeline::Pipeline;
use kubezonnet_testkit::bench::{Bench, Figure, keep_to_one_processor, median, quantile, timed};
use kubezonnet_wire::{Limits, decode};

use crate::Outcome;
use crate::cluster::{self, NOW};
use crate::ingest::{millions_a_second, next_windows};

/// How much of the entries without a store a processor is to bear with one.
const LEAST: f64 = 0.8;

/// Nodes that report in turns.
const NODES: u32 = 20;

/// Windows of each in a round: the end of a round, where nothing is left to do but to wait for the
/// disk, is small beside it.
const WINDOWS: usize = 10;

/// Flows of a batch: a busy node.
const FLOWS: usize = 3_000;

/// Agents that report at once, each with a tenth of a busy node's flows.
const AGENTS: u32 = 1_000;

/// Milliseconds that all but one in a hundred may take then.
const P99_MILLIS: f64 = 50.0;

pub(crate) fn run(bench: &mut Bench) -> Outcome {
    latency(bench)?;
    keep_to_one_processor()?;
    for pods in [5_000, 50_000] {
        throughput(bench, pods)?;
    }
    Ok(())
}

fn throughput(bench: &mut Bench, pods: u32) -> Outcome {
    let (directory, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let durable = cluster::durable(cluster::topology(pods)?, directory.path())?;
    let volatile = cluster::pipeline(cluster::topology(pods)?, Exporters::default());
    let whole = cluster::whole(cluster::topology(pods)?, other.path())?;
    for pipeline in [&durable, &volatile, &whole] {
        cluster::let_all_report(pipeline, pods)?;
    }
    let mut batches = (0..NODES)
        .map(|node| cluster::batch(pods, node, FLOWS))
        .collect::<Outcome<Vec<_>>>()?;
    let entries: usize = batches
        .iter()
        .map(|batch: &FlowBatch| batch.records.len())
        .sum();
    let (mut with, mut without, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds(20, 5) {
        let bodies: Vec<_> = (0..WINDOWS)
            .flat_map(|_| next_windows(&mut batches))
            .collect();
        for (pipeline, speeds) in [
            (&durable, &mut with),
            (&volatile, &mut without),
            (&whole, &mut all),
        ] {
            let (applied, took) = timed(|| apply(pipeline, &bodies).and_then(|()| rest(pipeline)));
            applied?;
            speeds.push(millions_a_second(WINDOWS * entries, took));
        }
    }
    let dropped: u64 = whole
        .exporters()
        .counts()
        .iter()
        .map(|(_, each)| each.dropped)
        .sum();
    let (with, without, all) = (median(&with), median(&without), median(&all));
    let figures = [
        Figure::new("million entries/s", with),
        Figure::new("without a store", without),
        Figure::new("of without", with / without).at_least(LEAST),
    ];
    let subject = format!("{pods} pods, batches of {FLOWS}");
    bench.tell("durable", &subject, &figures)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let figures = [
        Figure::new("million entries/s", all),
        Figure::new("of durable", all / with),
        Figure::new("flows dropped by what pods had", dropped as f64),
    ];
    let subject = format!("{pods} pods, batches of {FLOWS}, with history, flows and pods");
    bench.tell("durable", &subject, &figures)?;
    Ok(())
}

/// Waits for what threads of their own do of it: the past, and what pods had.
fn rest(pipeline: &Pipeline) -> Outcome {
    if pipeline.exporters().is_empty() {
        return Ok(());
    }
    let nothing = Question {
        range: Window {
            start: NOW,
            end: NOW,
        },
        resolution: None,
        step: None,
        by: By::Edges(Vec::new()),
        only: None,
        filter: Filter::default(),
    };
    pipeline.past().ok_or("there is a past")?.ask(&nothing)?;
    // Both are offered the same flows; the one that has no thread has had all of them.
    let all_alike = || {
        let counts = pipeline.exporters().counts();
        let taken = |(_, each): &(_, ExportCounts)| each.written + each.dropped;
        counts
            .windows(2)
            .all(|two| taken(&two[0]) == taken(&two[1]))
    };
    while !all_alike() {
        std::thread::yield_now();
    }
    Ok(())
}

/// All are on their way before the first is waited for, as with many agents.
fn apply(pipeline: &Pipeline, bodies: &[Vec<u8>]) -> Outcome {
    let mut taken = Vec::with_capacity(bodies.len());
    for body in bodies {
        let batch = decode(body, &Limits::default())?;
        taken.push(pipeline.take(&batch, Duration::ZERO, NOW)?);
    }
    for each in taken {
        each.wait()?;
    }
    Ok(())
}

/// A thousand agents whose windows come spread over a second, ten times as close as they are in a
/// cluster, each answered once it is on disk.
fn latency(bench: &mut Bench) -> Outcome {
    let pods = AGENTS * cluster::PODS_OF_A_NODE;
    let directory = tempfile::tempdir()?;
    let pipeline = cluster::durable(cluster::topology(pods)?, directory.path())?;
    cluster::let_all_report(&pipeline, pods)?;
    let mut batches = (0..AGENTS)
        .map(|node| cluster::batch(pods, node, FLOWS / 10))
        .collect::<Outcome<Vec<_>>>()?;
    let every = Duration::from_secs(1) / AGENTS;
    let mut took = Vec::new();
    for _ in 0..bench.rounds(10, 3) {
        let bodies = next_windows(&mut batches);
        let began = std::time::Instant::now();
        let answers = std::thread::scope(|scope| -> Outcome<Vec<f64>> {
            let mut waits = Vec::new();
            for (turn, body) in (0..).zip(&bodies) {
                let due = began + every * turn;
                std::thread::sleep(due.saturating_duration_since(std::time::Instant::now()));
                let batch = decode(body, &Limits::default())?;
                let taken = pipeline.take(&batch, Duration::ZERO, NOW)?;
                waits.push(
                    scope.spawn(move || taken.wait().map(|_| due.elapsed().as_secs_f64() * 1e3)),
                );
            }
            let answer = |wait: std::thread::ScopedJoinHandle<'_, _>| match wait.join() {
                Ok(answer) => Ok(answer?),
                Err(_) => Err("a thread panicked".into()),
            };
            waits.into_iter().map(answer).collect()
        })?;
        took.extend(answers);
    }
    let figures = [
        Figure::new("p50 ms", quantile(&took, 0.5)),
        Figure::new("p99 ms", quantile(&took, 0.99)).at_most(P99_MILLIS),
        Figure::new("longest ms", quantile(&took, 1.0)),
    ];
    let subject = format!("{AGENTS} agents, 1,000 windows/s on disk");
    bench.tell("durable", &subject, &figures)?;
    Ok(())
}
