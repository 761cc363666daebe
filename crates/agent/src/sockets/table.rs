//! The kernel's table of sockets that wait for packets from anybody, each with its control group.
//!
//! Over `sock_diag`, blocking, in the network namespace of the calling thread: `sock_diag(7)`, numbers
//! in `linux/inet_diag.h`.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kubezonnet_model::{Family, Protocol};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use nix::libc;

use crate::links::message::{find, message, raw_messages, u32_at};
use crate::links::netlink::{NetlinkError, ask, open, receive, refused};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;

/// `struct inet_diag_req_v2`: family, protocol, two bytes, states; then the socket, all of whose
/// fields stay 0 in a list.
const REQUEST_BYTES: usize = 56;

/// `struct inet_diag_msg`: family, state, two bytes; local port, remote port, local address, …
const ANSWER_BYTES: usize = 72;
const PORT_AT: usize = 4;
const ADDRESS_AT: usize = 8;

/// `INET_DIAG_SKV6ONLY` and `INET_DIAG_CGROUP_ID`.
const ONLY_IPV6: u16 = 11;
const CGROUP: u16 = 21;

/// Bits of `enum` in `net/tcp_states.h`: TCP sockets that listen; UDP sockets of every state.
const LISTENING: u32 = 1 << 10;
const ALL: u32 = u32::MAX;

/// What is asked for: no other protocol's sockets can be told.
const LISTS: [(Protocol, u32); 2] = [(Protocol::TCP, LISTENING), (Protocol::UDP, ALL)];

/// Which control group a socket was made in, by its protocol, local address and port.
#[derive(Debug, Default)]
pub struct Table {
    holders: HashMap<(Protocol, IpAddr, u16), u32>,
}

/// Takes the sockets of one family and protocol in these states.
type List<'a> =
    &'a mut dyn FnMut(Family, Protocol, u32, &mut dyn FnMut(Holder)) -> Result<(), NetlinkError>;

/// One socket.
#[derive(Debug, PartialEq, Eq)]
struct Holder {
    address: IpAddr,
    port: u16,
    cgroup: u32,
    /// It takes packets of IPv4 too.
    is_dual: bool,
}

impl Table {
    /// Asks the kernel. Where it refuses one list (there is a module for each protocol, and no IPv6
    /// everywhere), those that it gives are told all the same, with what it said last.
    pub fn read() -> (Self, Option<NetlinkError>) {
        Self::read_by(&mut list)
    }

    fn read_by(list: List<'_>) -> (Self, Option<NetlinkError>) {
        let mut table = Self::default();
        let mut refused = None;
        for (protocol, states) in LISTS {
            for family in Family::ALL {
                let outcome = list(family, protocol, states, &mut |holder| {
                    table.add(protocol, &holder);
                });
                refused = outcome.err().or(refused);
            }
        }
        (table, refused)
    }

    /// One with a single socket.
    #[cfg(test)]
    pub(super) fn of(protocol: Protocol, address: &str, port: u16, cgroup: u32) -> Self {
        let address = address.parse().expect("it is an address");
        Self {
            holders: HashMap::from([((protocol, address, port), cgroup)]),
        }
    }

    fn add(&mut self, protocol: Protocol, holder: &Holder) {
        let port = holder.port;
        let address = holder.address.to_canonical();
        self.holders
            .insert((protocol, address, port), holder.cgroup);
        if holder.is_dual {
            let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            // One for IPv4 alone goes before.
            self.holders
                .entry((protocol, any, port))
                .or_insert(holder.cgroup);
        }
    }

    /// The group of the socket that gets what is sent to there.
    pub fn holder(&self, protocol: Protocol, address: IpAddr, port: u16) -> Option<u32> {
        let any = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let at = |address| self.holders.get(&(protocol, address, port)).copied();
        at(address).or_else(|| at(any))
    }
}

fn list(
    family: Family,
    protocol: Protocol,
    states: u32,
    take: &mut dyn FnMut(Holder),
) -> Result<(), NetlinkError> {
    let socket = open(NETLINK_SOCK_DIAG)?;
    let mut datagram = ask(&socket, &request(family, protocol, states))?;
    loop {
        for each in raw_messages(&datagram) {
            let (kind, body) = each.map_err(NetlinkError::Unreadable)?;
            match i32::from(kind) {
                libc::NLMSG_DONE => return Ok(()),
                libc::NLMSG_ERROR => {
                    let error = u32_at(body, 0).map_or(libc::EPROTO, |error| -error.cast_signed());
                    return Err(refused("sockets", error));
                }
                _ => take(read(body).ok_or_else(|| {
                    let text = format!("not a socket: {body:02x?}");
                    NetlinkError::Unreadable(io::Error::new(io::ErrorKind::InvalidData, text))
                })?),
            }
        }
        datagram = receive(&socket)?;
    }
}

fn request(family: Family, protocol: Protocol, states: u32) -> Vec<u8> {
    let family = match family {
        Family::Ipv4 => libc::AF_INET,
        Family::Ipv6 => libc::AF_INET6,
    };
    let family = u8::try_from(family).expect("families are small numbers");
    let mut body = vec![family, protocol.0, 0, 0];
    body.extend(states.to_ne_bytes());
    body.resize(REQUEST_BYTES, 0);
    message(BY_FAMILY, libc::NLM_F_REQUEST | libc::NLM_F_DUMP, &body)
}

