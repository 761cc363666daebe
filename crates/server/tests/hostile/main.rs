//! Clients that mean harm, against the program as it is started: its memory stays within the bound that
//! docs/security.md states, and an agent's window is acknowledged meanwhile.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod client;
mod scrapers;
mod server;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::client::{Secure, address, connect, raise_file_limit};
use crate::server::{DEADLINE, Server, window};

/// More than `--max-connections`.
const MANY: usize = 10_000;

/// The bound that docs/security.md states for the default limits and two processors, less what the
/// topology and the ledger take there: they are next to nothing here.
const BOUND: u64 = 800 << 20;

/// What is so slow that no time-out ends it before the test does.
const PATIENT: [&str; 4] = ["--header-timeout", "10m", "--body-timeout", "10m"];

/// An agent's window must be acknowledged while the attack lasts; returns when it has been.
fn honest(server: &Server, sequence: u64) {
    let begun = Instant::now();
    let answer = server.ask(&window(sequence));
    assert!(answer.contains(r#""outcome":"applied""#), "{answer}");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// A head that lacks its last line, and is as long as it may be.
fn almost_a_head() -> Vec<u8> {
    let mut head = b"GET / HTTP/1.1\r\nHost: server\r\nX: ".to_vec();
    head.resize(16_000, b'x');
    head
}

fn within_bound(server: &Server) {
    let peak = server.peak_bytes();
    assert!(peak < BOUND, "{} MiB", peak >> 20);
}

#[test]
fn ten_thousand_connections_without_a_request_cost_no_more_than_stated() {
    raise_file_limit();
    let server = Server::start(&PATIENT);
    let mut attackers: Vec<_> = (0..MANY).map(|n| connect(&server, address(n))).collect();
    honest(&server, 1);

    for stream in &mut attackers {
        // Those that lost their place hear of it here.
        stream.write_all(&almost_a_head()).ok();
    }
    honest(&server, 2);

    let page = server.metrics();
    assert!(page.value("kubezonnet_server_connections") <= 8192.0);
    assert!(page.closed("crowded") >= 1808.0);
    within_bound(&server);
}

#[test]
fn ten_thousand_connections_with_tls_cost_no_more_than_stated() {
    raise_file_limit();
    let server = Server::start_with_tls(&PATIENT);
    let mut attackers: Vec<_> = (0..MANY).map(|n| Secure::connect(&server, n)).collect();
    honest(&server, 1);

    for stream in &mut attackers {
        stream.send(&almost_a_head()).ok();
    }
    honest(&server, 2);

    assert!(server.metrics().value("kubezonnet_server_connections") <= 8192.0);
    within_bound(&server);
}

#[test]
fn one_address_cannot_take_the_places_of_others() {
    raise_file_limit();
    let server = Server::start(&PATIENT);
    let mut kept = connect(&server, address(0));

    let attackers: Vec<_> = (0..1000).map(|_| connect(&server, address(99))).collect();

    kept.write_all(&server::get("/healthz")).unwrap();
    let answer = client::rest(kept);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.wait_for(|page| page.closed("crowded_peer") >= 744.0);
    // Those of the attacker, and ours.
    server.wait_for(|page| page.value("kubezonnet_server_connections") <= 257.0);
    drop(attackers);
}

#[test]
fn slow_heads_end_after_their_time_and_are_counted() {
    let server = Server::start(&["--header-timeout", "500ms"]);
    let slow: Vec<_> = (0..500)
        .map(|n| {
            let mut stream = connect(&server, address(n));
            stream.write_all(b"POST / HTTP/1.1\r\nX: ").unwrap();
            stream
        })
        .collect();

    for stream in slow {
        let answer = client::rest(stream);
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }

    assert!(server.metrics().closed("slow_head") >= 500.0);
    honest(&server, 1);
}

#[test]
fn slow_bodies_take_no_more_memory_than_they_may_and_keep_no_agent_out() {
    raise_file_limit();
    let server = Server::start(&PATIENT);
    let head = server::post_head(16 << 20);
    // Two gigabytes, if they could: each sends a megabyte of the sixteen it announces, and no more.
    let part = vec![0; 1 << 20];
    let attackers: Vec<_> = (0..2000)
        .map(|n| {
            let mut stream = connect(&server, address(n));
            stream.write_all(head.as_bytes()).ok();
            client::push(&mut stream, &part);
            stream
        })
        .collect();

    for sequence in 1..=3 {
        honest_before(&server, sequence, Instant::now() + DEADLINE);
    }

    let page = server.metrics();
    assert!(page.refused("busy") > 0.0, "there was no need");
    within_bound(&server);
    drop(attackers);
}

/// As an agent does: one that is told to come again comes again.
fn honest_before(server: &Server, sequence: u64, deadline: Instant) {
    loop {
        let answer = server.ask(&window(sequence));
        if answer.contains(r#""outcome":"applied""#) {
            return;
        }
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(Instant::now() < deadline, "{answer}");
    }
}

#[test]
fn a_body_that_trickles_in_is_refused_long_before_its_time_is_over() {
    let server = Server::start(&["--body-timeout", "10m"]);
    let mut stream = connect(&server, address(1));
    let begun = Instant::now();
    stream
        .write_all(server::post_head(1000).as_bytes())
        .unwrap();

    let answer = client::rest(stream);

    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains(r#""reason":"slow""#), "{answer}");
    assert!(begun.elapsed() < DEADLINE);
}

#[test]
fn compressed_bodies_are_refused_before_they_are_read() {
    let server = Server::start(&[]);
    for encoding in ["gzip", "zstd", "br", "deflate", "x-bomb"] {
        let line = format!("\r\nContent-Encoding: {encoding}\r\n\r\n");
        let head = server::post_head(1 << 20).replacen("\r\n\r\n", &line, 1);

        let answer = client::ask(connect(&server, address(1)), head.as_bytes());

        assert!(answer.starts_with("HTTP/1.1 415"), "{encoding}: {answer}");
        assert!(answer.contains("not compressed"), "{answer}");
    }
    assert!((server.metrics().refused("content_encoding") - 5.0).abs() < 0.5);
}

#[test]
fn bodies_made_to_unfold_cost_no_more_than_stated() {
    let server = Server::start(&[]);
    // Fields of the batch, each of the largest body there may be, of bytes that are many small values.
    let bombs: Vec<Vec<u8>> = (1..=15_u8)
        .flat_map(|field| [0x00, 0x01, 0x0a, 0x12].map(|filler| bomb(field, filler)))
        .collect();

    std::thread::scope(|scope| {
        for (turn, bombs) in bombs.chunks(8).enumerate() {
            let server = &server;
            scope.spawn(move || {
                for bomb in bombs {
                    let request = [server::post_head(bomb.len()).as_bytes(), bomb].concat();
                    let stream = connect(server, address(turn));
                    let answer = client::ask(stream, &request);
                    let refused = ["HTTP/1.1 4", "HTTP/1.1 503"];
                    assert!(refused.iter().any(|r| answer.starts_with(r)), "{answer}");
                }
            });
        }
    });

    honest(&server, 1);
    within_bound(&server);
}

/// A batch of which one field, sixteen megabytes long, is the same byte over and over.
fn bomb(field: u8, filler: u8) -> Vec<u8> {
    // Version 1; then the field, with its length in four groups of seven bits.
    let length = (16 << 20) - 16;
    let mut body = vec![0x08, 0x01, (field << 3) | 2];
    body.extend((0..4).map(|group| {
        let bits = u8::try_from((length >> (7 * group)) & 0x7f).unwrap();
        if group < 3 { bits | 0x80 } else { bits }
    }));
    body.resize(body.len() + length, filler);
    body
}

#[test]
fn heads_that_are_too_long_are_refused_and_counted() {
    let server = Server::start(&[]);
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(2000));

    for head in [long, many] {
        let mut stream = connect(&server, address(1));
        // The server stops to read somewhere within.
        stream.write_all(head.as_bytes()).ok();
        drop(stream);
    }

    server.wait_for(|page| page.closed("bad_head") >= 2.0);
    honest(&server, 1);
}

#[test]
fn requests_without_end_whose_answers_nobody_takes_cost_no_more_than_stated() {
    let server = Server::start(&["--answer-timeout", "2s"]);
    let requests = "GET /metrics HTTP/1.1\r\nHost: s\r\n\r\n".repeat(1000);
    let attackers: Vec<_> = (0..10)
        .map(|n| {
            let mut stream = connect(&server, address(n));
            client::push(&mut stream, requests.as_bytes());
            stream
        })
        .collect();

    honest(&server, 1);

    server.wait_for(|page| page.closed("slow_answer") >= 1.0);
    within_bound(&server);
    drop(attackers);
}

#[test]
fn a_flood_of_windows_of_one_node_is_told_to_wait() {
    let server = Server::start(&["--max-batches-per-agent", "5"]);
    for sequence in 1..=5 {
        honest(&server, sequence);
    }

    let answer = server.ask(&window(6));

    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    assert!(answer.contains("retry-after: "), "{answer}");
    assert!((server.metrics().refused("too_often") - 1.0).abs() < 0.5);
}

#[test]
fn what_is_no_http_is_answered_and_closed() {
    let server = Server::start(&[]);
    let noise: Vec<u8> = (0..=255).cycle().take(4000).collect();
    for bytes in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &noise,
    ] {
        let mut stream: TcpStream = connect(&server, address(1));
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{answer:?}");
    }
    honest(&server, 1);
}
