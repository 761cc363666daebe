//! The cluster as a YAML file tells it, for where there is no Kubernetes.
//!
//! [`load`] reads and checks a file; [`FileWatch`] gives it to a [`Topology`] and follows its
//! changes. docs/topology-file.md describes the file.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use kubezonnet_model::Timestamp;
use nix::fcntl::OFlag;

use crate::{FailureReason, NodeState, PodState, Topology};

mod document;
mod watch;

pub use watch::FileWatch;

/// The largest file that is read: 50,000 pods are about 10 MiB.
const MAX_BYTES: u64 = 64 << 20;

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
    /// It is a directory, a pipe, a device: nothing that has an end and can be read again.
    #[error("cannot read topology file {path}: it is no regular file")]
    NotRegular {
        /// What was to be the file.
        path: PathBuf,
    },
    /// It is larger than any cluster.
    #[error("cannot read topology file {path}: it has more than {} MiB", MAX_BYTES >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
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
            Self::Unreadable { .. } | Self::NotRegular { .. } | Self::TooLarge { .. } => {
                FailureReason::Unreadable
            }
            Self::Invalid { .. } => FailureReason::Invalid,
        }
    }
}

/// Reads and checks a file.
///
/// # Errors
///
/// [`FileError`] if the file cannot be read, is no regular file, has more than 64 MiB, is no YAML of
/// this form, or contradicts itself: an unknown node, a name or address twice, an address that is
/// none, a name or zone that is empty, the namespace that stands for nodes in metrics.
pub fn load(path: &Path) -> Result<FileView, FileError> {
    parse(path, &read(path)?)
}

/// Reads a file, and never waits for one that has nothing to say yet.
fn read(path: &Path) -> Result<String, FileError> {
    let unreadable = |source| FileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    // To open a pipe without a writer would wait for one. A regular file does not care.
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits() | OFlag::O_NOCTTY.bits());
    let file = options.open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(FileError::NotRegular {
            path: path.to_owned(),
        });
    }
    let mut text = String::new();
    // Files under /proc and ones that grow have more to read than they tell.
    let bytes = file
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if bytes as u64 > MAX_BYTES {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

fn parse(path: &Path, text: &str) -> Result<FileView, FileError> {
    document::parse(text).map_err(|problem| FileError::Invalid {
        path: path.to_owned(),
        problem,
    })
}

#[cfg(fuzzing)]
pub(crate) fn parse_text(text: &str) -> Result<FileView, Problem> {
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
