//! Follows a file: what it says now is in force.

use std::path::PathBuf;

use super::{FORM, Networks};
use crate::yaml::{Look, Watched};
use crate::{FileError, Source, Topology};

/// Named networks that follow a file.
#[derive(Debug)]
pub struct NetworksWatch {
    file: Watched<Networks>,
    topology: Topology,
}

impl NetworksWatch {
    /// Reads the file; what it says is in force.
    ///
    /// # Errors
    ///
    /// As [`load`](super::load): a server does not start with a file that it cannot use.
    pub fn open(path: PathBuf, topology: Topology) -> Result<Self, FileError> {
        let (file, networks) = Watched::open(path, FORM)?;
        let watch = Self { file, topology };
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
        }
    }

    fn take(&self, networks: Networks) {
        self.topology.set_networks(networks);
        self.topology.count_relist(Source::Networks);
    }
}
