//! Packets that are seldom: of sockets that do not heed the path's MTU, on paths whose MTU was
//! learned, in small fragments, with headers apart from the rest.

use std::fs::File;
use std::io::{IoSlice, Write};
use std::net::{IpAddr, UdpSocket};

use kubezonnet_capture::{Config, Drained};
use kubezonnet_model::{
    Family, FlowCounters, Hook, InterfaceClass, ObservationPoint, PortSide, Protocol, ServicePort,
};
use kubezonnet_testkit::{Cluster, NodeSpec, Place, PodSpec, traffic};

use crate::bench::{client, cluster, server};
use crate::nodes::{CapturingNode, seen_at, sent_by};
use crate::system::{device, discover_mtu};

fn leaving(point: ObservationPoint) -> bool {
    point.hook == Hook::Postrouting && point.output == InterfaceClass::Uplink
}

fn arriving(point: ObservationPoint) -> bool {
    point.input == InterfaceClass::Uplink
}

fn bound(place: &impl Place, family: Family) -> UdpSocket {
    let address = (place.address(family), 0);
    let socket = place.netns().run(|| UdpSocket::bind(address));
    socket.unwrap().unwrap()
}

/// Sends 20 datagrams of each size from `node-a` itself; those that the system finds too large do
/// not go out.
fn send_datagrams(
    cluster: &Cluster,
    to: &impl Place,
    family: Family,
    how: libc::c_int,
    sizes: &[usize],
) {
    let socket = bound(cluster.node("node-a"), family);
    let sink = bound(to, family);
    discover_mtu(&socket, family, how).unwrap();
    for size in sizes {
        for _ in 0..20 {
            // What is refused is not on the wire, and not counted.
            let _ = socket.send_to(&vec![0; *size], sink.local_addr().unwrap());
        }
    }
}

#[test]
fn sockets_that_do_not_heed_the_paths_mtu_are_reckoned_by_the_links() {
    // PROBE, INTERFACE, OMIT; and WANT, which heeds it.
    let ways = [
        (libc::IP_PMTUDISC_PROBE, 20),
        (libc::IP_PMTUDISC_INTERFACE, 20),
        (libc::IP_PMTUDISC_OMIT, 40),
        (libc::IP_PMTUDISC_WANT, 40),
    ];
    let cluster = cluster(|node| node.path_mtu(1_350), |pod| pod, None);
    let mut a = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let mut b = CapturingNode::attach(&cluster, "node-b", &Config::default());
    for family in Family::ALL {
        for (how, datagrams) in ways {
            let case = format!("{}, {how}", family.as_str());
            let before = cluster.settled_uplink("node-a").unwrap();

            // One between the path's MTU and the link's, and one above both.
            send_datagrams(
                &cluster,
                cluster.node("node-b"),
                family,
                how,
                &[1_400, 4_000],
            );

            let link = cluster.settled_uplink("node-a").unwrap().since(&before);
            assert!(link.tx_packets >= datagrams, "{case}: {link:?}");
            assert_eq!(seen_at(&a.take(), leaving), sent_by(&link), "{case}");
            assert_eq!(seen_at(&b.take(), arriving), sent_by(&link), "{case}");
        }
    }
}

#[test]
fn a_path_mtu_that_was_learned_is_what_packets_are_fragmented_by() {
    // The pod's own link is the narrow one: its node says so, and the sender remembers.
    let cluster = cluster(|node| node, |pod| pod.mtu(1_300), None);
    let mut a = CapturingNode::attach(&cluster, "node-a", &Config::default());
    for family in Family::ALL {
        let want = libc::IP_PMTUDISC_WANT;
        send_datagrams(&cluster, server(&cluster), family, want, &[1_400]);
        let before = cluster.settled_uplink("node-a").unwrap();
        a.take();

        send_datagrams(&cluster, server(&cluster), family, want, &[1_400, 5_000]);

        let link = cluster.settled_uplink("node-a").unwrap().since(&before);
        // Room for 1,280 bytes of 5,008, or for 1,248.
        let pieces = if family == Family::Ipv4 { 2 + 4 } else { 2 + 5 };
        let counted = seen_at(&a.take(), leaving);
        assert_eq!(link.tx_packets, 20 * pieces, "{}", family.as_str());
        assert_eq!(counted, sent_by(&link), "{}", family.as_str());
    }
}

