//! The cluster as a YAML file tells it, for where there is no Kubernetes.
//!
//! [`load`] reads and checks a file; [`FileWatch`] gives it to a [`Topology`] and follows its
//! changes. docs/topology-file.md describes the file.

use std::io;
use std::path::{Path, PathBuf};

use kubezonnet_model::Timestamp;

use crate::{FailureReason, NodeState, PodState, Topology};

mod document;
mod watch;

pub use watch::FileWatch;

/// A file as it was read: whole and without contradictions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileView {
    /// Its nodes.
    pub nodes: Vec<NodeState>,
    /// Its pods.
    pub pods: Vec<PodState>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read topology file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It says something that cannot be.
    #[error("topology file {}{}: {}", .path.display(), Line(.problem.line), .problem.message)]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        problem: Problem,
    },
}

/// What is wrong with the text of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1, where it is known.
    pub line: Option<u64>,
    /// What is wrong, in one line.
    pub message: String,
}

struct Line(Option<u64>);

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(line) => write!(f, ", line {line}"),
            None => Ok(()),
        }
    }
}

impl FileError {
    fn reason(&self) -> FailureReason {
        match self {
            Self::Unreadable { .. } => FailureReason::Unreadable,
            Self::Invalid { .. } => FailureReason::Invalid,
        }
    }
}

/// Reads and checks a file.
///
/// # Errors
///
/// [`FileError`] if the file cannot be read, is no YAML of this form, or contradicts itself: an
/// unknown node, a name or address twice, an address that is none, a name or zone that is empty, the
/// namespace that stands for nodes in metrics.
pub fn load(path: &Path) -> Result<FileView, FileError> {
    let text = std::fs::read_to_string(path).map_err(|source| FileError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    document::parse(&text).map_err(|problem| FileError::Invalid {
        path: path.to_owned(),
        problem,
    })
}

impl FileView {
    /// Makes the topology what the file says: what it no longer has ends now.
    pub fn give_to(self, topology: &Topology, now: Timestamp) {
        let mut index = topology.write();
        index.reset_nodes(self.nodes, now);
        index.reset_pods(self.pods, now);
    }
}
