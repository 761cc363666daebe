//! What the nodes' own networks sent and received, by whose sockets it was.

use std::fmt;

use kubezonnet_model::FlowCounters;

use super::{Family, Kind, Samples, Scrape};

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_host_traffic_bytes_total",
        kind: Kind::Counter,
        labels: &["owner"],
        help: "IP bytes counted of sockets on nodes' own networks, by whose they are: a pod, the \
               system, the kernel, or not known because no socket was seen (unseen) or it cannot be \
               told whose it is (unreadable), or a pod that is not on that node (unlisted)",
        write: |scrape, samples| hosts(scrape, samples, |counters| counters.bytes),
    },
    Family {
        name: "kubezonnet_host_traffic_packets_total",
        kind: Kind::Counter,
        labels: &["owner"],
        help: "Packets counted of sockets on nodes' own networks, as \
               kubezonnet_host_traffic_bytes_total",
        write: |scrape, samples| hosts(scrape, samples, |counters| counters.packets),
    },
];

fn hosts(
    scrape: &Scrape,
    samples: &mut Samples<'_>,
    value: fn(FlowCounters) -> u64,
) -> fmt::Result {
    for (owner, counters) in scrape.ledger.totals.host.columns() {
        samples.counter(&[owner], value(counters))?;
    }
    Ok(())
}
