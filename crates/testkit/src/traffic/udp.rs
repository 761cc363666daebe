//! UDP: small datagrams, or large writes that the kernel cuts into datagrams (UDP GSO).

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kubezonnet_model::Family;
use nix::sys::socket::{setsockopt, sockopt};

use super::{STUCK, Sent, any_port};
use crate::{Error, Place};

/// How many datagrams may be on their way: well below the 1,000 packets that a processor's
/// receive queue takes (`net.core.netdev_max_backlog`), so that none is lost.
const IN_FLIGHT: u64 = 128;

/// The receiver's buffer, enough for the largest datagrams in flight.
const RECEIVE_BUFFER_BYTES: usize = 16 << 20;

/// How often the receiver looks whether it may done.
const RECEIVER_PAUSE: Duration = Duration::from_millis(50);

/// The kernel cuts at most this many datagrams from one write (`UDP_MAX_SEGMENTS` of older
/// kernels).
const MAX_SEGMENTS: u64 = 64;

/// The most payload that one write may have: what an IPv4 packet of 65,535 bytes holds.
const MAX_WRITE_BYTES: u64 = 65_535 - 20 - 8;

/// Sends `datagrams` datagrams of `size` bytes of payload each, and waits until all have arrived.
///
/// # Errors
///
/// If one of them does not arrive.
pub fn udp(
    from: &impl Place,
    to: &impl Place,
    family: Family,
    datagrams: u64,
    size: u16,
) -> Result<Sent, Error> {
    exchange(from, to, family, datagrams, |socket, sent_so_far| {
        socket.send(&vec![b'u'; size.into()])?;
        Ok(sent_so_far + 1)
    })
    .map(|(source, destination)| Sent {
        payload_bytes: datagrams * u64::from(size),
        answer_bytes: 0,
        messages: datagrams,
        source,
        destination,
    })
}

/// Sends the same datagrams in writes as large as can be, which the kernel cuts (`UDP_SEGMENT`).
///
/// # Errors
///
/// If one of them does not arrive, or the kernel does not know how.
pub fn udp_segmented(
    from: &impl Place,
    to: &impl Place,
    family: Family,
    datagrams: u64,
    size: u16,
) -> Result<Sent, Error> {
    if size == 0 {
        return Err(Error::Invalid(
            "datagrams without payload cannot be cut from a write".to_owned(),
        ));
    }
    let a_write = MAX_SEGMENTS.min(MAX_WRITE_BYTES / u64::from(size));
    exchange(from, to, family, datagrams, |socket, sent_so_far| {
        setsockopt(socket, sockopt::UdpGsoSegment, &size.into())?;
        let now = a_write.min(datagrams - sent_so_far);
        let bytes = usize::try_from(now * u64::from(size)).map_err(io::Error::other)?;
        socket.send(&vec![b'g'; bytes])?;
        Ok(sent_so_far + now)
    })
    .map(|(source, destination)| Sent {
        payload_bytes: datagrams * u64::from(size),
        answer_bytes: 0,
        messages: datagrams,
        source,
        destination,
    })
}

/// Lets `emit` send until it says that `datagrams` are sent, never further ahead of the receiver
/// than [`IN_FLIGHT`]. Returns the addresses of the two sockets.
fn exchange(
    from: &impl Place,
    to: &impl Place,
    family: Family,
    datagrams: u64,
    emit: impl Fn(&UdpSocket, u64) -> io::Result<u64>,
) -> Result<(SocketAddr, SocketAddr), Error> {
    let what = format!("send {datagrams} datagrams to {}", to.address(family));
    let sink = socket(to, family)?;
    let origin = socket(from, family)?;
    let prepared = (|| {
        setsockopt(&sink, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES)?;
        sink.set_read_timeout(Some(RECEIVER_PAUSE))?;
        origin.connect(sink.local_addr()?)?;
        Ok::<_, io::Error>((origin.local_addr()?, sink.local_addr()?))
    })();
    let ends = prepared.map_err(Error::io(&what))?;
    let (arrived, done) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| count(&sink, &arrived, &done));
        let mut sent = 0;
        let outcome = loop {
            if sent >= datagrams {
                break caught_up(&arrived, datagrams);
            }
            match emit(&origin, sent) {
                Ok(now) => sent = now,
                Err(error) => break Err(error),
            }
            if let Err(error) = caught_up(&arrived, sent.saturating_sub(IN_FLIGHT)) {
                break Err(error);
            }
        };
        done.store(true, Ordering::Relaxed);
        outcome
    })
    .map_err(Error::io(what))?;
    Ok(ends)
}

/// Waits until so many have been arrived.
fn caught_up(arrived: &AtomicU64, wanted: u64) -> io::Result<()> {
    let end = Instant::now() + STUCK;
    while arrived.load(Ordering::Relaxed) < wanted {
        if Instant::now() > end {
            let got = arrived.load(Ordering::Relaxed);
            return Err(io::Error::other(format!("{got} of {wanted} arrived")));
        }
        thread::yield_now();
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

fn socket(place: &impl Place, family: Family) -> Result<UdpSocket, Error> {
    let address = any_port(place.address(family));
    place
        .netns()
        .run(|| UdpSocket::bind(address))?
        .map_err(Error::io(format!(
            "bind {address} in {}",
            place.netns().name()
        )))
}
