//! Datagrams to groups and to everyone.

use std::net::{IpAddr, Ipv4Addr};

use kubezonnet_model::Family;
use kubezonnet_testkit::{Cluster, NodeSpec, Place, PodSpec, require_root, traffic};

use crate::wire::{carried, packets, received_by, sent_by};

const UDP_HEADER: u64 = 8;

fn two() -> Cluster {
    require_root();
    Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .node(NodeSpec::new("node-b"))
        .pod("node-a", PodSpec::new("test", "client"))
        .pod("node-b", PodSpec::new("test", "server"))
        .build()
        .expect("this machine can make network namespaces")
}

#[test]
fn a_group_is_on_the_wire_once_whoever_has_joined_it() {
    let cluster = two();
    let (a, b) = (cluster.node("node-a"), cluster.node("node-b"));
    let members: [&[&dyn Place]; 4] = [&[], &[b], &[a], &[a, b]];
    for family in Family::ALL {
        for members in members {
            for size in [100, 4_000] {
                let [sender, other] = carried(&cluster, || {
                    traffic::multicast(a, members, traffic::group(family), 200, size).unwrap();
                });

                let wire = packets(200, family, 1_500, u64::from(size) + UDP_HEADER);
                let case = format!("{family:?}, {} members, {size}", members.len());
                assert_eq!(sent_by(&sender), wire, "{case}");
                assert_eq!(received_by(&other), wire, "{case}");
                assert_eq!(received_by(&sender), (0, 0), "{case}");
                assert_eq!(sent_by(&other), (0, 0), "{case}");
            }
        }
    }
}

#[test]
fn a_broadcast_is_on_the_wire_once_and_reaches_the_other_nodes() {
    let cluster = two();
    let (a, b) = (cluster.node("node-a"), cluster.node("node-b"));
    for to in [cluster.fabric().broadcast(), Ipv4Addr::BROADCAST.into()] {
        let [sender, other] = carried(&cluster, || {
            traffic::multicast(a, &[b], to, 200, 100).unwrap();
        });

        let wire = packets(200, Family::Ipv4, 1_500, 100 + UDP_HEADER);
        assert_eq!((sent_by(&sender), received_by(&other)), (wire, wire));
        assert_eq!((received_by(&sender), sent_by(&other)), ((0, 0), (0, 0)));
    }
}

#[test]
fn what_a_pod_sends_to_a_group_or_everyone_reaches_its_node_and_goes_no_further() {
    let cluster = two();
    let (pod, node) = (cluster.pod("test/client"), cluster.node("node-a"));
    let everyone = IpAddr::from(Ipv4Addr::BROADCAST);
    for to in [
        everyone,
        traffic::group(Family::Ipv4),
        traffic::group(Family::Ipv6),
    ] {
        let [sender, _] = carried(&cluster, || {
            traffic::multicast(pod, &[node], to, 200, 100).unwrap();
        });

        assert_eq!(sent_by(&sender), (0, 0), "{to}");
    }
}
