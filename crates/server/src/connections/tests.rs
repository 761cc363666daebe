use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use axum_server::accept::NoDelayAcceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;

/// How long anything here may take.
const DEADLINE: Duration = Duration::from_secs(30);

const SHORT: Duration = Duration::from_millis(200);

/// Serves the router until the test ends; returns where.
fn start(router: Router, limits: ConnectionLimits) -> SocketAddr {
    start_counted(router, limits).0
}

fn start_counted(router: Router, limits: ConnectionLimits) -> (SocketAddr, Arc<ConnectionCounts>) {
    let counts = Arc::new(ConnectionCounts::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = NoDelayAcceptor::new();
    let server = serve(listener, acceptor, limits, Arc::clone(&counts)).unwrap();
    tokio::spawn(server.serve(router.into_make_service()));
    (address, counts)
}

async fn open(address: SocketAddr, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    stream
}

/// What comes until the server closes.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let read = tokio::time::timeout(DEADLINE, read).await;
    read.expect("the server closes").ok();
    answer
}

fn count(counts: &ConnectionCounts, reason: Closed) -> u64 {
    let mut all = counts.closed();
    all.find(|(name, _)| *name == reason.as_str()).unwrap().1
}

async fn is_served(address: SocketAddr) -> bool {
    let request = b"GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n";
    let answer = rest(open(address, request).await).await;
    answer.starts_with(b"HTTP/1.1 200 OK\r\n")
}

#[tokio::test]
async fn who_sends_half_a_head_or_none_is_let_go_and_all_others_are_served() {
    let limits = ConnectionLimits {
        head: SHORT,
        ..ConnectionLimits::default()
    };
    let router = Router::new().route("/", get(|| async { "here" }));
    let (address, counts) = start_counted(router, limits);
    let begun = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..50 {
        slow.push(open(address, b"GET / HTTP/1.1\r\nHost: s\r\nX-Slow").await);
        slow.push(open(address, b"").await);
        slow.push(open(address, b"PRI * HTTP/2.0\r\n").await);
    }

    assert!(is_served(address).await, "while they are there");
    for stream in slow {
        let answer = rest(stream).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    }

    assert!(begun.elapsed() >= SHORT, "they had their time");
    assert!(is_served(address).await, "after they are gone");
    // What begins with HTTP/2 is no head of HTTP/1, and need not be waited for.
    let slow = count(&counts, Closed::SlowHead) + count(&counts, Closed::BadHead);
    assert_eq!(slow, 150);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_last_request() {
    let limits = ConnectionLimits {
        idle: SHORT,
        ..ConnectionLimits::default()
    };
    let router = Router::new().route("/", get(|| async { "here" }));
    let address = start(router, limits);

    let stream = open(address, b"GET / HTTP/1.1\r\nHost: s\r\n\r\n").await;
    let answer = rest(stream).await;

    assert!(answer.ends_with(b"here"), "{answer:?}");
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_let_go() {
    let limits = ConnectionLimits {
        answer: SHORT,
        ..ConnectionLimits::default()
    };
    let (held, dropped) = oneshot::channel::<()>();
    let held = std::sync::Arc::new(std::sync::Mutex::new(Some(held)));
    let endless = move || {
        let held = held.lock().unwrap().take();
        let chunks = futures::stream::repeat_with(move || {
            // Dropped with the answer.
            let _ = &held;
            Ok::<_, Infallible>(Bytes::from_static(&[0; 1024]))
        });
        async { Body::from_stream(chunks) }
    };
    let address = start(Router::new().route("/", get(endless)), limits);

    let stream = open(address, b"GET / HTTP/1.1\r\nHost: s\r\n\r\n").await;
    let dropped = tokio::time::timeout(DEADLINE, dropped).await;

    assert!(dropped.expect("the answer is given up").is_err());
    drop(stream);
}

#[tokio::test]
async fn who_sends_half_a_head_is_told_that_it_took_too_long() {
    let limits = ConnectionLimits {
        head: SHORT,
        ..ConnectionLimits::default()
    };
    let address = start(Router::new(), limits);

    let answer = rest(open(address, b"GET / HTTP/1.1\r\nHost").await).await;

    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{answer:?}");
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_has_no_more_time_than_one_that_does_not_come() {
    let limits = ConnectionLimits {
        head: SHORT,
        ..ConnectionLimits::default()
    };
    let (address, counts) = start_counted(Router::new(), limits);
    let mut stream = open(address, b"GET / HTTP/1.1\r\nX: ").await;
    let begun = Instant::now();
    let mut turns = tokio::time::interval(SHORT / 50);

    while count(&counts, Closed::SlowHead) == 0 {
        assert!(begun.elapsed() < DEADLINE, "it goes on for ever");
        turns.tick().await;
        // Fails once the server has closed.
        stream.write_all(b"x").await.ok();
    }
}

#[tokio::test]
async fn heads_that_are_too_long_or_have_too_many_lines_are_refused_and_counted() {
    let (address, counts) = start_counted(Router::new(), ConnectionLimits::default());
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(16 * 1024));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(101));

    for head in [long, many] {
        let answer = rest(open(address, head.as_bytes()).await).await;
        assert!(answer.starts_with(b"HTTP/1.1 431 "), "{answer:?}");
    }

    assert_eq!(count(&counts, Closed::BadHead), 2);
}

#[tokio::test]
async fn where_there_are_too_many_connections_the_newest_is_served() {
    let limits = ConnectionLimits {
        total: 10,
        ..ConnectionLimits::default()
    };
    let router = Router::new().route("/", get(|| async { "here" }));
    let (address, counts) = start_counted(router, limits);
    let mut idle = Vec::new();
    for _ in 0..25 {
        idle.push(open(address, b"").await);
    }

    assert!(is_served(address).await);

    assert_eq!(count(&counts, Closed::Crowded), 16);
    assert!(counts.open() <= 10, "{}", counts.open());
}

#[tokio::test]
async fn an_address_with_too_many_connections_keeps_none_out() {
    let limits = ConnectionLimits {
        per_peer: 3,
        ..ConnectionLimits::default()
    };
    let router = Router::new().route("/", get(|| async { "here" }));
    let (address, counts) = start_counted(router, limits);
    let mut idle = Vec::new();
    for _ in 0..10 {
        idle.push(open(address, b"").await);
    }

    assert!(is_served(address).await);

    assert_eq!(count(&counts, Closed::CrowdedPeer), 8);
}

#[tokio::test]
async fn pipelined_requests_are_answered_one_by_one() {
    let router = Router::new().route("/", get(|| async { "here" }));
    let (address, counts) = start_counted(router, ConnectionLimits::default());
    let request = "GET / HTTP/1.1\r\nHost: s\r\n\r\n".repeat(500);
    let last = "GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n";

    let answers = rest(open(address, (request + last).as_bytes()).await).await;

    let text = String::from_utf8(answers).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 501);
    assert!(counts.closed().all(|(_, count)| count == 0), "{counts:?}");
}
