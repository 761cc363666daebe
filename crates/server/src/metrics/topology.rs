//! What is known of nodes and pods, and how fresh it is.

use super::{Family, Kind};

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_server_topology_synced",
        kind: Kind::Gauge,
        labels: &[],
        help: "1 once the topology has been told all there was at start, 0 before",
        write: |scrape, samples| samples.gauge(&[], &u32::from(scrape.topology.synced)),
    },
    Family {
        name: "kubezonnet_server_topology_age_seconds",
        kind: Kind::Gauge,
        labels: &[],
        help: "Time since the source of the topology last told anything; absent until it did",
        write: |scrape, samples| match scrape.topology.age {
            Some(age) => samples.gauge(&[], &age.as_secs_f64()),
            None => Ok(()),
        },
    },
    Family {
        name: "kubezonnet_server_topology_objects",
        kind: Kind::Gauge,
        labels: &["kind"],
        help: "What is known: pods, nodes, addresses held now, and what surrounds them",
        write: |scrape, samples| {
            let sizes = &scrape.topology.sizes;
            for (kind, count) in [
                ("pods", sizes.pods),
                ("nodes", sizes.nodes),
                ("addresses", sizes.addresses),
                ("past_holdings", sizes.past),
                ("owners", sizes.owners),
                ("pods_of_unknown_owners", sizes.ownerless),
                ("services", sizes.services),
                ("networks", scrape.topology.networks),
            ] {
                samples.gauge(&[kind], &count)?;
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_server_node_info",
        kind: Kind::Gauge,
        labels: &["node", "zone", "region", "can_run_agent"],
        help: "Always 1, for each node of the cluster, whether its agent has reported or not",
        write: |scrape, samples| {
            for node in &scrape.topology.nodes {
                let zone = node.zone.as_ref().map_or("", |zone| zone.as_str());
                let region = node.region.as_ref().map_or("", |region| region.as_str());
                let can_run = !scrape.topology.agentless.contains(&node.name);
                let can_run = if can_run { "true" } else { "false" };
                samples.gauge(&[node.name.as_str(), zone, region, can_run], &1_u32)?;
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_zone_info",
        kind: Kind::Gauge,
        labels: &["zone", "zone_id", "region"],
        help: "Always 1, for each zone that nodes or named networks are in",
        write: |scrape, samples| {
            for [zone, id, region] in &scrape.topology.zones {
                samples.gauge(&[zone, id, region], &1_u32)?;
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_server_overlapping_networks",
        kind: Kind::Gauge,
        labels: &[],
        help: "Prefixes of the networks file in which nodes or pods of the cluster have addresses, at \
               the last look",
        write: |scrape, samples| samples.gauge(&[], &scrape.topology.overlapping),
    },
    Family {
        name: "kubezonnet_server_topology_events_total",
        kind: Kind::Counter,
        labels: &["source"],
        help: "Changes of single objects taken over (for a file: reloads that changed something)",
        write: |scrape, samples| {
            for (source, counts) in &scrape.topology.sources {
                samples.counter(&[source.as_str()], counts.events)?;
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_server_topology_relists_total",
        kind: Kind::Counter,
        labels: &["source"],
        help: "Times that everything was listed (for a file: loaded), the first included",
        write: |scrape, samples| {
            for (source, counts) in &scrape.topology.sources {
                samples.counter(&[source.as_str()], counts.relists)?;
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_server_topology_failures_total",
        kind: Kind::Counter,
        labels: &["source", "reason"],
        help: "Times that a source could not tell what it should",
        write: |scrape, samples| {
            for (source, counts) in &scrape.topology.sources {
                for (reason, failures) in counts.failures {
                    samples.counter(&[source.as_str(), reason.as_str()], failures)?;
                }
            }
            Ok(())
        },
    },
];
