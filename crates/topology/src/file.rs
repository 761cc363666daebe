//! The cluster as a YAML file tells it, for where there is no Kubernetes.
//!
//! [`load`] reads and checks a file; [`FileWatch`] gives it to a [`Topology`] and follows its
//! changes. docs/topology-file.md describes the file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use kubezonnet_model::{Namespace, Timestamp};

use crate::yaml::Form;
use crate::{
    EndpointSliceState, FileError, NamespaceState, NodeState, PodState, ServiceState, Topology,
    TopologyIndex,
};

mod document;
mod watch;

pub use watch::FileWatch;

const FORM: Form<FileView> = Form {
    what: "topology file",
    parse: document::parse,
};

/// A file as it was read: whole and without contradictions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileView {
    /// Its nodes.
    pub nodes: Vec<NodeState>,
    /// Its pods, without the values of labels: which are kept, the topology says.
    pub pods: Vec<PodState>,
    /// The labels of its pods, by uid.
    pub labels: HashMap<String, Labels>,
    /// Its namespaces and their labels.
    pub namespaces: Vec<(Namespace, Labels)>,
    /// Its Services.
    pub services: Vec<ServiceState>,
    /// Their endpoints.
    pub endpoints: Vec<EndpointSliceState>,
}

/// Labels by key.
type Labels = BTreeMap<String, String>;

/// Reads and checks a file.
///
/// # Errors
///
/// [`FileError`] if the file cannot be read, is no regular file, has more than 64 MiB, is no YAML of
/// this form, or contradicts itself: an unknown node, a name or address twice, an address that is
/// none, a name or zone that is empty, the namespace that stands for nodes in metrics.
pub fn load(path: &Path) -> Result<FileView, FileError> {
    FORM.load(path)
}

#[cfg(fuzzing)]
pub(crate) fn parse_text(text: &str) -> Result<FileView, crate::Problem> {
    document::parse(text)
}

impl FileView {
    /// Makes the topology what the file says: what it no longer has ends now. It is told one thing at
    /// a time, as Kubernetes' watches tell it: nobody who reads waits for the whole file.
    pub fn give_to(self, topology: &Topology, now: Timestamp) {
        let kept = topology.labels();
        topology.tell(|index| index.begin_nodes(now));
        for node in self.nodes {
            topology.tell(|index| index.apply_node(node, now));
        }
        topology.tell(TopologyIndex::end_nodes);
        topology.tell(|index| index.begin_namespaces(now));
        for (name, labels) in self.namespaces {
            let labels = kept.values(Some(&labels));
            topology.tell(|index| index.apply_namespace_later(NamespaceState { name, labels }));
        }
        topology.tell(TopologyIndex::end_namespaces);
        topology.tell(|index| index.begin_pods(now));
        for pod in self.pods {
            let labels = kept.values(self.labels.get(&pod.uid));
            topology.tell(|index| index.apply_pod(PodState { labels, ..pod }, now));
        }
        topology.tell(TopologyIndex::end_pods_later);
        topology.tell(|index| index.begin_services(now));
        for service in self.services {
            topology.tell(|index| index.apply_service(service));
        }
        topology.tell(TopologyIndex::end_services);
        topology.tell(|index| index.begin_endpoints(now));
        for endpoints in self.endpoints {
            topology.tell(|index| index.apply_endpoints(endpoints));
        }
        topology.tell(TopologyIndex::end_endpoints);
    }
}

#[cfg(test)]
mod tests;
