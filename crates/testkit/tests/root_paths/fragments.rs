//! Datagrams and packets of other protocols that are larger than what they must pass through.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use kubezonnet_model::{Family, Protocol};
use kubezonnet_testkit::{Cluster, NodeSpec, Place, PodSpec, require_root, traffic};
use socket2::{Domain, Socket, Type};

use crate::wire::{carried, packets, received_by, sent_by};

const UDP_HEADER: u64 = 8;

/// Two such nodes, with such a pod on each.
fn two(node: impl Fn(&str) -> NodeSpec, pod: impl Fn(&str) -> PodSpec) -> Cluster {
    require_root();
    Cluster::builder()
        .node(node("node-a"))
        .node(node("node-b"))
        .pod("node-a", pod("client"))
        .pod("node-b", pod("server"))
        .build()
        .expect("this machine can make network namespaces")
}

fn fragments_made(place: &impl Place, family: Family) -> u64 {
    let counters = place.netns().fragments(family);
    counters.expect("the namespace is there").made
}

fn tracked_if(tracked: bool, node: NodeSpec) -> NodeSpec {
    if tracked { node.conntrack() } else { node }
}

#[test]
fn datagrams_above_the_mtu_arrive_and_weigh_what_their_fragments_do() {
    for tracked in [false, true] {
        let cluster = two(
            |name| tracked_if(tracked, NodeSpec::new(name)),
            |name| PodSpec::new("test", name),
        );
        let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
        for family in Family::ALL {
            for size in [1_453, 4_000, 65_000] {
                let before = [
                    fragments_made(client, family),
                    fragments_made(cluster.node("node-a"), family),
                ];

                let [a, b] = carried(&cluster, || {
                    traffic::udp(client, server, family, 300, size).unwrap();
                });

                let case = format!("{size} by {family:?}, tracked: {tracked}");
                let wire = packets(300, family, 1_500, u64::from(size) + UDP_HEADER);
                let made = if wire.0 == 300 { 0 } else { wire.0 };
                assert_eq!(sent_by(&a), wire, "{case}");
                assert_eq!(received_by(&b), wire, "{case}");
                assert_eq!((a.dropped, b.dropped), (0, 0), "{case}");
                assert_eq!(fragments_made(client, family) - before[0], made, "{case}");
                // Tracking puts together and takes apart again.
                assert_eq!(
                    fragments_made(cluster.node("node-a"), family) - before[1],
                    if tracked { made } else { 0 },
                    "{case}"
                );
            }
        }
    }
}

#[test]
fn fragments_of_a_pod_with_a_small_mtu_stay_small_on_the_uplink() {
    let cluster = two(
        |name| NodeSpec::new(name).conntrack(),
        |name| PodSpec::new("test", name).mtu(1_300),
    );
    let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
    for family in Family::ALL {
        let [a, b] = carried(&cluster, || {
            traffic::udp(client, server, family, 100, 4_000).unwrap();
        });

        let wire = packets(100, family, 1_300, 4_000 + UDP_HEADER);
        assert_eq!(sent_by(&a), wire);
        assert_eq!(received_by(&b), wire);
    }
}

#[test]
fn a_smaller_path_mtu_has_the_node_fragment_what_the_pod_sent_whole() {
    let cluster = two(
        |name| NodeSpec::new(name).path_mtu(1_000),
        |name| PodSpec::new("test", name).path_mtu(1_500),
    );
    let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));

    let [a, b] = carried(&cluster, || {
        traffic::udp(client, server, Family::Ipv4, 100, 1_400).unwrap();
    });

    let wire = packets(100, Family::Ipv4, 1_000, 1_400 + UDP_HEADER);
    assert_eq!(sent_by(&a), wire);
    assert_eq!(received_by(&b), wire);
    assert_eq!(fragments_made(client, Family::Ipv4), 0);
    let node = cluster.node("node-a");
    assert_eq!(fragments_made(node, Family::Ipv4), wire.0);
}

#[test]
fn a_smaller_path_mtu_has_the_node_fragment_fragments() {
    for tracked in [false, true] {
        let cluster = two(
            |name| tracked_if(tracked, NodeSpec::new(name).path_mtu(1_000)),
            |name| PodSpec::new("test", name),
        );
        let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));

        let [a, b] = carried(&cluster, || {
            traffic::udp(client, server, Family::Ipv4, 100, 2_952).unwrap();
        });

        // Two fragments of 1,500 bytes, each into two; or 2,960 bytes of payload into four.
        let wire = (400, 100 * (2_960 + 4 * 20));
        assert_eq!(sent_by(&a), wire, "tracked: {tracked}");
        assert_eq!(received_by(&b), wire, "tracked: {tracked}");
        assert_eq!(fragments_made(client, Family::Ipv4), 200);
        assert_eq!(fragments_made(cluster.node("node-a"), Family::Ipv4), 400);
    }
}

