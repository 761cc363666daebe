//! The edge where batches come in: limits, headers, answers, and the time.
//!
//! Everything that can be refused without the body is refused before a byte of it is read; a body
//! is read up to the limit and no further. Whatever is refused is counted by its reason and
//! changes nothing else.

mod age;
mod body;
mod counts;
pub mod legacy;
mod memory;
mod pace;
mod refusal;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use kubezonnet_model::{BatchHeader, NodeName, Timestamp};
use kubezonnet_topology::Clock;
use kubezonnet_wire::Limits;
use tokio::sync::Semaphore;

use self::counts::Received;
pub use self::counts::{IngestCounts, LATENCY_BOUNDS, Latency};
use self::memory::BodyMemory;
use self::pace::Pace;
pub use self::refusal::Refusal;
use crate::authenticate::{Door, Identity};
use crate::pipeline::{Acceptance, Pipeline, Taken};
use crate::store::StoreId;

/// What a body may be.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Bytes of one body.
    pub bytes: usize,
    /// Records of one body.
    pub records: usize,
    /// Bytes of all bodies that are being read, or wait to be resolved.
    pub memory: usize,
    /// Time for a body to arrive.
    pub timeout: Duration,
    /// Bytes a second that a body arrives with at least, once it had a few seconds.
    pub rate: usize,
    /// Batches of one node in ten seconds.
    pub batches: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            // A window of the most records takes 2 to 3 MiB.
            bytes: 16 << 20,
            records: Limits::default().max_records,
            // Fifty windows of the most records at once, or a thousand of a busy node.
            memory: 128 << 20,
            timeout: Duration::from_secs(30),
            // Full windows need far more; whatever is slower is no agent's network.
            rate: 16 * 1024,
            // With the shortest interval there are ten, and what is repeated.
            batches: 30,
        }
    }
}

/// The state behind the ingest route.
#[derive(Debug)]
pub struct Ingest {
    pipeline: Arc<Pipeline>,
    limits: BodyLimits,
    /// What bodies take of it is bounded, whoever sends them.
    memory: Arc<BodyMemory>,
    pace: Pace,
    /// Of reports of the Go system, by the node they came from: anybody on a node can send them, so
    /// they take nothing of what the node's own agent may.
    legacy_pace: Pace,
    /// One permit for each body being resolved, as many as there are processors: more at once would
    /// not be done sooner, and each takes memory of its own.
    resolving: Arc<Semaphore>,
    clock: Clock,
    counts: IngestCounts,
    door: Arc<Door>,
}

impl Ingest {
    /// The edge of a pipeline.
    pub fn new(pipeline: Arc<Pipeline>, limits: BodyLimits, clock: Clock) -> Self {
        Self {
            pipeline,
            limits,
            memory: BodyMemory::new(limits.memory),
            pace: Pace::new(limits.batches),
            legacy_pace: Pace::new(limits.batches),
            resolving: Arc::new(Semaphore::new(processors())),
            clock,
            counts: IngestCounts::default(),
            door: Arc::new(Door::Open),
        }
    }

    /// The same, for those only whom the door lets in.
    pub fn guarded(self, door: Arc<Door>) -> Self {
        Self { door, ..self }
    }

    /// Where everybody who reports comes by.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// What came in so far.
    pub fn counts(&self) -> &IngestCounts {
        &self.counts
    }

    fn refuse(&self, refusal: Refusal) -> Response {
        self.counts.refused(&refusal);
        tracing::debug!(reason = refusal.reason(), %refusal, "batch refused");
        refusal.into_response()
    }

    /// Counts a batch of a node, unless there were enough of late.
    fn pace(&self, node: &NodeName) -> Result<(), Refusal> {
        let paced = self.pace.step(node);
        paced.map_err(|seconds| Refusal::TooOften { seconds })
    }

