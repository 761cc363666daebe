//! Two nodes that count, a pod on each, and what is between them held against the uplinks' counters.
//!
//! Segmentation is off at the uplinks, so that their counters tell what a wire carries. The
//! clusters are silent, so everything on an uplink belongs to the test; what does not is in the
//! drained window under a name of its own, and fails the test there.

use std::fmt;
use std::net::IpAddr;

use kubezonnet_capture::{Config, Drained, SeenFlow};
use kubezonnet_model::{
    Family, FlowCounters, InterfaceClass, ObservationPoint, Protocol, SkipReason,
};
use kubezonnet_testkit::traffic::Sent;
use kubezonnet_testkit::{
    Cluster, ClusterPod, ClusterStatistics, Error, LinkCounters, NodeSpec, Overlay, Place, PodSpec,
    require_root,
};

use crate::nodes::{CapturingNode, seen_at, sent_by};
use crate::page::{Cell, Section};

/// One kind of traffic: its name, its protocol, and how it is made.
pub(crate) type Kind = (
    &'static str,
    Protocol,
    fn(&Cluster, Family) -> Result<Sent, Error>,
);

/// What is measured, in words, and what the kernel has counted since: where packets were lost or
/// sent again, a message says so.
struct Case<'a> {
    name: String,
    cluster: &'a Cluster,
    before: ClusterStatistics,
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = self.cluster.statistics().unwrap().since(&self.before);
        write!(f, "{}\nthe kernel counted meanwhile:\n{counted}", self.name)
    }
}

pub(crate) const NODES: [&str; 2] = ["node-a", "node-b"];

pub(crate) fn client(cluster: &Cluster) -> &ClusterPod {
    cluster.pod("test/client")
}

pub(crate) fn server(cluster: &Cluster) -> &ClusterPod {
    cluster.pod("test/server")
}

/// A cluster of two nodes with a pod on each.
pub(crate) fn cluster(
    node: impl Fn(NodeSpec) -> NodeSpec,
    pod: impl Fn(PodSpec) -> PodSpec,
    overlay: Option<Overlay>,
) -> Cluster {
    require_root();
    let mut builder = Cluster::builder()
        .node(node(NodeSpec::new("node-a")))
        .node(node(NodeSpec::new("node-b")))
        .pod("node-a", pod(PodSpec::new("test", "client")))
        .pod("node-b", pod(PodSpec::new("test", "server")));
    if let Some(overlay) = overlay {
        builder = builder.overlay(overlay);
    }
    builder.build().expect("the cluster is built")
}

/// Such a cluster whose nodes count.
pub(crate) struct Bench {
    pub(crate) cluster: Cluster,
    sender: CapturingNode,
    receiver: CapturingNode,
    links: [LinkCounters; 2],
    /// What the cluster is, in words, for messages and the page.
    what: String,
    /// Bytes of each packet on the wire that are the nodes', not the pods'.
    nodes_share: u64,
}

impl Bench {
    pub(crate) fn new(
        what: String,
        node: impl Fn(NodeSpec) -> NodeSpec,
        pod: impl Fn(PodSpec) -> PodSpec,
        overlay: Option<Overlay>,
    ) -> Self {
        let configs = [Config::default(), Config::default()];
        Self::of(cluster(node, pod, overlay), what, &configs, 0)
    }

    pub(crate) fn of(
        cluster: Cluster,
        what: String,
        configs: &[Config; 2],
        nodes_share: u64,
    ) -> Self {
        let [sender, receiver] =
            [0, 1].map(|node| CapturingNode::attach(&cluster, NODES[node], &configs[node]));
        let links = uplinks(&cluster);
        Self {
            cluster,
            sender,
            receiver,
            links,
            what,
            nodes_share,
        }
    }

