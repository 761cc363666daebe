//! What went to and from the networks that the operator has named.

use std::fmt;

use kubezonnet_model::FlowCounters;

use super::{Family, Kind, Samples, Scrape};

/// The labels of both families.
const LABELS: &[&str] = &["network", "kind", "direction", "locality"];

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_network_traffic_bytes_total",
        kind: Kind::Counter,
        labels: LABELS,
        help: "IP bytes to or from a named network (direction to, from), each byte once for each \
               network it touches",
        write: |scrape, samples| networks(scrape, samples, |counters| counters.bytes),
    },
    Family {
        name: "kubezonnet_network_traffic_packets_total",
        kind: Kind::Counter,
        labels: LABELS,
        help: "Packets to or from a named network, as kubezonnet_network_traffic_bytes_total",
        write: |scrape, samples| networks(scrape, samples, |counters| counters.packets),
    },
];

fn networks(
    scrape: &Scrape,
    samples: &mut Samples<'_>,
    value: fn(FlowCounters) -> u64,
) -> fmt::Result {
    for ((network, kind, direction, locality), counters) in scrape.ledger.networks() {
        let labels = [
            network.as_str(),
            kind.as_str(),
            direction,
            locality.as_str(),
        ];
        samples.counter(&labels, value(counters))?;
    }
    Ok(())
}
