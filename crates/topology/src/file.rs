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
    /// Makes the topology what the file says: what it no longer has ends now.
    pub fn give_to(self, topology: &Topology, now: Timestamp) {
        let kept = topology.labels();
        let mut index = topology.write();
        index.reset_nodes(self.nodes, now);
        index.begin_namespaces(now);
        for (name, labels) in &self.namespaces {
            index.apply_namespace(NamespaceState {
                name: name.clone(),
                labels: kept.values(Some(labels)),
            });
        }
        index.end_namespaces();
        let labels = self.labels;
        let pods = self.pods.into_iter().map(|pod| PodState {
            labels: kept.values(labels.get(&pod.uid)),
            ..pod
        });
        index.reset_pods(pods, now);
        index.begin_services(now);
        index.begin_endpoints(now);
        for service in self.services {
            index.apply_service(service);
        }
        for endpoints in self.endpoints {
            index.apply_endpoints(endpoints);
        }
        index.end_services();
        index.end_endpoints();
    }
}

#[cfg(test)]
mod tests;
