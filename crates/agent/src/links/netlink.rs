//! Asks the kernel for links, addresses and routes, and listens for changes of them.
//!
//! Blocking, over rtnetlink, in the network namespace of the thread that opens the sockets.
//! Protocol: <https://docs.kernel.org/userspace-api/netlink/intro.html>.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use kubezonnet_model::FlowCounters;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::Links;
use super::message::{Content, List, Message, Messages, counters_request};
use super::wireguard;

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
    /// The answer is not netlink's.
    #[error("cannot read an answer of netlink: {0}")]
    Unreadable(#[source] io::Error),
    /// The kernel answered with an error.
    #[error("netlink refused to tell {what}: {source}")]
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
        let mut socket = open(NETLINK_ROUTE)?;
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

/// Reads links, addresses and routes, and the ports of `WireGuard` devices; of a device whose port is
/// not told just now, the port it had `before`.
///
/// # Errors
///
/// [`NetlinkError`] if the kernel refuses, or answers in a way that is not known.
pub fn dump(before: &Links) -> Result<Links, NetlinkError> {
    let mut links = Links::default();
    for _ in 0..INTERRUPTED_DUMPS {
        links = Links::default();
        let interrupted = dump_into(&mut links)?;
        if !interrupted {
            break;
        }
    }
    wireguard::add_ports(&mut links, before);
    Ok(links)
}

/// Reads what these links have sent since they were made, link layer included. Those that are gone
/// are left out.
///
/// # Errors
///
/// [`NetlinkError`] if the kernel refuses, or answers in a way that is not known.
pub fn sent(indexes: &[u32]) -> Result<BTreeMap<u32, FlowCounters>, NetlinkError> {
    let mut sent = BTreeMap::new();
    if indexes.is_empty() {
        return Ok(sent);
    }
    let socket = open(NETLINK_ROUTE)?;
    for &index in indexes {
        let answer = ask(&socket, &counters_request(index))?;
        match Messages(&answer).next() {
            Some(Ok(message)) => match message.content {
                Content::Sent(index, counters) => {
                    sent.insert(index, counters);
                }
                Content::Refused(libc::ENODEV) => {}
                Content::Refused(error) => return Err(refused("counters", error)),
                other => {
                    let text = format!("not the counters of link {index}: {other:?}");
                    let error = io::Error::new(io::ErrorKind::InvalidData, text);
                    return Err(NetlinkError::Unreadable(error));
                }
            },
            Some(Err(error)) => return Err(NetlinkError::Unreadable(error)),
            None => {
                return Err(NetlinkError::Unreadable(
                    io::ErrorKind::UnexpectedEof.into(),
                ));
            }
        }
    }
    Ok(sent)
}

/// Returns whether something changed meanwhile.
fn dump_into(links: &mut Links) -> Result<bool, NetlinkError> {
    let mut interrupted = false;
    for what in List::ALL {
        interrupted |= list(what, links)?;
    }
    Ok(interrupted)
}

/// Takes each message as it comes: a node can have very many routes, and few of them matter.
fn list(what: List, links: &mut Links) -> Result<bool, NetlinkError> {
    let socket = open(NETLINK_ROUTE)?;
    let mut datagram = ask(&socket, &what.request())?;
    let mut interrupted = false;
    loop {
        for message in Messages(&datagram) {
            let message = message.map_err(NetlinkError::Unreadable)?;
            interrupted |= message.interrupted;
            match message.content {
                Content::Link(index, link) => {
                    links.links.insert(index, link);
                }
                Content::Address(index, address) => {
                    links.addresses.insert((index, address));
                }
                Content::DefaultRoute(indexes) => links.default_routes.extend(indexes),
                Content::Done => return Ok(interrupted),
                Content::Refused(error) => return Err(refused(what.as_str(), error)),
                Content::Sent(..) | Content::OtherRoute | Content::Other => {}
            }
        }
        datagram = receive(&socket)?;
    }
}

/// Only default routes matter, and a node that speaks BGP changes others all the time.
fn judge(datagram: &[u8]) -> Heard {
    let is_irrelevant = |message: io::Result<Message>| {
        // What cannot be read can be anything.
        message.is_ok_and(|message| message.content == Content::OtherRoute)
    };
    if Messages(datagram).all(is_irrelevant) {
        Heard::Irrelevant
    } else {
        Heard::Change
    }
}

/// A socket of one of netlink's protocols, which waits for an answer so long and no longer.
pub(crate) fn open(protocol: isize) -> Result<Socket, NetlinkError> {
    let socket = Socket::new(protocol).map_err(failed("open a netlink socket"))?;
    set_timeout(&socket, DUMP_TIMEOUT)?;
    Ok(socket)
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

/// Sends a request and waits for the first datagram of the answer.
pub(crate) fn ask(socket: &Socket, request: &[u8]) -> Result<Vec<u8>, NetlinkError> {
    socket
        .send_to(request, &SocketAddr::new(0, 0), 0)
        .map_err(failed("ask over netlink"))?;
    receive(socket)
}

/// The next datagram of an answer.
pub(crate) fn receive(socket: &Socket) -> Result<Vec<u8>, NetlinkError> {
    let received = socket.recv_from_full();
    let (datagram, _) = received.map_err(failed("receive a netlink answer"))?;
    Ok(datagram)
}

pub(crate) fn refused(what: &'static str, error: i32) -> NetlinkError {
    let source = io::Error::from_raw_os_error(error);
    NetlinkError::Refused { what, source }
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> NetlinkError {
    move |source| NetlinkError::Socket { what, source }
}
