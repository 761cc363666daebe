//! Paths with a node in between, and bridges: each hop counts once, and as what is on its wire.

use std::net::{IpAddr, Ipv4Addr};

use kubezonnet_capture::{Config, Drained, SeenFlow};
use kubezonnet_model::{Family, FlowCounters, Hook, InterfaceClass, ObservationPoint, SkipReason};
use kubezonnet_testkit::{
    BridgeNetfilter, Cluster, ClusterPod, Netns, NodeSpec, Overlay, Place, PodSpec, require_root,
    traffic,
};

use crate::nodes::{CapturingNode, received_by, seen_at, sent_by};
use crate::page::{Cell, Section};

fn leaving(point: ObservationPoint) -> bool {
    point.output == InterfaceClass::Uplink
}

fn arriving(point: ObservationPoint) -> bool {
    point.input == InterfaceClass::Uplink
}

/// Forwards what clients outside send to a port of `node-a`, to a pod of `node-b` and back.
fn node_port(title: &str, network: &str, overlay: Option<Overlay>) {
    require_root();
    let mut builder = Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .node(NodeSpec::new("node-b"))
        .pod("node-b", PodSpec::new("test", "server"));
    if let Some(overlay) = overlay {
        builder = builder.overlay(overlay);
    }
    let cluster = builder.build().expect("the cluster is built");
    let port = cluster
        .node_port("node-a", 30_080, "test/server", 8_080)
        .unwrap();
    let mut a = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let mut section = Section::new(title);
    for family in Family::ALL {
        let before = cluster.settled_uplink("node-a").unwrap();

        traffic::tcp_bulk(cluster.fabric(), &port, family, 3_000_000).unwrap();

        let link = cluster.settled_uplink("node-a").unwrap().since(&before);
        let drained = a.take();
        let pod = cluster.pod("test/server").address(family);
        let client = cluster.fabric().address(family);
        let leaves = seen_at(&drained, leaving);
        assert!(link.tx_ip_bytes() > 3_000_000);
        assert_eq!(leaves, sent_by(&link), "{title}: {drained:?}");
        // What comes by a tunnel passes twice: as the tunnel's packet, and as what leaves.
        let arrives = overlay.is_none().then(|| seen_at(&drained, arriving));
        if let Some(arrives) = arrives {
            assert_eq!(arrives, received_by(&link));
        }
        for record in &drained.records {
            let (key, ends) = (record.key, [record.key.source, record.key.destination]);
            assert!(ends.contains(&pod), "{key:?}");
            assert!(ends.contains(&client) || overlay.is_some(), "{key:?}");
            assert!(leaving(key.point) || overlay.is_some(), "{key:?}");
        }
        section.add(&Cell {
            traffic: "tcp bulk",
            family: family.as_str(),
            network,
            way: "both",
            wire: Some(sent_by(&link)),
            leaving: Some(leaves),
            arriving: arrives,
        });
    }
    section.finish();
}

#[test]
fn a_node_that_forwards_to_another_counts_the_hop_between_client_and_pod() {
    node_port("NodePort", "plain", None);
}

#[test]
fn what_comes_out_of_a_tunnel_and_leaves_by_the_uplink_is_counted_as_it_leaves() {
    node_port("NodePort on an overlay", "vxlan", Some(Overlay::vxlan()));
}

fn bridged(netfilter: BridgeNetfilter) -> Cluster {
    require_root();
    Cluster::builder()
        .node(NodeSpec::new("node-a").bridge(netfilter))
        .node(NodeSpec::new("node-b").bridge(netfilter))
        .pod("node-a", PodSpec::new("test", "client"))
        .pod("node-a", PodSpec::new("test", "neighbour"))
        .pod("node-b", PodSpec::new("test", "server"))
        .build()
        .expect("the cluster is built")
}

#[test]
fn pods_on_bridges_are_counted_once_on_their_way_to_another_node() {
    for netfilter in [BridgeNetfilter::On, BridgeNetfilter::Off] {
        let cluster = bridged(netfilter);
        let mut a = CapturingNode::attach(&cluster, "node-a", &Config::default());
        let mut b = CapturingNode::attach(&cluster, "node-b", &Config::default());
        let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
        for family in Family::ALL {
            let before = ["node-a", "node-b"].map(|node| cluster.settled_uplink(node).unwrap());
            traffic::tcp_bulk(client, server, family, 2_000_000).unwrap();
            traffic::udp(server, client, family, 20, 4_000).unwrap();

            let after = ["node-a", "node-b"].map(|node| cluster.settled_uplink(node).unwrap());
            let links = [0, 1].map(|node| after[node].since(&before[node]));
            for (drained, link) in [a.take(), b.take()].iter().zip(links) {
                assert_eq!(seen_at(drained, leaving), sent_by(&link), "{netfilter:?}");
                assert_eq!(
                    seen_at(drained, arriving),
                    received_by(&link),
                    "{netfilter:?}"
                );
            }
        }
    }
}

