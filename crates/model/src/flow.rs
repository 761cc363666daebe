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
    /// Whose socket on the node's own network sent them (POSTROUTING) or received them (LOCAL_IN);
    /// `None` for what the node forwards, and where only the pair of addresses was kept.
    pub socket: Option<SocketOwner>,
}

/// Who has a socket on the node's own network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SocketOwner {
    /// A pod that shares the node's network.
    Pod(PodUid),
    /// A process that is in no pod: kubelet, sshd, the container runtime, …
    System,
    /// The kernel itself: NFS and other file systems, ICMP, resets.
    Kernel,
    /// The packet has no socket, and none was seen that has its port.
    Unseen,
    /// There was a socket, and whose it is cannot be told on this node: its control groups cannot
    /// be read, or the one it was in is gone and was not known.
    Unreadable,
}

impl SocketOwner {
    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pod(_) => "pod",
            Self::System => "system",
            Self::Kernel => "kernel",
            Self::Unseen => "unseen",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A pod's uid as the 128 bits that it stands for.
///
/// The uid of a pod is a UUID. That of a static pod, as the kubelet has it in the paths of control
/// groups, is a digest of its manifest: 32 hexadecimal digits, which the API server shows in the
/// annotation `kubernetes.io/config.hash`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PodUid(pub [u8; 16]);

impl PodUid {
    /// Reads 32 hexadecimal digits, with or without dashes or underscores between them; `None` for
    /// anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut digits = text.chars().filter(|each| !matches!(each, '-' | '_'));
        let mut number = 0_u128;
        for _ in 0..32 {
            number = number << 4 | u128::from(digits.next()?.to_digit(16)?);
        }
        digits
            .next()
            .is_none()
            .then_some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for PodUid {
    /// As a UUID.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for PodUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PodUid({self})")
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_uid_is_read_however_it_is_written_and_nothing_else_is() {
        let uid = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
        let read = PodUid::parse(uid).unwrap();

        assert_eq!(read.to_string(), uid);
        assert_eq!(PodUid::parse(&uid.replace('-', "_")), Some(read));
        assert_eq!(PodUid::parse(&uid.replace('-', "")), Some(read));
        for bad in [
            "",
            "web-0",
            &uid[1..],
            &format!("{uid}0"),
            &uid.replace('f', "g"),
        ] {
            assert_eq!(PodUid::parse(bad), None, "{bad:?}");
        }
    }
}
