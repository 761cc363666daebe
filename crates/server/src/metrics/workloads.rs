//! What workloads sent to each other.

use std::fmt;

use kubezonnet_model::FlowCounters;

use super::{Family, Kind, Samples, Scrape};

/// The labels of both families.
const LABELS: &[&str] = &[
    "src_namespace",
    "src_kind",
    "src_workload",
    "src_zone",
    "dst_namespace",
    "dst_kind",
    "dst_workload",
    "dst_zone",
    "locality",
];

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_workload_traffic_bytes_total",
        kind: Kind::Counter,
        labels: LABELS,
        help: "IP bytes between two workloads, each byte once; what is no pod has kind Node, Network, \
               Service, Internet or Unknown, and pairs past --max-workload-series have kind other; a \
               label that is not known is empty",
        write: |scrape, samples| workloads(scrape, samples, |counters| counters.bytes),
    },
    Family {
        name: "kubezonnet_workload_traffic_packets_total",
        kind: Kind::Counter,
        labels: LABELS,
        help: "Packets between two workloads, as kubezonnet_workload_traffic_bytes_total",
        write: |scrape, samples| workloads(scrape, samples, |counters| counters.packets),
    },
];

fn workloads(
    scrape: &Scrape,
    samples: &mut Samples<'_>,
    value: fn(FlowCounters) -> u64,
) -> fmt::Result {
    for (from, to, locality, counters) in scrape.workloads.iter(&scrape.ledger) {
        let more = scrape.columns.of([from, to]);
        let ([src_namespace, src_kind, src_workload], src_zone) = from.shown();
        let ([dst_namespace, dst_kind, dst_workload], dst_zone) = to.shown();
        samples.counter_with(
            &more,
            &[
                src_namespace,
                src_kind,
                src_workload,
                src_zone,
                dst_namespace,
                dst_kind,
                dst_workload,
                dst_zone,
                locality.as_str(),
            ],
            value(counters),
        )?;
    }
    Ok(())
}
