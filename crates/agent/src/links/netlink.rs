//! Asks the kernel for links, addresses and routes, and listens for changes of them.
//!
//! Blocking, over rtnetlink, in the network namespace of the thread that opens the sockets.
//! Protocol: <https://docs.kernel.org/userspace-api/netlink/intro.html>.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteType};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::{Link, Links};

/// Multicast groups that tell of what [`Links`] holds: links, addresses and routes of IPv4,
/// addresses and routes of IPv6 (`enum rtnetlink_groups` of `linux/rtnetlink.h`).
const GROUPS: [u32; 5] = [1, 5, 7, 9, 11];

/// How often a dump that a change interrupted is begun again before what it gave is taken: the
/// change has a notification of its own, which causes another dump.
const INTERRUPTED_DUMPS: usize = 5;

/// How long the kernel may take for one message of a dump.
const DUMP_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the kernel's answer cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// A socket call failed.
    #[error("cannot {what}: {source}")]
    Socket {
        /// What was to be done.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The answer has a shape that is not known.
    #[error("cannot read an answer of rtnetlink: {0}")]
    Unreadable(#[from] netlink_packet_core::DecodeError),
    /// The kernel answered with an error.
    #[error("rtnetlink refused to list {what}: {source}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// What came of waiting for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Something that can change a view.
    Change,
    /// A change that cannot.
    Irrelevant,
    /// Nothing in that time.
    Silence,
}

/// A subscription to changes.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
}

impl Listener {
    /// Subscribes. What changes after this is heard.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Socket`] if the kernel refuses.
    pub fn open() -> Result<Self, NetlinkError> {
        let mut socket = open()?;
        socket
            .bind_auto()
            .map_err(failed("bind a netlink socket"))?;
        for group in GROUPS {
            socket
                .add_membership(group)
                .map_err(failed("subscribe to netlink notifications"))?;
        }
        Ok(Self { socket })
    }

    /// Waits for one notification.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Socket`] if the socket is broken. Notifications that did not fit into its
    /// buffer are a change like any other.
    pub fn wait(&self, at_most: Duration) -> Result<Heard, NetlinkError> {
        set_timeout(&self.socket, at_most)?;
        match self.socket.recv_from_full() {
            Ok((datagram, _)) => Ok(judge(&datagram)),
            Err(error) => match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
                Errno::EAGAIN | Errno::EINTR => Ok(Heard::Silence),
                Errno::ENOBUFS => Ok(Heard::Change),
                _ => Err(failed("receive netlink notifications")(error)),
            },
        }
    }
}

/// Reads links, addresses and routes.
///
/// # Errors
///
/// [`NetlinkError`] if the kernel refuses, or answers in a way that is not known.
pub fn dump() -> Result<Links, NetlinkError> {
    let mut links = Links::default();
    for _ in 0..INTERRUPTED_DUMPS {
        links = Links::default();
        let interrupted = dump_into(&mut links)?;
        if !interrupted {
            break;
        }
    }
    Ok(links)
}

/// Returns whether something changed meanwhile.
fn dump_into(links: &mut Links) -> Result<bool, NetlinkError> {
    let requests = [
        (
            "links",
            RouteNetlinkMessage::GetLink(LinkMessage::default()),
        ),
        (
            "addresses",
            RouteNetlinkMessage::GetAddress(AddressMessage::default()),
        ),
        (
            "routes",
            RouteNetlinkMessage::GetRoute(RouteMessage::default()),
        ),
    ];
    let mut interrupted = false;
    for (what, request) in requests {
        interrupted |= list(what, request, links)?;
    }
    Ok(interrupted)
}

/// Takes each message as it comes: a node can have very many routes, and few of them matter.
fn list(
    what: &'static str,
    request: RouteNetlinkMessage,
    links: &mut Links,
) -> Result<bool, NetlinkError> {
    let socket = open()?;
    set_timeout(&socket, DUMP_TIMEOUT)?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket
        .send_to(&bytes, &SocketAddr::new(0, 0), 0)
        .map_err(failed("ask over netlink"))?;

    let mut interrupted = false;
    loop {
        let (datagram, _) = socket
            .recv_from_full()
            .map_err(failed("receive a netlink answer"))?;
        for message in Messages(&datagram) {
            let message = message?;
            interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
            match message.payload {
                NetlinkPayload::InnerMessage(inner) => take(links, inner),
                NetlinkPayload::Done(_) => return Ok(interrupted),
                NetlinkPayload::Error(error) => {
                    let source = error.to_io();
                    return Err(NetlinkError::Refused { what, source });
                }
                _ => {}
            }
        }
    }
}

