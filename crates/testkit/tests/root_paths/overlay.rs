//! Pods that reach each other through tunnels between their nodes.

use kubezonnet_model::{Family, Protocol};
use kubezonnet_testkit::{
    BridgeNetfilter, Cluster, NodeSpec, Overlay, PodSpec, require_root, traffic,
};

use crate::wire::{carried, ip_header, packets, received_by, sent_by};

const ICMP_HEADER: u64 = 8;

/// Two nodes with a pod each, and tunnels between them.
fn two(overlay: Overlay) -> Cluster {
    require_root();
    Cluster::builder()
        .overlay(overlay)
        .node(NodeSpec::new("node-a"))
        .node(NodeSpec::new("node-b"))
        .pod("node-a", PodSpec::new("test", "client"))
        .pod("node-b", PodSpec::new("test", "server"))
        .build()
        .expect("this machine can make network namespaces")
}

/// Every underlay and port, with checksums left to the uplinks and made before the tunnels.
fn overlays() -> Vec<Overlay> {
    let underlays = Family::ALL.into_iter().zip([8_472, 4_789]);
    let both = |(family, port)| {
        let overlay = Overlay::vxlan().underlay(family).port(port);
        [true, false].map(|offload| overlay.checksum_offload(offload))
    };
    underlays.flat_map(both).collect()
}

#[test]
fn a_ping_through_a_tunnel_weighs_so_much_more_on_the_uplink() {
    for overlay in overlays() {
        let cluster = two(overlay);
        let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
        for family in Family::ALL {
            let before = cluster.node("node-a").tunnel().unwrap();

            let [a, b] = carried(&cluster, || {
                traffic::ping(client, server, family, 7, 100).unwrap();
            });

            let tunnel = cluster.node("node-a").tunnel().unwrap().since(&before);
            let (count, inner) = packets(7, family, 1_450, 100 + ICMP_HEADER);
            let outer = (count, inner + count * u64::from(overlay.overhead()));
            let (left, came) = (
                (tunnel.tx_packets, tunnel.tx_bytes),
                (tunnel.rx_packets, tunnel.rx_bytes),
            );
            assert_eq!(left, (count, inner), "{overlay:?}");
            assert_eq!(came, (count, inner), "{overlay:?}");
            assert_eq!(sent_by(&a), outer, "{overlay:?}");
            assert_eq!(received_by(&b), outer, "{overlay:?}");
            assert_eq!(sent_by(&b), outer, "{overlay:?}");
        }
    }
}

#[test]
fn every_kind_of_traffic_goes_through_the_tunnels() {
    for overlay in overlays() {
        let cluster = two(overlay);
        let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
        let mtu = u64::from(1_500 - overlay.overhead());
        for family in Family::ALL {
            let [a, b] = carried(&cluster, || {
                traffic::tcp_bulk(client, server, family, 3_000_001).unwrap();
                traffic::tcp_requests(client, server, family, 50, 300, 9_000).unwrap();
                traffic::udp_segmented(client, server, family, 1_000, 1_200).unwrap();
                traffic::raw(client, server, family, Protocol::SCTP, 100, 4_000).unwrap();
            });
            let [large, _] = carried(&cluster, || {
                traffic::udp(client, server, family, 100, 20_000).unwrap();
            });

            let (count, inner) = packets(100, family, mtu, 20_008);
            let overhead = u64::from(overlay.overhead());
            assert_eq!(sent_by(&large), (count, inner + count * overhead));
            assert_eq!(sent_by(&a), received_by(&b), "{overlay:?}");
            assert_eq!(sent_by(&b), received_by(&a), "{overlay:?}");
            assert_eq!((a.dropped, b.dropped), (0, 0), "{overlay:?}");
            // A wire's worth of TCP: no segment is larger than the MTU.
            assert!(a.tx_packets > 3_000_001 / mtu, "{overlay:?}");
        }
    }
}

#[test]
fn large_packets_enter_a_tunnel_device_whole_only_if_it_leaves_checksums_to_the_uplink() {
    for offload in [true, false] {
        let cluster = two(Overlay::vxlan().checksum_offload(offload));
        let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
        for family in Family::ALL {
            let before = cluster.node("node-a").tunnel().unwrap();

            let [a, _] = carried(&cluster, || {
                traffic::tcp_bulk(client, server, family, 3_000_000).unwrap();
            });

            let tunnel = cluster.node("node-a").tunnel().unwrap().since(&before);
            if offload {
                assert!(tunnel.tx_packets * 4 < a.tx_packets, "{tunnel:?}, {a:?}");
            } else {
                assert_eq!(tunnel.tx_packets, a.tx_packets);
            }
        }
    }
}

