//! Reports of agents of the Go system, while a cluster changes over node by node.
//!
//! They come without age, sequence or proof of who sends them: the node is the one that has the
//! address they come from, a report that is sent twice counts twice, and who can send from a node's
//! address can say what it likes of that node's pods. So the path is there only if it is asked for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

mod decode;

pub use self::decode::{LegacyFlow, MAX_BYTES, MAX_ENTRIES, Malformed, decode};
use super::{BodyLimits, Ingest, Refusal, body, refuse_method};
use crate::pipeline::Rejection;

/// Where such agents post to.
pub const PATH: &str = "/write-network-statistics";

/// The route for their reports, for the port that agents of old know.
pub fn router(ingest: Arc<Ingest>) -> Router {
    Router::new()
        .route(PATH, post(receive).fallback(refuse_method))
        .with_state(ingest)
}

async fn receive(
    State(ingest): State<Arc<Ingest>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let begun = Instant::now();
    let result = ingest.take_legacy(peer.ip(), request).await;
    ingest.counts.latency.observe(begun.elapsed());
    match result {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => ingest.refuse(refusal),
    }
}

impl Ingest {
    async fn take_legacy(self: &Arc<Self>, peer: IpAddr, request: Request) -> Result<(), Refusal> {
        let (head, body) = request.into_parts();
        let limits = BodyLimits {
            bytes: MAX_BYTES.min(self.limits.bytes),
            ..self.limits
        };
        body::check_form(&head.headers, limits.bytes)?;
        self.pipeline.check_ready()?;
        let now = self.clock.now();
        let node = self.pipeline.node_at(peer, now);
        let node = node.ok_or(Refusal::LegacyPeer(peer))?;
        let paced = self.legacy_pace.step(&node);
        paced.map_err(|seconds| Refusal::LegacyTooOften { seconds })?;
        let body::Whole { bytes, share } = body::read(body, &limits, self.memory.share()).await?;
        let ingest = Arc::clone(self);
        // Once begun it runs to its end, whether or not the sender still waits for the answer.
        let work = tokio::spawn(async move {
            let _share = share;
            let resolving = Arc::clone(&ingest);
            let resolve = move || {
                resolving.counts.body(bytes.len());
                let flows = decode(&bytes)?;
                Ok::<_, Refusal>(resolving.pipeline.take_legacy(&node, &flows, now)?)
            };
            let ticket = ingest.in_turn(resolve).await?;
            ticket.answer().await.map_err(Rejection::Storage)?;
            ingest.counts.took_legacy();
            Ok(())
        });
        work.await.unwrap_or(Err(Refusal::Fault))
    }
}

#[cfg(test)]
mod tests;
