//! What cannot be located, and why.

use std::fmt;

use kubezonnet_model::{FlowCounters, UnknownReason};

use super::{Family, Kind, Samples, Scrape};

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_unknown_bytes_total",
        kind: Kind::Counter,
        labels: &["reason"],
        help: "IP bytes whose locality cannot be said: never called cross-zone, never billed",
        write: |scrape, samples| unknown(scrape, samples, |counters| counters.bytes),
    },
    Family {
        name: "kubezonnet_unknown_packets_total",
        kind: Kind::Counter,
        labels: &["reason"],
        help: "Packets whose locality cannot be said",
        write: |scrape, samples| unknown(scrape, samples, |counters| counters.packets),
    },
];

fn unknown(
    scrape: &Scrape,
    samples: &mut Samples<'_>,
    value: fn(FlowCounters) -> u64,
) -> fmt::Result {
    for (reason, counters) in UnknownReason::ALL
        .into_iter()
        .zip(scrape.ledger.totals.unknown)
    {
        samples.counter(&[reason.as_str()], value(counters))?;
    }
    Ok(())
}
