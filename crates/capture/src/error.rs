//! Why packets cannot be counted, or the counts not be read.

use std::io;

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
}
