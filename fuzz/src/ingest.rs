//! What reaches the server's port: requests, and the batches in them.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use kubezonnet_model::Timestamp;
use kubezonnet_server::authenticate::Claims;
use kubezonnet_server::export::Exporters;
use kubezonnet_server::ingest::{self, BodyLimits, Ingest};
use kubezonnet_server::ledger::SeriesLimits;
use kubezonnet_server::pipeline::{Pipeline, Settings};
use kubezonnet_topology::{Clock, Topology, fuzzing};
use kubezonnet_wire::{AGE_HEADER, CONTENT_TYPE, INGEST_PATH, Limits, decode, encode};
use tower::ServiceExt as _;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// Those that the seeds speak of.
const CLUSTER: &str = "\
nodes:
  - {name: node-a, zone: a, region: r, addresses: [10.66.0.1, 'fd66::1']}
  - {name: node-b, zone: b, region: r, addresses: [10.66.0.2, 'fd66::2']}
pods:
  - {namespace: shop, name: web, node: node-a, addresses: [10.67.1.1, 'fd67:1::1']}
  - {namespace: shop, name: db, node: node-b, addresses: [10.67.2.1, 'fd67:2::1']}
";

/// A server keeps what it was told: so many requests go to one, then another begins.
const REQUESTS: u32 = 1000;

fn pipeline() -> Pipeline {
    let topology = Topology::new();
    let view = fuzzing::file(CLUSTER).expect("the cluster is without mistake");
    view.give_to(&topology, Timestamp(1));
    topology.set_synced();
    let settings = Settings {
        pending_timeout: Duration::from_secs(60),
        reports_due: Timestamp(0),
        series_retention: Duration::from_secs(900),
        limits: SeriesLimits::default(),
    };
    Pipeline::new(topology, Exporters::default(), settings)
}

fn assert_balanced(pipeline: &Pipeline) {
    let totals = pipeline.snapshot().totals;
    assert_eq!(totals.imbalance(), (0, 0), "{totals:?}");
}

/// A report of an agent of the Go system. No more entries come of it than it has bytes for.
pub fn legacy(bytes: &[u8]) {
    if let Ok(flows) = ingest::legacy::decode(bytes) {
        assert_eq!(bytes.len(), 4 + 20 * flows.len());
    }
}

/// A body. A batch survives being written and read again.
pub fn batch(bytes: &[u8]) {
    let Ok(decoded) = decode(bytes, &Limits::default()) else {
        return;
    };
    let batch = decoded.into_batch();
    let again = decode(&encode(&batch), &Limits::default()).expect("what was accepted is written");
    assert_eq!(again.into_batch(), batch);
}

/// A change as the database has it. One that is read is written as the same.
pub fn journal(bytes: &[u8]) {
    if let Some((change, again)) = kubezonnet_server::store::read_twice(bytes) {
        assert_eq!(change, again);
    }
}

/// A token. What it says of itself is read or refused, and its time is never before 1970.
pub fn token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(claims) = Claims::read(text) {
        assert_eq!(text.split('.').count(), 3);
        assert_eq!(claims.expiry().0 % 1000 == 0, claims.expiry().0 != u64::MAX);
    }
}

/// A body. It is applied once, and the books balance at every moment.
pub fn window(bytes: &[u8]) {
    let Ok(batch) = decode(bytes, &Limits::default()) else {
        return;
    };
    let pipeline = pipeline();
    let first = pipeline.apply(&batch, Duration::ZERO, NOW);
    assert_balanced(&pipeline);
    let seen = pipeline.snapshot().totals.seen;
    let again = pipeline.apply(
        &batch,
        Duration::from_secs(1),
        NOW.plus(Duration::from_secs(1)),
    );
    assert_eq!(first.is_ok(), again.is_ok(), "{first:?} {again:?}");
    assert_eq!(pipeline.snapshot().totals.seen, seen, "counted twice");
    pipeline.settle(NOW.plus(Duration::from_secs(120)));
    assert_balanced(&pipeline);
    pipeline.forget(NOW.plus(Duration::from_secs(100_000)));
    assert_balanced(&pipeline);
}

struct Server {
    router: Router,
    pipeline: Arc<Pipeline>,
    requests: u32,
}

impl Server {
    fn new() -> Self {
        let pipeline = Arc::new(pipeline());
        let ingest = Ingest::new(
            Arc::clone(&pipeline),
            BodyLimits::default(),
            Clock::new(|| NOW),
        );
        Self {
            router: ingest::router(Arc::new(ingest)),
            pipeline,
            requests: 0,
        }
    }
}

thread_local! {
    static SERVER: RefCell<Server> = RefCell::new(Server::new());
}

/// A line of method and path, lines of headers, an empty line, a body. Headers that a batch needs are
/// there unless the input has them otherwise. Every answer is 200, one of the refusals, or a reason to come again, and
/// the books balance.
pub fn request(bytes: &[u8]) {
    let Some(request) = request_of(bytes) else {
        return;
    };
    SERVER.with_borrow_mut(|server| {
        let before = server.pipeline.snapshot().totals;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let runtime = runtime.expect("a runtime needs no more than a few files");
        let answer = runtime.block_on(server.router.clone().oneshot(request));
        let status = answer.expect("a router always answers").status();
        let is_refused = status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE;
        assert!(status == StatusCode::OK || is_refused, "{status}");
        if is_refused {
            assert_eq!(server.pipeline.snapshot().totals.seen, before.seen);
        }
        assert_balanced(&server.pipeline);
        server.requests += 1;
        if server.requests == REQUESTS {
            *server = Server::new();
        }
    });
}

fn request_of(bytes: &[u8]) -> Option<Request<Body>> {
    let (mut head, body) = match bytes.windows(2).position(|two| two == b"\n\n") {
        Some(end) => (&bytes[..end], &bytes[end + 2..]),
        None => (bytes, &[][..]),
    };
    let mut line = || {
        let end = head.iter().position(|byte| *byte == b'\n');
        let (line, rest) = head.split_at(end.unwrap_or(head.len()));
        head = rest.get(1..).unwrap_or_default();
        (!line.is_empty()).then_some(line)
    };
    let first = line().unwrap_or(b"POST");
    let (method, path) = match first.iter().position(|byte| *byte == b' ') {
        Some(end) => (&first[..end], &first[end + 1..]),
        None => (first, INGEST_PATH.as_bytes()),
    };
    let mut request = Request::new(Body::from(body.to_vec()));
    *request.method_mut() = Method::from_bytes(method).ok()?;
    *request.uri_mut() = Uri::try_from(path).ok()?;
    while let Some(line) = line() {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    let headers = request.headers_mut();
    for (name, value) in [("content-type", CONTENT_TYPE), (AGE_HEADER, "0")] {
        let value = HeaderValue::from_static(value);
        headers.entry(name).or_insert(value);
    }
    Some(request)
}
