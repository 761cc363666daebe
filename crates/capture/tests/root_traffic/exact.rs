//! Ends on one node, nodes themselves, and interfaces that nobody told of: each byte seen once.

use kubezonnet_capture::Config;
use kubezonnet_model::{
    Family, FlowCounters, Hook, InterfaceClass, ObservationPoint, SkipReason, TotalKind,
};
use kubezonnet_testkit::traffic::{self, Sent};
use kubezonnet_testkit::{Cluster, ClusterNode, NodeSpec, Place, PodSpec, Segmentation};

use crate::nodes::{CapturingNode, received_by, seen_at, sent_by};
use crate::page::{Cell, Section};

fn client(cluster: &Cluster) -> &impl Place {
    cluster.pod("test/client")
}

fn server(cluster: &Cluster) -> &impl Place {
    cluster.pod("test/server")
}

fn cluster(pods: Segmentation) -> Cluster {
    kubezonnet_testkit::require_root();
    Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .node(NodeSpec::new("node-b"))
        .pod("node-a", PodSpec::new("test", "client").segmentation(pods))
        .pod("node-b", PodSpec::new("test", "server").segmentation(pods))
        .build()
        .expect("the cluster is built")
}

#[test]
fn what_a_pod_sends_to_its_own_node_and_gets_back_is_each_seen_once() {
    let cluster = cluster(Segmentation::Offloaded);
    let mut node = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let (pod, host) = (client(&cluster), cluster.node("node-a"));
    let mut section = Section::new("A pod and its own node");
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
            let is_back = point.hook == Hook::Postrouting;
            section.add(&Cell {
                traffic: "udp",
                family: family.as_str(),
                network: "plain",
                way: if is_back { "to the pod" } else { "to the node" },
                wire: Some(FlowCounters { bytes, packets }),
                leaving: is_back.then_some(record.counters),
                arriving: (!is_back).then_some(record.counters),
            });
        }
    }
    section.finish();
}

#[test]
fn what_a_node_sends_itself_is_loopback_once_and_looped_once() {
    let cluster = cluster(Segmentation::Offloaded);
    let mut node = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let host = cluster.node("node-a");
    let mut section = Section::new("A node and itself");
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
        section.add(&Cell {
            traffic: "tcp bulk",
            family: family.as_str(),
            network: "loopback",
            way: "to itself",
            wire: None,
            leaving: Some(total.counters),
            arriving: Some(skipped.counters),
        });
    }
    section.finish();
}

#[test]
fn hosts_that_talk_are_counted_leaving_one_and_arriving_at_the_other() {
    type Traffic = fn(&ClusterNode, &ClusterNode, Family) -> Sent;
    let kinds: [(&str, Traffic); 4] = [
        ("tcp", |from, to, family| {
            traffic::tcp_bulk(from, to, family, 3_000_000).unwrap()
        }),
        ("udp", |from, to, family| {
            traffic::udp(from, to, family, 300, 300).unwrap()
        }),
        ("large udp", |from, to, family| {
            traffic::udp(from, to, family, 20, 20_000).unwrap()
        }),
        ("udp gso", |from, to, family| {
            traffic::udp_segmented(from, to, family, 400, 1_100).unwrap()
        }),
    ];
    let mut section = Section::new("Nodes");
    for conntrack in [false, true] {
        let node = |name| {
            let node = NodeSpec::new(name);
            if conntrack { node.conntrack() } else { node }
        };
        kubezonnet_testkit::require_root();
        let builder = Cluster::builder().node(node("node-a")).node(node("node-b"));
        let cluster = builder.build().expect("the cluster is built");
        let mut a = CapturingNode::attach(&cluster, "node-a", &Config::default());
        let mut b = CapturingNode::attach(&cluster, "node-b", &Config::default());
        for family in Family::ALL {
            for (name, send) in kinds {
                let case = format!("{name}, {}, conntrack {conntrack}", family.as_str());
                let before = cluster.settled_uplink("node-a").unwrap();
                send(cluster.node("node-a"), cluster.node("node-b"), family);
                let link = cluster.settled_uplink("node-a").unwrap().since(&before);

                let (at_a, at_b) = (a.take(), b.take());

                let sent = |point: ObservationPoint| point.hook == Hook::Postrouting;
                let received = |point: ObservationPoint| point.hook == Hook::LocalIn;
                let tracking = if conntrack { "on" } else { "off" };
                for (way, wire, from, to) in [
                    ("there", sent_by(&link), &at_a, &at_b),
                    ("back", received_by(&link), &at_b, &at_a),
                ] {
                    let (leaving, arriving) = (seen_at(from, sent), seen_at(to, received));
                    assert_eq!(leaving, wire, "{case}: {way}, leaving");
                    assert_eq!(arriving, wire, "{case}: {way}, arriving");
                    if wire == FlowCounters::ZERO {
                        continue;
                    }
                    section.add(&Cell {
                        traffic: name,
                        family: family.as_str(),
                        network: &format!("connection tracking {tracking}"),
                        way,
                        wire: Some(wire),
                        leaving: Some(leaving),
                        arriving: Some(arriving),
                    });
                }
            }
        }
    }
    section.finish();
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
