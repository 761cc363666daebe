//! The matrix: every kind of traffic between pods of two nodes, over both families, with
//! segmentation in the pod on and off, with and without connection tracking, plain and through
//! tunnels. What the hooks count equals what the uplinks carried, bytes and packets, exactly.
//!
//! Segmentation is off at the uplinks, so that their counters tell what a wire carries. The
//! clusters are silent, so everything on an uplink belongs to the test; what does not is in the
//! drained window under a name of its own, and fails the test there.
//!
//! With `ACCURACY_DIR` set, each test leaves a table of what it measured there.

use std::fmt::Write as _;
use std::net::IpAddr;

use kubezonnet_capture::{Config, Drained};
use kubezonnet_model::{
    Family, FlowCounters, InterfaceClass, ObservationPoint, Protocol, SkipReason,
};
use kubezonnet_testkit::traffic::{self, Sent};
use kubezonnet_testkit::{
    Cluster, ClusterPod, LinkCounters, Netns, NodeSpec, Overlay, Place, PodSpec, Segmentation,
};

use crate::nodes::{CapturingNode, seen_at, sent_by};

/// One kind of traffic: its name, its protocol, and how it is made.
type Kind = (&'static str, Protocol, fn(&Cluster, Family) -> Sent);

const SCTP_BULK: Kind = ("raw protocol 132", Protocol::SCTP, |cluster, family| {
    traffic::raw(
        client(cluster),
        server(cluster),
        family,
        Protocol::SCTP,
        60,
        1_000,
    )
    .unwrap()
});
const TCP_BULK: Kind = ("tcp bulk", Protocol::TCP, |cluster, family| {
    traffic::tcp_bulk(client(cluster), server(cluster), family, 5_000_003).unwrap()
});
const TCP_LONG: Kind = ("tcp bulk, long", Protocol::TCP, |cluster, family| {
    traffic::tcp_bulk(client(cluster), server(cluster), family, 40_000_003).unwrap()
});
const TCP_REQUESTS: Kind = ("tcp requests", Protocol::TCP, |cluster, family| {
    traffic::tcp_requests(client(cluster), server(cluster), family, 200, 100, 5_000).unwrap()
});
const UDP_SMALL: Kind = ("udp small", Protocol::UDP, |cluster, family| {
    traffic::udp(client(cluster), server(cluster), family, 1_000, 33).unwrap()
});
const UDP_LARGE: Kind = (
    "udp larger than the mtu",
    Protocol::UDP,
    |cluster, family| traffic::udp(client(cluster), server(cluster), family, 40, 9_001).unwrap(),
);
const UDP_GSO: Kind = ("udp gso", Protocol::UDP, |cluster, family| {
    traffic::udp_segmented(client(cluster), server(cluster), family, 777, 1_200).unwrap()
});
/// Segments that just fit the MTU of the pod's link.
const UDP_GSO_FULL: Kind = (
    "udp gso, full segments",
    Protocol::UDP,
    |cluster, family| {
        traffic::udp_segmented(client(cluster), server(cluster), family, 770, 1_390).unwrap()
    },
);
const ICMP: Kind = ("icmp", Protocol::ICMP, |cluster, family| {
    traffic::ping(client(cluster), server(cluster), family, 20, 800).unwrap()
});

const KINDS: [Kind; 7] = [
    TCP_BULK,
    TCP_REQUESTS,
    UDP_SMALL,
    UDP_LARGE,
    UDP_GSO,
    ICMP,
    SCTP_BULK,
];

fn client(cluster: &Cluster) -> &ClusterPod {
    cluster.pod("test/client")
}

fn server(cluster: &Cluster) -> &ClusterPod {
    cluster.pod("test/server")
}

/// A cluster of two nodes that count, a pod on each, and the table of what was measured.
struct Bench {
    cluster: Cluster,
    sender: CapturingNode,
    receiver: CapturingNode,
    links: [LinkCounters; 2],
    /// What the cluster is, in words, for messages and the table.
    what: String,
    table: String,
}

impl Bench {
    fn new(
        what: String,
        node: impl Fn(NodeSpec) -> NodeSpec,
        pod: impl Fn(PodSpec) -> PodSpec,
        overlay: Option<Overlay>,
    ) -> Self {
        kubezonnet_testkit::require_root();
        let mut builder = Cluster::builder()
            .node(node(NodeSpec::new("node-a")))
            .node(node(NodeSpec::new("node-b")))
            .pod("node-a", pod(PodSpec::new("test", "client")))
            .pod("node-b", pod(PodSpec::new("test", "server")));
        if let Some(overlay) = overlay {
            builder = builder.overlay(overlay);
        }
        let cluster = builder.build().expect("the cluster is built");
        let config = Config::default();
        let sender = CapturingNode::attach(&cluster, "node-a", &config);
        let receiver = CapturingNode::attach(&cluster, "node-b", &config);
        let links = uplinks(&cluster);
        Self {
            cluster,
            sender,
            receiver,
            links,
            what,
            table: String::new(),
        }
    }

    /// Sends one kind of traffic and holds what was counted against what the uplinks carried.
    fn measure(&mut self, kind: Kind, family: Family) {
        let (name, protocol, traffic) = kind;
        let case = format!("{name}, {}, {}", family.as_str(), self.what);

        let sent = traffic(&self.cluster, family);

        let now = uplinks(&self.cluster);
        let [a, b] = [0, 1].map(|node| now[node].since(&self.links[node]));
        self.links = now;
        let (at_sender, at_receiver) = (self.sender.take(), self.receiver.take());
        let out = |point: ObservationPoint| point.output == InterfaceClass::Uplink;
        let into = |point: ObservationPoint| point.input == InterfaceClass::Uplink;
        let ends = [client(&self.cluster), server(&self.cluster)].map(|end| end.address(family));
        assert!(
            a.tx_ip_bytes() > sent.payload_bytes,
            "{case}: nothing was sent"
        );
        for drained in [&at_sender, &at_receiver] {
            assert_only_between(drained, ends, (protocol, family), &case);
        }
        // What arrived is what the other node sent: a veth with receive offload counts what it has
        // received without link layer.
        let sides = [
            ("a to b, leaving a", seen_at(&at_sender, out), sent_by(&a)),
            (
                "a to b, arriving at b",
                seen_at(&at_receiver, into),
                sent_by(&a),
            ),
            ("b to a, leaving b", seen_at(&at_receiver, out), sent_by(&b)),
            (
                "b to a, arriving at a",
                seen_at(&at_sender, into),
                sent_by(&b),
            ),
        ];
        assert_eq!(
            (a.dropped, b.dropped),
            (0, 0),
            "{case}: the uplinks dropped packets"
        );
        for (side, counted, wire) in sides {
            assert_eq!(counted, wire, "{case}: {side}");
        }
        let (_, counted, wire) = sides[0];
        self.row(name, family, counted, wire);
    }

    fn row(&mut self, name: &str, family: Family, counted: FlowCounters, wire: FlowCounters) {
        let Self { what, table, .. } = self;
        writeln!(
            table,
            "| {name} | {} | {what} | {} | {} | {} | {} |",
            family.as_str(),
            wire.bytes,
            counted.bytes,
            wire.packets,
            counted.packets
        )
        .expect("a string takes everything");
    }

    /// Leaves what was measured where it is asked for.
    fn leave(self, name: &str) {
        if let Some(dir) = std::env::var_os("ACCURACY_DIR") {
            let path = std::path::Path::new(&dir).join(format!("{name}.rows"));
            std::fs::write(path, self.table).expect("ACCURACY_DIR is a directory to write to");
        }
    }
}

/// The counters of both uplinks, once nothing is on its way.
fn uplinks(cluster: &Cluster) -> [LinkCounters; 2] {
    cluster.settled_uplink("node-a").unwrap();
    ["node-a", "node-b"].map(|node| cluster.node(node).uplink().unwrap())
}

/// Counts forwarded packets of more bytes than an IP header can say.
const COUNT_LARGE: &str = "table inet large {
    counter above { }
    chain forward {
        type filter hook forward priority 0;
        meta length > 65536 counter name above
    }
}
";

