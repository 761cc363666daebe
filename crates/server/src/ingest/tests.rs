use std::convert::Infallible;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use http_body_util::BodyExt;
use kubezonnet_topology::Topology;
use kubezonnet_wire::{AGE_HEADER, CONTENT_TYPE, INGEST_PATH};
use tower::ServiceExt;

use super::*;
use crate::books::Disposition;
use crate::testing::{NOW, OUT, Report, cluster, pipeline};

/// Small enough that a test is above it.
const LIMITS: BodyLimits = BodyLimits {
    bytes: 4096,
    records: 10,
    memory: 2 * 4096,
    timeout: Duration::from_secs(30),
    rate: 1024,
    batches: 10,
};

struct Edge {
    ingest: Arc<Ingest>,
    pipeline: Arc<Pipeline>,
}

/// What a test is told.
#[derive(Debug)]
struct Told {
    status: StatusCode,
    reason: String,
    retry_after: Option<String>,
    allow: Option<String>,
    text: String,
}

impl Edge {
    fn new() -> Self {
        Self::on(&cluster())
    }

    fn on(topology: &Topology) -> Self {
        let pipeline = Arc::new(pipeline(topology));
        let clock = Clock::new(|| NOW);
        let ingest = Arc::new(Ingest::new(Arc::clone(&pipeline), LIMITS, clock));
        Self { ingest, pipeline }
    }

