//! Real traffic between pods of two nodes: what the hooks count equals what the uplinks carried,
//! bytes and packets, exactly.
//!
//! Segmentation is off at the uplinks, so that their counters tell what a wire carries. The
//! clusters are silent, so everything on an uplink belongs to the test; what does not is in the
//! drained window under a name of its own, and fails the test there.

use std::net::IpAddr;

use kubezonnet_capture::{Config, Drained};
use kubezonnet_model::{
    Family, FlowCounters, Hook, InterfaceClass, ObservationPoint, Protocol, SkipReason, TotalKind,
};
use kubezonnet_testkit::traffic::{self, Sent};
use kubezonnet_testkit::{Cluster, NodeSpec, Place, PodSpec, Segmentation};

use crate::nodes::{CapturingNode, received_by, seen_at, sent_by};

/// One kind of traffic of the matrix.
type Traffic = fn(&Cluster, Family) -> Sent;

const MATRIX: [(&str, Protocol, Traffic); 6] = [
    ("tcp bulk", Protocol::TCP, |cluster, family| {
        traffic::tcp_bulk(client(cluster), server(cluster), family, 20_000_003).unwrap()
    }),
    (
        "tcp request and response",
        Protocol::TCP,
        |cluster, family| {
            traffic::tcp_requests(client(cluster), server(cluster), family, 500, 100, 5_000)
                .unwrap()
        },
    ),
    ("udp small", Protocol::UDP, |cluster, family| {
        traffic::udp(client(cluster), server(cluster), family, 2_000, 33).unwrap()
    }),
    (
        "udp larger than the mtu",
        Protocol::UDP,
        |cluster, family| {
            traffic::udp(client(cluster), server(cluster), family, 40, 9_001).unwrap()
        },
    ),
    ("udp gso", Protocol::UDP, |cluster, family| {
        traffic::udp_segmented(client(cluster), server(cluster), family, 1_777, 1_200).unwrap()
    }),
    ("icmp", Protocol::ICMP, |cluster, family| {
        traffic::ping(client(cluster), server(cluster), family, 20, 800).unwrap()
    }),
];

fn client(cluster: &Cluster) -> &impl Place {
    cluster.pod("test/client")
}

fn server(cluster: &Cluster) -> &impl Place {
    cluster.pod("test/server")
}

fn cluster(pods: Segmentation) -> Cluster {
    cluster_of(pods, false)
}

fn cluster_of(pods: Segmentation, conntrack: bool) -> Cluster {
    kubezonnet_testkit::require_root();
    let node = |name| {
        let node = NodeSpec::new(name);
        if conntrack { node.conntrack() } else { node }
    };
    Cluster::builder()
        .node(node("node-a"))
        .node(node("node-b"))
        .pod("node-a", PodSpec::new("test", "client").segmentation(pods))
        .pod("node-b", PodSpec::new("test", "server").segmentation(pods))
        .build()
        .expect("the cluster is built")
}

/// Every record is of the test: between these two, and of this protocol.
fn assert_only_between(drained: &Drained, ends: [IpAddr; 2], protocol: Protocol, case: &str) {
    assert_eq!(drained.totals, [], "{case}");
    assert_eq!(drained.skipped, [], "{case}");
    for record in &drained.records {
        let key = &record.key;
        assert!(
            ends.contains(&key.source) && ends.contains(&key.destination),
            "{case}: a stranger on the uplink: {record:?}"
        );
        assert_eq!(
            key.transport.map(|transport| transport.protocol),
            Some(protocol),
            "{case}"
        );
    }
}

#[test]
fn every_cell_of_the_matrix_counts_what_the_wire_carried() {
    let offloads = [Segmentation::Offloaded, Segmentation::Off];
    for (segmentation, conntrack) in offloads
        .into_iter()
        .flat_map(|each| [(each, false), (each, true)])
    {
        let cluster = cluster_of(segmentation, conntrack);
        let mut sender = CapturingNode::attach(&cluster, "node-a", &Config::default());
        let mut receiver = CapturingNode::attach(&cluster, "node-b", &Config::default());
        for family in Family::ALL {
            for (name, protocol, traffic) in MATRIX {
                let case = format!("{name}, {}, {segmentation:?} in the pod", family.as_str());
                let protocol = match (protocol, family) {
                    (Protocol::ICMP, Family::Ipv6) => Protocol::ICMPV6,
                    (protocol, _) => protocol,
                };
                let ends = [
                    client(&cluster).address(family),
                    server(&cluster).address(family),
                ];
                let before = ["node-a", "node-b"].map(|node| cluster.settled_uplink(node).unwrap());

                let sent = traffic(&cluster, family);

                let after = ["node-a", "node-b"].map(|node| cluster.settled_uplink(node).unwrap());
                let [left, arrived] = [0, 1].map(|node| after[node].since(&before[node]));
                let (at_sender, at_receiver) = (sender.take(), receiver.take());
                let out = |point: ObservationPoint| point.output == InterfaceClass::Uplink;
                let into = |point: ObservationPoint| point.input == InterfaceClass::Uplink;
                assert!(
                    left.tx_ip_bytes() > sent.payload_bytes,
                    "{case}: nothing was sent"
                );
                assert_only_between(&at_sender, ends, protocol, &case);
                assert_only_between(&at_receiver, ends, protocol, &case);
                assert_eq!(
                    seen_at(&at_sender, out),
                    sent_by(&left),
                    "{case}: a to b, leaving a"
                );
                assert_eq!(
                    seen_at(&at_receiver, into),
                    received_by(&arrived),
                    "{case}: a to b, arriving at b"
                );
                assert_eq!(
                    seen_at(&at_receiver, out),
                    sent_by(&arrived),
                    "{case}: b to a"
                );
                assert_eq!(
                    seen_at(&at_sender, into),
                    received_by(&left),
                    "{case}: b to a"
                );
            }
        }
    }
}

