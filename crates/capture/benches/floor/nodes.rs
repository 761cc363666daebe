//! Two nodes with a pod each, and datagrams from one to the other.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};

use kubezonnet_capture::{Capture, Config};
use kubezonnet_model::{Family, InterfaceClass};
use kubezonnet_testkit::{Cluster, ClusterNode, NodeSpec, Place, PodSpec, Segmentation};

use crate::Outcome;

/// Payload of a small datagram.
const PAYLOAD: [u8; 64] = [7; 64];

/// The port of the pod that receives.
pub(crate) const PORT: u16 = 8080;

/// Pods whose TCP leaves in packets of MTU size, not in large ones that are cut later.
pub(crate) fn cluster() -> Outcome<Cluster> {
    let pod = |name| PodSpec::new("bench", name).segmentation(Segmentation::Off);
    Ok(Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .node(NodeSpec::new("node-b"))
        .pod("node-a", pod("client"))
        .pod("node-b", pod("server"))
        .build()?)
}

/// Attaches the product in a node.
pub(crate) fn attach(node: &ClusterNode, config: &Config) -> Outcome<Capture> {
    let attached = node.netns().run(|| -> Outcome<Capture> {
        let class = |name: &str| match name {
            "lo" => InterfaceClass::Loopback,
            "eth0" => InterfaceClass::Uplink,
            _ => InterfaceClass::Pod,
        };
        let interfaces: BTreeMap<_, _> = nix::net::if_::if_nameindex()?
            .iter()
            .map(|each| (each.index(), class(&each.name().to_string_lossy())))
            .collect();
        Ok(Capture::attach(config, &interfaces)?)
    });
    attached?
}

/// A pod that sends small datagrams, and one that has a socket for them and does not read.
pub(crate) struct Flood {
    from: UdpSocket,
    to: SocketAddr,
    _sink: UdpSocket,
}

impl Flood {
    pub(crate) fn between(cluster: &Cluster, family: Family) -> Outcome<Self> {
        let (client, server) = (cluster.pod("bench/client"), cluster.pod("bench/server"));
        let to = SocketAddr::new(server.address(family), PORT);
        // What finds the queue full is dropped in silence, long after the hooks.
        let sink = server.netns().run(|| UdpSocket::bind(to))??;
        let from = SocketAddr::new(client.address(family), 40_000);
        let from = client.netns().run(|| UdpSocket::bind(from))??;
        Ok(Self {
            from,
            to,
            _sink: sink,
        })
    }

    /// Sends datagrams to the one port. On veth the sender's processor carries each of them all the
    /// way, so that sending takes as long as the way does.
    pub(crate) fn send(&self, datagrams: u32) -> Outcome {
        for _ in 0..datagrams {
            self.from.send_to(&PAYLOAD, self.to)?;
        }
        Ok(())
    }

    /// Sends one datagram to each port from 1 on; nobody listens there.
    pub(crate) fn scatter(&self, ports: u16) -> Outcome {
        for port in 1..=ports {
            let to = SocketAddr::new(self.to.ip(), port);
            // A refusal of an earlier one may be told at any later one, and takes its place.
            while let Err(error) = self.from.send_to(&PAYLOAD, to) {
                if error.kind() != io::ErrorKind::ConnectionRefused {
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }
}
