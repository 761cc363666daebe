//! What is served besides ingest: metrics and health.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kubezonnet_exposition::Format;
use kubezonnet_topology::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ingest::{self, Ingest};
use crate::metrics::{self, Scrape};
use crate::pipeline::Pipeline;

/// How many pages of metrics are made or sent at once: each takes a copy of the ledger, and the page of a
/// large cluster is tens of megabytes.
const SCRAPES: usize = 4;

/// How long a scrape waits for its turn: less than scrapers wait for a page.
const TURN: Duration = Duration::from_secs(5);

/// What the routes read.
#[derive(Debug, Clone)]
struct Shown {
    pipeline: Arc<Pipeline>,
    ingest: Arc<Ingest>,
    clock: Clock,
    /// One permit for each page being made or sent.
    scrapes: Arc<Semaphore>,
}

/// All routes of the server.
pub fn router(pipeline: Arc<Pipeline>, ingest: Arc<Ingest>, clock: Clock) -> Router {
    let shown = Shown {
        pipeline,
        ingest: Arc::clone(&ingest),
        clock,
        scrapes: Arc::new(Semaphore::new(SCRAPES)),
    };
    routes(shown).merge(ingest::router(ingest))
}

fn routes(shown: Shown) -> Router {
    Router::new()
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(shown)
}

async fn show_metrics(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter();
    let format = Format::accepted(accept.filter_map(|value| value.to_str().ok()));
    let turn = tokio::time::timeout(TURN, Arc::clone(&shown.scrapes).acquire_owned());
    let Ok(turn) = turn.await else {
        let message = "enough scrapes at once, come again later\n";
        return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
    };
    // A large page takes tens of milliseconds: others are served meanwhile.
    let page = tokio::task::spawn_blocking(move || {
        let turn = turn.expect("nobody closes it");
        let scrape = Scrape::of(&shown.pipeline, shown.ingest.counts(), shown.clock.now());
        let text = metrics::render(scrape, format);
        Page { text, _turn: turn }
    });
    match page.await {
        Ok(page) => {
            let content_type = HeaderValue::from_static(format.content_type());
            let body = Bytes::from_owner(page);
            ([(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A page, which keeps its turn until it is sent or given up: who takes none of it holds memory too.
struct Page {
    text: String,
    _turn: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

async fn ready(State(shown): State<Shown>) -> Response {
    if shown.pipeline.topology().is_synced() {
        "ready\n".into_response()
    } else {
        let message = "the topology is not synced yet\n";
        (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
    }
}

#[cfg(test)]
mod tests;
