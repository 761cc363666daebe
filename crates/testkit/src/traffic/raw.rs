//! Any IP protocol, by raw sockets: SCTP above all, which this needs no kernel support for.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use kubezonnet_model::{Family, Protocol};
use socket2::{Domain, Socket, Type};

use super::datagrams::{Load, deliver};
use super::{Sent, any_port};
use crate::{Error, Place};

/// Source port, destination port, verification tag, checksum: RFC 9260, section 3.1.
const HEADER_BYTES: u16 = 12;

/// The source port in the header.
const SOURCE_PORT: u16 = 40_132;

/// The destination port in the header: that of S1AP, to which SCTP is known best.
const DESTINATION_PORT: u16 = 36_412;

/// Sends `packets` packets of a protocol, each with `size` bytes after the IP header, and waits
/// until a raw socket at the other end has received all. They go as fragments if they are larger
/// than the MTU.
///
/// The bytes begin as those of SCTP do, with a source port, a destination port, and 8 bytes that
/// say nothing. All of them count as payload.
///
/// # Errors
///
/// If one of them does not arrive, or `size` has no room for the 12 bytes they begin with.
pub fn raw(
    from: &impl Place,
    to: &impl Place,
    family: Family,
    protocol: Protocol,
    packets: u64,
    size: u16,
) -> Result<Sent, Error> {
    if size < HEADER_BYTES {
        return Err(Error::Invalid(format!(
            "packets of {size} bytes have no room for a header of {HEADER_BYTES}"
        )));
    }
    let (source, destination) = (from.address(family), to.address(family));
    let number = protocol.0;
    let what = format!("send {packets} packets of protocol {number} to {destination}");
    let origin = socket(from, source, destination, number)?;
    let sink = socket(to, destination, source, number)?;
    let packet = packet(size);
    let load = Load {
        datagrams: packets,
        size: size.into(),
    };
    deliver(&origin, &[sink], load, |origin, sent_so_far| {
        origin.send(&packet)?;
        Ok(sent_so_far + 1)
    })
    .map_err(Error::io(what))?;
    Ok(Sent {
        payload_bytes: packets * u64::from(size),
        answer_bytes: 0,
        messages: packets,
        source: SocketAddr::new(source, SOURCE_PORT),
        destination: SocketAddr::new(destination, DESTINATION_PORT),
    })
}

/// A socket that sends to and receives from one peer only.
fn socket(place: &impl Place, own: IpAddr, peer: IpAddr, protocol: u8) -> Result<UdpSocket, Error> {
    let open = || {
        let domain = Domain::for_address(any_port(own));
        let socket = Socket::new(domain, Type::RAW, Some(i32::from(protocol).into()))?;
        socket.bind(&any_port(own).into())?;
        socket.connect(&any_port(peer).into())?;
        Ok::<_, io::Error>(UdpSocket::from(OwnedFd::from(socket)))
    };
    place.netns().run(open)?.map_err(Error::io(format!(
        "open a raw socket for protocol {protocol} in {}",
        place.netns().name()
    )))
}

fn packet(size: u16) -> Vec<u8> {
    let mut packet = vec![b'r'; size.into()];
    packet[..2].copy_from_slice(&SOURCE_PORT.to_be_bytes());
    packet[2..4].copy_from_slice(&DESTINATION_PORT.to_be_bytes());
    packet[4..HEADER_BYTES.into()].fill(0);
    packet
}
