//! What tests and the demo are made of: clusters of network namespaces, traffic, programs.
//!
//! ```text
//! Run ◀─ Cluster ─▶ nodes, pods, fabric (Place) ─▶ traffic, Flow
//!  ▲                        │
//!  └─ Process, Relay ◀──────┴─▶ topology file
//! ```
//!
//! - [`Cluster`]: nodes and pods as network namespaces, gone when it is dropped.
//! - [`traffic`]: exact amounts of TCP, UDP, ICMP and other protocols between two [`Place`]s.
//! - [`Deployment`]: kubezonnet on a cluster, made of [`Process`], the agents and the server as
//!   children, [`Relay`], the way from one to the other that no uplink sees, and [`Scrape`], what
//!   their metrics say.
//! - [`Run`]: owns namespaces, programs and files, and cleans up after runs that were killed.
//! - [`ControlGroup`]: where sockets of pods on the host network are made.
//! - [`pki`], certificates of an authority of its own.
//! - [`mod@bench`]: figures of benches, and where they go.
//! - [`demo`]: what `make demo` shows, as the binary `kubezonnet-demo`.
//!
//! Nothing here is part of what runs in a Kubernetes cluster.

pub mod bench;
mod cgroup;
mod cluster;
pub mod demo;
mod deployment;
mod error;
pub mod kube;
mod netns;
pub mod pki;
mod privilege;
mod process;
mod relay;
mod run;
pub mod scrape;
pub mod served;
mod tool;
mod topology;
pub mod traffic;
mod wait;

pub use cgroup::{CgroupDriver, ControlGroup};
pub use cluster::{
    BridgeNetfilter, Cluster, ClusterBuilder, ClusterNode, ClusterPod, ClusterStatistics, Fabric,
    NodePort, NodeSpec, Overlay, Place, PodSpec, Segmentation,
};
pub use deployment::{Deployment, DeploymentOptions, Security};
pub use error::Error;
pub use netns::{
    ETHERNET_HEADER_BYTES, FragmentCounters, LargePackets, LinkCounters, Netns, Statistics,
};
pub use privilege::{check_root, require_root};
pub use process::{Process, binary};
pub use relay::{Relay, Way};
pub use run::Run;
pub use scrape::{Sample, Scrape, get};
pub use served::Served;
pub use wait::{wait_for, wait_until_steady};
