//! How many have counters of their own, and how many are counted together.

use super::{Family, Kind};

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_server_series",
        kind: Kind::Gauge,
        labels: &["group"],
        help: "How many have counters of their own: pods and nodes (pods), and what goes between two \
               workloads (workloads)",
        write: |scrape, samples| {
            let ledger = &scrape.ledger;
            samples.gauge(&["pods"], &ledger.series.len())?;
            samples.gauge(&["workloads"], &ledger.edges.len())
        },
    },
    Family {
        name: "kubezonnet_server_folded_series_total",
        kind: Kind::Counter,
        labels: &["group"],
        help: "How many were the smallest of too many, and are counted together with others",
        write: |scrape, samples| {
            let folded = scrape.ledger.totals.folded;
            samples.counter(&["pods"], folded.subjects)?;
            samples.counter(&["workloads"], folded.edges)
        },
    },
];
