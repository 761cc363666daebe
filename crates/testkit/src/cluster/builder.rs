//! Describes a cluster, checks that the description makes sense, and has it built.

use kubezonnet_model::PodUid;

use super::overlay::Overlay;
use super::spec::{NodeSpec, PodSpec};
use super::{Cluster, ClusterNode, ClusterPod, Fabric, HostPod, build, plan};
use crate::{Error, Netns, Run};

/// Describes a [`Cluster`] to be built.
#[derive(Debug, Default)]
pub struct ClusterBuilder {
    nodes: Vec<NodeSpec>,
    pods: Vec<(String, PodSpec)>,
    host_pods: Vec<(String, PodSpec)>,
    overlay: Option<Overlay>,
}

impl ClusterBuilder {
    /// Adds a node.
    pub fn node(mut self, node: NodeSpec) -> Self {
        self.nodes.push(node);
        self
    }

    /// Adds a pod to the node of this name.
    pub fn pod(mut self, node: impl Into<String>, pod: PodSpec) -> Self {
        self.pods.push((node.into(), pod));
        self
    }

    /// Adds a pod that shares the network of the node of this name. Nothing is built for it: what is
    /// sent from its control group is its own.
    pub fn host_pod(mut self, node: impl Into<String>, pod: PodSpec) -> Self {
        self.host_pods.push((node.into(), pod));
        self
    }

    /// Lets the pods of different nodes reach each other through tunnels.
    pub fn overlay(mut self, overlay: Overlay) -> Self {
        self.overlay = Some(overlay);
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`Error::NotRoot`], [`Error::MissingTool`], [`Error::Invalid`] if names repeat or a pod's
    /// node is not there, and what the tools say. Nothing is left behind then.
    pub fn build(self) -> Result<Cluster, Error> {
        let run = Run::begin()?;
        let netns = |name: String| Netns::named(format!("{}-{name}", run.id()));
        let mut nodes: Vec<ClusterNode> = Vec::new();
        for (number, spec) in (1..).zip(self.nodes) {
            if usize::from(number) > plan::MAX_NODES {
                return Err(Error::Invalid(format!(
                    "more than {} nodes",
                    plan::MAX_NODES
                )));
            }
            if nodes.iter().any(|node| node.spec.name == spec.name) {
                return Err(Error::Invalid(format!(
                    "two nodes are called {}",
                    spec.name
                )));
            }
            let netns = netns(format!("node-{}", spec.name));
            nodes.push(ClusterNode {
                netns,
                number,
                spec,
            });
        }
        let mut pods: Vec<ClusterPod> = Vec::new();
        for (node_name, spec) in self.pods {
            let key = spec.key();
            let Some(node) = nodes.iter().find(|node| node.spec.name == node_name) else {
                return Err(Error::Invalid(format!(
                    "pod {key} is on {node_name}, which is no node"
                )));
            };
            if pods.iter().any(|pod| pod.spec.key() == key) {
                return Err(Error::Invalid(format!("two pods are called {key}")));
            }
            let before = pods.iter().filter(|pod| pod.node == node.number).count();
            let number = u8::try_from(before + 1)
                .ok()
                .filter(|number| usize::from(*number) <= plan::MAX_PODS)
                .ok_or_else(|| {
                    Error::Invalid(format!("more than {} pods on {node_name}", plan::MAX_PODS))
                })?;
            let netns = netns(format!("pod-{}-{}", spec.namespace, spec.name));
            pods.push(ClusterPod {
                netns,
                node: node.number,
                number,
                node_name,
                spec,
            });
        }
        let host_pods = (1..)
            .zip(self.host_pods)
            .map(|(number, (node, spec))| HostPod {
                node,
                spec,
                uid: PodUid([number; 16]),
            });
        let host_pods = host_pods.collect();
        let fabric = Fabric {
            netns: netns("fabric".to_owned()),
        };
        let cluster = Cluster {
            nodes,
            pods,
            host_pods,
            fabric,
            overlay: self.overlay,
            run,
        };
        build::build(&cluster)?;
        Ok(cluster)
    }
}
