//! Who reports.

use super::{Family, Kind};

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_server_agents",
        kind: Kind::Gauge,
        labels: &[],
        help: "Nodes whose agents have reported; one that left the cluster goes four hours after its \
               last report",
        write: |scrape, samples| samples.gauge(&[], &scrape.agents.len()),
    },
    Family {
        name: "kubezonnet_server_agent_report_age_seconds",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "Time since the node's agent last reported",
        write: |scrape, samples| {
            for (node, age) in &scrape.agents {
                samples.gauge(&[node.as_str()], &age.as_secs_f64())?;
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_server_uplink_bytes_total",
        kind: Kind::Counter,
        labels: &["node", "what"],
        help: "IP bytes that left through the node's uplinks: seen by the hooks, and sent as the \
               interfaces' own counters have it (less than seen where they count large packets as \
               one)",
        write: |scrape, samples| {
            for of_node in &scrape.uplinks {
                let node = of_node.node.as_str();
                samples.counter(&[node, "seen"], of_node.uplinks.seen.bytes)?;
                samples.counter(&[node, "sent"], of_node.uplinks.sent.bytes)?;
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_server_bypassed",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "1 if packets leave the node by ways its hooks do not see, so that receivers count \
               for it: of a megabyte or more that its uplinks sent in a window, the hooks saw less \
               than 95 %",
        write: |scrape, samples| {
            for of_node in &scrape.uplinks {
                samples.gauge(&[of_node.node.as_str()], &u32::from(of_node.bypassed))?;
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_agents_met_midway_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Agents that came with a window which was not their first though nothing was known of \
               them: they reported to another server before, or this one's data were lost; windows \
               that were counted there and not acknowledged count twice",
        write: |scrape, samples| samples.counter(&[], scrape.ingest.met_midway),
    },
    Family {
        name: "kubezonnet_agents_broken_off_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Agents that ended without a word, as by a kill or a restart of the node, and whose counts \
               did not outlast them: another began anew",
        write: |scrape, samples| samples.counter(&[], scrape.ingest.broken_off),
    },
    Family {
        name: "kubezonnet_uncounted_seconds_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Time from the last window of an agent that broke off to the first of the next: what the \
               node sent then is counted by nobody, and what receivers saw of it is in counted_by_sender",
        write: |scrape, samples| samples.fraction(&[], scrape.ingest.uncounted.as_secs_f64()),
    },
    Family {
        name: "kubezonnet_agent_clock_skew_seconds",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "How far the node's wall clock was ahead of this server's when its agent last reported; \
               nothing is placed in time by it",
        write: |scrape, samples| {
            for (node, millis) in &scrape.clock_skews {
                samples.gauge(&[node.as_str()], &seconds(*millis))?;
            }
            Ok(())
        },
    },
];

#[expect(
    clippy::cast_precision_loss,
    reason = "a clock that is 285,000 years off is off enough"
)]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1e3
}
