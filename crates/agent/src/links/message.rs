//! The bytes of rtnetlink: requests to list, and the few fields of the answers that matter.
//!
//! Pure: bytes in, values out. Kernels differ in which attributes a link has and how long they are,
//! so only what is asked for is looked at. An attribute that is not known costs nothing, and one of
//! a shape that is not known is as if it were not there.
//!
//! Protocol: <https://docs.kernel.org/userspace-api/netlink/intro.html>; structs and numbers:
//! `linux/rtnetlink.h`, `linux/if_link.h`, `linux/if_addr.h`.

use std::io;
use std::net::IpAddr;

use kubezonnet_capture::Tunnel;
use kubezonnet_model::FlowCounters;
use nix::libc;

use super::Link;

/// `struct nlmsghdr`: length, type, flags, sequence, port.
const HEADER_BYTES: usize = 16;

/// `struct ifinfomsg`, `struct ifaddrmsg`, `struct rtmsg`, `struct if_stats_msg`: what comes before the attributes.
const LINK_BYTES: usize = 16;
const ADDRESS_BYTES: usize = 8;
const ROUTE_BYTES: usize = 12;
const STATS_BYTES: usize = 12;

/// `struct rtattr`: length and type.
const ATTRIBUTE_BYTES: usize = 4;

/// `struct rtnexthop`: length, flags, hops, interface; attributes follow.
const NEXT_HOP_BYTES: usize = 8;

/// `IFLA_INFO_KIND` and `IFLA_INFO_DATA`, within `IFLA_LINKINFO`.
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;

/// `IFLA_VXLAN_PORT`, `IFLA_VXLAN_GPE` and `IFLA_GENEVE_PORT`, within `IFLA_INFO_DATA`.
const VXLAN_PORT: u16 = 15;
const VXLAN_GPE: u16 = 27;
const GENEVE_PORT: u16 = 5;

/// `RTM_NEWSTATS` and `RTM_GETSTATS`.
const NEW_STATS: u16 = 92;
const GET_STATS: u16 = 94;

/// `IFLA_STATS_LINK_64`: a `struct rtnl_link_stats64`. As a filter it is the first bit.
const STATS_LINK_64: u16 = 1;
const ONLY_STATS_LINK_64: u32 = 1;

/// Where `tx_packets` and `tx_bytes` are in it.
const SENT_PACKETS_AT: usize = 8;
const SENT_BYTES_AT: usize = 24;

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// Links.
    Links,
    /// Addresses.
    Addresses,
    /// Routes.
    Routes,
}

impl List {
    /// Everything that a view of links is made of.
    pub(super) const ALL: [Self; 3] = [Self::Links, Self::Addresses, Self::Routes];

    /// Its name in errors.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Links => "links",
            Self::Addresses => "addresses",
            Self::Routes => "routes",
        }
    }

    /// The request to list all of them.
    pub(super) fn request(self) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Links => (libc::RTM_GETLINK, LINK_BYTES),
            Self::Addresses => (libc::RTM_GETADDR, ADDRESS_BYTES),
            Self::Routes => (libc::RTM_GETROUTE, ROUTE_BYTES),
        };
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
        message(kind, flags, &vec![0; body])
    }
}

/// The request to tell the counters of one link. It costs far less than a list of links, each with
/// all that is known of it, on a node with hundreds of pods.
pub(super) fn counters_request(index: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(ONLY_STATS_LINK_64.to_ne_bytes());
    message(GET_STATS, libc::NLM_F_REQUEST, &body)
}

