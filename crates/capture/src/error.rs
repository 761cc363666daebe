//! Why packets cannot be counted, or the counts not be read.

use std::io;
use std::path::{Path, PathBuf};

use kubezonnet_model::{Family, Hook};

use crate::abi::Undecodable;

/// Why packets cannot be counted, or the counts not be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The kernel does not take the programs or maps.
    #[error("the kernel refused the BPF programs (RUST_LOG=libbpf=debug shows what it said)")]
    Load(#[source] libbpf_rs::Error),
    /// The kernel does not take the hook.
    #[error("cannot attach to {} for {}", hook.as_str(), family.as_str())]
    Attach {
        /// The hook.
        hook: Hook,
        /// The address family.
        family: Family,
        /// What the kernel said.
        #[source]
        source: libbpf_rs::Error,
    },
    /// Something else is attached at each priority that would do.
    #[error(
        "every netfilter priority that would do for {} and {} is taken ({priorities:?}): another \
         agent may be running here, or a firewall has chains at these priorities (nft list ruleset \
         shows them); stop the one or move the other",
        hook.as_str(),
        family.as_str()
    )]
    PrioritiesTaken {
        /// The hook.
        hook: Hook,
        /// The address family.
        family: Family,
        /// The priorities that were tried.
        priorities: Vec<i32>,
    },
    /// A map cannot be written.
    #[error("cannot write the BPF map {map}")]
    Write {
        /// Its name.
        map: &'static str,
        /// What the kernel said.
        #[source]
        source: libbpf_rs::Error,
    },
    /// A map cannot be read or emptied.
    #[error("cannot read or empty the BPF map {map}")]
    Read {
        /// Its name.
        map: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A map's content does not follow the layout.
    #[error(transparent)]
    Undecodable(#[from] Undecodable),
    /// The map that says which generation is active holds neither.
    #[error("the BPF map active holds no generation of its own set")]
    NoGeneration,
    /// The system gives no random bytes for an epoch.
    #[error("the system gives no random bytes")]
    Random(#[source] io::Error),
    /// The network namespace cannot be told from others.
    #[error("cannot ask for the number of the network namespace")]
    Namespace(#[source] io::Error),
    /// What is to be kept with a window has no room.
    #[error("a note of {0} bytes has no room in the BPF map state")]
    NoteTooLong(usize),
    /// Nothing can be pinned, and hooks that are pinned already stand in the way of others.
    #[error(transparent)]
    Unpinnable(Unpinnable),
    /// What is pinned cannot be used.
    #[error(
        "cannot use what is pinned at {}: another user's, or broken; to begin anew, and lose what it \
         counted, end the agent and remove the pin directory (rm -r)",
        path.display()
    )]
    Pinned {
        /// The pin.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A map that should say where an agent stood does not.
    #[error(
        "{} holds no state that this agent can read; deliver it with the agent that made it \
         (kubezonnet-agent detach), or remove the pin directory (rm -r) and lose what it counted",
        path.display()
    )]
    NoState {
        /// The pin.
        path: PathBuf,
    },
    /// What is pinned counts in another network namespace.
    #[error(
        "the hooks pinned in {} are those of another network namespace and go on counting there: \
         give this agent another --pin-dir, or run kubezonnet-agent detach in that namespace (if it \
         is gone but for these pins, remove the directory: rm -r)",
        path.display()
    )]
    ForeignNamespace {
        /// The pin directory.
        path: PathBuf,
    },
}

impl CaptureError {
    /// What is pinned at `path` cannot be used.
    pub(crate) fn pinned(path: &Path, source: io::Error) -> Self {
        Self::Pinned {
            path: path.to_owned(),
            source,
        }
    }
}

/// Why hooks and counts cannot outlive the agent.
#[derive(Debug, thiserror::Error)]
pub enum Unpinnable {
    /// There is no BPF file system.
    #[error(
        "{} is in no BPF file system: mount the host's /sys/fs/bpf into the container, or mount one \
         (mount -t bpf bpf /sys/fs/bpf)",
        path.display()
    )]
    NoBpfFs {
        /// Where one was looked for.
        path: PathBuf,
    },
    /// It may not be written.
    #[error(
        "pinning at {} is denied ({source}): run the container as UID 0, with the AppArmor profile \
         Unconfined (others deny writes below /sys/fs), and mount /sys/fs/bpf writable",
        path.display()
    )]
    Denied {
        /// What was to be made.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
