//! Datagrams and packets of other protocols that are larger than what they must pass through.

use kubezonnet_model::{Family, Protocol};
use kubezonnet_testkit::{Cluster, NodeSpec, Place, PodSpec, require_root, traffic};

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
