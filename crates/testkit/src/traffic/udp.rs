//! UDP: small datagrams, or large writes that the kernel cuts into datagrams (UDP GSO).

use std::io;
use std::net::{SocketAddr, UdpSocket};

use kubezonnet_model::Family;
use nix::sys::socket::{setsockopt, sockopt};

use super::datagrams::{Load, deliver};
use super::{Sent, any_port};
use crate::{Error, Place};

/// The kernel cuts at most this many datagrams from one write (`UDP_MAX_SEGMENTS` of older
/// kernels).
const MAX_SEGMENTS: u64 = 64;

/// The most payload that one write may have: what an IPv4 packet of 65,535 bytes holds.
const MAX_WRITE_BYTES: u64 = 65_535 - 20 - 8;

/// Sends `datagrams` datagrams of `size` bytes of payload each, and waits until all have arrived.
///
/// Those larger than the MTU go as fragments: up to 65,507 bytes by IPv4, 65,527 by IPv6. What
/// meets a smaller path MTU that the sender does not know yet is lost, as on any network, except
/// for what a node may fragment; [`tcp_bulk`](super::tcp_bulk) to the same place lets it know.
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
    let load = Load {
        datagrams,
        size: size.into(),
    };
    exchange(from, to, family, load, |socket, sent_so_far| {
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
    let load = Load {
        datagrams,
        size: size.into(),
    };
    exchange(from, to, family, load, |socket, sent_so_far| {
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

/// A sink and an origin for it.
fn exchange(
    from: &impl Place,
    to: &impl Place,
    family: Family,
    load: Load,
    emit: impl Fn(&UdpSocket, u64) -> io::Result<u64>,
) -> Result<(SocketAddr, SocketAddr), Error> {
    let what = format!(
        "send {} datagrams to {}",
        load.datagrams,
        to.address(family)
    );
    let sink = socket(to, SocketAddr::new(to.address(family), to.port()))?;
    let origin = socket(from, any_port(from.address(family)))?;
    let connected = sink.local_addr().and_then(|address| {
        origin.connect(to.reached_at(address))?;
        Ok((origin.local_addr()?, origin.peer_addr()?))
    });
    let ends = connected.map_err(Error::io(&what))?;
    deliver(&origin, &[sink], load, emit).map_err(Error::io(what))?;
    Ok(ends)
}

fn socket(place: &impl Place, address: SocketAddr) -> Result<UdpSocket, Error> {
    place
        .netns()
        .run(|| UdpSocket::bind(address))?
        .map_err(Error::io(format!(
            "bind {address} in {}",
            place.netns().name()
        )))
}