    async fn take(self: &Arc<Self>, request: Request) -> Result<Answer, Refusal> {
        let (head, body) = request.into_parts();
        let identity = self.door.identify(&head).await?;
        body::check_head(&head.headers, self.limits.bytes)?;
        let age = age::of(&head.headers)?;
        self.pipeline.check_ready()?;
        if let Some(node) = identity.node() {
            self.pace(node)?;
        }
        let told = Told {
            identity,
            age,
            clock: age::clock_of(&head.headers),
            // The age is as of when the request was sent: the body's way is no part of the window.
            now: self.clock.now(),
        };
        let body::Whole { bytes, share } =
            body::read(body, &self.limits, self.memory.share()).await?;
        let ingest = Arc::clone(self);
        // Once begun it runs to its end, whether or not the sender still waits for the answer.
        let work = tokio::spawn(async move {
            let _share = share;
            let (received, taken) = ingest.resolve(bytes, told).await?;
            let acceptance = taken.acceptance().await?;
            ingest.counts.accepted(&received, acceptance);
            let server = ingest.pipeline.id();
            Ok(Answer::new(&received.header, acceptance, server))
        });
        // A panic there is a fault of ours. The window is not noted as applied then: the sender
        // keeps it and comes again.
        work.await.unwrap_or(Err(Refusal::Fault))
    }

    /// Works in its turn, beside those who serve: it can take long, and wait for the disk.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let turn = Arc::clone(&self.resolving)
            .acquire_owned()
            .await
            .expect("nobody closes it");
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        work.await.unwrap_or(Err(Refusal::Fault))
    }

    /// Decodes and resolves.
    async fn resolve(
        self: &Arc<Self>,
        bytes: Vec<u8>,
        told: Told,
    ) -> Result<(Received, Taken), Refusal> {
        let ingest = Arc::clone(self);
        let work = move || {
            ingest.counts.body(bytes.len());
            let limits = Limits {
                max_records: ingest.limits.records,
            };
            let batch = kubezonnet_wire::decode(&bytes, &limits)?;
            drop(bytes);
            let node = &batch.header.node;
            told.identity.check(node)?;
            // Where nobody is checked, the batch is the first to tell.
            if told.identity.node().is_none() {
                ingest.pace(node)?;
            }
            let taken = ingest.pipeline.take(&batch, told.age, told.now)?;
            if let Some(clock) = told.clock {
                ingest.pipeline.note_clock(node, clock, told.now);
            }
            Ok((Received::of(&batch), taken))
        };
        self.in_turn(work).await
    }
}

/// What is known of a batch without its body.
struct Told {
    identity: Identity,
    age: Duration,
    clock: Option<Timestamp>,
    now: Timestamp,
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The route for batches, and the answer to who posts them anywhere else.
pub fn router(ingest: Arc<Ingest>) -> Router {
    Router::new()
        .route(
            kubezonnet_wire::INGEST_PATH,
            post(receive).fallback(refuse_method),
        )
        .fallback(nothing_here)
        .with_state(ingest)
}

async fn receive(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    let begun = Instant::now();
    let result = ingest.take(request).await;
    ingest.counts.latency.observe(begun.elapsed());
    match result {
        Ok(answer) => answer.into_response(),
        Err(refusal) => ingest.refuse(refusal),
    }
}

async fn refuse_method(State(ingest): State<Arc<Ingest>>) -> Response {
    ingest.refuse(Refusal::Method)
}

/// Only agents post: an agent with a wrong path must be seen, a browser with one need not.
async fn nothing_here(State(ingest): State<Arc<Ingest>>, method: Method) -> Response {
    if method == Method::POST {
        ingest.refuse(Refusal::Path)
    } else {
        Refusal::Path.into_response()
    }
}

/// The acknowledgement of a window.
#[derive(Debug, serde::Serialize)]
struct Answer {
    epoch: String,
    sequence: u64,
    outcome: &'static str,
    /// The store that has it, so that an agent sees when another answers.
    server: String,
}

impl Answer {
    fn new(header: &BatchHeader, acceptance: Acceptance, server: StoreId) -> Self {
        Self {
            epoch: header.epoch.to_string(),
            sequence: header.sequence,
            outcome: acceptance.as_str(),
            server: server.to_string(),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self)
    }
}

fn json(status: StatusCode, value: &impl serde::Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("an answer is text and numbers");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests;
