//! What each pod and node sent and received.

use std::fmt;

use kubezonnet_model::FlowCounters;

use super::{Family, Kind, Samples, Scrape};

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "pod_cross_zone_network_traffic_bytes_total",
        kind: Kind::Counter,
        labels: &["namespace", "pod"],
        help: "IP bytes the pod sent that left its zone or region, whichever side counted them; \
               a node's own and forwarded traffic has namespace _node_ and the node's name",
        write: |scrape, samples| {
            for (subject, traffic) in &scrape.ledger.series {
                if let Some(left) = traffic.left_zone() {
                    samples.counter(&subject.labels(), left.bytes)?;
                }
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_pod_traffic_bytes_total",
        kind: Kind::Counter,
        labels: &["namespace", "pod", "direction", "locality"],
        help: "IP bytes by pod or node (namespace _node_): egress at the source, ingress at the \
               destination, transit at a node that forwards; ingress of one is egress of another, \
               never sum over directions",
        write: |scrape, samples| traffic(scrape, samples, |counters| counters.bytes),
    },
    Family {
        name: "kubezonnet_pod_traffic_packets_total",
        kind: Kind::Counter,
        labels: &["namespace", "pod", "direction", "locality"],
        help: "Packets by pod or node, as kubezonnet_pod_traffic_bytes_total",
        write: |scrape, samples| traffic(scrape, samples, |counters| counters.packets),
    },
];

fn traffic(
    scrape: &Scrape,
    samples: &mut Samples<'_>,
    value: fn(FlowCounters) -> u64,
) -> fmt::Result {
    for (subject, traffic) in &scrape.ledger.series {
        let [namespace, pod] = subject.labels();
        for (direction, locality, counters) in traffic.cells() {
            samples.counter(
                &[namespace, pod, direction.as_str(), locality.as_str()],
                value(counters),
            )?;
        }
    }
    Ok(())
}