/// Reads a socket. One without a control group (before Linux 5.9 the kernel does not tell it) has
/// number 0, which no group has.
fn read(body: &[u8]) -> Option<Holder> {
    let port = u16::from_be_bytes(body.get(PORT_AT..PORT_AT + 2)?.try_into().ok()?);
    let octets: [u8; 16] = body.get(ADDRESS_AT..ADDRESS_AT + 16)?.try_into().ok()?;
    let attributes = body.get(ANSWER_BYTES..)?;
    let is_ipv6 = i32::from(*body.first()?) == libc::AF_INET6;
    let [a, b, c, d, ..] = octets;
    let address = if is_ipv6 {
        IpAddr::V6(Ipv6Addr::from(octets))
    } else {
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    let is_only_ipv6 = find(attributes, ONLY_IPV6).is_none_or(|value| value != [0]);
    // The lower half, which the programs have too.
    let cgroup = find(attributes, CGROUP)
        .and_then(|value| value.try_into().ok())
        .map_or(0, u64::from_ne_bytes);
    Some(Holder {
        address,
        port,
        cgroup: u32::try_from(cgroup & u64::from(u32::MAX)).expect("the upper half is cut off"),
        is_dual: address.is_unspecified() && is_ipv6 && !is_only_ipv6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::message::attribute;

    const V4: [u8; 16] = [10, 66, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    /// A socket as the kernel tells of it.
    fn told(family: i32, port: u16, address: [u8; 16], cgroup: u64, only_ipv6: u8) -> Vec<u8> {
        let mut body = vec![u8::try_from(family).unwrap(), 10, 0, 0];
        body.extend(port.to_be_bytes());
        body.extend([0; 2]);
        body.extend(address);
        body.resize(ANSWER_BYTES, 0);
        body.extend(attribute(8, &[0]));
        body.extend(attribute(ONLY_IPV6, &[only_ipv6]));
        body.extend(attribute(CGROUP, &cgroup.to_ne_bytes()));
        body
    }

    fn table(sockets: &[Vec<u8>]) -> Table {
        let mut table = Table::default();
        for body in sockets {
            table.add(Protocol::TCP, &read(body).unwrap());
        }
        table
    }

    #[test]
    fn a_socket_of_an_address_goes_before_one_of_all_addresses() {
        let table = table(&[
            told(libc::AF_INET, 53, [0; 16], 7, 0),
            told(libc::AF_INET, 53, V4, (3 << 32) + 8, 0),
            told(libc::AF_INET6, 53, [0; 16], 9, 1),
        ]);

        let holder = |address: &str| table.holder(Protocol::TCP, address.parse().unwrap(), 53);

        assert_eq!(holder("10.66.0.1"), Some(8));
        assert_eq!(holder("10.66.0.2"), Some(7));
        assert_eq!(holder("fd66::1"), Some(9));
        assert_eq!(
            table.holder(Protocol::UDP, "10.66.0.1".parse().unwrap(), 53),
            None
        );
        assert_eq!(
            table.holder(Protocol::TCP, "10.66.0.1".parse().unwrap(), 54),
            None
        );
    }

    #[test]
    fn a_socket_of_ipv6_gets_ipv4_too_unless_it_says_otherwise_or_another_does() {
        let dual = told(libc::AF_INET6, 80, [0; 16], 5, 0);
        let only = told(libc::AF_INET6, 80, [0; 16], 5, 1);
        let other = told(libc::AF_INET, 80, [0; 16], 6, 0);

        let holder = |sockets: &[Vec<u8>]| {
            let address = "10.66.0.1".parse().unwrap();
            table(sockets).holder(Protocol::TCP, address, 80)
        };

        assert_eq!(holder(std::slice::from_ref(&dual)), Some(5));
        assert_eq!(holder(&[only]), None);
        assert_eq!(holder(&[other, dual]), Some(6));
    }

    #[test]
    fn what_is_too_short_for_a_socket_is_none() {
        let body = told(libc::AF_INET, 53, V4, 8, 0);

        assert_eq!(read(&body[..ANSWER_BYTES - 1]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn what_one_protocol_is_refused_leaves_the_sockets_of_the_other_known() {
        let (table, refused) = Table::read_by(&mut |family, protocol, _, take| {
            if protocol == Protocol::UDP || family == Family::Ipv4 {
                return Err(self::refused("sockets", libc::ENOENT));
            }
            take(read(&told(libc::AF_INET6, 80, [0; 16], 5, 0)).unwrap());
            Ok(())
        });

        let address = "10.66.0.1".parse().unwrap();
        assert_eq!(table.holder(Protocol::TCP, address, 80), Some(5));
        assert!(refused.is_some());
    }

    #[test]
    fn the_kernel_tells_of_a_listener_and_of_a_datagram_socket() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let datagrams = std::net::UdpSocket::bind("[::1]:0").unwrap();

        let (table, refused) = Table::read();

        assert!(refused.is_none(), "{refused:?}");
        for (protocol, address) in [
            (Protocol::TCP, listener.local_addr().unwrap()),
            (Protocol::UDP, datagrams.local_addr().unwrap()),
        ] {
            let holder = table.holder(protocol, address.ip(), address.port());
            assert!(
                holder.is_some_and(|cgroup| cgroup > 0),
                "{protocol}: {holder:?}"
            );
        }
    }
}
