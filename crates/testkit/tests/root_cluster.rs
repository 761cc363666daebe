//! Clusters of network namespaces: built, silent, connected, counted, and gone afterwards.

use std::fs;
use std::time::{Duration, Instant};

use kubezonnet_model::Family;
use kubezonnet_testkit::{Cluster, NodeSpec, Place, PodSpec, Segmentation, require_root, traffic};

/// Two nodes with one pod each, in two zones.
fn two_nodes() -> Cluster {
    require_root();
    Cluster::builder()
        .node(NodeSpec::new("node-a").zone("region-1", "zone-a"))
        .node(NodeSpec::new("node-b").zone("region-1", "zone-b"))
        .pod("node-a", PodSpec::new("shop", "web-0"))
        .pod("node-b", PodSpec::new("shop", "db-0"))
        .build()
        .expect("this machine can make network namespaces")
}

#[test]
fn pods_nodes_and_the_world_outside_reach_each_other_by_both_families() {
    let cluster = two_nodes();
    let (web, db) = (cluster.pod("shop/web-0"), cluster.pod("shop/db-0"));
    let (a, b) = (cluster.node("node-a"), cluster.node("node-b"));

    for family in Family::ALL {
        traffic::ping(web, db, family, 1, 56).unwrap();
        traffic::ping(web, a, family, 1, 56).unwrap();
        traffic::ping(web, b, family, 1, 56).unwrap();
        traffic::ping(a, b, family, 1, 56).unwrap();
        traffic::ping(a, web, family, 1, 56).unwrap();
        traffic::ping(web, cluster.fabric(), family, 1, 56).unwrap();
        traffic::ping(cluster.fabric(), db, family, 1, 56).unwrap();
    }
}

#[test]
fn an_uplink_counts_exactly_what_a_ping_weighs() {
    let cluster = two_nodes();
    let (web, db) = (cluster.pod("shop/web-0"), cluster.pod("shop/db-0"));

    for (family, ip_header) in [(Family::Ipv4, 20), (Family::Ipv6, 40)] {
        let before = cluster.settled_uplink("node-a").unwrap();
        traffic::ping(web, db, family, 7, 100).unwrap();
        let after = cluster.settled_uplink("node-a").unwrap();

        let counted = after.since(&before);
        let one = 100 + 8 + ip_header;
        assert_eq!(
            (counted.tx_packets, counted.tx_ip_bytes()),
            (7, 7 * one),
            "{family:?}"
        );
        assert_eq!(
            (counted.rx_packets, counted.rx_ip_bytes()),
            (7, 7 * one),
            "{family:?}"
        );
    }
}

#[test]
fn an_idle_cluster_is_silent() {
    let cluster = two_nodes();

    let a = cluster.settled_uplink("node-a").unwrap();
    let b = cluster.settled_uplink("node-b").unwrap();

    assert_eq!(
        (a.tx_packets, a.rx_packets, b.tx_packets, b.rx_packets),
        (0, 0, 0, 0)
    );
}

#[test]
fn every_kind_of_traffic_arrives_whole_and_both_uplinks_agree_on_it() {
    require_root();
    let pod = |name, segmentation| PodSpec::new("shop", name).segmentation(segmentation);
    let cluster = Cluster::builder()
        .node(NodeSpec::new("node-a").conntrack())
        .node(NodeSpec::new("node-b"))
        .pod("node-a", pod("whole", Segmentation::Offloaded))
        .pod("node-a", pod("cut", Segmentation::Off))
        .pod("node-b", PodSpec::new("shop", "db-0"))
        .build()
        .unwrap();
    let db = cluster.pod("shop/db-0");

    for web in [cluster.pod("shop/whole"), cluster.pod("shop/cut")] {
        for (family, udp_headers) in [(Family::Ipv4, 28), (Family::Ipv6, 48)] {
            let bulk = traffic::tcp_bulk(web, db, family, 3_000_001).unwrap();
            assert_eq!(bulk.payload_bytes, 3_000_001);
            let rounds = traffic::tcp_requests(web, db, family, 50, 300, 9_000).unwrap();
            assert_eq!(
                (rounds.payload_bytes, rounds.answer_bytes),
                (15_000, 450_000)
            );
            let before = cluster.settled_uplink("node-a").unwrap();
            traffic::udp(web, db, family, 1_000, 40).unwrap();
            traffic::udp_segmented(web, db, family, 1_000, 1_200).unwrap();
            let after = cluster.settled_uplink("node-a").unwrap();

            let counted = after.since(&before);
            let wire = 1_000 * (40 + udp_headers) + 1_000 * (1_200 + udp_headers);
            assert_eq!((counted.tx_packets, counted.tx_ip_bytes()), (2_000, wire));
        }
    }

    let a = cluster.settled_uplink("node-a").unwrap();
    let b = cluster.settled_uplink("node-b").unwrap();
    assert_eq!((a.tx_bytes, a.tx_packets), (b.rx_bytes, b.rx_packets));
    assert_eq!((b.tx_bytes, b.tx_packets), (a.rx_bytes, a.rx_packets));
    assert_eq!((a.dropped, b.dropped), (0, 0));
}

#[test]
fn connections_are_tracked_where_that_was_asked_for_and_nowhere_else() {
    require_root();
    let cluster = Cluster::builder()
        .node(NodeSpec::new("node-a").conntrack())
        .node(NodeSpec::new("node-b"))
        .pod("node-a", PodSpec::new("shop", "web-0"))
        .pod("node-b", PodSpec::new("shop", "db-0"))
        .build()
        .unwrap();

    traffic::ping(
        cluster.pod("shop/web-0"),
        cluster.pod("shop/db-0"),
        Family::Ipv4,
        1,
        56,
    )
    .unwrap();

    let tracked = |node| {
        let count = "/proc/sys/net/netfilter/nf_conntrack_count";
        let read = || fs::read_to_string(count).map(|text| text.trim().to_owned());
        cluster.node(node).netns().run(read).unwrap().unwrap()
    };
    assert_eq!(
        (tracked("node-a"), tracked("node-b")),
        ("1".to_owned(), "0".to_owned())
    );
}

#[test]
fn three_nodes_with_nine_pods_are_built_within_two_seconds_and_gone_after_drop() {
    require_root();
    let mut builder = Cluster::builder();
    for node in ["node-a", "node-b", "node-c"] {
        builder = builder.node(NodeSpec::new(node));
        for pod in 0..3 {
            builder = builder.pod(node, PodSpec::new("shop", format!("{node}-{pod}")));
        }
    }

    let begun = Instant::now();
    let cluster = builder.build().unwrap();
    let took = begun.elapsed();

    let paths: Vec<_> = cluster
        .nodes()
        .iter()
        .map(|node| node.netns().path())
        .collect();
    let dir = cluster.run().dir();
    assert!(paths.iter().all(|path| path.exists()) && dir.exists());
    drop(cluster);
    assert!(paths.iter().all(|path| !path.exists()) && !dir.exists());
    assert!(took < Duration::from_secs(2), "it took {took:?}");
}
