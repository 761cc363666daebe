//! Sends datagrams of any protocol no faster than they are received, so that none is lost.

use std::io;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use super::STUCK;

/// How many datagrams may be on their way: well below the 1,000 packets that a processor's
/// receive queue takes (`net.core.netdev_max_backlog`), so that none is lost.
const IN_FLIGHT: u64 = 128;

/// How many bytes may be, for the same reason: as fragments of a path MTU of 576, the smallest
/// that anything here sets, they are some 240 packets.
const IN_FLIGHT_BYTES: u64 = 128 << 10;

/// The receiver's buffer, enough for the largest datagrams in flight.
const RECEIVE_BUFFER_BYTES: usize = 16 << 20;

/// How often the receiver looks whether it may done.
const RECEIVER_PAUSE: Duration = Duration::from_millis(50);

/// How much is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// How many.
    pub(super) datagrams: u64,
    /// Bytes of payload of each.
    pub(super) size: u64,
}

impl Load {
    fn in_flight(self) -> u64 {
        (IN_FLIGHT_BYTES / self.size.max(1)).clamp(1, IN_FLIGHT)
    }
}

/// Lets `emit` send until it says that all are sent, never further ahead of the slowest sink than
/// may be in flight. Each of the sinks is to receive each of the datagrams, and nothing else.
///
/// A raw socket may stand here as a [`UdpSocket`]: for std it is a datagram socket like any other.
pub(super) fn deliver(
    origin: &UdpSocket,
    sinks: &[UdpSocket],
    load: Load,
    emit: impl Fn(&UdpSocket, u64) -> io::Result<u64>,
) -> io::Result<()> {
    for sink in sinks {
        setsockopt(sink, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES)?;
        sink.set_read_timeout(Some(RECEIVER_PAUSE))?;
    }
    let arrived: Vec<AtomicU64> = sinks.iter().map(|_| AtomicU64::new(0)).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for (sink, arrived) in sinks.iter().zip(&arrived) {
            scope.spawn(|| count(sink, arrived, &done));
        }
        let outcome = send_all(origin, load, emit, &arrived);
        done.store(true, Ordering::Relaxed);
        outcome
    })
}

fn send_all(
    origin: &UdpSocket,
    load: Load,
    emit: impl Fn(&UdpSocket, u64) -> io::Result<u64>,
    arrived: &[AtomicU64],
) -> io::Result<()> {
    let mut sent = 0;
    while sent < load.datagrams {
        sent = emit(origin, sent)?;
        caught_up(arrived, sent.saturating_sub(load.in_flight()))?;
    }
    caught_up(arrived, load.datagrams)
}

/// Waits until so many have arrived at each sink.
fn caught_up(arrived: &[AtomicU64], wanted: u64) -> io::Result<()> {
    let end = Instant::now() + STUCK;
    for arrived in arrived {
        while arrived.load(Ordering::Relaxed) < wanted {
            if Instant::now() > end {
                let got = arrived.load(Ordering::Relaxed);
                return Err(io::Error::other(format!("{got} of {wanted} arrived")));
            }
            thread::yield_now();
        }
    }
    Ok(())
}

fn count(sink: &UdpSocket, arrived: &AtomicU64, done: &AtomicBool) {
    let mut buffer = [0];
    while !done.load(Ordering::Relaxed) {
        if sink.recv(&mut buffer).is_ok() {
            arrived.fetch_add(1, Ordering::Relaxed);
        }
    }
}
