//! What a cluster is to be: its nodes and pods and their options.

use super::bridged::BridgeNetfilter;

/// Whether a link takes packets larger than its MTU, to be cut into segments later (GSO).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segmentation {
    /// The link takes them whole, as a virtual link does by default.
    Offloaded,
    /// The kernel cuts them before the link, so that the link's counters count what a wire
    /// would carry.
    Off,
}

/// One node.
#[derive(Debug, Clone)]
pub struct NodeSpec {
    pub(crate) name: String,
    pub(crate) zone: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) mtu: u32,
    pub(crate) uplink: Segmentation,
    pub(crate) conntrack: bool,
    pub(crate) path_mtu: Option<u32>,
    pub(crate) big_tcp: Option<u32>,
    pub(crate) bridge: Option<BridgeNetfilter>,
    pub(crate) is_outside: bool,
}

impl NodeSpec {
    /// A node without zone, with an uplink of MTU 1500 and segmentation off, and no connection
    /// tracking.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            zone: None,
            region: None,
            mtu: 1500,
            uplink: Segmentation::Off,
            conntrack: false,
            path_mtu: None,
            big_tcp: None,
            bridge: None,
            is_outside: false,
        }
    }

    /// Makes it a host beside the cluster, like a database that the cloud runs: nobody tells of it,
    /// and no agent runs there.
    pub fn outside(mut self) -> Self {
        self.is_outside = true;
        self
    }

    /// Puts it into a zone of a region.
    pub fn zone(mut self, region: impl Into<String>, zone: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self.zone = Some(zone.into());
        self
    }

    /// Sets the MTU of its uplink.
    pub fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = mtu;
        self
    }

    /// Says whether its uplink takes large packets whole.
    pub fn uplink(mut self, segmentation: Segmentation) -> Self {
        self.uplink = segmentation;
        self
    }

    /// Tracks connections, which also puts fragments together before they are forwarded.
    pub fn conntrack(mut self) -> Self {
        self.conntrack = true;
        self
    }

    /// Makes its pods ports of a bridge `cni0`, instead of routing to each of them.
    pub fn bridge(mut self, netfilter: BridgeNetfilter) -> Self {
        self.bridge = Some(netfilter);
        self
    }

    /// Says that what leaves by its uplink meets a smaller MTU further on, which its routes know.
    /// The node then fragments IPv4 packets that are larger and may be fragmented, and refuses
    /// all others that are, with a message to the sender.
    pub fn path_mtu(mut self, mtu: u32) -> Self {
        self.path_mtu = Some(mtu);
        self
    }

    /// Lets packets be so large on its uplink before they are cut: at most 524,280 bytes. An
    /// uplink with segmentation off still carries segments only.
    pub fn big_tcp(mut self, bytes: u32) -> Self {
        self.big_tcp = Some(bytes);
        self
    }
}

/// One pod.
#[derive(Debug, Clone)]
pub struct PodSpec {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) owner: Option<(String, String)>,
    pub(crate) mtu: Option<u32>,
    pub(crate) segmentation: Segmentation,
    pub(crate) path_mtu: Option<u32>,
    pub(crate) big_tcp: Option<u32>,
}

impl PodSpec {
    /// A pod that nothing owns, with segmentation offloaded.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            owner: None,
            mtu: None,
            segmentation: Segmentation::Offloaded,
            path_mtu: None,
            big_tcp: None,
        }
    }

    /// Names the workload that owns it, such as `("StatefulSet", "postgres")`.
    pub fn owner(mut self, kind: impl Into<String>, name: impl Into<String>) -> Self {
        self.owner = Some((kind.into(), name.into()));
        self
    }

    /// Sets the MTU of its link. If nothing does, it is 1500, or what an overlay leaves of its
    /// node's.
    pub fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// Says whether its link takes large packets whole.
    pub fn segmentation(mut self, segmentation: Segmentation) -> Self {
        self.segmentation = segmentation;
        self
    }

    /// Says that what it sends meets a smaller MTU on the way, which its routes know: it makes no
    /// larger packets, and nodes may fragment its IPv4 packets further.
    pub fn path_mtu(mut self, mtu: u32) -> Self {
        self.path_mtu = Some(mtu);
        self
    }

    /// Lets packets be so large on its link, at both ends, before they are cut: at most 524,280
    /// bytes. What is larger than 65,536 is BIG TCP, which IP headers have no length for.
    ///
    /// Such packets of IPv6 have a header of 8 bytes more, and nodes refuse them if a segment and
    /// that are larger than the MTU: unless another one is set, the pod's path MTU for IPv6 is 8
    /// below the MTU of its link.
    pub fn big_tcp(mut self, bytes: u32) -> Self {
        self.big_tcp = Some(bytes);
        self
    }

    /// `namespace/name`.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}
