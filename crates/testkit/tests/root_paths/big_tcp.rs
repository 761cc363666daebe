//! TCP packets that are larger than an IP header can say.

use kubezonnet_model::Family;
use kubezonnet_testkit::{
    Cluster, LargePackets, LinkCounters, NodeSpec, Place, PodSpec, Segmentation, require_root,
    traffic,
};

use crate::wire::{carried, sent_by};

const PAYLOAD: u64 = 50_000_000;

/// Two nodes with a pod each; packets may have so many bytes.
fn two(uplinks: Segmentation, bytes: u32) -> Cluster {
    require_root();
    let node = |name| NodeSpec::new(name).uplink(uplinks).big_tcp(bytes);
    let pod = |name| PodSpec::new("test", name).big_tcp(bytes);
    Cluster::builder()
        .node(node("node-a"))
        .node(node("node-b"))
        .pod("node-a", pod("client"))
        .pod("node-b", pod("server"))
        .build()
        .expect("this machine can make network namespaces")
}

/// Sends much, and returns what the pod's link and its node's uplink have sent, and how many packets
/// between the two were above 64 KiB. How many that are is TCP's to say: on a busy machine few.
fn send(cluster: &Cluster, large: &LargePackets<'_>, family: Family) -> ([LinkCounters; 2], u64) {
    let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
    let read = || client.netns().counters("eth0").expect("the pod is there");
    let counted = || large.so_far().expect("nft counts them");
    let (before, large_before) = (read(), counted());
    let [uplink, _] = carried(cluster, || {
        traffic::tcp_bulk(client, server, family, PAYLOAD).expect("all of it arrives");
    });
    let links = [read().since(&before), uplink];
    (links, counted() - large_before)
}

#[test]
fn a_pod_makes_packets_above_64_kib_which_an_uplink_without_segmentation_cuts() {
    let cluster = two(Segmentation::Off, 185_000);
    let large = LargePackets::count_at(cluster.node("node-a").netns()).unwrap();
    for family in Family::ALL {
        let ([pod, uplink], large) = send(&cluster, &large, family);

        assert!(large > 0, "{pod:?}");
        assert!(uplink.tx_packets > PAYLOAD / 1_460, "{uplink:?}");
        assert_eq!((pod.dropped, uplink.dropped), (0, 0));
    }
}

#[test]
fn packets_above_64_kib_leave_by_an_uplink_that_takes_them_whole() {
    let cluster = two(Segmentation::Offloaded, 185_000);
    let large = LargePackets::count_at(cluster.node("node-a").netns()).unwrap();
    for family in Family::ALL {
        let ([pod, uplink], large) = send(&cluster, &large, family);

        assert!(large > 0, "{uplink:?}");
        assert_eq!(sent_by(&uplink), sent_by(&pod));
        assert_eq!((pod.dropped, uplink.dropped), (0, 0));
    }
}

#[test]
fn without_it_no_packet_is_above_64_kib() {
    let cluster = two(Segmentation::Off, 65_536);
    let large = LargePackets::count_at(cluster.node("node-a").netns()).unwrap();
    for family in Family::ALL {
        let (_, large) = send(&cluster, &large, family);

        assert_eq!(large, 0);
    }
}
