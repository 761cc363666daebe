//! A cluster of network namespaces: nodes on a fabric, pods behind their nodes, IPv4 and IPv6.
//!
//! ```text
//!  pod eth0 ── veth ── podK ┐                                  ┌ podK ── veth ── eth0 pod
//!                           ├ node (routes) eth0 ── fabric ── eth0 node (routes) ┤
//!  pod eth0 ── veth ── podK ┘                  bridge br0      └ podK ── veth ── eth0 pod
//!                                   10.66.0.254, fd66::fe; the world outside behind it
//! ```
//!
//! Packets take the plain path from veth to veth, unless options send them another way: fragments
//! and BIG TCP ([`NodeSpec`], [`PodSpec`]), tunnels between the nodes ([`Overlay`]), bridges
//! instead of routes to the pods ([`NodeSpec::bridge`]), a node between client and pod
//! ([`Cluster::node_port`]).
//!
//! The addresses are those of a fixed plan (see `cluster/plan.rs`), and an idle cluster is silent
//! (see `cluster/build.rs`). All of it goes away with the [`Cluster`].
//!
//! ```no_run
//! use kubezonnet_testkit::{Cluster, NodeSpec, PodSpec, traffic};
//! use kubezonnet_model::Family;
//!
//! let cluster = Cluster::builder()
//!     .node(NodeSpec::new("node-a").zone("region-1", "zone-a"))
//!     .node(NodeSpec::new("node-b").zone("region-1", "zone-b"))
//!     .pod("node-a", PodSpec::new("shop", "web-0"))
//!     .pod("node-b", PodSpec::new("shop", "db-0").owner("StatefulSet", "db"))
//!     .build()?;
//! let sent = traffic::tcp_bulk(cluster.pod("shop/web-0"), cluster.pod("shop/db-0"), Family::Ipv6, 1 << 20)?;
//! let uplink = cluster.settled_uplink("node-a")?;
//! assert!(uplink.tx_ip_bytes() > sent.payload_bytes);
//! # Ok::<(), kubezonnet_testkit::Error>(())
//! ```

mod bridged;
mod build;
mod builder;
mod node_port;
mod overlay;
mod plan;
mod pod;
mod spec;
mod statistics;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use kubezonnet_model::{Family, PodUid};

pub use self::bridged::BridgeNetfilter;
pub use self::builder::ClusterBuilder;
pub use self::node_port::NodePort;
pub use self::overlay::Overlay;
pub(crate) use self::plan::{BRIDGE, UPLINK};
pub use self::spec::{NodeSpec, PodSpec, Segmentation};
pub use self::statistics::ClusterStatistics;
use crate::wait::wait_until_steady;
use crate::{Error, LinkCounters, Netns, Run};

/// How long an uplink must be silent to be called settled: longer than the 40 ms by which TCP
/// delays an acknowledgement, and than the 200 ms after which it sends again.
const SETTLED: Duration = Duration::from_millis(250);

/// The longest wait for that.
const SETTLE_DEADLINE: Duration = Duration::from_secs(20);

/// Somewhere that traffic comes from or goes to.
pub trait Place {
    /// The namespace to be in.
    fn netns(&self) -> &Netns;

    /// The address there.
    fn address(&self, family: Family) -> IpAddr;

    /// The port that sockets listen on there; 0 lets the system choose one.
    fn port(&self) -> u16 {
        0
    }

    /// What others connect to, to reach the socket that listens there on `socket`: the same,
    /// unless a service stands in front.
    fn reached_at(&self, socket: SocketAddr) -> SocketAddr {
        socket
    }
}

/// A cluster that runs. Dropping it removes all of it.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<ClusterNode>,
    pods: Vec<ClusterPod>,
    host_pods: Vec<HostPod>,
    fabric: Fabric,
    overlay: Option<Overlay>,
    run: Run,
}

/// A node of a [`Cluster`].
#[derive(Debug)]
pub struct ClusterNode {
    netns: Netns,
    number: u8,
    spec: NodeSpec,
}

/// A pod of a [`Cluster`].
#[derive(Debug)]
pub struct ClusterPod {
    netns: Netns,
    node: u8,
    number: u8,
    node_name: String,
    spec: PodSpec,
}

/// A pod that shares its node's network: what it sends is what sockets of its control group send.
#[derive(Debug)]
pub(crate) struct HostPod {
    pub(crate) node: String,
    pub(crate) spec: PodSpec,
    pub(crate) uid: PodUid,
}

/// What is between the nodes, and the way to the world outside. As a [`Place`] it is a host on
/// the internet.
#[derive(Debug)]
pub struct Fabric {
    netns: Netns,
}

