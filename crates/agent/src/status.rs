//! What the agent tells about itself over HTTP: `/metrics`, `/healthz`, `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kubezonnet_exposition::Format;

use crate::metrics::Metrics;

mod bounded;

pub(crate) use bounded::Bounded;

/// The loop that gave no sign of life for this long hangs: it gives one every second, and the
/// longest call into the kernel takes a fraction of one.
const HANGS_AFTER: Duration = Duration::from_secs(30);

/// Whether the loop is alive and sound, and whether a window has arrived.
#[derive(Debug)]
pub struct Health {
    began: Instant,
    /// Milliseconds from `began` to the loop's last turn.
    last_turn: AtomicU64,
    /// Never goes back to false: a server that is away later does not make this node unready.
    delivered: AtomicBool,
}

impl Health {
    /// A loop that has just begun.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            last_turn: AtomicU64::new(0),
            delivered: AtomicBool::new(false),
        }
    }

    /// The loop is alive.
    pub fn turn(&self) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_turn.store(millis, Ordering::Relaxed);
    }

    /// A window has arrived; returns whether it is the first.
    pub fn delivered(&self) -> bool {
        !self.delivered.swap(true, Ordering::Relaxed)
    }

    /// Whether a window has arrived.
    pub fn is_ready(&self) -> bool {
        self.delivered.load(Ordering::Relaxed)
    }

    /// How long ago the loop's last turn was.
    pub fn silence(&self) -> Duration {
        let last = Duration::from_millis(self.last_turn.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(last)
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

/// The routes.
pub fn router(metrics: Arc<Metrics>, health: Arc<Health>) -> Router {
    Router::new()
        .route("/metrics", get(show_metrics).with_state(metrics))
        .route("/healthz", get(show_health).with_state(Arc::clone(&health)))
        .route("/readyz", get(show_readiness).with_state(health))
}

async fn show_metrics(State(metrics): State<Arc<Metrics>>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(ACCEPT).iter();
    let format = Format::accepted(accept.filter_map(|value| value.to_str().ok()));
    (
        [(CONTENT_TYPE, format.content_type())],
        metrics.render(format),
    )
        .into_response()
}

async fn show_health(State(health): State<Arc<Health>>) -> Response {
    let silence = health.silence();
    if silence > HANGS_AFTER {
        let seconds = silence.as_secs();
        let text = format!("the loop gave no sign of life for {seconds} seconds\n");
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    "ok\n".into_response()
}

async fn show_readiness(State(health): State<Arc<Health>>) -> Response {
    if health.is_ready() {
        return "ok\n".into_response();
    }
    let text = "no window has been acknowledged yet\n";
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(health: &Arc<Health>, path: &str) -> StatusCode {
        let app = router(Arc::new(Metrics::new()), Arc::clone(health));
        let request = Request::get(path).body(Body::empty()).unwrap();
        app.oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn ready_once_a_window_was_acknowledged() {
        let health = Arc::new(Health::new());
        assert_eq!(ask(&health, "/readyz").await, 503);

        health.delivered();

        assert_eq!(ask(&health, "/readyz").await, 200);
    }

    #[tokio::test]
    async fn who_asks_for_openmetrics_in_any_header_gets_it_and_all_others_the_classic_text() {
        let cases: [(&[&str], Format); 4] = [
            (&[], Format::Classic),
            (&["application/openmetrics-text;q=0"], Format::Classic),
            (&["application/openmetrics-text"], Format::OpenMetrics),
            (
                &["text/html", "application/openmetrics-text"],
                Format::OpenMetrics,
            ),
        ];
        for (accept, expected) in cases {
            let app = router(Arc::new(Metrics::new()), Arc::new(Health::new()));
            let mut request = Request::get("/metrics");
            for value in accept {
                request = request.header(ACCEPT, *value);
            }

            let response = app
                .oneshot(request.body(Body::empty()).unwrap())
                .await
                .unwrap();

            let content_type = &response.headers()[CONTENT_TYPE];
            assert_eq!(content_type, expected.content_type(), "{accept:?}");
        }
    }

    #[tokio::test]
    async fn healthy_as_long_as_the_loop_turns() {
        let began = Instant::now()
            .checked_sub(Duration::from_secs(100))
            .expect("the machine is up for longer");
        let health = Arc::new(Health {
            began,
            ..Health::new()
        });
        assert_eq!(ask(&health, "/healthz").await, 503);

        health.turn();

        assert_eq!(ask(&health, "/healthz").await, 200);
    }
}