/// An attribute, filled up to a multiple of four.
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(ATTRIBUTE_BYTES + value.len()).expect("attributes are short");
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The kernel's lists changed while this one was made.
    pub(super) interrupted: bool,
    /// What it says.
    pub(super) content: Content,
}

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A link with its index.
    Link(u32, Link),
    /// What a link has sent since it was made, link layer included, with its index.
    Sent(u32, FlowCounters),
    /// An address with the index of its link.
    Address(u32, IpAddr),
    /// The links a default route leads out by.
    DefaultRoute(Vec<u32>),
    /// A route to somewhere else, or one that leads nowhere; new or gone.
    OtherRoute,
    /// The end of a list.
    Done,
    /// The kernel refuses.
    Refused(i32),
    /// Anything else: something is gone, or has nothing to tell.
    Other,
}

/// The messages of one datagram.
pub(super) struct Messages<'a>(pub(super) &'a [u8]);

impl Iterator for Messages<'_> {
    type Item = io::Result<Message>;

    fn next(&mut self) -> Option<Self::Item> {
        let message = split(&mut self.0)?;
        Some(message.map(|(kind, flags, body)| Message {
            interrupted: i32::from(flags) & libc::NLM_F_DUMP_INTR != 0,
            content: content(kind, body),
        }))
    }
}

/// The messages of one datagram of any netlink protocol: their types, and what follows the header.
pub(crate) fn raw_messages(mut datagram: &[u8]) -> impl Iterator<Item = io::Result<(u16, &[u8])>> {
    std::iter::from_fn(move || split(&mut datagram))
        .map(|message| message.map(|(kind, _, body)| (kind, body)))
}

/// Takes the first message off a datagram: its type, flags and body.
fn split<'a>(datagram: &mut &'a [u8]) -> Option<io::Result<(u16, u16, &'a [u8])>> {
    if datagram.is_empty() {
        return None;
    }
    let whole = std::mem::take(datagram);
    let length = u32_at(whole, 0).and_then(|length| usize::try_from(length).ok());
    let body = length.and_then(|length| whole.get(HEADER_BYTES..length));
    let (Some(length), Some(body)) = (length, body) else {
        return Some(Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a message is longer than its datagram",
        )));
    };
    // Messages begin at multiples of four.
    *datagram = whole.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    let kind = u16_at(whole, 4).unwrap_or_default();
    let flags = u16_at(whole, 6).unwrap_or_default();
    Some(Ok((kind, flags, body)))
}

fn content(kind: u16, body: &[u8]) -> Content {
    let read = match kind {
        libc::RTM_NEWLINK => link(body),
        libc::RTM_NEWADDR => address(body),
        NEW_STATS => counters(body),
        libc::RTM_NEWROUTE | libc::RTM_DELROUTE => route(kind, body),
        _ if i32::from(kind) == libc::NLMSG_DONE => Some(status(body, Content::Done)),
        _ if i32::from(kind) == libc::NLMSG_ERROR => Some(status(body, Content::Other)),
        _ => None,
    };
    read.unwrap_or(Content::Other)
}

/// Both the end of a list and an answer begin with 0 or the negative number of an error.
fn status(body: &[u8], good: Content) -> Content {
    match u32_at(body, 0).map(u32::cast_signed) {
        Some(error) if error < 0 => Content::Refused(error.saturating_neg()),
        _ => good,
    }
}

fn link(body: &[u8]) -> Option<Content> {
    let attributes = body.get(LINK_BYTES..)?;
    let flags = u32_at(body, 8)?.cast_signed();
    let mut link = Link {
        is_loopback: flags & libc::IFF_LOOPBACK != 0,
        is_ethernet: u16_at(body, 2)? == libc::ARPHRD_ETHER,
        ..Link::default()
    };
    for (kind, value) in Attributes(attributes) {
        match kind {
            libc::IFLA_IFNAME => link.name = text(value),
            libc::IFLA_LINKINFO => {
                link.kind = find(value, INFO_KIND).map(text);
                let data = find(value, INFO_DATA).unwrap_or_default();
                link.tunnel_port = tunnel_port(link.kind.as_deref(), data);
            }
            libc::IFLA_MASTER => link.controller = u32_at(value, 0),
            // A tunnel that is bound to no link says 0.
            libc::IFLA_LINK => link.lower = u32_at(value, 0).filter(|index| *index != 0),
            libc::IFLA_LINK_NETNSID => link.lower_is_elsewhere = true,
            _ => {}
        }
    }
    Some(Content::Link(u32_at(body, 4)?, link))
}