#[test]
fn small_fragments_that_were_put_together_go_out_as_they_came() {
    let node = |node: NodeSpec| node.conntrack();
    let cluster = cluster(node, |pod: PodSpec| pod.path_mtu(220), None);
    let mut a = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let mut b = CapturingNode::attach(&cluster, "node-b", &Config::default());
    let before = cluster.settled_uplink("node-a").unwrap();

    traffic::udp(client(&cluster), server(&cluster), Family::Ipv4, 50, 400).unwrap();

    let link = cluster.settled_uplink("node-a").unwrap().since(&before);
    assert_eq!(link.tx_packets, 150);
    assert_eq!(seen_at(&a.take(), leaving), sent_by(&link));
    assert_eq!(seen_at(&b.take(), arriving), sent_by(&link));
}

/// `IFF_NAPI` and `IFF_NAPI_FRAGS`: each part of a write but the first stays apart from the packet's
/// linear part, as with a network card that splits headers from data at a place of its own.
const IN_PARTS: libc::c_int = libc::IFF_TAP | libc::IFF_NO_PI | 0x0010 | 0x0020;

/// A pod whose link hands over packets in parts.
struct Splitter {
    device: File,
}

const SPLITTER: &str = "pod9";
const SPLITTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
const SCTP: u8 = 132;
const DESTINATION_OPTIONS: u8 = 60;

impl Splitter {
    fn on(cluster: &Cluster, node: &str) -> Self {
        let netns = cluster.node(node).netns();
        let device = netns.run(|| device(SPLITTER, IN_PARTS)).unwrap().unwrap();
        let lines = [
            format!("link set {SPLITTER} address 02:00:00:00:00:09 arp off addrgenmode none up"),
            format!("route add {} dev {SPLITTER}", Self::address(Family::Ipv4)),
            format!("route add {} dev {SPLITTER}", Self::address(Family::Ipv6)),
        ];
        netns.ip(&lines).unwrap();
        Self { device }
    }

    fn address(family: Family) -> IpAddr {
        let text = match family {
            Family::Ipv4 => "10.67.1.99",
            Family::Ipv6 => "fd67:1::99",
        };
        text.parse().unwrap()
    }

    /// Sends one frame whose IP header, what follows it, and the rest are a part each.
    fn send(&mut self, family: Family, parts: &[&[u8]]) {
        let kind: [u8; 2] = match family {
            Family::Ipv4 => [0x08, 0x00],
            Family::Ipv6 => [0x86, 0xdd],
        };
        let frame = [&SPLITTER_MAC[..], &[2, 0, 0, 0, 0, 1], &kind].concat();
        let all: Vec<IoSlice<'_>> = std::iter::once(&frame[..])
            .chain(parts.iter().copied())
            .map(IoSlice::new)
            .collect();
        let length: usize = all.iter().map(|part| part.len()).sum();
        assert_eq!(self.device.write_vectored(&all).unwrap(), length);
    }
}

/// A header of SCTP with its ports, and a payload.
fn sctp(payload: usize) -> Vec<u8> {
    let mut packet = 40_000_u16.to_be_bytes().to_vec();
    packet.extend(36_412_u16.to_be_bytes());
    packet.extend([0; 8]);
    packet.extend(vec![7; payload]);
    packet
}

fn ipv4_header(destination: IpAddr, payload: usize) -> Vec<u8> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) =
        (Splitter::address(Family::Ipv4), destination)
    else {
        panic!("the addresses are of IPv4")
    };
    let mut header = vec![0x45, 0];
    header.extend(u16::try_from(20 + payload).unwrap().to_be_bytes());
    header.extend([0, 1, 0, 0, 64, SCTP, 0, 0]);
    header.extend(source.octets());
    header.extend(destination.octets());
    let sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

fn ipv6_header(destination: IpAddr, next: u8, payload: usize) -> Vec<u8> {
    let (IpAddr::V6(source), IpAddr::V6(destination)) =
        (Splitter::address(Family::Ipv6), destination)
    else {
        panic!("the addresses are of IPv6")
    };
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(u16::try_from(payload).unwrap().to_be_bytes());
    header.extend([next, 64]);
    header.extend(source.octets());
    header.extend(destination.octets());
    header
}

fn assert_one_sctp_flow(drained: &Drained, family: Family, wire: FlowCounters) {
    let [record] = drained.records[..] else {
        panic!("not one record: {drained:?}")
    };
    let transport = record.key.transport.unwrap();
    let service = ServicePort {
        number: 36_412,
        side: PortSide::Destination,
    };
    assert_eq!(record.key.source, Splitter::address(family));
    assert_eq!(transport.protocol, Protocol::SCTP);
    assert_eq!(transport.service, Some(service));
    assert_eq!(record.counters, wire);
}

