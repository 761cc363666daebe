//! Follows a file: what it says now is what the topology is.

use std::path::PathBuf;

use super::{FORM, FileView};
use crate::yaml::{Look, Watched};
use crate::{Clock, FileError, Source, Topology};

/// A topology that follows a file.
#[derive(Debug)]
pub struct FileWatch {
    /// After a reload that failed the topology ages.
    file: Watched<FileView>,
    topology: Topology,
    clock: Clock,
}

impl FileWatch {
    /// Reads the file into the topology, which is synced then.
    ///
    /// # Errors
    ///
    /// As [`load`](super::load): a server does not start with a file that it cannot use.
    pub fn open(path: PathBuf, topology: Topology, clock: Clock) -> Result<Self, FileError> {
        let (file, view) = Watched::open(path, FORM)?;
        let watch = Self {
            file,
            topology,
            clock,
        };
        watch.take(view);
        watch.topology.set_synced();
        Ok(watch)
    }

    /// Follows the file for ever. A file that cannot be used changes nothing: it is logged and
    /// counted once, and the topology stays what it was.
    pub async fn run(mut self) -> ! {
        loop {
            match self.file.look().await {
                Look::Same => self.topology.heard(self.clock.now()),
                Look::Unsettled => {}
                Look::Changed(view) => {
                    let (nodes, pods) = (view.nodes.len(), view.pods.len());
                    self.take(view);
                    self.topology.count_event(Source::File);
                    let path = self.file.path().display();
                    tracing::info!(%path, nodes, pods, "topology file reloaded");
                }
                Look::Failed(error) => {
                    self.topology.count_failure(Source::File, error.reason());
                    tracing::warn!(%error, "topology file not reloaded: what it said before stays");
                }
            }
        }
    }

    fn take(&self, view: FileView) {
        let now = self.clock.now();
        view.give_to(&self.topology, now);
        self.topology.count_relist(Source::File);
        self.topology.heard(now);
    }
}
