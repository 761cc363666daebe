//! Nodes themselves, and the world outside, as ends of every kind of traffic.

use kubezonnet_model::{Family, Protocol};
use kubezonnet_testkit::{Cluster, NodeSpec, Overlay, Place, PodSpec, require_root, traffic};

use crate::wire::{carried, received_by, sent_by};

/// Every kind of traffic there is between two places.
fn exchange(from: &dyn Place, to: &dyn Place, family: Family) {
    let arrives = "all of it arrives";
    traffic::tcp_bulk(&from, &to, family, 300_000).expect(arrives);
    traffic::tcp_requests(&from, &to, family, 10, 100, 5_000).expect(arrives);
    traffic::udp(&from, &to, family, 100, 1_000).expect(arrives);
    traffic::udp(&from, &to, family, 100, 9_000).expect(arrives);
    traffic::udp_segmented(&from, &to, family, 100, 1_200).expect(arrives);
    traffic::ping(&from, &to, family, 5, 100).expect(arrives);
    traffic::raw(&from, &to, family, Protocol::SCTP, 50, 3_000).expect(arrives);
}

/// Two nodes with a pod each.
fn two(tracked: bool, overlay: Option<Overlay>) -> Cluster {
    require_root();
    let node = |name| {
        let node = NodeSpec::new(name);
        if tracked { node.conntrack() } else { node }
    };
    let mut builder = Cluster::builder()
        .node(node("node-a"))
        .node(node("node-b"))
        .pod("node-a", PodSpec::new("test", "client"))
        .pod("node-b", PodSpec::new("test", "server"));
    if let Some(overlay) = overlay {
        builder = builder.overlay(overlay);
    }
    builder
        .build()
        .expect("this machine can make network namespaces")
}

#[test]
fn hosts_and_pods_exchange_every_kind_of_traffic() {
    for cluster in [false, true].map(|tracked| two(tracked, None)) {
        let (a, b) = (cluster.node("node-a"), cluster.node("node-b"));
        let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
        let outside = cluster.fabric();
        let pairs: [(&dyn Place, &dyn Place); 8] = [
            (a, b),
            (a, a),
            (a, client),
            (client, a),
            (a, server),
            (server, a),
            (outside, a),
            (a, outside),
        ];
        let [left, came] = carried(&cluster, || {
            for family in Family::ALL {
                for (from, to) in pairs {
                    exchange(from, to, family);
                }
            }
        });

        assert_eq!((left.dropped, came.dropped), (0, 0));
        // What node-b sends goes to node-a only.
        assert!(received_by(&left) > sent_by(&came));
    }
}

#[test]
fn hosts_reach_pods_by_tunnels() {
    let cluster = two(false, Some(Overlay::vxlan()));
    let (a, server) = (cluster.node("node-a"), cluster.pod("test/server"));
    for family in Family::ALL {
        let before = a.tunnel().unwrap();

        traffic::tcp_bulk(a, server, family, 300_000).unwrap();
        traffic::ping(a, server, family, 5, 100).unwrap();
        traffic::udp(a, server, family, 100, 9_000).unwrap();

        let tunnel = a.tunnel().unwrap().since(&before);
        assert!(tunnel.tx_bytes > 300_000 + 900_000, "{tunnel:?}");
    }
}
