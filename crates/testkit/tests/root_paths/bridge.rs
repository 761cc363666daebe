//! Pods on a bridge of their node.

use std::net::Ipv4Addr;

use kubezonnet_model::{Family, Protocol};
use kubezonnet_testkit::{
    BridgeNetfilter, Cluster, NodeSpec, Place, PodSpec, require_root, traffic,
};

use crate::wire::{carried, packets, received_by, sent_by};

const UDP_HEADER: u64 = 8;

/// Counts what netfilter of a node sees leaving.
const COUNTING: &str = "table inet test-seen {
    chain postrouting { type filter hook postrouting priority -10; meta l4proto udp counter; }
}
";

/// Two pods on the bridge of one node, and one on that of another.
fn cluster(netfilter: BridgeNetfilter) -> Cluster {
    require_root();
    Cluster::builder()
        .node(NodeSpec::new("node-a").bridge(netfilter))
        .node(NodeSpec::new("node-b").bridge(netfilter))
        .pod("node-a", PodSpec::new("test", "client"))
        .pod("node-a", PodSpec::new("test", "neighbour"))
        .pod("node-b", PodSpec::new("test", "server"))
        .build()
        .expect("this machine can make network namespaces")
}

/// Packets that the node's netfilter saw.
fn seen(node: &impl Place) -> u64 {
    let mut command = node.netns().command("nft");
    let output = command
        .args(["list", "table", "inet", "test-seen"])
        .output();
    let text = String::from_utf8(output.expect("nft runs").stdout).expect("nft writes text");
    let (_, after) = text
        .split_once("counter packets ")
        .expect("there is a counter");
    let number = after.split(' ').next().expect("a number follows");
    number.parse().expect("it is a number")
}

#[test]
fn pods_on_bridges_reach_everything_by_both_families() {
    let cluster = cluster(BridgeNetfilter::On);
    let (client, neighbour) = (cluster.pod("test/client"), cluster.pod("test/neighbour"));
    let (server, host) = (cluster.pod("test/server"), cluster.node("node-a"));
    for family in Family::ALL {
        for to in [
            neighbour as &dyn Place,
            server,
            host,
            cluster.node("node-b"),
            cluster.fabric(),
        ] {
            traffic::ping(client, &to, family, 2, 56).unwrap();
            traffic::tcp_bulk(client, &to, family, 300_000).unwrap();
            traffic::tcp_bulk(&to, client, family, 300_000).unwrap();
            traffic::udp(client, &to, family, 100, 4_000).unwrap();
            traffic::raw(client, &to, family, Protocol::SCTP, 10, 100).unwrap();
        }
    }
}

#[test]
fn pods_on_one_bridge_are_seen_by_netfilter_if_that_is_on() {
    for (netfilter, expected) in [(BridgeNetfilter::On, 100), (BridgeNetfilter::Off, 0)] {
        for family in Family::ALL {
            let cluster = cluster(netfilter);
            let (client, neighbour) = (cluster.pod("test/client"), cluster.pod("test/neighbour"));
            let node = cluster.node("node-a");
            node.netns().tool(&["nft", "-f", "-"], COUNTING).unwrap();

            let [uplink, _] = carried(&cluster, || {
                traffic::udp(client, neighbour, family, 100, 100).unwrap();
            });

            let port = node.netns().counters(&client.link()).unwrap();
            let bridge = node.netns().counters("cni0").unwrap();
            let wire = packets(100, family, 1_500, 100 + UDP_HEADER);
            assert_eq!(received_by(&port), wire);
            assert_eq!((sent_by(&uplink), sent_by(&bridge)), ((0, 0), (0, 0)));
            assert_eq!(seen(node), expected, "{netfilter:?}, {family:?}");
        }
    }
}

#[test]
fn what_leaves_the_node_goes_by_the_bridge_and_is_seen_always() {
    for netfilter in [BridgeNetfilter::On, BridgeNetfilter::Off] {
        let cluster = cluster(netfilter);
        let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
        let node = cluster.node("node-a");
        node.netns().tool(&["nft", "-f", "-"], COUNTING).unwrap();
        for (family, times) in Family::ALL.into_iter().zip(1..) {
            let [a, b] = carried(&cluster, || {
                traffic::udp(client, server, family, 100, 1_000).unwrap();
            });

            let wire = packets(100, family, 1_500, 1_000 + UDP_HEADER);
            assert_eq!((sent_by(&a), received_by(&b)), (wire, wire));
            assert_eq!(seen(node), 100 * times);
        }
        let bridge = node.netns().counters("cni0").unwrap();
        assert_eq!(bridge.rx_packets, 200);
    }
}

#[test]
fn groups_and_broadcasts_reach_the_pods_on_the_bridge() {
    let cluster = cluster(BridgeNetfilter::Off);
    let (client, neighbour) = (cluster.pod("test/client"), cluster.pod("test/neighbour"));
    let groups = Family::ALL.map(traffic::group);
    for to in groups.into_iter().chain([Ipv4Addr::BROADCAST.into()]) {
        let [uplink, _] = carried(&cluster, || {
            traffic::multicast(client, &[neighbour, cluster.node("node-a")], to, 100, 100).unwrap();
        });

        assert_eq!(sent_by(&uplink), (0, 0));
    }
}