#[test]
fn headers_that_are_apart_from_the_rest_are_read_where_they_are() {
    let cluster = cluster(|node| node, |pod| pod, None);
    let mut splitter = Splitter::on(&cluster, "node-a");
    let mut a = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let packet = sctp(700);
    // An option that says nothing, and 4 bytes of padding.
    let options = [SCTP, 0, 1, 4, 0, 0, 0, 0];
    for family in Family::ALL {
        let to = server(&cluster).address(family);
        let before = cluster.settled_uplink("node-a").unwrap();

        match family {
            Family::Ipv4 => {
                let header = ipv4_header(to, packet.len());
                splitter.send(family, &[&header, &packet[..3], &packet[3..]]);
            }
            Family::Ipv6 => {
                let length = options.len() + packet.len();
                let header = ipv6_header(to, DESTINATION_OPTIONS, length);
                splitter.send(family, &[&header, &options, &packet[..3], &packet[3..]]);
            }
        }

        let link = cluster.settled_uplink("node-a").unwrap().since(&before);
        let drained = a.take();
        let sent: FlowCounters = drained
            .records
            .iter()
            .filter(|record| leaving(record.key.point))
            .map(|record| record.counters)
            .sum();
        assert_eq!(link.tx_packets, 1, "{}", family.as_str());
        assert_eq!(sent, sent_by(&link));
        let there = Drained {
            records: drained
                .records
                .into_iter()
                .filter(|record| record.key.destination == to)
                .collect(),
            ..drained
        };
        assert_one_sctp_flow(&there, family, sent_by(&link));
    }
}

/// `IFF_VNET_HDR`: with each packet comes what is to be made of it, as from a virtual machine.
const OF_A_MACHINE: libc::c_int = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;

/// `VIRTIO_NET_HDR_GSO_UDP`: to be cut into fragments of this size.
fn to_be_fragmented(size: u16, headers: u16) -> Vec<u8> {
    let mut header = vec![0, 3];
    header.extend(headers.to_ne_bytes());
    header.extend(size.to_ne_bytes());
    header.extend([0; 4]);
    header
}

#[test]
fn datagrams_that_a_virtual_machine_leaves_to_be_fragmented_are_counted_as_fragments() {
    const PAYLOAD: u16 = 4_000;
    let cluster = cluster(|node| node, |pod| pod, None);
    let netns = cluster.node("node-a").netns();
    let mut machine = netns
        .run(|| device(SPLITTER, OF_A_MACHINE))
        .unwrap()
        .unwrap();
    let lines = [
        format!("link set {SPLITTER} addrgenmode none up"),
        format!(
            "route add {} dev {SPLITTER}",
            Splitter::address(Family::Ipv4)
        ),
        format!(
            "route add {} dev {SPLITTER}",
            Splitter::address(Family::Ipv6)
        ),
    ];
    netns.ip(&lines).unwrap();
    let mut a = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let length = usize::from(PAYLOAD) + 8;
    let mut datagram = [40_000_u16, 9, PAYLOAD + 8, 0]
        .map(u16::to_be_bytes)
        .concat();
    datagram.resize(length, 0);
    for (family, headers) in [(Family::Ipv4, 28), (Family::Ipv6, 48)] {
        let to = server(&cluster).address(family);
        let mut header = match family {
            Family::Ipv4 => ipv4_header(to, length),
            Family::Ipv6 => ipv6_header(to, 17, length),
        };
        if family == Family::Ipv4 {
            header = of_udp(header);
        }
        let before = cluster.settled_uplink("node-a").unwrap();

        let packet = [to_be_fragmented(1_400, headers), header, datagram.clone()].concat();
        machine.write_all(&packet).unwrap();

        let link = cluster.settled_uplink("node-a").unwrap().since(&before);
        assert_eq!(link.tx_packets, 3, "{}", family.as_str());
        assert_eq!(
            seen_at(&a.take(), leaving),
            sent_by(&link),
            "{}",
            family.as_str()
        );
    }
}

/// An IPv4 header of UDP instead of SCTP, with its checksum.
fn of_udp(mut header: Vec<u8>) -> Vec<u8> {
    header[9] = 17;
    let check = u16::from_be_bytes([header[10], header[11]]);
    // The protocol is the lower byte of its word: the sum falls by the difference.
    let sum = u32::from(!check) + 0xffff - u32::from(SCTP - 17);
    let sum = (sum & 0xffff) + (sum >> 16);
    let check = !u16::try_from(sum).unwrap();
    header[10..12].copy_from_slice(&check.to_be_bytes());
    header
}
