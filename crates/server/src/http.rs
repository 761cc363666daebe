//! What is served besides ingest: metrics, health and the API.

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

use crate::api::{self, Api};
use crate::dashboard;
use crate::export::pods::Pods;
use crate::export::recent::Recent;
use crate::history::Past;
use crate::ingest::{self, Ingest};
use crate::metrics::{self, Columns, Group, HistoryScrape, Scrape, SecurityScrape};
use crate::pipeline::Pipeline;
use crate::tls::Status;

mod gate;

pub use self::gate::{Gate, Shut};

/// How many pages of metrics are made or sent at once: each takes a copy of the ledger, and the page of a
/// large cluster is tens of megabytes.
const SCRAPES: usize = 4;

/// How long a scrape waits for its turn: less than scrapers wait for a page.
const TURN: Duration = Duration::from_secs(5);

/// What the routes read.
#[derive(Clone)]
pub struct Shown {
    pipeline: Arc<Pipeline>,
    ingest: Arc<Ingest>,
    clock: Clock,
    gate: Gate,
    credentials: Arc<Status>,
    /// Metrics that are left out.
    disabled: Arc<[Group]>,
    /// Labels for charge-back that some metrics have.
    columns: Arc<Columns>,
    /// Whether agents can be served, as far as that is not the pipeline's matter.
    can_serve: Arc<dyn Fn() -> bool + Send + Sync>,
    /// One permit for each page being made or sent.
    scrapes: Arc<Semaphore>,
    /// Who is asked of the past; `None` where nobody is.
    past: Option<Arc<dyn Past>>,
    /// The last windows.
    recent: Option<Arc<Recent>>,
    /// What each pod had in the last hour.
    pods: Option<Arc<Pods>>,
}

impl Shown {
    /// All of it, to everybody.
    pub fn new(pipeline: Arc<Pipeline>, ingest: Arc<Ingest>, clock: Clock) -> Self {
        Self {
            pipeline,
            ingest,
            clock,
            gate: Gate::open(),
            credentials: Arc::default(),
            disabled: Arc::default(),
            columns: Arc::default(),
            can_serve: Arc::new(|| true),
            scrapes: Arc::new(Semaphore::new(SCRAPES)),
            past: None,
            recent: None,
            pods: None,
        }
    }

    /// With what is asked of the past.
    pub fn with_past(self, past: Option<Arc<dyn Past>>) -> Self {
        Self { past, ..self }
    }

    /// With the last windows, and what each pod had in the last hour.
    pub fn with_recent(self, recent: Arc<Recent>, pods: Arc<Pods>) -> Self {
        let (recent, pods) = (Some(recent), Some(pods));
        Self {
            recent,
            pods,
            ..self
        }
    }

    /// Metrics and answers only to whom the gate lets in.
    pub fn behind(self, gate: Gate) -> Self {
        Self { gate, ..self }
    }

    /// Metrics without these.
    pub fn without(self, disabled: &[Group]) -> Self {
        let disabled = disabled.into();
        Self { disabled, ..self }
    }

    /// Metrics between workloads with these labels too.
    pub fn with_columns(self, columns: Columns) -> Self {
        let columns = Arc::new(columns);
        Self { columns, ..self }
    }

    /// Metrics with what is known of credentials, and ready only once `can_serve`.
    pub fn with_credentials(
        self,
        credentials: Arc<Status>,
        can_serve: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            credentials,
            can_serve: Arc::new(can_serve),
            ..self
        }
    }
}

/// All routes of the server, for a port that has both.
pub fn router(pipeline: Arc<Pipeline>, ingest: Arc<Ingest>, clock: Clock) -> Router {
    let shown = Shown::new(pipeline, Arc::clone(&ingest), clock);
    routes(shown).merge(ingest::router(ingest))
}

/// The routes for metrics, health and the API.
pub fn routes(shown: Shown) -> Router {
    let api = api::routes(Api {
        past: shown.past.clone(),
        recent: shown.recent.clone(),
        pods: shown.pods.clone(),
        pipeline: Arc::clone(&shown.pipeline),
        clock: shown.clock.clone(),
        gate: shown.gate.clone(),
        can_serve: Arc::clone(&shown.can_serve),
    });
    Router::new()
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .merge(dashboard::routes())
        .with_state(shown)
        .merge(api)
}

async fn show_metrics(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    if !shown.gate.lets_in(&headers) {
        let ask = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, ask, "a bearer token is wanted\n").into_response();
    }
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
        let (counts, now) = (shown.ingest.counts(), shown.clock.now());
        let (disabled, columns) = (&shown.disabled, &shown.columns);
        let mut scrape = Scrape::chosen(disabled, columns, &shown.pipeline, counts, now);
        let asked = || Some(HistoryScrape::asked(&shown.past.as_ref()?.status()));
        scrape.history = scrape.history.or_else(asked);
        scrape.security = SecurityScrape::of(&shown.credentials, shown.ingest.door());
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
    let message = match shown.pipeline.check_ready() {
        Err(rejection) => format!("{rejection}\n"),
        Ok(()) if !(shown.can_serve)() => "there is no certificate to show agents yet\n".to_owned(),
        Ok(()) => return "ready\n".into_response(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
}

#[cfg(test)]
mod tests;