#[test]
fn pods_on_one_bridge_are_counted_once_where_the_bridge_asks_netfilter() {
    for (netfilter, packets) in [(BridgeNetfilter::On, 100), (BridgeNetfilter::Off, 0)] {
        let cluster = bridged(netfilter);
        let mut node = CapturingNode::attach(&cluster, "node-a", &Config::default());
        for family in Family::ALL {
            let (from, to) = (cluster.pod("test/client"), cluster.pod("test/neighbour"));

            traffic::udp(from, to, family, 100, 50).unwrap();

            let header = if family == Family::Ipv4 { 28 } else { 48 };
            let expected = FlowCounters {
                bytes: packets * (header + 50),
                packets,
            };
            assert_eq!(seen_at(&node.take(), |_| true), expected, "{netfilter:?}");
        }
    }
}

/// What tunnels add, over either family.
#[test]
fn tunnels_over_ipv6_count_their_own_headers() {
    require_root();
    let cluster = Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .node(NodeSpec::new("node-b"))
        .pod("node-a", PodSpec::new("test", "client"))
        .pod("node-b", PodSpec::new("test", "server"))
        .overlay(Overlay::vxlan().underlay(Family::Ipv6))
        .build()
        .expect("the cluster is built");
    let mut a = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let mut b = CapturingNode::attach(&cluster, "node-b", &Config::default());
    let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
    for family in Family::ALL {
        let before = cluster.settled_uplink("node-a").unwrap();

        traffic::udp(client, server, family, 100, 500).unwrap();

        let link = cluster.settled_uplink("node-a").unwrap().since(&before);
        let (at_a, at_b) = (a.take(), b.take());
        let inner = if family == Family::Ipv4 { 528 } else { 548 };
        let expected = FlowCounters {
            bytes: 100 * (inner + 70),
            packets: 100,
        };
        assert_eq!(sent_by(&link), expected);
        assert_is_one_flow(&at_a, Hook::Postrouting, client, server, family, expected);
        assert_is_one_flow(&at_b, Hook::LocalIn, client, server, family, expected);
    }
}

fn assert_is_one_flow(
    drained: &Drained,
    hook: Hook,
    from: &impl Place,
    to: &impl Place,
    family: Family,
    counters: FlowCounters,
) {
    let [record] = drained.records[..] else {
        panic!("not one record: {drained:?}")
    };
    assert_eq!(record.key.source, from.address(family));
    assert_eq!(record.key.destination, to.address(family));
    assert_eq!(record.key.point.hook, hook);
    assert_eq!(record.counters, counters);
    let [inner] = drained.skipped[..] else {
        panic!("not one left out: {drained:?}")
    };
    assert_eq!(inner.reason, SkipReason::Encapsulated);
    assert_eq!(inner.counters.packets, counters.packets);
}

/// An address inside of a tunnel that a pod has made itself.
struct Inside<'a> {
    pod: &'a ClusterPod,
    address: Ipv4Addr,
}

impl Place for Inside<'_> {
    fn netns(&self) -> &Netns {
        self.pod.netns()
    }

    fn address(&self, _: Family) -> IpAddr {
        self.address.into()
    }
}

#[test]
fn tunnels_that_pods_make_themselves_stay_the_pods_own_and_count_every_header() {
    require_root();
    let cluster = Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .node(NodeSpec::new("node-b"))
        .pod("node-a", PodSpec::new("test", "client"))
        .pod("node-b", PodSpec::new("test", "server"))
        .build()
        .expect("the cluster is built");
    let pods = ["test/client", "test/server"].map(|pod| cluster.pod(pod));
    let outer = pods.map(|pod| pod.address(Family::Ipv4));
    let inner = [Ipv4Addr::new(172, 30, 0, 1), Ipv4Addr::new(172, 30, 0, 2)];
    for (me, peer) in [(0, 1), (1, 0)] {
        let (local, remote, address) = (outer[me], outer[peer], inner[me]);
        let device = "link add vx0 address 02:aa:00:00:00:0";
        let lines = [
            format!(
                "{device}{me} mtu 1450 type vxlan id 7 dstport 4789 local {local} remote {remote} dev eth0 nolearning"
            ),
            "link set vx0 arp off up".to_owned(),
            format!("address add {address}/24 dev vx0"),
            format!(
                "neighbour replace {} lladdr 02:aa:00:00:00:0{peer} dev vx0",
                inner[peer]
            ),
        ];
        pods[me].netns().ip(&lines).unwrap();
    }
    let [client, server] = [0, 1].map(|end| Inside {
        pod: pods[end],
        address: inner[end],
    });
    let mut a = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let before = cluster.settled_uplink("node-a").unwrap();

    traffic::tcp_bulk(&client, &server, Family::Ipv4, 3_000_000).unwrap();

    let link = cluster.settled_uplink("node-a").unwrap().since(&before);
    let drained = a.take();
    assert!(link.tx_ip_bytes() > 3_000_000);
    let of_pods = |record: &&SeenFlow| outer.contains(&record.key.source);
    let theirs: FlowCounters = drained
        .records
        .iter()
        .filter(of_pods)
        .filter(|record| leaving(record.key.point))
        .map(|record| record.counters)
        .sum();
    assert_eq!(theirs, sent_by(&link));
}