#[test]
fn a_sender_learns_a_smaller_path_mtu_and_fragments_for_it() {
    let cluster = two(
        |name| NodeSpec::new(name).path_mtu(1_400),
        |name| PodSpec::new("test", name),
    );
    let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
    for family in Family::ALL {
        traffic::tcp_bulk(client, server, family, 1_000_000).unwrap();

        let [a, b] = carried(&cluster, || {
            traffic::udp(client, server, family, 100, 1_440).unwrap();
        });

        let wire = packets(100, family, 1_400, 1_440 + UDP_HEADER);
        assert_eq!(sent_by(&a), wire);
        assert_eq!(received_by(&b), wire);
        assert_eq!(fragments_made(client, family), wire.0);
        assert_eq!(fragments_made(cluster.node("node-a"), family), 0);
    }
}

#[test]
fn packets_of_any_protocol_arrive_whole_or_as_fragments() {
    let cluster = two(
        |name| NodeSpec::new(name).conntrack(),
        |name| PodSpec::new("test", name),
    );
    let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
    for family in Family::ALL {
        for (protocol, size) in [
            (Protocol::SCTP, 12),
            (Protocol::SCTP, 1_200),
            (Protocol::SCTP, 9_000),
            (Protocol(253), 9_000),
        ] {
            let [a, b] = carried(&cluster, || {
                let sent = traffic::raw(client, server, family, protocol, 300, size).unwrap();
                assert_eq!(sent.payload_bytes, 300 * u64::from(size));
            });

            let wire = packets(300, family, 1_500, size.into());
            assert_eq!(sent_by(&a), wire, "{size} by {family:?}");
            assert_eq!(received_by(&b), wire, "{size} by {family:?}");
            assert_eq!(received_by(&a), (0, 0), "something was refused");
        }
    }
}

/// One of the two fragments of a datagram of IPv4 that says its own number.
fn half(number: u16, [source, destination]: [SocketAddr; 2], is_first: bool) -> Vec<u8> {
    let octets = |socket: SocketAddr| match socket.ip() {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => panic!("{address} is not of IPv4"),
    };
    let more_or_offset: u16 = if is_first { 0x2000 } else { 1 };
    let mut packet = vec![0x45, 0];
    packet.extend(28_u16.to_be_bytes());
    packet.extend(number.to_be_bytes());
    packet.extend(more_or_offset.to_be_bytes());
    packet.extend([64, 17, 0, 0]);
    packet.extend(octets(source));
    packet.extend(octets(destination));
    if is_first {
        for field in [source.port(), destination.port(), 16, 0] {
            packet.extend(field.to_be_bytes());
        }
    } else {
        packet.extend([number.to_be_bytes(); 4].as_flattened());
    }
    packet
}

#[test]
fn fragments_find_each_other_however_many_of_others_came_between() {
    let cluster = two(
        |name| NodeSpec::new(name),
        |name| PodSpec::new("test", name),
    );
    let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
    let bind = || UdpSocket::bind((server.address(Family::Ipv4), 0)).unwrap();
    let sink = server.netns().run(bind).unwrap();
    sink.set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let raw = || Socket::new(Domain::IPV4, Type::RAW, Some(socket2::Protocol::from(255))).unwrap();
    let origin = client.netns().run(raw).unwrap();
    let ends = [
        SocketAddr::new(client.address(Family::Ipv4), 9),
        sink.local_addr().unwrap(),
    ];
    let send = |number, is_first| {
        let packet = half(number, ends, is_first);
        origin.send_to(&packet, &ends[1].into()).unwrap();
    };

    send(1, true);
    for number in 2..=100 {
        send(number, true);
        send(number, false);
    }
    send(1, false);

    let mut arrived: Vec<u16> = (1..=100)
        .map(|_| {
            let mut datagram = [0; 8];
            assert_eq!(sink.recv(&mut datagram).expect("each arrives"), 8);
            u16::from_be_bytes([datagram[0], datagram[1]])
        })
        .collect();
    arrived.sort_unstable();
    assert_eq!(arrived, (1..=100).collect::<Vec<_>>());
}