#[test]
fn a_node_reaches_pods_of_another_node_from_the_address_of_its_tunnel_device() {
    let cluster = two(Overlay::vxlan().port(8_472));
    let (node, server) = (cluster.node("node-a"), cluster.pod("test/server"));
    for family in Family::ALL {
        let sent = traffic::tcp_bulk(node, server, family, 100_000).unwrap();

        assert_eq!(sent.source.ip(), node.tunnel_address(family));
    }
}

#[test]
fn nodes_and_the_world_outside_are_reached_without_a_tunnel() {
    let cluster = two(Overlay::vxlan());
    let (client, node) = (cluster.pod("test/client"), cluster.node("node-b"));
    for family in Family::ALL {
        let [a, _] = carried(&cluster, || {
            traffic::ping(client, node, family, 1, 100).unwrap();
            traffic::ping(client, cluster.fabric(), family, 1, 100).unwrap();
        });

        let one = 100 + ICMP_HEADER + ip_header(family);
        assert_eq!(sent_by(&a), (2, 2 * one));
    }
    let tunnel = cluster.node("node-a").tunnel().unwrap();
    assert_eq!(tunnel.tx_packets, 0);
}

#[test]
fn tunnels_bridges_and_tracking_go_together() {
    require_root();
    let overlay = Overlay::vxlan().port(8_472).checksum_offload(false);
    let node = |name| NodeSpec::new(name).bridge(BridgeNetfilter::On).conntrack();
    let cluster = Cluster::builder()
        .overlay(overlay)
        .node(node("node-a"))
        .node(node("node-b"))
        .pod("node-a", PodSpec::new("test", "client"))
        .pod("node-b", PodSpec::new("test", "server"))
        .build()
        .unwrap();
    let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
    for family in Family::ALL {
        let [a, b] = carried(&cluster, || {
            traffic::tcp_bulk(client, server, family, 3_000_000).unwrap();
            traffic::udp(client, server, family, 100, 20_000).unwrap();
            traffic::ping(client, server, family, 10, 100).unwrap();
        });

        assert_eq!(sent_by(&a), received_by(&b));
        assert!(a.tx_ip_bytes() > 3_000_000 + 2_000_000);
    }
}

#[test]
fn idle_tunnels_are_silent() {
    let cluster = two(Overlay::vxlan());

    cluster.settled_uplink("node-a").unwrap();

    for node in cluster.nodes() {
        let (uplink, tunnel) = (node.uplink().unwrap(), node.tunnel().unwrap());
        assert_eq!((uplink.tx_packets, tunnel.tx_packets), (0, 0));
        assert_eq!(tunnel.dropped, 0);
    }
}

#[test]
fn a_smaller_path_mtu_between_the_nodes_fragments_the_outer_packets_or_is_learnt() {
    require_root();
    let overlay = Overlay::vxlan();
    let cluster = Cluster::builder()
        .overlay(overlay)
        .node(NodeSpec::new("node-a").path_mtu(1_400))
        .node(NodeSpec::new("node-b").path_mtu(1_400))
        .pod("node-a", PodSpec::new("test", "client"))
        .pod("node-b", PodSpec::new("test", "server"))
        .build()
        .unwrap();
    let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
    traffic::tcp_bulk(client, server, Family::Ipv6, 1_000_000).unwrap();

    let [by_four, by_six] = Family::ALL.map(|family| {
        let [a, b] = carried(&cluster, || {
            traffic::udp(client, server, family, 100, 1_380).unwrap();
        });
        assert_eq!(sent_by(&a), received_by(&b));
        sent_by(&a)
    });

    // An IPv4 node does not let the tunnel's path MTU limit what it forwards.
    let inner = 1_380 + 8 + ip_header(Family::Ipv4);
    assert_eq!(
        by_four,
        packets(100, Family::Ipv4, 1_400, inner + 14 + 8 + 8)
    );
    let (count, inner) = packets(100, Family::Ipv6, 1_350, 1_380 + 8);
    let overhead = u64::from(overlay.overhead());
    assert_eq!(by_six, (count, inner + count * overhead));
    assert_eq!((by_four.0, by_six.0), (200, 200));
}