impl Cluster {
    /// Describes a new one.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// Removes what clusters of dead processes left behind, and returns their ids.
    ///
    /// # Errors
    ///
    /// As [`Run::sweep`].
    pub fn sweep() -> Result<Vec<String>, Error> {
        Run::sweep()
    }

    /// The node of this name.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn node(&self, name: &str) -> &ClusterNode {
        let node = self.nodes.iter().find(|node| node.spec.name == name);
        node.unwrap_or_else(|| panic!("the cluster has no node {name}"))
    }

    /// The pod of this `namespace/name`.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn pod(&self, key: &str) -> &ClusterPod {
        let pod = self.pods.iter().find(|pod| pod.spec.key() == key);
        pod.unwrap_or_else(|| panic!("the cluster has no pod {key}"))
    }

    /// All nodes, as they were described.
    pub fn nodes(&self) -> &[ClusterNode] {
        &self.nodes
    }

    /// All pods, as they were described.
    pub fn pods(&self) -> &[ClusterPod] {
        &self.pods
    }

    /// The nodes that are of the cluster.
    pub fn members(&self) -> impl Iterator<Item = &ClusterNode> {
        self.nodes.iter().filter(|node| !node.spec.is_outside)
    }

    /// The uid of the pod of this `namespace/name` that shares its node's network.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn host_pod(&self, key: &str) -> PodUid {
        let pod = self.host_pods.iter().find(|pod| pod.spec.key() == key);
        let pod = pod.unwrap_or_else(|| panic!("the cluster has no pod {key} on a node's network"));
        pod.uid
    }

    pub(crate) fn host_pods(&self) -> &[HostPod] {
        &self.host_pods
    }

    /// What is between the nodes.
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// The run that owns the cluster: a directory for files, and the programs to end with it.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The counters of a node's uplink, once nothing is on its way any more on any uplink.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] if traffic still flows after 20 s.
    pub fn settled_uplink(&self, node: &str) -> Result<LinkCounters, Error> {
        let what = "silence on all uplinks";
        wait_until_steady(what, SETTLED, SETTLE_DEADLINE, || {
            self.nodes
                .iter()
                .map(ClusterNode::uplink)
                .collect::<Result<Vec<_>, _>>()
        })?;
        self.node(node).uplink()
    }
}

impl ClusterNode {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its zone.
    pub fn zone(&self) -> Option<&str> {
        self.spec.zone.as_deref()
    }

    /// Its region.
    pub fn region(&self) -> Option<&str> {
        self.spec.region.as_deref()
    }

    /// The counters of its uplink `eth0`, as they are now.
    ///
    /// # Errors
    ///
    /// If the namespace is gone.
    pub fn uplink(&self) -> Result<LinkCounters, Error> {
        self.netns.counters(plan::UPLINK)
    }
}

impl ClusterPod {
    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.spec.namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The name of the node it runs on.
    pub fn node(&self) -> &str {
        &self.node_name
    }

    /// Kind and name of the workload that owns it.
    pub fn owner(&self) -> Option<(&str, &str)> {
        self.spec
            .owner
            .as_ref()
            .map(|(kind, name)| (kind.as_str(), name.as_str()))
    }

    /// The name of its link at its node.
    pub fn link(&self) -> String {
        plan::pod_link(self.number)
    }
}

impl Fabric {
    /// The gateway's address on the fabric, which belongs to no node.
    pub fn gateway(&self, family: Family) -> IpAddr {
        plan::gateway_address(family)
    }

    /// The broadcast address of the nodes' network. Pods, which are in no network, have
    /// 255.255.255.255 only.
    pub fn broadcast(&self) -> IpAddr {
        plan::BROADCAST.into()
    }
}

impl<P: Place + ?Sized> Place for &P {
    fn netns(&self) -> &Netns {
        (**self).netns()
    }

    fn address(&self, family: Family) -> IpAddr {
        (**self).address(family)
    }

    fn port(&self) -> u16 {
        (**self).port()
    }

    fn reached_at(&self, socket: SocketAddr) -> SocketAddr {
        (**self).reached_at(socket)
    }
}

impl Place for ClusterNode {
    fn netns(&self) -> &Netns {
        &self.netns
    }

    fn address(&self, family: Family) -> IpAddr {
        plan::node_address(self.number, family)
    }
}

impl Place for ClusterPod {
    fn netns(&self) -> &Netns {
        &self.netns
    }

    fn address(&self, family: Family) -> IpAddr {
        plan::pod_address(self.node, self.number, family)
    }
}

impl Place for Fabric {
    fn netns(&self) -> &Netns {
        &self.netns
    }

    fn address(&self, family: Family) -> IpAddr {
        plan::outside_address(family)
    }
}
