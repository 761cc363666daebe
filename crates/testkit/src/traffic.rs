//! Traffic between two places of a cluster: each call blocks until all of it was delivered, is
//! bounded by a deadline, and returns what was sent.
//!
//! What the network carried is more than that: headers, acknowledgements, retransmissions. The
//! counters of the uplinks tell it, see [`Cluster::settled_uplink`](crate::Cluster::settled_uplink).

mod datagrams;
mod flow;
mod icmp;
mod multicast;
mod raw;
mod tcp;
mod udp;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use self::flow::{Flow, FlowStats, Pace};
pub use self::icmp::ping;
pub use self::multicast::{group, multicast};
pub use self::raw::raw;
pub use self::tcp::{tcp_bulk, tcp_bulk_to_port, tcp_requests};
pub use self::udp::{udp, udp_segmented};

/// The longest that traffic may stand still before it counts as stuck.
pub(crate) const STUCK: Duration = Duration::from_secs(20);

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Payload bytes sent by the side that began: no headers, nothing sent twice.
    pub payload_bytes: u64,
    /// Payload bytes that the other side sent in answer.
    pub answer_bytes: u64,
    /// Datagrams or echo requests sent, or requests made: 1 for a bulk transfer.
    pub messages: u64,
    /// The socket that began. An echo request has no port: its identifier stands in its place.
    pub source: SocketAddr,
    /// The socket it talked to; port 0 for an echo request. Where a service stands in front of the
    /// other side, it is the service's.
    pub destination: SocketAddr,
}

/// An address to bind to, with a port that the system chooses.
pub(crate) fn any_port(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, 0)
}
