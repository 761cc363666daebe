//! The cluster as Kubernetes tells it: pods and nodes, owners, Services and namespaces, listed and
//! then watched.
//!
//! The only file that makes Kubernetes' client. Objects are read into slim types of our own
//! (`object`) and never kept: what the index needs of them (`convert`) is, in a few hundred bytes
//! a pod. The API server may be down at start, go away, or forget the history we stand on (410
//! Gone): every failure is counted by its reason, logged once in a while, and followed by another
//! try, for ever.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::runtime::watcher;
use kube::{Client, Config};

use self::follow::{Awaited, Follower};
use self::object::{
    EndpointSliceObject, JobObject, NamespaceObject, NodeObject, PodObject, ReplicaSetObject,
    ServiceObject,
};
use crate::{Clock, Topology};

mod convert;
mod failure;
mod follow;
mod followed;
mod object;

/// How long a list may give no byte before it is given up; a watch has its own limit (295 s) and
/// is told to end by the server before.
const READ_TIMEOUT: Duration = Duration::from_mins(5);

/// How Kubernetes is asked.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The file that says where the API server is and who asks; without it, the one that kubectl
    /// would use, or else the service account of the pod we run in.
    pub kubeconfig: Option<PathBuf>,
    /// How everything is told at first.
    pub initial_list: InitialList,
}

/// How everything is told at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialList {
    /// In pages of so many objects: every API server can do that.
    Pages(u32),
    /// As a stream (`sendInitialEvents`): easier on the API server, which must be 1.32 or later.
    Streaming,
}

impl Default for InitialList {
    /// Pages of 500, as kubectl and the controllers use them.
    fn default() -> Self {
        Self::Pages(500)
    }
}

/// Why Kubernetes cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig given cannot be used.
    #[error("cannot use kubeconfig {path}: {source}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KubeconfigError,
    },
    /// Neither a pod's service account nor a kubeconfig was found.
    #[error("cannot find out how to reach Kubernetes: {0}")]
    Infer(#[from] kube::config::InferConfigError),
    /// The client cannot be made of what was found.
    #[error("cannot make a client for Kubernetes: {0}")]
    Client(#[from] kube::Error),
}

/// A topology that follows Kubernetes.
#[derive(Clone)]
pub struct KubernetesWatch {
    client: Client,
    initial_list: InitialList,
}

impl Debug for KubernetesWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubernetesWatch")
            .field("initial_list", &self.initial_list)
            .finish_non_exhaustive()
    }
}

impl KubernetesWatch {
    /// Finds out where the API server is and who asks; does not ask yet.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if there is no such configuration, or it is wrong. An API server that does
    /// not answer is none.
    pub async fn connect(options: &Options) -> Result<Self, ConnectError> {
        // Fails if the process has one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = match &options.kubeconfig {
            Some(path) => from_file(path).await?,
            None => Config::infer().await?,
        };
        config.read_timeout = Some(READ_TIMEOUT);
        config.reset_reader_on_write = true;
        Ok(Self {
            client: Client::try_from(config)?,
            initial_list: options.initial_list,
        })
    }

    /// The client, for what else is to be asked of the same API server.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Follows everything for ever. Pods come after what surrounds them, so that they are told once;
    /// the topology is synced when all was listed. What can be done without is not waited for once
    /// it is forbidden or has failed a few times; it is tried on.
    pub async fn run(self, topology: Topology, clock: Clock) -> ! {
        let has_labels = !topology.labels().is_empty();
        let around = Awaited::new(2 + usize::from(has_labels));
        let everything = Awaited::new(6 + usize::from(has_labels));
        let (first, other) = ([&around, &everything], [&everything]);
        let follower = |awaited| Follower::new(&topology, &clock, awaited, self.config());
        let client = || self.client.clone();
        let pods = async {
            around.all().await;
            follower(&other).follow::<PodObject>(client()).await
        };
        let namespaces = async {
            if !has_labels {
                return future::pending().await;
            }
            follower(&first).follow::<NamespaceObject>(client()).await
        };
        let synced = async {
            everything.all().await;
            topology.set_synced();
        };
        let (never, ..) = futures::join!(
            pods,
            follower(&other).follow::<NodeObject>(client()),
            follower(&first).follow::<ReplicaSetObject>(client()),
            follower(&first).follow::<JobObject>(client()),
            namespaces,
            follower(&other).follow::<ServiceObject>(client()),
            follower(&other).follow::<EndpointSliceObject>(client()),
            synced,
        );
        match never {}
    }

    fn config(&self) -> watcher::Config {
        match self.initial_list {
            InitialList::Pages(size) => watcher::Config::default().page_size(size),
            InitialList::Streaming => watcher::Config::default().streaming_lists(),
        }
    }
}

async fn from_file(path: &Path) -> Result<Config, ConnectError> {
    let failed = |source| ConnectError::Kubeconfig {
        path: path.to_owned(),
        source,
    };
    let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
    let options = KubeConfigOptions::default();
    Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(failed)
}

#[cfg(fuzzing)]
pub(crate) fn parse_pod<'de, D: serde::Deserializer<'de>>(object: D) -> Option<crate::PodState> {
    let kept = crate::KeptLabels::default();
    convert::pod_state(serde::Deserialize::deserialize(object).ok()?, &kept).ok()
}

#[cfg(fuzzing)]
pub(crate) fn parse_node<'de, D: serde::Deserializer<'de>>(object: D) -> Option<crate::NodeState> {
    convert::node_state(serde::Deserialize::deserialize(object).ok()?).ok()
}
