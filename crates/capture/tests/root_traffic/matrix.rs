//! The matrix: every kind of traffic between pods of two nodes, over both families, with
//! segmentation in the pod on and off, with and without connection tracking, plain and through
//! tunnels. What the hooks count equals what the uplinks carried, bytes and packets, exactly.

use kubezonnet_model::{Family, Protocol};
use kubezonnet_testkit::{LargePackets, NodeSpec, Overlay, Place, PodSpec, Segmentation, traffic};

use crate::bench::{Bench, Kind, client, server};
use crate::page::Section;

pub(crate) const SCTP_BULK: Kind = ("raw protocol 132", Protocol::SCTP, |cluster, family| {
    traffic::raw(
        client(cluster),
        server(cluster),
        family,
        Protocol::SCTP,
        60,
        1_000,
    )
});
pub(crate) const TCP_BULK: Kind = ("tcp bulk", Protocol::TCP, |cluster, family| {
    traffic::tcp_bulk(client(cluster), server(cluster), family, 5_000_003)
});
const TCP_LONG: Kind = ("tcp bulk, long", Protocol::TCP, |cluster, family| {
    traffic::tcp_bulk(client(cluster), server(cluster), family, 40_000_003)
});
pub(crate) const TCP_REQUESTS: Kind = ("tcp requests", Protocol::TCP, |cluster, family| {
    traffic::tcp_requests(client(cluster), server(cluster), family, 200, 100, 5_000)
});
pub(crate) const UDP_SMALL: Kind = ("udp small", Protocol::UDP, |cluster, family| {
    traffic::udp(client(cluster), server(cluster), family, 1_000, 33)
});
pub(crate) const UDP_LARGE: Kind = (
    "udp larger than the mtu",
    Protocol::UDP,
    |cluster, family| traffic::udp(client(cluster), server(cluster), family, 40, 9_001),
);
pub(crate) const UDP_GSO: Kind = ("udp gso", Protocol::UDP, |cluster, family| {
    traffic::udp_segmented(client(cluster), server(cluster), family, 777, 1_200)
});
/// Segments that just fit the MTU of the pod's link.
const UDP_GSO_FULL: Kind = (
    "udp gso, full segments",
    Protocol::UDP,
    |cluster, family| traffic::udp_segmented(client(cluster), server(cluster), family, 770, 1_390),
);
pub(crate) const ICMP: Kind = ("icmp", Protocol::ICMP, |cluster, family| {
    traffic::ping(client(cluster), server(cluster), family, 20, 800)
});

pub(crate) const KINDS: [Kind; 7] = [
    TCP_BULK,
    TCP_REQUESTS,
    UDP_SMALL,
    UDP_LARGE,
    UDP_GSO,
    ICMP,
    SCTP_BULK,
];

/// Every cell over one kind of network.
fn every_cell(title: &str, overlay: Option<Overlay>) {
    let mut section = Section::new(title);
    for segmentation in [Segmentation::Offloaded, Segmentation::Off] {
        for conntrack in [false, true] {
            let offload = if segmentation == Segmentation::Off {
                "off"
            } else {
                "on"
            };
            let tracking = if conntrack { "on" } else { "off" };
            let mut bench = Bench::new(
                format!("segmentation offload {offload}, connection tracking {tracking}"),
                |node| if conntrack { node.conntrack() } else { node },
                |pod| pod.segmentation(segmentation),
                overlay,
            );
            for family in Family::ALL {
                for kind in KINDS {
                    bench.measure(kind, family, &mut section);
                }
            }
        }
    }
    section.finish();
}

#[test]
fn pods_of_two_nodes() {
    every_cell("Pods of two nodes", None);
}

#[test]
fn pods_of_two_nodes_through_tunnels_that_leave_checksums_to_the_uplink() {
    every_cell(
        "VXLAN with checksum offload",
        Some(Overlay::vxlan().port(8472)),
    );
}

#[test]
fn pods_of_two_nodes_through_tunnels_that_make_checksums_themselves() {
    every_cell(
        "VXLAN without checksum offload",
        Some(Overlay::vxlan().checksum_offload(false)),
    );
}

