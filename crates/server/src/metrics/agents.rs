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
];
