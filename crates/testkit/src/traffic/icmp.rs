//! Echo requests and their answers, by ICMP for IPv4 and ICMP for IPv6.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use kubezonnet_model::Family;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, socket,
};

use super::{STUCK, Sent, any_port};
use crate::{Error, Place};

/// Type, code, checksum, identifier, sequence: RFC 792 and RFC 4443.
const HEADER_BYTES: usize = 8;

/// Sends `count` echo requests of `size` bytes of payload one after the other, each when the one
/// before was answered.
///
/// On the wire each request and each answer has `size` bytes, 8 of ICMP, and 20 or 40 of IP.
///
/// # Errors
///
/// If a request is not answered.
pub fn ping(
    from: &impl Place,
    to: &impl Place,
    family: Family,
    count: u16,
    size: usize,
) -> Result<Sent, Error> {
    let destination = any_port(to.address(family));
    let what = || format!("ping {} from {}", destination.ip(), from.netns().name());
    let source = any_port(from.address(family));
    let socket = from
        .netns()
        .run(|| echo_socket(family, source))?
        .map_err(Error::io(what()))?;
    let source = (|| {
        socket.set_read_timeout(Some(STUCK))?;
        socket.connect(destination)?;
        let mut answer = vec![0; HEADER_BYTES + size + 1];
        for sequence in 1..=count {
            socket.send(&request(family, sequence, size))?;
            let read = socket.recv(&mut answer)?;
            if read != HEADER_BYTES + size || answer[6..8] != sequence.to_be_bytes() {
                return Err(io::Error::other(format!(
                    "request {sequence} was answered by another"
                )));
            }
        }
        socket.local_addr()
    })()
    .map_err(Error::io(what()))?;
    let bytes = u64::from(count) * size as u64;
    Ok(Sent {
        payload_bytes: bytes,
        answer_bytes: bytes,
        messages: count.into(),
        source,
        destination,
    })
}

/// A datagram socket that speaks echo: the kernel fills in identifier and checksum. For std it is
/// a datagram socket like any other.
fn echo_socket(family: Family, source: SocketAddr) -> io::Result<UdpSocket> {
    let (domain, protocol) = match family {
        Family::Ipv4 => (AddressFamily::Inet, SockProtocol::Icmp),
        Family::Ipv6 => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let socket: OwnedFd = socket(domain, SockType::Datagram, SockFlag::SOCK_CLOEXEC, protocol)?;
    bind(
        std::os::fd::AsRawFd::as_raw_fd(&socket),
        &SockaddrStorage::from(source),
    )?;
    Ok(UdpSocket::from(socket))
}

fn request(family: Family, sequence: u16, size: usize) -> Vec<u8> {
    let kind = match family {
        Family::Ipv4 => 8,
        Family::Ipv6 => 128,
    };
    let mut message = vec![0; HEADER_BYTES + size];
    message[0] = kind;
    message[6..8].copy_from_slice(&sequence.to_be_bytes());
    message
}
