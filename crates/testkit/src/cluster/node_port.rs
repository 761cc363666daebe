//! A port of a node that leads to a pod on another one, as a service of type NodePort does.
//!
//! With the traffic policy `Cluster`, the node sends what comes on to the pod, and puts its own
//! address in place of the client's, so that answers come back by it. Neither end is on it.

use std::net::{IpAddr, SocketAddr};

use kubezonnet_model::Family;

use super::{Cluster, ClusterNode, ClusterPod, Place};
use crate::{Error, Netns};

/// A port of a node, made by [`Cluster::node_port`].
///
/// As a [`Place`] to send to it is the pod, reached through the node: by TCP and UDP. Echo requests
/// and other protocols know no ports and go to the pod itself.
#[derive(Debug, Clone, Copy)]
pub struct NodePort<'a> {
    node: &'a ClusterNode,
    pod: &'a ClusterPod,
    front: u16,
    target: u16,
}

impl Cluster {
    /// Opens a port of a node: connections and datagrams to it, of either family, go to a port of
    /// a pod, with the node's address as their source.
    ///
    /// # Errors
    ///
    /// If the rules cannot be set.
    ///
    /// # Panics
    ///
    /// If there is no such node or pod.
    pub fn node_port(
        &self,
        node: &str,
        node_port: u16,
        pod: &str,
        target_port: u16,
    ) -> Result<NodePort<'_>, Error> {
        let opened = NodePort {
            node: self.node(node),
            pod: self.pod(pod),
            front: node_port,
            target: target_port,
        };
        opened
            .node
            .netns
            .tool(&["nft", "-f", "-"], &opened.rules())?;
        Ok(opened)
    }
}

impl NodePort<'_> {
    /// What clients connect to.
    pub fn socket(&self, family: Family) -> SocketAddr {
        SocketAddr::new(self.node.address(family), self.front)
    }

    /// The rules, which add to those of other ports. Clients on the node itself are in the output
    /// chain.
    fn rules(&self) -> String {
        let rules = Family::ALL.map(|family| {
            let ip = match family {
                Family::Ipv4 => "ip",
                Family::Ipv6 => "ip6",
            };
            let (node, pod) = (self.node.address(family), self.pod.address(family));
            let to = SocketAddr::new(pod, self.target);
            let (from, target) = (self.front, self.target);
            ["tcp", "udp"].map(|protocol| {
                let there = format!("{ip} daddr {node} {protocol} dport {from} dnat {ip} to {to}");
                let back =
                    format!("ct status dnat {ip} daddr {pod} {protocol} dport {target} masquerade");
                (there, back)
            })
        });
        let (there, back): (Vec<_>, Vec<_>) = rules.into_iter().flatten().unzip();
        let (there, back) = (there.join("\n"), back.join("\n"));
        format!(
            "table inet testkit-node-ports {{
                chain prerouting {{ type nat hook prerouting priority dstnat;\n{there}\n}}
                chain output {{ type nat hook output priority -100;\n{there}\n}}
                chain postrouting {{ type nat hook postrouting priority srcnat;\n{back}\n}}
            }}"
        )
    }
}

impl Place for NodePort<'_> {
    fn netns(&self) -> &Netns {
        &self.pod.netns
    }

    fn address(&self, family: Family) -> IpAddr {
        self.pod.address(family)
    }

    fn port(&self) -> u16 {
        self.target
    }

    fn reached_at(&self, socket: SocketAddr) -> SocketAddr {
        self.socket(Family::of(&socket.ip()))
    }
}
