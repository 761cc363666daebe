//! The cluster as a YAML file tells it, for where there is no Kubernetes.
//!
//! [`load`] reads and checks a file; [`FileWatch`] gives it to a [`Topology`] and follows its
//! changes. docs/topology-file.md describes the file.

use std::path::Path;

use kubezonnet_model::Timestamp;

use crate::yaml::Form;
use crate::{FileError, NodeState, PodState, Topology};

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
    /// Its pods.
    pub pods: Vec<PodState>,
}

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
        let mut index = topology.write();
        index.reset_nodes(self.nodes, now);
        index.reset_pods(self.pods, now);
    }
}
