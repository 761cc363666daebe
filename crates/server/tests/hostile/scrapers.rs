//! Who asks for metrics and takes the page a byte at a time.

use std::io::Read as _;
use std::net::TcpStream;

use crate::client::{Secure, address, connect_narrowly};
use crate::server::{self, Server, busy_window};
use crate::{honest, within_bound};

/// Pods that make a page of megabytes.
const PODS: u32 = 5_000;

/// Who ask at once: their pages would be more than the bound together.
const MANY: usize = 300;

/// What four pages may cost beside the first one that was made: each with what it is made of.
const PAGES: u64 = 4;
const TIMES: u64 = 6;

/// A client that reads slowly.
enum Slow {
    Plain(TcpStream),
    Secure(Box<Secure>),
}

impl Slow {
    fn ask(server: &Server, client: usize) -> Self {
        let request = server::get("/metrics");
        if server.tls.is_some() {
            let mut stream = Secure::connect_narrowly(server, client);
            stream.send(&request).unwrap();
            return Self::Secure(Box::new(stream));
        }
        let mut stream = connect_narrowly(server, address(client));
        std::io::Write::write_all(&mut stream, &request).unwrap();
        Self::Plain(stream)
    }

    /// Takes a byte off the wire, if one is there.
    fn sip(&mut self) {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Secure(stream) => stream.wire(),
        };
        stream.set_nonblocking(true).unwrap();
        let _taken = stream.read(&mut [0]);
    }
}

#[test]
fn pages_that_are_taken_a_byte_at_a_time_cost_no_more_than_four_of_them() {
    sip_at(&Server::start_with_pods(PODS, false, &FEW_SECONDS));
}

#[test]
fn pages_that_are_taken_a_byte_at_a_time_with_tls_cost_no_more_than_four_of_them() {
    sip_at(&Server::start_with_pods(PODS, true, &FEW_SECONDS));
}

const FEW_SECONDS: [&str; 2] = ["--answer-timeout", "3s"];

fn sip_at(server: &Server) {
    let counted = server.ask(&busy_window(1, PODS));
    assert!(counted.contains(r#""outcome":"applied""#), "{counted}");
    let page = server.metrics().len();
    assert!(page > 2 << 20, "{page} bytes");
    let before = server.peak_bytes();

    let mut attackers: Vec<_> = (0..MANY).map(|n| Slow::ask(server, n)).collect();
    for sequence in 2..10 {
        attackers.iter_mut().for_each(Slow::sip);
        honest(server, sequence);
    }
    // Nobody keeps a page longer than it may take, however steadily it is taken.
    server.wait_for(|page| {
        attackers.iter_mut().for_each(Slow::sip);
        page.closed("slow_answer") >= 8.0
    });

    let more = server.peak_bytes() - before;
    assert!(
        more < PAGES * TIMES * page,
        "{} MiB for pages of {} KiB",
        more >> 20,
        page >> 10
    );
    within_bound(server);
    drop(attackers);
}