#[test]
fn packets_above_64_kib() {
    let mut section = Section::new("Packets above 64 KiB");
    let mut bench = Bench::new(
        "packets up to 180 kB in the pod".to_owned(),
        |node| node.big_tcp(180_000),
        |pod| pod.big_tcp(180_000),
        None,
    );
    let netns = bench.cluster.node("node-a").netns().clone();
    let large = LargePackets::count_at(&netns).unwrap();
    for family in Family::ALL {
        let before = large.so_far().unwrap();
        bench.measure(TCP_LONG, family, &mut section);
        let after = large.so_far().unwrap();
        assert!(after > before, "none was above 64 KiB");
    }
    section.finish();
}

#[test]
fn paths_of_a_smaller_mtu() {
    type Change<T> = fn(T) -> T;
    let cases: [(&str, Change<NodeSpec>, Change<PodSpec>); 4] = [
        ("mtu 1300 in the pod", |node| node, |pod| pod.mtu(1_300)),
        ("mtu 9000 in the pod", |node| node, |pod| pod.mtu(9_000)),
        ("path mtu 1350", |node| node.path_mtu(1_350), |pod| pod),
        (
            "path mtu 1350, mtu 1400 in the pod",
            |node| node.path_mtu(1_350),
            |pod| pod.mtu(1_400),
        ),
    ];
    let mut section = Section::new("Smaller MTUs");
    for (name, node, pod) in cases {
        for conntrack in [false, true] {
            let tracking = if conntrack { "on" } else { "off" };
            let node = |spec| {
                if conntrack {
                    node(spec).conntrack()
                } else {
                    node(spec)
                }
            };
            let what = format!("{name}, connection tracking {tracking}");
            let mut bench = Bench::new(what, node, pod, None);
            for kind in [UDP_LARGE, SCTP_BULK] {
                bench.measure(kind, Family::Ipv4, &mut section);
            }
        }
    }
    section.finish();
}

#[test]
fn packets_that_the_receiving_uplink_has_put_together() {
    let aggregations: [(&str, &[&str]); 3] = [
        ("receive offload", &["gro", "on"]),
        (
            "receive offload of forwarded udp",
            &["gro", "on", "rx-udp-gro-forwarding", "on"],
        ),
        (
            "receive offload into lists",
            &["gro", "on", "rx-gro-list", "on"],
        ),
    ];
    let mut section = Section::new("Receive offload");
    for (name, settings) in aggregations {
        let mut bench = Bench::new(name.to_owned(), |node| node, |pod| pod, None);
        for node in ["node-a", "node-b"] {
            let command = [&["ethtool", "-K", "eth0"], settings].concat();
            bench.cluster.node(node).netns().tool(&command, "").unwrap();
        }
        for family in Family::ALL {
            for kind in [TCP_BULK, TCP_REQUESTS, UDP_SMALL, UDP_GSO] {
                bench.measure(kind, family, &mut section);
            }
        }
    }
    section.finish();
}

#[test]
fn segments_that_are_larger_than_the_path_takes() {
    type Case = (&'static str, Option<u32>, Option<Overlay>, &'static [Kind]);
    let node = |node: NodeSpec| node.path_mtu(1_350);
    let cases: [Case; 2] = [
        (
            "path mtu 1350, segments above it",
            Some(1_450),
            None,
            &[UDP_GSO_FULL],
        ),
        (
            "path mtu 1350 below a tunnel's",
            None,
            Some(Overlay::vxlan()),
            &[TCP_BULK, UDP_GSO_FULL, UDP_LARGE],
        ),
    ];
    let mut section = Section::new("Segments above the path's MTU");
    for (name, pod_path, overlay, kinds) in cases {
        let pod = |pod: PodSpec| match pod_path {
            Some(mtu) => pod.path_mtu(mtu),
            None => pod,
        };
        let mut bench = Bench::new(name.to_owned(), node, pod, overlay);
        for kind in kinds {
            bench.measure(*kind, Family::Ipv4, &mut section);
        }
    }
    section.finish();
}