/// How many [`COUNT_LARGE`] has counted.
fn packets_above_64_kib_at(netns: &Netns) -> u64 {
    let mut command = netns.command("nft");
    let output = command
        .args(["list", "counter", "inet", "large", "above"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let number = text
        .split("packets ")
        .filter_map(|rest| rest.split(' ').next()?.parse().ok());
    number
        .last()
        .unwrap_or_else(|| panic!("no counter: {text}"))
}

/// Every record is of the test: between these two, and of this protocol (or what the network says
/// of it: too big). What is left out is what went into tunnels or came out of them.
fn assert_only_between(drained: &Drained, ends: [IpAddr; 2], kind: (Protocol, Family), case: &str) {
    let protocol = match kind {
        (Protocol::ICMP, Family::Ipv6) => Protocol::ICMPV6,
        (protocol, _) => protocol,
    };
    assert_eq!(drained.totals, [], "{case}");
    assert!(
        drained
            .skipped
            .iter()
            .all(|skipped| skipped.reason == SkipReason::Encapsulated),
        "{case}: {:?}",
        drained.skipped
    );
    for record in &drained.records {
        let key = &record.key;
        assert!(
            ends.contains(&key.source) && ends.contains(&key.destination),
            "{case}: a stranger on the uplink: {record:?}"
        );
        assert_eq!(
            key.transport.map(|transport| transport.protocol),
            Some(protocol),
            "{case}"
        );
    }
}

/// Every cell over one kind of network.
fn every_cell(name: &str, overlay: Option<Overlay>) {
    let mut rows = String::new();
    for segmentation in [Segmentation::Offloaded, Segmentation::Off] {
        for conntrack in [false, true] {
            let offload = if segmentation == Segmentation::Off {
                "off"
            } else {
                "on"
            };
            let tracking = if conntrack { "on" } else { "off" };
            let mut bench = Bench::new(
                format!("{name}, segmentation offload {offload}, connection tracking {tracking}"),
                |node| if conntrack { node.conntrack() } else { node },
                |pod| pod.segmentation(segmentation),
                overlay,
            );
            for family in Family::ALL {
                for kind in KINDS {
                    bench.measure(kind, family);
                }
            }
            rows += &bench.table;
            bench.table.clone_from(&rows);
            bench.leave(&name.replace(' ', "-"));
        }
    }
}

#[test]
fn pods_of_two_nodes() {
    every_cell("plain", None);
}

#[test]
fn pods_of_two_nodes_through_tunnels_that_leave_checksums_to_the_uplink() {
    every_cell(
        "vxlan with checksum offload",
        Some(Overlay::vxlan().port(8472)),
    );
}

#[test]
fn pods_of_two_nodes_through_tunnels_that_make_checksums_themselves() {
    every_cell(
        "vxlan without checksum offload",
        Some(Overlay::vxlan().checksum_offload(false)),
    );
}

#[test]
fn packets_above_64_kib() {
    let mut bench = Bench::new(
        "packets up to 180 kB in the pod".to_owned(),
        |node| node.big_tcp(180_000),
        |pod| pod.big_tcp(180_000),
        None,
    );
    let mut so_far = 0;
    bench
        .cluster
        .node("node-a")
        .netns()
        .tool(&["nft", "-f", "-"], COUNT_LARGE)
        .unwrap();
    for family in Family::ALL {
        bench.measure(TCP_LONG, family);
        let large = packets_above_64_kib_at(bench.cluster.node("node-a").netns());
        assert!(large > so_far, "none was above 64 KiB");
        so_far = large;
    }
    bench.leave("big-tcp");
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
    let mut rows = String::new();
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
                bench.measure(kind, Family::Ipv4);
            }
            rows += &bench.table;
            bench.table.clone_from(&rows);
            bench.leave("mtu");
        }
    }
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
    let mut rows = String::new();
    for (name, settings) in aggregations {
        let mut bench = Bench::new(name.to_owned(), |node| node, |pod| pod, None);
        for node in ["node-a", "node-b"] {
            let command = [&["ethtool", "-K", "eth0"], settings].concat();
            bench.cluster.node(node).netns().tool(&command, "").unwrap();
        }
        for family in Family::ALL {
            for kind in [TCP_BULK, TCP_REQUESTS, UDP_SMALL, UDP_GSO] {
                bench.measure(kind, family);
            }
        }
        rows += &bench.table;
        bench.table.clone_from(&rows);
        bench.leave("receive-offload");
    }
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
    let mut rows = String::new();
    for (name, pod_path, overlay, kinds) in cases {
        let pod = |pod: PodSpec| match pod_path {
            Some(mtu) => pod.path_mtu(mtu),
            None => pod,
        };
        let mut bench = Bench::new(name.to_owned(), node, pod, overlay);
        for kind in kinds {
            bench.measure(*kind, Family::Ipv4);
        }
        rows += &bench.table;
        bench.table.clone_from(&rows);
        bench.leave("segments-above-path-mtu");
    }
}