/// The messages of one datagram.
struct Messages<'a>(&'a [u8]);

impl Iterator for Messages<'_> {
    type Item = Result<NetlinkMessage<RouteNetlinkMessage>, netlink_packet_core::DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let message = NetlinkMessage::deserialize(self.0);
        // Messages begin at multiples of four.
        let length = match &message {
            Ok(message) => (message.header.length as usize).next_multiple_of(4),
            Err(_) => usize::MAX,
        };
        self.0 = self.0.get(length..).unwrap_or_default();
        Some(message)
    }
}

/// Only default routes matter, and a node that speaks BGP changes others all the time.
fn judge(datagram: &[u8]) -> Heard {
    let matters = |message: &RouteNetlinkMessage| match message {
        RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route) => {
            route.header.destination_prefix_length == 0
        }
        _ => true,
    };
    let change = Messages(datagram).any(|message| match message {
        Ok(message) => match &message.payload {
            NetlinkPayload::InnerMessage(inner) => matters(inner),
            _ => true,
        },
        // What cannot be read can be anything.
        Err(_) => true,
    });
    if change {
        Heard::Change
    } else {
        Heard::Irrelevant
    }
}

fn take(links: &mut Links, message: RouteNetlinkMessage) {
    match message {
        RouteNetlinkMessage::NewLink(message) => {
            links.links.insert(message.header.index, link(message));
        }
        RouteNetlinkMessage::NewAddress(message) => {
            let index = message.header.index;
            links
                .addresses
                .extend(address(&message).map(|address| (index, address)));
        }
        RouteNetlinkMessage::NewRoute(message) => {
            links.default_routes.extend(default_route(&message));
        }
        _ => {}
    }
}

fn link(message: LinkMessage) -> Link {
    let mut link = Link {
        is_loopback: message.header.flags.contains(LinkFlags::Loopback),
        is_ethernet: message.header.link_layer_type == LinkLayerType::Ether,
        ..Link::default()
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::LinkInfo(infos) => {
                link.kind = infos.into_iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            LinkAttribute::Controller(index) => link.controller = Some(index),
            // A tunnel that is bound to no link says 0.
            LinkAttribute::Link(index) if index != 0 => link.lower = Some(index),
            LinkAttribute::LinkNetNsId(_) => link.lower_is_elsewhere = true,
            _ => {}
        }
    }
    link
}

/// The link's own address: on a point-to-point link the other attribute is the peer's.
fn address(message: &AddressMessage) -> Option<IpAddr> {
    let find = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| {
        message.attributes.iter().find_map(wanted)
    };
    find(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    })
    .or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
}

/// The links a default route leads out by.
fn default_route(message: &RouteMessage) -> Vec<u32> {
    let is_default =
        message.header.destination_prefix_length == 0 && message.header.kind == RouteType::Unicast;
    if !is_default {
        return Vec::new();
    }
    let links = message.attributes.iter().map(|attribute| match attribute {
        RouteAttribute::Oif(index) => vec![*index],
        RouteAttribute::MultiPath(hops) => hops.iter().map(|hop| hop.interface_index).collect(),
        _ => Vec::new(),
    });
    links.flatten().collect()
}

fn open() -> Result<Socket, NetlinkError> {
    Socket::new(NETLINK_ROUTE).map_err(failed("open a netlink socket"))
}

fn set_timeout(socket: &Socket, timeout: Duration) -> Result<(), NetlinkError> {
    let millis = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
    setsockopt(
        socket,
        sockopt::ReceiveTimeout,
        &TimeVal::milliseconds(millis),
    )
    .map_err(|errno| failed("set a timeout of a netlink socket")(errno.into()))
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> NetlinkError {
    move |source| NetlinkError::Socket { what, source }
}
