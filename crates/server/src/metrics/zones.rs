//! What went from zone to zone.

use std::fmt;

use kubezonnet_model::FlowCounters;

use super::{Family, Kind, Samples, Scrape};

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_zone_traffic_bytes_total",
        kind: Kind::Counter,
        labels: &["src_zone", "dst_zone"],
        help: "IP bytes between two known zones, or within one, each byte once",
        write: |scrape, samples| zones(scrape, samples, |counters| counters.bytes),
    },
    Family {
        name: "kubezonnet_zone_traffic_packets_total",
        kind: Kind::Counter,
        labels: &["src_zone", "dst_zone"],
        help: "Packets between two known zones, or within one, each packet once",
        write: |scrape, samples| zones(scrape, samples, |counters| counters.packets),
    },
];

fn zones(
    scrape: &Scrape,
    samples: &mut Samples<'_>,
    value: fn(FlowCounters) -> u64,
) -> fmt::Result {
    for ((from, to), counters) in scrape.ledger.zones() {
        samples.counter(&[from.as_str(), to.as_str()], value(counters))?;
    }
    Ok(())
}
