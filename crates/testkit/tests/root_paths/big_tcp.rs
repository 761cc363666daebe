//! TCP packets that are larger than an IP header can say.

use kubezonnet_model::Family;
use kubezonnet_testkit::{
    Cluster, LinkCounters, NodeSpec, Place, PodSpec, Segmentation, require_root, traffic,
};

use crate::wire::{carried, sent_by};

const PAYLOAD: u64 = 50_000_000;

/// What IP headers have room for.
const IP_MAX: u64 = 65_536;

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

/// Sends much, and returns what the pod's link and its node's uplink have sent.
fn send(cluster: &Cluster, family: Family) -> [LinkCounters; 2] {
    let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
    let read = || client.netns().counters("eth0").expect("the pod is there");
    let before = read();
    let [uplink, _] = carried(cluster, || {
        traffic::tcp_bulk(client, server, family, PAYLOAD).expect("all of it arrives");
    });
    [read().since(&before), uplink]
}

#[test]
fn a_pod_makes_packets_above_64_kib_which_an_uplink_without_segmentation_cuts() {
    let cluster = two(Segmentation::Off, 185_000);
    for family in Family::ALL {
        let [pod, uplink] = send(&cluster, family);

        assert!(pod.tx_packets < PAYLOAD / IP_MAX, "{pod:?}");
        assert!(uplink.tx_packets > PAYLOAD / 1_460, "{uplink:?}");
        assert_eq!((pod.dropped, uplink.dropped), (0, 0));
    }
}

#[test]
fn packets_above_64_kib_leave_by_an_uplink_that_takes_them_whole() {
    let cluster = two(Segmentation::Offloaded, 185_000);
    for family in Family::ALL {
        let [pod, uplink] = send(&cluster, family);

        assert!(uplink.tx_packets < PAYLOAD / IP_MAX, "{uplink:?}");
        assert_eq!(sent_by(&uplink), sent_by(&pod));
        assert_eq!((pod.dropped, uplink.dropped), (0, 0));
    }
}

#[test]
fn without_it_no_packet_is_above_64_kib() {
    let cluster = two(Segmentation::Off, 65_536);
    for family in Family::ALL {
        let [pod, _] = send(&cluster, family);

        assert!(pod.tx_packets > PAYLOAD / IP_MAX, "{pod:?}");
    }
}
