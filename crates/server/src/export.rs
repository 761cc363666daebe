//! Where resolved batches go besides the ledger.
//!
//! Each exporter has a file of its own and one line in [`EXPORTERS`]. None of them may hold up
//! ingest: what an exporter cannot take at once it drops and counts.

pub mod flow_log;
pub mod pods;
pub mod recent;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kubezonnet_pricing::PriceBook;

use crate::config::Config;
use crate::resolve::ResolvedBatch;

/// Every exporter there is: each looks at the configuration and opens itself if it is asked for.
pub const EXPORTERS: &[Open] = &[flow_log::open];

/// Opens an exporter, if the configuration asks for it.
pub type Open = fn(&Config) -> Option<Box<dyn Exporter>>;

/// Takes resolved batches somewhere.
pub trait Exporter: fmt::Debug + Send + Sync {
    /// The name in metrics and logs.
    fn name(&self) -> &'static str;

    /// Is told the prices in force, before the first batch that they hold for; more than once.
    fn begin(&self, _book: &PriceBook) {}

    /// Takes a batch, or drops and counts it; never waits.
    fn offer(&self, batch: &Arc<ResolvedBatch>);

    /// How many records were written and dropped so far.
    fn counts(&self) -> ExportCounts;

    /// Writes what was taken, waits for it no longer than `patience`, and takes no more.
    fn close(&self, patience: Duration);
}

/// What an exporter did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExportCounts {
    /// Records written.
    pub written: u64,
    /// Records not written: the reader was too slow, or went away.
    pub dropped: u64,
}

/// The exporters that are open.
#[derive(Debug, Default)]
pub struct Exporters(Vec<Box<dyn Exporter>>);

impl Exporters {
    /// Opens all that the configuration asks for.
    pub fn open(config: &Config) -> Self {
        Self(EXPORTERS.iter().filter_map(|open| open(config)).collect())
    }

    /// These and no others.
    pub fn of(exporters: Vec<Box<dyn Exporter>>) -> Self {
        Self(exporters)
    }

    /// These and one more.
    #[must_use]
    pub fn and(mut self, exporter: Box<dyn Exporter>) -> Self {
        self.0.push(exporter);
        self
    }

    /// Tells each the prices in force.
    pub fn begin(&self, book: &PriceBook) {
        for exporter in &self.0 {
            exporter.begin(book);
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Offers a batch to each.
    pub fn offer(&self, batch: ResolvedBatch) {
        if self.0.is_empty() || batch.flows.is_empty() {
            return;
        }
        let batch = Arc::new(batch);
        for exporter in &self.0 {
            exporter.offer(&batch);
        }
    }

    /// What each did so far.
    pub fn counts(&self) -> Vec<(&'static str, ExportCounts)> {
        self.0
            .iter()
            .map(|exporter| (exporter.name(), exporter.counts()))
            .collect()
    }

    /// Closes each.
    pub fn close(&self, patience: Duration) {
        for exporter in &self.0 {
            exporter.close(patience);
        }
    }
}