#[test]
fn what_a_pod_sends_to_its_own_node_and_gets_back_is_each_seen_once() {
    let cluster = cluster(Segmentation::Offloaded);
    let mut node = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let (pod, host) = (client(&cluster), cluster.node("node-a"));
    for family in Family::ALL {
        let sent = traffic::udp(pod, host, family, 100, 100).unwrap();
        let sent_back = traffic::udp(host, pod, family, 50, 100).unwrap();

        let drained = node.take();

        let datagram = if family == Family::Ipv4 { 128 } else { 148 };
        let point = |hook, input, output| ObservationPoint {
            hook,
            input,
            output,
        };
        let expected = [
            (
                sent,
                point(Hook::LocalIn, InterfaceClass::Pod, InterfaceClass::Host),
                100,
            ),
            (
                sent_back,
                point(Hook::Postrouting, InterfaceClass::Host, InterfaceClass::Pod),
                50,
            ),
        ];
        assert_eq!(drained.records.len(), expected.len(), "{drained:?}");
        for (sent, point, packets) in expected {
            let record = drained
                .records
                .iter()
                .find(|record| record.key.point == point);
            let record = record.unwrap_or_else(|| panic!("nothing at {point:?}: {drained:?}"));
            assert_eq!(record.key.source, sent.source.ip());
            assert_eq!(record.key.destination, sent.destination.ip());
            let bytes = packets * datagram;
            assert_eq!(record.counters, FlowCounters { bytes, packets });
        }
    }
}

#[test]
fn what_a_node_sends_itself_is_loopback_once_and_looped_once() {
    let cluster = cluster(Segmentation::Offloaded);
    let mut node = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let host = cluster.node("node-a");
    for family in Family::ALL {
        traffic::tcp_bulk(host, host, family, 1_000_000).unwrap();
        cluster.settled_uplink("node-a").unwrap();

        let drained = node.take();

        let [total] = drained.totals[..] else {
            panic!("not one total: {drained:?}")
        };
        let [skipped] = drained.skipped[..] else {
            panic!("not one left out: {drained:?}")
        };
        assert_eq!(total.kind, TotalKind::Loopback);
        assert!(total.counters.bytes > 1_000_000);
        assert_eq!(skipped.reason, SkipReason::Looped);
        assert_eq!(skipped.counters, total.counters);
        assert_eq!(drained.records, []);
    }
}

#[test]
fn hosts_that_talk_are_counted_leaving_one_and_arriving_at_the_other() {
    let cluster = cluster(Segmentation::Offloaded);
    let mut a = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let mut b = CapturingNode::attach(&cluster, "node-b", &Config::default());
    for family in Family::ALL {
        let before = cluster.settled_uplink("node-a").unwrap();
        traffic::tcp_bulk(
            cluster.node("node-a"),
            cluster.node("node-b"),
            family,
            3_000_000,
        )
        .unwrap();
        let link = cluster.settled_uplink("node-a").unwrap().since(&before);

        let (at_a, at_b) = (a.take(), b.take());

        let sent = |point: ObservationPoint| point.hook == Hook::Postrouting;
        let received = |point: ObservationPoint| point.hook == Hook::LocalIn;
        assert_eq!(seen_at(&at_a, sent), sent_by(&link));
        assert_eq!(seen_at(&at_b, received), sent_by(&link));
        assert_eq!(seen_at(&at_b, sent), received_by(&link));
        assert_eq!(seen_at(&at_a, received), received_by(&link));
    }
}

#[test]
fn interfaces_that_are_not_told_yet_lose_no_byte() {
    let cluster = cluster(Segmentation::Offloaded);
    let mut node = CapturingNode::attach_without_interfaces(&cluster, "node-a");
    let before = cluster.settled_uplink("node-a").unwrap();

    traffic::udp(client(&cluster), server(&cluster), Family::Ipv4, 300, 700).unwrap();

    let link = cluster.settled_uplink("node-a").unwrap().since(&before);
    let drained = node.take();
    let other = |point: ObservationPoint| {
        point.input == InterfaceClass::Other && point.output == InterfaceClass::Other
    };
    assert_eq!(seen_at(&drained, other), sent_by(&link));
}