    async fn send(&self, request: Request<Body>) -> Told {
        let response = router(Arc::clone(&self.ingest))
            .oneshot(request)
            .await
            .unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        if head.status != StatusCode::OK {
            assert!(!json["message"].as_str().unwrap().is_empty(), "{text}");
        }
        let value = |name| {
            let value = head.headers.get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        Told {
            status: head.status,
            reason: json["reason"].as_str().unwrap_or_default().to_owned(),
            retry_after: value(header::RETRY_AFTER),
            allow: value(header::ALLOW),
            text,
        }
    }

    /// Sends what must be refused, and looks that nothing but the one counter has changed.
    async fn refused(&self, request: Request<Body>) -> Told {
        let told = self.send(request).await;
        let refusals: Vec<_> = self
            .ingest
            .counts()
            .refusals()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(refusals, [(told.reason.as_str(), 1)], "{told:?}");
        assert_eq!(self.ingest.counts().applied(), 0);
        assert!(self.pipeline.report_ages(NOW).is_empty());
        assert_eq!(self.pipeline.snapshot().totals.books.sum().bytes, 0);
        told
    }
}

fn good() -> Report {
    Report::of("n1", 1).record("10.67.1.1", "10.67.2.1", OUT, 1000)
}

fn request(body: impl Into<Body>) -> Request<Body> {
    Request::post(INGEST_PATH)
        .header(header::CONTENT_TYPE, CONTENT_TYPE)
        .header(AGE_HEADER, "250")
        .body(body.into())
        .unwrap()
}

/// A body that must not be read: it fails the test when somebody tries.
fn untouchable() -> Body {
    asking(|| panic!("the body was read"))
}

/// A body that asks a function for each of its parts.
fn asking(mut part: impl FnMut() -> Option<Bytes> + Send + 'static) -> Body {
    Body::from_stream(futures::stream::poll_fn(move |_| {
        Poll::Ready(part().map(Ok::<_, Infallible>))
    }))
}

#[tokio::test]
async fn a_window_is_acknowledged_by_name_and_a_second_time_as_duplicate() {
    let edge = Edge::new();

    let first = edge.send(request(good().body())).await;
    let second = edge.send(request(good().body())).await;

    let epoch = "01".repeat(16);
    let server = edge.pipeline.id();
    let told = |outcome| {
        format!(r#"{{"epoch":"{epoch}","sequence":1,"outcome":"{outcome}","server":"{server}"}}"#)
    };
    assert_eq!(
        (first.status, first.text),
        (StatusCode::OK, told("applied"))
    );
    assert_eq!(
        (second.status, second.text),
        (StatusCode::OK, told("duplicate"))
    );
    let counts = edge.ingest.counts();
    assert_eq!(
        (counts.applied(), counts.duplicates(), counts.records()),
        (1, 1, 1)
    );
    assert_eq!(counts.body_bytes(), 2 * good().body().len() as u64);
    assert_eq!(
        counts
            .latency()
            .buckets()
            .iter()
            .map(|(_, n)| n)
            .sum::<u64>(),
        2
    );
    let totals = edge.pipeline.snapshot().totals;
    assert_eq!(totals.books.get(Disposition::CrossZone).bytes, 1000);
}

#[tokio::test]
async fn gaps_are_counted() {
    let edge = Edge::new();
    edge.send(request(Report::of("n1", 1).body())).await;

    edge.send(request(Report::of("n1", 4).body())).await;

    assert_eq!(edge.ingest.counts().missed_windows(), 2);
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_is_read() {
    let mut request = request(untouchable());
    request
        .headers_mut()
        .insert(header::CONTENT_LENGTH, 4097.into());

    let told = Edge::new().refused(request).await;

    assert_eq!(told.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(told.reason, "too_large");
}

#[tokio::test]
async fn a_length_beyond_all_numbers_is_too_large_too() {
    let mut request = request(untouchable());
    let length = header::HeaderValue::from_static("99999999999999999999999");
    request.headers_mut().insert(header::CONTENT_LENGTH, length);

    let told = Edge::new().refused(request).await;

    assert_eq!(told.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_without_announced_length_is_read_to_the_limit_and_no_further() {
    let mut parts = 0;
    let endless = asking(move || {
        parts += 1;
        // Four parts are the limit, the fifth is one too many.
        assert!(parts <= 5, "it was read on past the limit");
        Some(Bytes::from_static(&[0; 1024]))
    });

    let told = Edge::new().refused(request(endless)).await;

    assert_eq!(told.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(told.reason, "too_large");
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let told = Edge::new().refused(request(vec![0xff; LIMITS.bytes])).await;

    assert_eq!(told.reason, "malformed");
}

#[tokio::test]
async fn bodies_that_are_no_batches_are_refused_with_a_reason() {
    let whole = good().body();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let noise: Vec<u8> = (0..2000)
        .map(|_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random.to_le_bytes()[3]
        })
        .collect();
    let cases = [
        ("noise", noise),
        ("nothing", Vec::new()),
        ("cut short", whole[..whole.len() - 3].to_vec()),
        ("text", b"{\"node\":\"n1\"}".to_vec()),
        ("four bytes of a count", vec![0xff; 4]),
    ];
    for (what, body) in cases {
        let told = Edge::new().refused(request(body)).await;
        assert!(told.status.is_client_error(), "{what}: {told:?}");
    }
}

#[tokio::test]
async fn every_cut_of_a_body_is_refused_or_is_another_batch_but_never_a_fault() {
    let whole = good().declares("10.66.0.1").body();
    for end in 0..whole.len() {
        let edge = Edge::new();
        let told = edge.send(request(whole[..end].to_vec())).await;
        let fine = told.status == StatusCode::OK || told.status.is_client_error();
        assert!(fine, "cut at {end}: {told:?}");
    }
}

#[tokio::test]
async fn a_future_version_is_told_apart_so_that_the_agent_keeps_its_window() {
    let told = Edge::new()
        .refused(request(future_version(&good().body())))
        .await;

    assert_eq!(told.reason, "unsupported_version");
    assert_eq!(told.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

/// The body with another format version: it is the first field, docs/wire-format.md.
fn future_version(body: &[u8]) -> Vec<u8> {
    assert_eq!(body[..2], [0x08, 1], "field 1, a varint");
    [&[0x08, 99], &body[2..]].concat()
}

#[tokio::test]
async fn more_records_than_the_limit_are_refused() {
    let mut report = Report::of("n1", 1);
    for host in 0..=LIMITS.records {
        report = report.record("10.67.1.1", &format!("10.67.2.{host}"), OUT, 1);
    }

    let told = Edge::new().refused(request(report.body())).await;

    assert_eq!(told.reason, "too_many_records");
    assert_eq!(told.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn counters_that_no_network_carries_are_refused() {
    let report = Report::of("n1", 1).record("10.67.1.1", "10.67.2.1", OUT, u64::MAX);

    let told = Edge::new().refused(request(report.body())).await;

    assert_eq!(told.reason, "implausible");
    assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn another_media_type_or_a_wrapped_body_is_refused_before_it_is_read() {
    let cases = [
        (header::CONTENT_TYPE, "application/json", "content_type"),
        (header::CONTENT_TYPE, "", "content_type"),
        (header::CONTENT_ENCODING, "gzip", "content_encoding"),
    ];
    for (name, value, reason) in cases {
        let mut request = request(untouchable());
        let value = header::HeaderValue::from_static(value);
        request.headers_mut().insert(name, value);

        let told = Edge::new().refused(request).await;

        assert_eq!(told.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(told.reason, reason);
    }
}

#[tokio::test]
async fn another_path_or_method_is_refused_in_the_same_form() {
    let edge = Edge::new();
    let mut elsewhere = request(untouchable());
    *elsewhere.uri_mut() = "/base/api/v1/flow-batches".parse().unwrap();
    let mut put = request(untouchable());
    *put.method_mut() = Method::PUT;

    let lost = edge.refused(elsewhere).await;
    let wrong = Edge::new().refused(put).await;

    assert_eq!(
        (lost.status, lost.reason.as_str()),
        (StatusCode::NOT_FOUND, "path")
    );
    assert_eq!(
        (wrong.status, wrong.reason.as_str()),
        (StatusCode::METHOD_NOT_ALLOWED, "method")
    );
    assert_eq!(wrong.allow.as_deref(), Some("POST"));
}

#[tokio::test]
async fn who_only_looks_around_is_no_refused_batch() {
    let edge = Edge::new();
    let look = Request::get("/favicon.ico").body(Body::empty()).unwrap();

    let told = edge.send(look).await;

    assert_eq!(told.status, StatusCode::NOT_FOUND);
    assert!(edge.ingest.counts().refusals().all(|(_, count)| count == 0));
}

#[tokio::test]
async fn a_window_without_age_is_refused_before_it_is_read() {
    let mut request = request(untouchable());
    request.headers_mut().remove(AGE_HEADER);

    let told = Edge::new().refused(request).await;

    assert_eq!(
        (told.status, told.reason.as_str()),
        (StatusCode::PRECONDITION_REQUIRED, "age")
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let broken = futures::stream::iter([
        Ok(Bytes::from_static(b"half")),
        Err(std::io::Error::other("gone")),
    ]);

    let told = Edge::new()
        .refused(request(Body::from_stream(broken)))
        .await;

    assert_eq!(told.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(told.reason, "interrupted");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_given_up() {
    let silent = Body::from_stream(futures::stream::pending::<Result<Bytes, Infallible>>());

    let told = Edge::new().refused(request(silent)).await;

    assert_eq!(
        (told.status, told.reason.as_str()),
        (StatusCode::REQUEST_TIMEOUT, "slow")
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_in_is_given_up_long_before_its_time_is_over() {
    let drops = futures::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(b"drop")), ()))
    });
    let begun = tokio::time::Instant::now();

    let told = Edge::new().refused(request(Body::from_stream(drops))).await;

    assert_eq!(
        (told.status, told.reason.as_str()),
        (StatusCode::REQUEST_TIMEOUT, "slow")
    );
    assert!(begun.elapsed() < Duration::from_secs(6), "{begun:?}");
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_memory_is_told_to_come_again() {
    let edge = Edge::new();
    let mut held = edge.ingest.memory.share();
    held.grow(LIMITS.memory).await.unwrap();

    let told = edge.refused(request(good().body())).await;
    drop(held);
    let again = edge.send(request(good().body())).await;

    assert_eq!(
        (told.status, told.reason.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "busy")
    );
    assert_eq!(told.retry_after.as_deref(), Some("5"));
    assert_eq!(again.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn slow_bodies_lose_their_place_to_an_honest_one() {
    let edge = Edge::new();
    let slow = || {
        let first = futures::stream::iter([Ok::<_, Infallible>(Bytes::from_static(&[0; 4000]))]);
        Body::from_stream(futures::StreamExt::chain(first, futures::stream::pending()))
    };
    let mut waiting = Vec::new();
    for _ in 0..2 {
        waiting.push(Box::pin(edge.send(request(slow()))));
        let sent = futures::poll!(waiting.last_mut().unwrap());
        assert!(sent.is_pending());
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(edge.ingest.memory.free(), 0, "they have all there is");

    let honest = edge.send(request(good().body()));
    let (honest, slow) = futures::join!(honest, futures::future::select_all(waiting));

    assert_eq!(honest.status, StatusCode::OK);
    assert_eq!(
        (slow.0.status, slow.0.reason.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "busy")
    );
}

#[tokio::test]
async fn memory_is_given_back_whatever_becomes_of_the_body() {
    let edge = Edge::new();
    for _ in 0..20 {
        edge.send(request(vec![0xff; 3000])).await;
    }

    let told = edge.send(request(good().body())).await;

    assert_eq!(told.status, StatusCode::OK);
    assert_eq!(edge.ingest.memory.free(), LIMITS.memory);
}

#[tokio::test]
async fn a_node_that_floods_is_told_to_wait_and_others_are_served() {
    let edge = Edge::new();
    for _ in 0..LIMITS.batches {
        edge.send(request(good().body())).await;
    }

    let flood = edge.send(request(good().body())).await;
    let other = edge.send(request(Report::of("n2", 1).body())).await;

    assert_eq!(
        (flood.status, flood.reason.as_str()),
        (StatusCode::TOO_MANY_REQUESTS, "too_often")
    );
    let seconds: u64 = flood.retry_after.unwrap().parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_waits_for_a_processor_and_is_taken_then() {
    let edge = Edge::new();
    let all = u32::try_from(processors()).unwrap();
    let busy = edge.ingest.resolving.acquire_many(all).await.unwrap();
    let sent = edge.send(request(good().body()));
    let mut sent = std::pin::pin!(sent);

    let early = futures::poll!(&mut sent);
    assert!(early.is_pending());
    assert_eq!(edge.ingest.counts().applied(), 0);
    drop(busy);
    let told = sent.await;

    assert_eq!(told.status, StatusCode::OK);
    let free = edge.ingest.resolving.available_permits();
    assert_eq!(free, processors(), "its turn is given on");
}

#[tokio::test]
async fn before_the_topology_is_known_agents_are_told_to_come_again() {
    let told = Edge::on(&Topology::new())
        .refused(request(untouchable()))
        .await;

    assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(told.reason, "not_synced");
    assert_eq!(told.retry_after.as_deref(), Some("5"));
}

#[tokio::test]
async fn the_age_of_a_window_places_it_in_time() {
    let topology = cluster();
    // Gone a minute ago, and another has the address since.
    let then = NOW.minus(Duration::from_mins(1));
    topology.write().delete_pod("pod-p1", then);
    crate::testing::add_pod(&topology, "x1", 1, 1, then);
    let edge = Edge::on(&topology);
    let mut late = request(good().body());
    late.headers_mut().insert(AGE_HEADER, 90_000.into());

    edge.send(late).await;

    let series = edge.pipeline.snapshot().series;
    let names: Vec<_> = series
        .iter()
        .map(|(subject, _)| subject.labels()[1])
        .collect();
    assert_eq!(names, ["p1", "p2"]);
}

#[test]
fn every_reason_has_one_counter_of_its_own_and_is_documented() {
    let page = include_str!("../../../../docs/metrics.md");
    let reasons: std::collections::BTreeSet<_> = Refusal::reasons().collect();

    assert_eq!(reasons.len(), Refusal::REASON_COUNT, "none comes twice");
    for reason in reasons {
        assert!(page.contains(&format!("`{reason}`")), "{reason}");
    }
}
