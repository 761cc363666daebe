//! What the kernel counts: a key, and how much went under it.

use std::fmt;
use std::net::IpAddr;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// One key with what was counted under it in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FlowRecord {
    /// Whose bytes these are.
    pub key: FlowKey,
    /// How many.
    pub counters: FlowCounters,
}

/// Who spoke to whom, and where on the node it was seen.
///
/// The two addresses are of the same family. Direction and the local side are not in the key:
/// they are decided where the topology is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FlowKey {
    /// Source address of the packet at the hook.
    pub source: IpAddr,
    /// Destination address of the packet at the hook.
    pub destination: IpAddr,
    /// Protocol and ports; `None` where the flow map was full and only the pair of addresses kept.
    pub transport: Option<Transport>,
    /// Where on the node the packets were seen.
    pub point: ObservationPoint,
}

/// Protocol and ports of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Transport {
    /// The IP protocol (IPv6: the one after the extension headers).
    pub protocol: Protocol,
    /// The service's port; `None` for protocols without ports and for fragments whose header went
    /// with another packet.
    pub service: Option<ServicePort>,
    /// The client's port, kept with `--flow-detail=connection` only.
    pub client_port: Option<u16>,
}

/// The port of the side that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServicePort {
    /// The port number.
    pub number: u16,
    /// Which address it belongs to.
    pub side: PortSide,
}

/// Which of the two addresses of a flow the service port belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PortSide {
    /// The source serves: the packets are answers.
    Source,
    /// The destination serves: the packets are requests.
    Destination,
}

/// Where on a node packets were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObservationPoint {
    /// The hook.
    pub hook: Hook,
    /// Class of the interface the packet came in by; [`InterfaceClass::Host`] where it was made on
    /// the node itself.
    pub input: InterfaceClass,
    /// Class of the interface the packet leaves by; [`InterfaceClass::Host`] where it ends on the
    /// node itself.
    pub output: InterfaceClass,
}

/// A place in the kernel where packets are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Hook {
    /// Netfilter POSTROUTING, before source translation: what the node sends and forwards.
    Postrouting,
    /// Netfilter LOCAL_IN, after everything else: what the node's own sockets receive.
    LocalIn,
}

impl Hook {
    /// Every hook.
    pub const ALL: [Self; 2] = [Self::Postrouting, Self::LocalIn];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postrouting => "postrouting",
            Self::LocalIn => "local_in",
        }
    }
}

/// What an interface leads to, as far as the node can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum InterfaceClass {
    /// Not known (yet): the interface is newer than the agent's last look.
    Other,
    /// Leads to pods: a veth or netkit whose other end is in another namespace, or a bridge of
    /// such.
    Pod,
    /// Leads to the network the node is in.
    Uplink,
    /// Wraps packets and sends them on: VXLAN, Geneve, IPIP, GRE, SIT, WireGuard, …
    Tunnel,
    /// Leads nowhere but to the node itself: dummies, and packets that begin or end on the node.
    Host,
    /// The loopback interface.
    Loopback,
}

impl InterfaceClass {
    /// Every class.
    pub const ALL: [Self; 6] = [
        Self::Other,
        Self::Pod,
        Self::Uplink,
        Self::Tunnel,
        Self::Host,
        Self::Loopback,
    ];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Pod => "pod",
            Self::Uplink => "uplink",
            Self::Tunnel => "tunnel",
            Self::Host => "host",
            Self::Loopback => "loopback",
        }
    }
}

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Both families.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// The family of an address.
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

/// An IP protocol number (IANA "Assigned Internet Protocol Numbers").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
    /// SCTP.
    pub const SCTP: Self = Self(132);
}

impl fmt::Display for Protocol {
    /// The usual lower-case name, or the number where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::ICMP => "icmp",
            Self::TCP => "tcp",
            Self::UDP => "udp",
            Self::ICMPV6 => "icmpv6",
            Self::SCTP => "sctp",
            Self(number) => return write!(f, "{number}"),
        };
        f.write_str(name)
    }
}

/// How much was counted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct FlowCounters {
    /// IP bytes as on the wire: IP header included, every segment with its own headers, link layer
    /// left out.
    pub bytes: u64,
    /// Packets as on the wire: every segment is one.
    pub packets: u64,
}

impl FlowCounters {
    /// Both zero.
    pub const ZERO: Self = Self {
        bytes: 0,
        packets: 0,
    };
}

impl AddAssign for FlowCounters {
    /// Adds; stays at the largest value rather than wrap (which 64 bits reach after centuries).
    fn add_assign(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.packets = self.packets.saturating_add(other.packets);
    }
}

impl std::iter::Sum for FlowCounters {
    fn sum<I: Iterator<Item = Self>>(counters: I) -> Self {
        counters.fold(Self::ZERO, |mut sum, each| {
            sum += each;
            sum
        })
    }
}
