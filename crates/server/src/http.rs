//! What is served besides ingest: metrics and health.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kubezonnet_topology::Clock;

use crate::ingest::{self, Ingest};
use crate::metrics::{self, Format, Scrape};
use crate::pipeline::Pipeline;

/// What the routes read.
#[derive(Debug, Clone)]
struct Shown {
    pipeline: Arc<Pipeline>,
    ingest: Arc<Ingest>,
    clock: Clock,
}

/// All routes of the server.
pub fn router(pipeline: Arc<Pipeline>, ingest: Arc<Ingest>, clock: Clock) -> Router {
    let shown = Shown {
        pipeline,
        ingest: Arc::clone(&ingest),
        clock,
    };
    Router::new()
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(shown)
        .merge(ingest::router(ingest))
}

async fn show_metrics(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    let accept = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect::<Vec<_>>()
        .join(",");
    let format = Format::accepted(&accept);
    // A large page takes tens of milliseconds: others are served meanwhile.
    let page = tokio::task::spawn_blocking(move || {
        let scrape = Scrape::of(&shown.pipeline, shown.ingest.counts(), shown.clock.now());
        metrics::render(scrape, format)
    });
    match page.await {
        Ok(page) => {
            let content_type = HeaderValue::from_static(format.content_type());
            ([(header::CONTENT_TYPE, content_type)], page).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
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
