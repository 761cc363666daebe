//! What is asked of the server: `/api/v1`, in the words of `kubezonnet-api`.
//!
//! ```text
//! query string ─▶ Query (strict) ─▶ Asking: time, filter ─▶ Past::ask ─▶ money, words ─▶ JSON, CSV
//! ```
//!
//! Every path is one entry of the list in `endpoints.rs`. An answer is worked out by a thread that may block; how many
//! are at once is bounded, and who is let in is up to the same gate as for metrics.

mod apart;
mod asking;
mod csv;
mod cursor;
mod document;
mod endpoints;
mod filter;
mod flows;
mod focus;
mod health;
mod matrix;
mod money;
mod pods;
mod query;
mod rank;
mod refusal;
mod series;
mod summary;
mod tables;
mod top;
mod when;
mod words;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use kubezonnet_topology::Clock;
use tokio::sync::Semaphore;

use self::endpoints::{Answered, As, ComesAs, Endpoint, endpoints};
use self::query::Query;
use self::refusal::Refusal;
use crate::export::pods::Pods;
use crate::export::recent::Recent;
use crate::history::{Answer, Past, Waiting};
use crate::http::{Gate, Shut};
use crate::pipeline::Pipeline;

/// How many questions are answered at once: each may go through all of history.
const QUESTIONS: usize = 4;

/// How long a question waits for its turn: less than people wait for a page.
const TURN: Duration = Duration::from_secs(10);

/// What is said where nothing keeps history.
const NO_HISTORY: &str = "this server keeps no history";

/// What a stranger is told.
const STRANGER: &str = "without a token this is answered only to the server's own host, where kubectl \
                        port-forward and kubectl zonnet come from; the server's flag \
                        --bearer-token-file gives others a token, and --open-api answers everybody";

/// What is told who asks by another name.
const STRANGE_NAME: &str = "without a token this is answered by the name localhost, or an address: another \
                            name might be somebody else's page in your browser; see --bearer-token-file and \
                            --open-api";

/// What the API reads.
#[derive(Clone)]
pub struct Api {
    /// Who is asked of the past; `None` where nobody is.
    pub past: Option<Arc<dyn Past>>,
    /// The last windows.
    pub recent: Option<Arc<Recent>>,
    /// What each pod had in the last hour.
    pub pods: Option<Arc<Pods>>,
    /// What is known now.
    pub pipeline: Arc<Pipeline>,
    /// The time.
    pub clock: Clock,
    /// Who is let in.
    pub gate: Gate,
    /// Whether agents can be served, as far as that is not the pipeline's matter.
    pub can_serve: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    /// The shortest step by which the range of an answer can be told.
    fn shortest_step(&self, answer: &Answer) -> Duration {
        let length = answer.range.end.since(answer.range.start);
        let past = self.past.as_ref();
        // Of what cannot be told at all the past says so itself.
        past.and_then(|past| past.shortest_step(length))
            .unwrap_or_default()
    }
}

/// The routes of the API.
pub fn routes(api: Api) -> Router {
    let turns = Arc::new(Semaphore::new(QUESTIONS));
    let mut router = Router::new();
    for endpoint in endpoints() {
        let turns = Arc::clone(&turns);
        let answer = move |State(api): State<Api>,
                           from: From,
                           headers: HeaderMap,
                           RawQuery(query): RawQuery| {
            let turns = Arc::clone(&turns);
            async move {
                let from = from.map(|Extension(ConnectInfo(from))| from);
                if let Err(refusal) = let_in(&api.gate, &headers, from) {
                    return finished(refusal);
                }
                let answer = respond(endpoint, api, headers, query.unwrap_or_default(), turns);
                finished(answer.await)
            }
        };
        router = router.route(endpoint.path, get(answer).fallback(wrong_method));
    }
    router
        .route("/api", any(no_such_path))
        .route("/api/", any(no_such_path))
        .route("/api/{*path}", any(no_such_path))
        .with_state(api)
}

/// Where a connection comes from.
type From = Option<Extension<ConnectInfo<SocketAddr>>>;

fn let_in(gate: &Gate, headers: &HeaderMap, from: Option<SocketAddr>) -> Result<(), Refusal> {
    gate.lets_ask(headers, from).map_err(|shut| match shut {
        Shut::WrongToken => Refusal::with(StatusCode::UNAUTHORIZED, "a bearer token is wanted"),
        Shut::Stranger => Refusal::with(StatusCode::FORBIDDEN, STRANGER),
        Shut::StrangeName => Refusal::with(StatusCode::FORBIDDEN, STRANGE_NAME),
    })
}

async fn respond(
    endpoint: &'static Endpoint,
    api: Api,
    headers: HeaderMap,
    query: String,
    turns: Arc<Semaphore>,
) -> Result<Answered, Refusal> {
    let query = Query::read(&query)?;
    query.only(&(endpoint.parameters)())?;
    let wanted = match endpoint.comes_as {
        ComesAs::Either if csv::is_wanted(&query, &headers)? => As::Csv,
        ComesAs::Csv => As::Csv,
        ComesAs::Either | ComesAs::Json => As::Json,
    };
    let turn = if endpoint.takes_turn {
        let Ok(turn) = tokio::time::timeout(TURN, turns.acquire_owned()).await else {
            let message = "enough questions at once, come again later";
            return Err(Refusal::unavailable(message));
        };
        Some(turn.expect("nobody closes it"))
    } else {
        None
    };
    // Who leaves drops all of this, and with it what says that somebody waits.
    let waiting = Waiting::default();
    let past = api
        .past
        .map(|past| Arc::new(waiting.on(past)) as Arc<dyn Past>);
    let api = Api { past, ..api };
    // It may take hundreds of milliseconds: others are served meanwhile.
    let answer = tokio::task::spawn_blocking(move || {
        let answered = (endpoint.answer)(&api, &query, wanted);
        answered.map(|answered| answered.keeping(turn))
    });
    answer.await.unwrap_or_else(|error| {
        tracing::error!(%error, path = endpoint.path, "no answer, the server failed at it");
        let message = "the server failed at this question: its log says why";
        Err(Refusal::with(StatusCode::INTERNAL_SERVER_ERROR, message))
    })
}

/// With the headers that every answer has.
fn finished(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn wrong_method(method: Method) -> Response {
    let message = format!("{method} is not for this path: GET and HEAD are");
    let mut response = finished(Refusal::with(StatusCode::METHOD_NOT_ALLOWED, message));
    let allow = HeaderValue::from_static("GET,HEAD");
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

async fn no_such_path(uri: Uri) -> Response {
    let paths: Vec<_> = endpoints().iter().map(|endpoint| endpoint.path).collect();
    let paths = paths.join(", ");
    let message = format!("there is nothing at {}; there are {paths}", uri.path());
    finished(Refusal::with(StatusCode::NOT_FOUND, message))
}

/// How many are asked for.
fn limit(field: &str, asked: Option<u32>, default: u32, most: u32) -> Result<usize, Refusal> {
    let limit = asked.unwrap_or(default);
    if (1..=most).contains(&limit) {
        Ok(usize::try_from(limit).unwrap_or(usize::MAX))
    } else {
        let can_be = format!("a whole number from 1 to {most}");
        Err(Refusal::of_value(field, &limit.to_string(), &can_be))
    }
}

#[cfg(test)]
mod tests;