fn counters(body: &[u8]) -> Option<Content> {
    let stats = find(body.get(STATS_BYTES..)?, STATS_LINK_64)?;
    let sent = FlowCounters {
        bytes: u64_at(stats, SENT_BYTES_AT)?,
        packets: u64_at(stats, SENT_PACKETS_AT)?,
    };
    Some(Content::Sent(u32_at(body, 4)?, sent))
}

/// The port that a tunnel listens on, if its datagrams hold Ethernet frames.
fn tunnel_port(kind: Option<&str>, data: &[u8]) -> Option<(u16, Tunnel)> {
    let (attribute, tunnel) = match kind? {
        // With the generic protocol extension a datagram can hold anything.
        "vxlan" if find(data, VXLAN_GPE).is_none() => (VXLAN_PORT, Tunnel::Vxlan),
        "geneve" => (GENEVE_PORT, Tunnel::Geneve),
        _ => return None,
    };
    let port = find(data, attribute)?.get(..2)?.try_into().ok()?;
    Some((u16::from_be_bytes(port), tunnel)).filter(|(port, _)| *port != 0)
}

/// The link's own address: on a point-to-point link the other attribute is the peer's.
fn address(body: &[u8]) -> Option<Content> {
    let attributes = body.get(ADDRESS_BYTES..)?;
    let read = |wanted: u16| find(attributes, wanted).and_then(ip);
    let address = read(libc::IFA_LOCAL).or_else(|| read(libc::IFA_ADDRESS))?;
    Some(Content::Address(u32_at(body, 4)?, address))
}

fn route(kind: u16, body: &[u8]) -> Option<Content> {
    let attributes = body.get(ROUTE_BYTES..)?;
    let (prefix_length, route_kind) = (body[1], body[7]);
    if prefix_length != 0 {
        return Some(Content::OtherRoute);
    }
    if kind != libc::RTM_NEWROUTE || route_kind != libc::RTN_UNICAST {
        return None;
    }
    let links = Attributes(attributes).flat_map(|(kind, value)| match kind {
        libc::RTA_OIF => u32_at(value, 0).into_iter().collect(),
        libc::RTA_MULTIPATH => next_hops(value),
        _ => Vec::new(),
    });
    Some(Content::DefaultRoute(links.collect()))
}

fn next_hops(mut value: &[u8]) -> Vec<u32> {
    let mut links = Vec::new();
    while let (Some(length), Some(index)) = (u16_at(value, 0), u32_at(value, 4)) {
        links.push(index);
        let length = usize::from(length).max(NEXT_HOP_BYTES);
        value = value.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    links
}

/// Types and values of a row of attributes, up to the first that is cut short.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let row = std::mem::take(&mut self.0);
        let length = usize::from(u16_at(row, 0)?);
        let value = row.get(ATTRIBUTE_BYTES..length)?;
        self.0 = row.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        // The two highest bits say how the value is written.
        Some((u16_at(row, 2)? & 0x3fff, value))
    }
}

/// The value of the first attribute of a type.
pub(crate) fn find(attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut all = Attributes(attributes);
    all.find_map(|(kind, value)| (kind == wanted).then_some(value))
}

/// Text, which ends at its first zero byte.
fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&value[..end.unwrap_or(value.len())]).into_owned()
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(octets.into());
    }
    <[u8; 16]>::try_from(value).ok().map(IpAddr::from)
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

pub(crate) fn message(kind: u16, flags: i32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER_BYTES + body.len()).expect("messages are short");
    let flags = u16::try_from(flags).expect("flags have 16 bits");
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

#[cfg(test)]
mod tests;
