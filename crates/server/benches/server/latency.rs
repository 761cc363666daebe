//! How long an answer takes when batches come at half of the load a processor is to bear: through
//! the router as requests, at even distances, whether or not earlier ones are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use kubezonnet_server::export::Exporters;
use kubezonnet_server::http;
use kubezonnet_server::ingest::{BodyLimits, Ingest};
use kubezonnet_testkit::bench::{Bench, Figure, quantile};
use kubezonnet_topology::Clock;
use kubezonnet_wire::{AGE_HEADER, CONTENT_TYPE, INGEST_PATH};
use tower::ServiceExt as _;

use crate::Outcome;
use crate::cluster::{self, NOW};
use crate::ingest::next_windows;

const PODS: u32 = 5_000;
/// Flows of a batch: a busy node.
const FLOWS: usize = 3_000;
/// Half of five million.
const ENTRIES_A_SECOND: f64 = 2.5e6;
/// Milliseconds that all but one in a hundred answers may take.
const P99_MILLIS: f64 = 20.0;

#[expect(clippy::cast_precision_loss, reason = "some thousand")]
pub(crate) fn run(bench: &mut Bench) -> Outcome {
    let nodes = PODS / cluster::PODS_OF_A_NODE;
    let mut batches = (0..nodes)
        .map(|node| cluster::batch(PODS, node, FLOWS))
        .collect::<Outcome<Vec<_>>>()?;
    let pipeline = cluster::pipeline(cluster::topology(PODS)?, Exporters::default());
    let pipeline = Arc::new(pipeline);
    cluster::let_all_report(&pipeline, PODS)?;
    let clock = Clock::new(|| NOW);
    let limits = BodyLimits {
        // Rounds follow one another faster than windows do.
        batches: usize::MAX,
        ..BodyLimits::default()
    };
    let ingest = Ingest::new(Arc::clone(&pipeline), limits, clock.clone());
    let router = http::router(pipeline, Arc::new(ingest), clock);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let every = Duration::from_secs_f64(FLOWS as f64 / ENTRIES_A_SECOND);
    let refused = Arc::new(AtomicU64::new(0));
    let mut took = Vec::new();
    for _ in 0..bench.rounds(30, 5) {
        // Encoded between the rounds, at each of which the server is idle.
        let bodies = next_windows(&mut batches);
        let began = Instant::now();
        let mut answers = Vec::new();
        for (turn, body) in (0..).zip(bodies) {
            let due = began + every * turn;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let (router, refused) = (router.clone(), Arc::clone(&refused));
            answers.push(runtime.spawn(async move {
                let request = Request::post(INGEST_PATH)
                    .header(header::CONTENT_TYPE, CONTENT_TYPE)
                    .header(AGE_HEADER, "0")
                    .body(Body::from(body))
                    .expect("the headers are well-formed");
                let answer = router.oneshot(request).await;
                if answer.map(|answer| answer.status()) != Ok(StatusCode::OK) {
                    refused.fetch_add(1, Ordering::Relaxed);
                }
                // From when it was to be sent: what was held up by the one before counts.
                due.elapsed().as_secs_f64() * 1e3
            }));
        }
        for answer in answers {
            took.push(runtime.block_on(answer)?);
        }
    }
    let refused = refused.load(Ordering::Relaxed);
    if refused > 0 {
        return Err(format!("{refused} batches were refused").into());
    }
    let figures = [
        Figure::new("batches", took.len() as f64),
        Figure::new("p50 ms", quantile(&took, 0.5)),
        Figure::new("p99 ms", quantile(&took, 0.99)).at_most(P99_MILLIS),
        Figure::new("longest ms", quantile(&took, 1.0)),
    ];
    let subject = format!("{PODS} pods, batches of {FLOWS}, 2.5 million entries/s");
    bench.tell("latency", &subject, &figures)?;
    Ok(())
}
