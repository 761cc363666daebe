//! Where the topology comes from: a file, or Kubernetes; and a file of named networks.

use std::time::Duration;

use anyhow::anyhow;
use kubezonnet_topology::file::FileWatch;
use kubezonnet_topology::kubernetes::{KubernetesWatch, Options};
use kubezonnet_topology::networks::NetworksWatch;
use kubezonnet_topology::{Clock, Topology};

use crate::config::Config;

/// A source that is open: a file that was read, or a way to reach Kubernetes.
pub(crate) enum Source {
    /// The file, followed.
    File(FileWatch),
    /// Pods and nodes, listed and watched.
    Kubernetes(KubernetesWatch),
}

impl Source {
    /// Opens what the configuration names. A file is read whole; Kubernetes is not asked yet.
    pub(crate) async fn open(
        config: &Config,
        topology: &Topology,
        clock: &Clock,
    ) -> anyhow::Result<Self> {
        if let Some(path) = &config.topology_file {
            // What it says names its causes already.
            let watch = FileWatch::open(path.clone(), topology.clone(), clock.clone())
                .map_err(|error| anyhow!("{error}"))?;
            return Ok(Self::File(watch));
        }
        let options = Options {
            kubeconfig: config.kubeconfig.clone(),
            ..Options::default()
        };
        let watch = KubernetesWatch::connect(&options)
            .await
            .map_err(|error| anyhow!("{error}; without Kubernetes, give a --topology-file"))?;
        Ok(Self::Kubernetes(watch))
    }

    /// How long records wait for an owner: not at all where nobody is told of later than in the
    /// file.
    pub(crate) fn pending_timeout(&self, config: &Config) -> Duration {
        match self {
            Self::File(_) => Duration::ZERO,
            Self::Kubernetes(_) => config.pending_timeout,
        }
    }

    /// Follows the source for ever.
    pub(crate) async fn follow(self, topology: Topology, clock: Clock) {
        match self {
            Self::File(watch) => watch.run().await,
            Self::Kubernetes(watch) => watch.run(topology, clock).await,
        }
    }
}

/// Follows the file of named networks that the configuration names, from what it says now.
pub(crate) fn named_networks(
    config: &Config,
    topology: &Topology,
) -> anyhow::Result<Option<NetworksWatch>> {
    let Some(path) = &config.networks else {
        return Ok(None);
    };
    // What it says names its causes already.
    let watch =
        NetworksWatch::open(path.clone(), topology.clone()).map_err(|error| anyhow!("{error}"))?;
    Ok(Some(watch))
}
