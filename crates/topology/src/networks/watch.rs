//! Follows a file: what it says now is in force.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::overlap::{Told, overlaps};
use super::{FORM, Networks};
use crate::yaml::{Look, Watched, blocking};
use crate::{FileError, Source, Topology};

/// Named networks that follow a file.
#[derive(Debug)]
pub struct NetworksWatch {
    file: Watched<Networks>,
    topology: Topology,
    compared: Option<Compared>,
    told: Told,
}

/// When the networks were last compared with the cluster, and what both were then.
#[derive(Debug)]
struct Compared {
    at: Instant,
    networks: u64,
    topology: u64,
}

/// How long after the networks were compared with the cluster they are compared again, if only the
/// cluster has changed: it always does, and to look at all of its addresses takes tens of milliseconds.
const COMPARE_EVERY: Duration = Duration::from_mins(1);

impl NetworksWatch {
    /// Reads the file; what it says is in force.
    ///
    /// # Errors
    ///
    /// As [`load`](super::load): a server does not start with a file that it cannot use.
    pub fn open(path: PathBuf, topology: Topology) -> Result<Self, FileError> {
        let (file, networks) = Watched::open(path, FORM)?;
        let mut watch = Self {
            file,
            topology,
            compared: None,
            told: Told::default(),
        };
        watch.take(networks);
        Ok(watch)
    }

    /// Follows the file for ever. A file that cannot be used changes nothing: it is logged and
    /// counted once, and what it said before stays in force.
    pub async fn run(mut self) -> ! {
        loop {
            match self.file.look().await {
                Look::Same | Look::Unsettled => {}
                Look::Changed(networks) => {
                    let prefixes = networks.len();
                    self.take(networks);
                    self.topology.count_event(Source::Networks);
                    let path = self.file.path().display();
                    tracing::info!(%path, prefixes, "networks file reloaded");
                }
                Look::Failed(error) => {
                    self.topology
                        .count_failure(Source::Networks, error.reason());
                    tracing::warn!(%error, "networks file not reloaded: what it said before stays");
                }
            }
            self.compare().await;
        }
    }

    /// Looks whether the cluster has addresses in a named network, if that may have changed.
    async fn compare(&mut self) {
        if !self.topology.is_synced() {
            return;
        }
        let compared = Compared {
            at: Instant::now(),
            networks: self.topology.networks().version(),
            topology: self.topology.read().version(),
        };
        if let Some(last) = &self.compared
            && last.networks == compared.networks
            && (last.topology == compared.topology || last.at.elapsed() < COMPARE_EVERY)
        {
            return;
        }
        self.compared = Some(compared);
        let topology = self.topology.clone();
        let overlaps = blocking(move || overlaps(&topology)).await;
        self.topology.set_overlapping(overlaps.len());
        self.told.tell(&overlaps);
    }

    fn take(&mut self, networks: Networks) {
        self.told = Told::default();
        self.topology.set_networks(networks);
        self.topology.count_relist(Source::Networks);
    }
}