    /// Sends one kind of traffic and holds what was counted against what the uplinks carried.
    pub(crate) fn measure(&mut self, kind: Kind, family: Family, section: &mut Section) {
        let (name, protocol, traffic) = kind;
        let case = Case {
            name: format!("{name}, {}, {}", family.as_str(), self.what),
            cluster: &self.cluster,
            before: self.cluster.statistics().unwrap(),
        };

        let sent = traffic(&self.cluster, family);

        let sent = sent.unwrap_or_else(|error| panic!("{error}: {case}"));
        let now = uplinks(&self.cluster);
        let [a, b] = [0, 1].map(|node| now[node].since(&self.links[node]));
        self.links = now;
        let (at_sender, at_receiver) = (self.sender.take(), self.receiver.take());
        let out = |point: ObservationPoint| point.output == InterfaceClass::Uplink;
        let into = |point: ObservationPoint| point.input == InterfaceClass::Uplink;
        assert!(
            a.tx_ip_bytes() > sent.payload_bytes,
            "nothing was sent: {case}"
        );
        for drained in [&at_sender, &at_receiver] {
            self.assert_only_of_test(drained, (protocol, family), &case);
        }
        assert_eq!(
            (a.dropped, b.dropped),
            (0, 0),
            "the uplinks dropped packets: {case}"
        );
        // What arrived is what the other node sent: a veth with receive offload counts what it has
        // received without link layer.
        for (way, link, from, to) in [
            ("there", &a, &at_sender, &at_receiver),
            ("back", &b, &at_receiver, &at_sender),
        ] {
            let (wire, leaving, arriving) = (sent_by(link), seen_at(from, out), seen_at(to, into));
            assert_eq!(
                (leaving, arriving),
                (wire, wire),
                "{way}, counted leaving and arriving: {case}"
            );
            if wire == FlowCounters::ZERO {
                continue;
            }
            section.add(&Cell {
                traffic: name,
                family: family.as_str(),
                network: &self.what,
                way,
                wire: Some(wire),
                leaving: Some(leaving),
                arriving: Some(arriving),
            });
        }
    }

    /// Every record is of the test: between these two, and of this protocol (or what the network
    /// says of it: too big), but for the share of the nodes, which has no packets of its own. What
    /// is left out is what went into tunnels or came out of them.
    fn assert_only_of_test(&self, drained: &Drained, kind: (Protocol, Family), case: &Case<'_>) {
        let protocol = match kind {
            (Protocol::ICMP, Family::Ipv6) => Protocol::ICMPV6,
            (protocol, _) => protocol,
        };
        let pods = [client(&self.cluster), server(&self.cluster)];
        let pods: [IpAddr; 2] = pods.map(|end| end.address(kind.1));
        let (nodes, of_pods): (Vec<&SeenFlow>, Vec<&SeenFlow>) = drained
            .records
            .iter()
            .partition(|record| self.nodes_share > 0 && !pods.contains(&record.key.source));
        let skipped = &drained.skipped;
        assert_eq!(drained.totals, [], "{case}");
        assert!(
            skipped
                .iter()
                .all(|skipped| skipped.reason == SkipReason::Encapsulated),
            "{skipped:?}: {case}"
        );
        for record in &of_pods {
            let key = &record.key;
            assert!(
                pods.contains(&key.source) && pods.contains(&key.destination),
                "a stranger on the uplink: {record:?}: {case}"
            );
            assert_eq!(
                key.transport.map(|transport| transport.protocol),
                Some(protocol),
                "{case}"
            );
        }
        let sum = |records: &[&SeenFlow]| -> FlowCounters {
            records.iter().map(|record| record.counters).sum()
        };
        let share = FlowCounters {
            bytes: self.nodes_share * sum(&of_pods).packets,
            packets: 0,
        };
        assert_eq!(sum(&nodes), share, "what is the nodes': {case}");
    }
}

/// The counters of both uplinks, once nothing is on its way.
fn uplinks(cluster: &Cluster) -> [LinkCounters; 2] {
    cluster.settled_uplink("node-a").unwrap();
    NODES.map(|node| cluster.node(node).uplink().unwrap())
}
