//! What the kernel counts in all namespaces of a cluster, for the message of a test that fails.

use std::fmt;

use super::{Cluster, Place};
use crate::netns::Statistics;
use crate::{Error, Netns};

/// What the kernel has counted, for each namespace of a cluster, and for the machine's queues.
#[derive(Debug, Clone)]
pub struct ClusterStatistics(Vec<(String, Statistics)>);

impl Cluster {
    /// What the kernel has counted so far in each of its namespaces.
    ///
    /// # Errors
    ///
    /// If a namespace is gone.
    pub fn statistics(&self) -> Result<ClusterStatistics, Error> {
        let of = |name: String, netns: &Netns| Ok::<_, Error>((name, netns.statistics()?));
        let mut all = Vec::new();
        for pod in self.pods() {
            all.push(of(format!("pod {}", pod.spec.key()), pod.netns())?);
        }
        for node in self.nodes() {
            all.push(of(format!("node {}", node.name()), node.netns())?);
        }
        all.push(of("fabric".to_owned(), self.fabric().netns())?);
        all.push((
            "machine, with all else that runs on it".to_owned(),
            Statistics::of_queues()?,
        ));
        Ok(ClusterStatistics(all))
    }
}

impl ClusterStatistics {
    /// What has risen since an earlier reading of the same cluster.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let both = self.0.iter().zip(&earlier.0);
        Self(
            both.map(|((name, now), (_, before))| (name.clone(), now.since(before)))
                .collect(),
        )
    }
}

/// A line for each.
impl fmt::Display for ClusterStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(name, counted)| writeln!(f, "  {name}: {counted}"))
    }
}
