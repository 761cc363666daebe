//! What went from region to region.

use std::fmt;

use kubezonnet_model::FlowCounters;

use super::{Family, Kind, Samples, Scrape};

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_region_traffic_bytes_total",
        kind: Kind::Counter,
        labels: &["src_region", "dst_region"],
        help: "IP bytes between two known regions, or within one, each byte once",
        write: |scrape, samples| regions(scrape, samples, |counters| counters.bytes),
    },
    Family {
        name: "kubezonnet_region_traffic_packets_total",
        kind: Kind::Counter,
        labels: &["src_region", "dst_region"],
        help: "Packets between two known regions, or within one, each packet once",
        write: |scrape, samples| regions(scrape, samples, |counters| counters.packets),
    },
];

fn regions(
    scrape: &Scrape,
    samples: &mut Samples<'_>,
    value: fn(FlowCounters) -> u64,
) -> fmt::Result {
    for ((from, to), counters) in scrape.ledger.regions() {
        samples.counter(&[from.as_str(), to.as_str()], value(counters))?;
    }
    Ok(())
}
