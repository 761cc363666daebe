//! What came in from agents.

use super::{Family, Kind};

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_server_batches_total",
        kind: Kind::Counter,
        labels: &["outcome"],
        help: "Batches acknowledged: applied, or duplicate if they had been counted before",
        write: |scrape, samples| {
            for (outcome, batches) in &scrape.ingest.batches {
                samples.counter(&[outcome], *batches)?;
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_server_rejected_batches_total",
        kind: Kind::Counter,
        labels: &["reason"],
        help: "Requests to ingest that were refused or put off; nothing of them was counted",
        write: |scrape, samples| {
            for (reason, batches) in &scrape.ingest.refused {
                samples.counter(&[reason], *batches)?;
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_server_connections",
        kind: Kind::Gauge,
        labels: &[],
        help: "Connections to the server",
        write: |scrape, samples| samples.gauge(&[], &scrape.ingest.connections),
    },
    Family {
        name: "kubezonnet_server_closed_connections_total",
        kind: Kind::Counter,
        labels: &["reason"],
        help: "Connections that the server closed, or refused, to stay within its limits",
        write: |scrape, samples| {
            for (reason, connections) in &scrape.ingest.closed {
                samples.counter(&[reason], *connections)?;
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_server_records_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Records in the batches applied",
        write: |scrape, samples| samples.counter(&[], scrape.ingest.records),
    },
    Family {
        name: "kubezonnet_server_legacy_reports_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Reports taken of agents of the Go system; what they told is seen by hook legacy",
        write: |scrape, samples| samples.counter(&[], scrape.ingest.legacy_reports),
    },
    Family {
        name: "kubezonnet_server_body_bytes_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Bytes of the bodies read whole, refused ones included",
        write: |scrape, samples| samples.counter(&[], scrape.ingest.body_bytes),
    },
    Family {
        name: "kubezonnet_server_missed_windows_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Windows that never came, by the gaps in agents' sequences",
        write: |scrape, samples| samples.counter(&[], scrape.ingest.missed),
    },
    Family {
        name: "kubezonnet_server_ignored_addresses_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Addresses that agents declared as their node's beyond the limit of 1024 a node",
        write: |scrape, samples| samples.counter(&[], scrape.ingest.undeclared),
    },
    Family {
        name: "kubezonnet_server_ingest_duration_seconds",
        kind: Kind::Histogram,
        labels: &[],
        help: "Time from the head of a request to ingest until its answer, body included",
        write: |scrape, samples| {
            samples.histogram(scrape.ingest.latency_sum, &scrape.ingest.latency)
        },
    },
];
