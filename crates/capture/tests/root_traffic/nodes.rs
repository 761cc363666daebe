//! Nodes of a test cluster that count, and sums over what they counted.

use std::collections::BTreeMap;
use std::time::Instant;

use kubezonnet_capture::{Capture, CaptureError, Config, Drained, Tunnel};
use kubezonnet_model::{FlowCounters, InterfaceClass, ObservationPoint};
use kubezonnet_testkit::{Cluster, LinkCounters, Netns, Place};

/// Programs that are attached in a node's namespace.
pub(crate) struct CapturingNode {
    capture: Capture,
}

impl CapturingNode {
    pub(crate) fn attach(cluster: &Cluster, node: &str, config: &Config) -> Self {
        Self::try_attach(cluster, node, config).expect("the programs attach")
    }

    /// As an agent that was never told of the node's interfaces.
    pub(crate) fn attach_without_interfaces(cluster: &Cluster, node: &str) -> Self {
        let netns = cluster.node(node).netns();
        let capture = netns.run(|| Capture::attach(&Config::default(), &BTreeMap::new()));
        Self {
            capture: capture
                .expect("the namespace is there")
                .expect("the programs attach"),
        }
    }

    pub(crate) fn try_attach(
        cluster: &Cluster,
        node: &str,
        config: &Config,
    ) -> Result<Self, CaptureError> {
        let netns = cluster.node(node).netns();
        let capture = netns.run(|| Capture::attach(config, &interfaces(netns)));
        Ok(Self {
            capture: capture.expect("the namespace is there")?,
        })
    }

    /// As an agent whose node's tunnels change.
    pub(crate) fn tell_tunnel_ports(&mut self, ports: &BTreeMap<u16, Tunnel>) {
        let told = self.capture.set_tunnel_ports(ports);
        told.expect("the programs are told");
    }

    /// The priority at the first hook.
    pub(crate) fn first_priority(&self) -> i32 {
        self.capture.attached()[0].priority
    }

    /// Where the window begins.
    pub(crate) fn opened(&self) -> Instant {
        self.capture.progress().opened
    }

    /// Closes the window, empties it, and returns what was in it.
    pub(crate) fn take(&mut self) -> Drained {
        let drained = self.capture.close_window().expect("the window closes");
        self.capture
            .clear_closed(None)
            .expect("the window is emptied");
        drained
    }
}

/// The classes of a test node's interfaces, which are known by their names.
fn interfaces(netns: &Netns) -> BTreeMap<u32, InterfaceClass> {
    let class = |name: &str| match name {
        "lo" => InterfaceClass::Loopback,
        "eth0" => InterfaceClass::Uplink,
        tunnel if tunnel.starts_with("vxlan") || tunnel.starts_with("wg") => InterfaceClass::Tunnel,
        _ => InterfaceClass::Pod,
    };
    let classes = netns.run(|| {
        let interfaces = nix::net::if_::if_nameindex().expect("interfaces are listed");
        let of = |interface: &nix::net::if_::Interface| {
            (
                interface.index(),
                class(&interface.name().to_string_lossy()),
            )
        };
        interfaces.iter().map(of).collect()
    });
    classes.expect("the namespace is there")
}

/// The sum over everything that was seen at points that `matches`.
pub(crate) fn seen_at(
    drained: &Drained,
    matches: impl Fn(ObservationPoint) -> bool,
) -> FlowCounters {
    let records = drained
        .records
        .iter()
        .map(|record| (record.key.point, record.counters));
    let totals = drained
        .totals
        .iter()
        .map(|total| (total.point, total.counters));
    let all = records.chain(totals).filter(|(point, _)| matches(*point));
    all.map(|(_, counters)| counters).sum()
}

pub(crate) fn sent_by(link: &LinkCounters) -> FlowCounters {
    FlowCounters {
        bytes: link.tx_ip_bytes(),
        packets: link.tx_packets,
    }
}

pub(crate) fn received_by(link: &LinkCounters) -> FlowCounters {
    FlowCounters {
        bytes: link.rx_ip_bytes(),
        packets: link.rx_packets,
    }
}
