//! `/metrics` of many series: a copy of the ledger and the page of it, idle and while batches are
//! applied without a break, in turns with writing the same samples by prometheus-client alone.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kubezonnet_model::FlowBatch;
use kubezonnet_server::export::Exporters;
use kubezonnet_server::ingest::IngestCounts;
use kubezonnet_server::metrics::{Format, Scrape, render};
use kubezonnet_server::pipeline::Pipeline;
use kubezonnet_testkit::bench::{Bench, Figure, median, timed};
use kubezonnet_wire::{Limits, decode};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::Outcome;
use crate::cluster::{self, NOW};
use crate::ingest::next_windows;

/// Pods, and flows of each node, that make about so many series, half of them of pairs of workloads;
/// and the milliseconds a page may take.
const SIZES: [(u32, usize, u32, f64); 2] = [(350, 300, 5_000, 4.0), (8_000, 300, 100_000, 60.0)];

pub(crate) fn run(bench: &mut Bench) -> Outcome {
    for (pods, flows, series, most) in SIZES {
        let pipeline = cluster::pipeline(cluster::topology(pods)?, Exporters::default());
        cluster::let_all_report(&pipeline, pods)?;
        let mut batches = (0..pods / cluster::PODS_OF_A_NODE)
            .map(|node| cluster::batch(pods, node, flows))
            .collect::<Outcome<Vec<_>>>()?;
        apply_all(&pipeline, &mut batches, &AtomicBool::new(false))?;
        let rounds = bench.rounds(60, 8);
        let idle = pages(&pipeline, rounds, most)?;
        bench.tell("metrics", &format!("about {series} series, idle"), &idle)?;
        let stop = AtomicBool::new(false);
        let loaded = std::thread::scope(|scope| {
            let load = scope.spawn(|| -> Outcome {
                while !stop.load(Ordering::Relaxed) {
                    apply_all(&pipeline, &mut batches, &stop)?;
                }
                Ok(())
            });
            let loaded = pages(&pipeline, rounds, most);
            stop.store(true, Ordering::Relaxed);
            load.join().map_err(|_| "the load panicked")??;
            loaded
        });
        let subject = format!("about {series} series, under load");
        bench.tell("metrics", &subject, &loaded?)?;
    }
    Ok(())
}

fn apply_all(pipeline: &Pipeline, batches: &mut [FlowBatch], stop: &AtomicBool) -> Outcome {
    for body in next_windows(batches) {
        let batch = decode(&body, &Limits::default())?;
        pipeline.apply(&batch, Duration::ZERO, NOW)?;
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn pages(pipeline: &Pipeline, rounds: usize, most: f64) -> Outcome<[Figure; 7]> {
    let counts = IngestCounts::default();
    let page = |format| {
        let (page, took) = timed(|| render(Scrape::of(pipeline, &counts, NOW), format));
        (page, took.as_secs_f64() * 1e3)
    };
    let (first, _) = page(Format::OpenMetrics);
    let samples = first.lines().filter(|line| !line.starts_with('#')).count();
    let registry = same_samples(&first)?;
    let (mut open_metrics, mut classic, mut copy, mut bare) = (vec![], vec![], vec![], vec![]);
    for _ in 0..rounds {
        open_metrics.push(page(Format::OpenMetrics).1);
        classic.push(page(Format::Classic).1);
        let (scrape, took) = timed(|| Scrape::of(pipeline, &counts, NOW));
        drop(scrape);
        copy.push(took.as_secs_f64() * 1e3);
        let mut text = String::new();
        let (written, took) = timed(|| text::encode(&mut text, &registry));
        written?;
        black_box(text);
        bare.push(took.as_secs_f64() * 1e3);
    }
    let (page, bare) = (median(&open_metrics), median(&bare));
    Ok([
        Figure::new("samples", samples as f64),
        Figure::new("page MB", first.len() as f64 / 1e6),
        Figure::new("OpenMetrics ms", page).at_most(most),
        Figure::new("classic ms", median(&classic)).at_most(most),
        Figure::new("of it the copy ms", median(&copy)),
        Figure::new("bare encode ms", bare),
        Figure::new("of bare encode", page / bare),
    ])
}

/// A registry with the counters of a page and nothing behind them.
fn same_samples(page: &str) -> Outcome<Registry> {
    type Labels = Vec<(String, String)>;
    let mut registry = Registry::default();
    let mut families: Vec<(String, Family<Labels, Counter>)> = Vec::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').ok_or("a sample has a value")?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let name = name.strip_suffix("_total").unwrap_or(name);
        // The names of this cluster have no comma and nothing to escape.
        let labels = labels.trim_end_matches('}').split(',').filter_map(|label| {
            let (label, value) = label.split_once('=')?;
            Some((label.to_owned(), value.trim_matches('"').to_owned()))
        });
        if families.last().is_none_or(|(last, _)| last != name) {
            let family = Family::default();
            registry.register(name, "The same samples", family.clone());
            families.push((name.to_owned(), family));
        }
        let (_, family) = families.last().ok_or("one was just added")?;
        let counter = family.get_or_create(&labels.collect());
        counter.inc_by(value.parse().unwrap_or_default());
    }
    Ok(registry)
}
