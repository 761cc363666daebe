//! What `/metrics` shows: a list of families, each reading one [`Scrape`].
//!
//! There is no second copy of any counter: a scrape copies the ledger at one instant and the other
//! counts with it, and the families are rendered from the copy. A new family is a line in the list of its
//! file (a new file: a line in [`FAMILIES`]), and one in docs/metrics.md. Those of the process come last;
//! the agent has them too.

mod agents;
mod books;
mod budget;
mod build;
mod columns;
mod cost;
mod export;
mod group;
mod history;
mod hosts;
mod ingest;
mod networks;
mod pods;
mod regions;
mod samples;
mod scrape;
mod security;
mod series;
mod store;
mod topology;
mod unknown;
mod workloads;
mod zones;

use std::fmt;

pub use kubezonnet_exposition::Format;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

pub use self::columns::{ColumnError, Columns};
pub use self::group::Group;
pub use self::history::{HistoryScrape, KeptScrape};
pub use self::samples::Samples;
pub use self::scrape::{
    Budget, BudgetScrape, IngestScrape, PriceScrape, Scrape, SecurityScrape, StoreScrape,
    TopologyScrape,
};

/// Every family but those of the process, in the order of the page.
pub const FAMILIES: &[&[Family]] = &[
    pods::FAMILIES,
    workloads::FAMILIES,
    zones::FAMILIES,
    regions::FAMILIES,
    networks::FAMILIES,
    hosts::FAMILIES,
    cost::FAMILIES,
    budget::FAMILIES,
    unknown::FAMILIES,
    books::FAMILIES,
    series::FAMILIES,
    ingest::FAMILIES,
    agents::FAMILIES,
    store::FAMILIES,
    history::FAMILIES,
    topology::FAMILIES,
    security::FAMILIES,
    export::FAMILIES,
    build::FAMILIES,
];

/// One metric family.
pub struct Family {
    /// The name as samples have it (a histogram's without suffix).
    pub name: &'static str,
    /// What kind of metric it is.
    pub kind: Kind,
    /// The labels' names, in the order in which samples give their values.
    pub labels: &'static [&'static str],
    /// What it means: one line without full stop.
    pub help: &'static str,
    /// Writes the samples of a scrape.
    pub write: fn(&Scrape, &mut Samples<'_>) -> fmt::Result,
}

/// What kind of metric a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises; its name ends in `_total`.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts in buckets.
    Histogram,
}

impl Kind {
    /// The name in the text formats.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Renders the page of a scrape.
///
/// # Panics
///
/// Never: the page is written to memory.
pub fn render(scrape: Scrape, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page(scrape)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)
        .expect("the families write to memory only");
    format.from_open_metrics(text)
}

#[derive(Debug)]
struct Page(Scrape);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let is_shown = |family: &&Family| {
            let mut disabled = self.0.disabled.iter();
            !disabled.any(|group| group.has(family))
        };
        for family in FAMILIES.iter().copied().flatten().filter(is_shown) {
            let (name, kind) = match family.kind {
                Kind::Counter => (
                    // The encoder adds the suffix to samples, as OpenMetrics has it.
                    family.name.strip_suffix("_total").unwrap_or(family.name),
                    MetricType::Counter,
                ),
                Kind::Gauge => (family.name, MetricType::Gauge),
                Kind::Histogram => (family.name, MetricType::Histogram),
            };
            let metric = encoder.encode_descriptor(name, family.help, None, kind)?;
            (family.write)(&self.0, &mut Samples::new(metric, family.labels))?;
        }
        match &self.0.process {
            Some(process) => process.encode(&mut encoder),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
