//! The books: what the hooks saw, and where it went. Anybody can check the sum.

use std::fmt;

use kubezonnet_model::FlowCounters;

use super::{Family, Kind, Samples, Scrape};
use crate::books::Disposition;

/// Stands for the interface where none is kept.
const NONE: &str = "none";

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_seen_bytes_total",
        kind: Kind::Counter,
        labels: &["hook", "input", "output"],
        help: "IP bytes that hooks saw, by hook and interface classes (none for what a hook left \
               out): always the sum of kubezonnet_books_bytes_total and kubezonnet_books_pending_bytes",
        write: |scrape, samples| seen(scrape, samples, |counters| counters.bytes),
    },
    Family {
        name: "kubezonnet_seen_packets_total",
        kind: Kind::Counter,
        labels: &["hook", "input", "output"],
        help: "Packets that hooks saw, as kubezonnet_seen_bytes_total",
        write: |scrape, samples| seen(scrape, samples, |counters| counters.packets),
    },
    Family {
        name: "kubezonnet_books_bytes_total",
        kind: Kind::Counter,
        labels: &["disposition"],
        help: "IP bytes that hooks saw, by where they went: a locality, counted_by_sender, \
               counted_by_receiver (of nodes whose hooks are bypassed), partly_covered (seen by a \
               receiver in a window in which its sender's agent began or ended, or with the hooks \
               of both bypassed: at most this much was counted by nobody), loopback, multicast, left out \
               (looped, outside_cidr, encapsulated) or lost (malformed, foreign_address)",
        write: |scrape, samples| books(scrape, samples, |counters| counters.bytes),
    },
    Family {
        name: "kubezonnet_books_packets_total",
        kind: Kind::Counter,
        labels: &["disposition"],
        help: "Packets that hooks saw, as kubezonnet_books_bytes_total",
        write: |scrape, samples| books(scrape, samples, |counters| counters.packets),
    },
    Family {
        name: "kubezonnet_books_pending_bytes",
        kind: Kind::Gauge,
        labels: &[],
        help: "IP bytes that hooks saw and that wait: for the owner of an address, or for the first \
               report of the other side's agent",
        write: |scrape, samples| samples.gauge(&[], &scrape.ledger.totals.pending.bytes),
    },
    Family {
        name: "kubezonnet_books_pending_packets",
        kind: Kind::Gauge,
        labels: &[],
        help: "Packets that hooks saw and that wait, as kubezonnet_books_pending_bytes",
        write: |scrape, samples| samples.gauge(&[], &scrape.ledger.totals.pending.packets),
    },
    Family {
        name: "kubezonnet_server_pending_records",
        kind: Kind::Gauge,
        labels: &[],
        help: "Records that wait, as kubezonnet_books_pending_bytes",
        write: |scrape, samples| samples.gauge(&[], &scrape.pending_records),
    },
    Family {
        name: "kubezonnet_server_turned_away_records_total",
        kind: Kind::Counter,
        labels: &["wanted", "reason"],
        help: "Records that found no room to wait for the owner of an address or for the first \
               report of the other side's agent, and were settled at once",
        write: |scrape, samples| {
            for turned in &scrape.turned_away_records {
                let labels = [turned.wanted.as_str(), turned.reason.as_str()];
                samples.counter(&labels, turned.records)?;
            }
            Ok(())
        },
    },
];

fn seen(scrape: &Scrape, samples: &mut Samples<'_>, value: fn(FlowCounters) -> u64) -> fmt::Result {
    for (at, counters) in &scrape.ledger.totals.seen {
        let (input, output) = at.interfaces.map_or((NONE, NONE), |(input, output)| {
            (input.as_str(), output.as_str())
        });
        samples.counter(&[at.by.as_str(), input, output], value(*counters))?;
    }
    Ok(())
}

fn books(
    scrape: &Scrape,
    samples: &mut Samples<'_>,
    value: fn(FlowCounters) -> u64,
) -> fmt::Result {
    for disposition in Disposition::ALL {
        let counters = scrape.ledger.totals.books.get(disposition);
        samples.counter(&[disposition.as_str()], value(counters))?;
    }
    Ok(())
}
