//! `WireGuard` between the nodes: what is inside counts for the pods, with all that is around it.

use std::collections::BTreeMap;
use std::net::UdpSocket;

use kubezonnet_capture::{Config, Tunnel};
use kubezonnet_model::{Family, FlowCounters, Hook, InterfaceClass, ObservationPoint, SkipReason};
use kubezonnet_testkit::{Cluster, NodeSpec, Place, PodSpec};

use crate::bench::{Bench, NODES, cluster};
use crate::matrix::{KINDS, UDP_LARGE, UDP_SMALL};
use crate::nodes::{CapturingNode, seen_at, sent_by};
use crate::page::Section;
use crate::stand_in::{MTU, PORT, StandIn};

/// What an agent tells the programs of a node with such a tunnel.
fn config(cluster: &Cluster, node: &str) -> Config {
    let interface = StandIn::interface(cluster, node);
    Config {
        tunnel_ports: BTreeMap::from([(PORT, Tunnel::WireGuard { interface })]),
        ..Config::default()
    }
}

/// What an IPv6 header has more than one of IPv4.
const IPV6_SHARE: u64 = 20;

#[test]
fn pods_of_two_nodes_through_wireguard() {
    let mut section = Section::new("WireGuard");
    for underlay in Family::ALL {
        for conntrack in [false, true] {
            let tracking = if conntrack { "on" } else { "off" };
            let what = format!("over {}, connection tracking {tracking}", underlay.as_str());
            let node = |node: NodeSpec| if conntrack { node.conntrack() } else { node };
            let cluster = cluster(node, |pod: PodSpec| pod.mtu(MTU.into()), None);
            let tunnel = StandIn::start(&cluster, underlay);
            let configs = NODES.map(|node| config(&cluster, node));
            let share = if underlay == Family::Ipv6 {
                IPV6_SHARE
            } else {
                0
            };
            let mut bench = Bench::of(cluster, what, &configs, share);
            for family in Family::ALL {
                if underlay == Family::Ipv4 {
                    for kind in KINDS {
                        bench.measure(kind, family, &mut section);
                    }
                } else {
                    for kind in [UDP_SMALL, UDP_LARGE] {
                        bench.measure(kind, family, &mut section);
                    }
                }
            }
            drop(tunnel);
        }
    }
    section.finish();
}

#[test]
fn what_wireguard_says_by_itself_is_the_nodes() {
    let cluster = cluster(|node| node, |pod| pod.mtu(MTU.into()), None);
    let tunnel = StandIn::start(&cluster, Family::Ipv4);
    let configs = NODES.map(|node| config(&cluster, node));
    drop(tunnel);
    let [a, b] = NODES.map(|node| cluster.node(node));
    let [mut at_a, mut at_b] =
        [0, 1].map(|node| CapturingNode::attach(&cluster, NODES[node], &configs[node]));
    let [from, to] = [a, b].map(|node| {
        let socket = node
            .netns()
            .run(|| UdpSocket::bind((node.address(Family::Ipv4), PORT)));
        socket.unwrap().unwrap()
    });
    let before = cluster.settled_uplink("node-a").unwrap();
    // A handshake, its answer, a cookie, a keepalive; and what only looks like data.
    let messages = [(1, 148), (2, 92), (3, 64), (4, 32), (5, 200)];

    for (kind, length) in messages {
        let mut message = vec![0; length];
        message[0] = kind;
        from.send_to(&message, to.local_addr().unwrap()).unwrap();
    }

    let link = cluster.settled_uplink("node-a").unwrap().since(&before);
    let expected = FlowCounters {
        bytes: messages.iter().map(|(_, length)| *length as u64 + 28).sum(),
        packets: 5,
    };
    assert_eq!(sent_by(&link), expected);
    for (drained, hook) in [
        (at_a.take(), Hook::Postrouting),
        (at_b.take(), Hook::LocalIn),
    ] {
        let [record] = drained.records[..] else {
            panic!("not one record: {drained:?}")
        };
        assert_eq!(record.key.source, a.address(Family::Ipv4));
        assert_eq!(record.key.point.hook, hook);
        assert_eq!(record.counters, expected);
        assert_eq!(drained.skipped, []);
    }
}

#[test]
fn a_wireguard_counts_as_the_nodes_until_its_port_is_told_and_once_it_is_gone() {
    let cluster = cluster(|node| node, |pod| pod.mtu(MTU.into()), None);
    let _tunnel = StandIn::start(&cluster, Family::Ipv4);
    let told = config(&cluster, "node-a").tunnel_ports;
    let mut node = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let host = cluster.node("node-a").address(Family::Ipv4);
    let pod = cluster.pod("test/client").address(Family::Ipv4);
    for (ports, owner) in [
        (BTreeMap::new(), host),
        (told, pod),
        (BTreeMap::new(), host),
    ] {
        node.tell_tunnel_ports(&ports);
        let before = cluster.settled_uplink("node-a").unwrap();

        let (_, _, send) = UDP_SMALL;
        send(&cluster, Family::Ipv4).unwrap();

        let link = cluster.settled_uplink("node-a").unwrap().since(&before);
        let drained = node.take();
        let leaving = |point: ObservationPoint| point.output == InterfaceClass::Uplink;
        assert_eq!(seen_at(&drained, leaving), sent_by(&link));
        let [record] = drained.records[..] else {
            panic!("not one record: {drained:?}")
        };
        assert_eq!(record.key.source, owner, "{ports:?}");
        let [skipped] = drained.skipped[..] else {
            panic!("not one left out: {drained:?}")
        };
        assert_eq!(skipped.reason, SkipReason::Encapsulated);
        assert_eq!(skipped.counters.packets, record.counters.packets);
    }
}
