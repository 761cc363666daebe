//! Named networks that are wider than they should be: nodes or pods of the cluster are in them.
//!
//! The cluster goes before a named network, so nothing that is held is taken for the network's. But
//! what comes from a new pod may be, until the topology tells of it. So it is said, once for each file.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use kubezonnet_model::Network;

use crate::{HolderRef, Topology};

/// So many prefixes of one file are told of by name.
const MOST_TOLD: usize = 10;

/// A prefix in which the cluster has addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The prefix.
    pub prefix: IpNet,
    /// The network of that prefix.
    pub network: Arc<Network>,
    /// How many addresses in it nodes and pods hold now, but those of longer prefixes.
    pub addresses: usize,
    /// The first of them.
    pub example: IpAddr,
    /// Who holds it.
    pub holder: String,
}

/// The prefixes in force in which nodes or pods hold an address now, in order.
pub fn overlaps(topology: &Topology) -> Vec<Overlap> {
    let networks = topology.networks();
    let mut found: BTreeMap<IpNet, Overlap> = BTreeMap::new();
    if networks.is_empty() {
        return Vec::new();
    }
    for portion in 0.. {
        // A portion at a time: while the source waits for one who reads, no other is let in.
        let index = topology.read();
        let Some(held) = index.held(portion) else {
            break;
        };
        for (address, holder) in held {
            let Some((prefix, network)) = networks.prefix_of(address) else {
                continue;
            };
            let overlap = found.entry(prefix).or_insert_with(|| Overlap {
                prefix,
                network: Arc::clone(network),
                addresses: 0,
                example: address,
                holder: name_of(holder),
            });
            overlap.addresses += 1;
            if address < overlap.example {
                (overlap.example, overlap.holder) = (address, name_of(holder));
            }
        }
    }
    found.into_values().collect()
}

fn name_of(holder: HolderRef<'_>) -> String {
    match holder {
        HolderRef::Pod(pod, _) => format!("pod {}/{}", pod.namespace, pod.name),
        HolderRef::Node(node, _) => format!("node {}", node.name),
        HolderRef::Reused | HolderRef::Nobody => "nobody".into(),
    }
}

/// What of it was told since the file was read.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<IpNet>);

impl Told {
    /// Tells of those that were not told of yet, as long as they are few.
    pub(super) fn tell(&mut self, overlaps: &[Overlap]) {
        for overlap in overlaps {
            if self.0.contains(&overlap.prefix) || self.0.len() > MOST_TOLD {
                continue;
            }
            self.0.push(overlap.prefix);
            if self.0.len() > MOST_TOLD {
                tracing::warn!(
                    prefixes = overlaps.len(),
                    "more prefixes of the networks file hold addresses of the cluster; \
                     the rest is not told of"
                );
                return;
            }
            let Overlap {
                prefix,
                network,
                addresses,
                example,
                holder,
            } = overlap;
            tracing::warn!(
                %prefix, network = %network.name, addresses, %example, holder,
                "a named network holds addresses of the cluster: leave the cluster's own out of the \
                 networks file, or a new pod's bytes may count as the network's"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use kubezonnet_model::{Name, Namespace, NodeName, Timestamp};

    use super::*;
    use crate::{NodeState, PodState};

    fn cluster() -> Topology {
        let topology = Topology::new();
        let node = NodeState {
            name: NodeName::new("n1").unwrap(),
            uid: "node".into(),
            zone: None,
            zone_id: None,
            region: None,
            provider_id: None,
            can_run_agent: true,
            pod_cidrs: Vec::new(),
            addresses: vec!["10.66.0.1".parse().unwrap()],
        };
        topology.write().apply_node(node, Timestamp(1));
        for number in 1..=3 {
            let name = Name::new(format!("web-{number}")).unwrap();
            let pod = PodState {
                addresses: vec![
                    format!("10.67.1.{number}").parse().unwrap(),
                    format!("fd67::{number}").parse().unwrap(),
                ],
                ..PodState::new(Namespace::new("shop").unwrap(), name, format!("{number}"))
            };
            topology.write().apply_pod(pod, Timestamp(1));
        }
        topology
    }

    fn found(topology: &Topology, file: &str) -> Vec<(String, usize, String, String)> {
        topology.set_networks(file.parse().unwrap());
        let overlaps = overlaps(topology).into_iter();
        overlaps
            .map(|it| {
                let (prefix, example) = (it.prefix.to_string(), it.example.to_string());
                (prefix, it.addresses, example, it.holder)
            })
            .collect()
    }

    fn is(
        prefix: &str,
        addresses: usize,
        example: &str,
        holder: &str,
    ) -> (String, usize, String, String) {
        (prefix.into(), addresses, example.into(), holder.into())
    }

    #[test]
    fn a_prefix_that_holds_addresses_of_the_cluster_is_found_with_an_example() {
        let file = "networks: [{name: wide, cidrs: [10.0.0.0/8, 'fd67::/64']}, \
                    {name: db, cidr: 10.9.0.0/24}, {name: one, cidr: 10.67.1.2}]";

        assert_eq!(
            found(&cluster(), file),
            [
                is("10.0.0.0/8", 3, "10.66.0.1", "node n1"),
                is("10.67.1.2/32", 1, "10.67.1.2", "pod shop/web-2"),
                is("fd67::/64", 3, "fd67::1", "pod shop/web-1"),
            ]
        );
    }

    #[test]
    fn whoever_held_an_address_once_is_in_no_network_now() {
        let topology = cluster();
        topology.write().delete_pod("2", Timestamp(9));

        assert_eq!(
            found(&topology, "networks: [{name: one, cidr: 10.67.1.2}]"),
            []
        );
        assert_eq!(found(&topology, "networks: []"), []);
    }

    #[test]
    fn each_prefix_is_told_once_a_file_and_few_of_them_by_name() {
        let prefixes: Vec<String> = (8..=30)
            .map(|length| format!("10.67.1.0/{length}"))
            .collect();
        let overlaps: Vec<Overlap> = prefixes
            .iter()
            .map(|prefix| Overlap {
                prefix: prefix.parse().unwrap(),
                network: Arc::new(Network {
                    name: Name::new("wide").unwrap(),
                    kind: kubezonnet_model::NetworkKind::Other,
                    zone: None,
                    zone_id: None,
                    region: None,
                    billed: kubezonnet_model::Billed::Both,
                }),
                addresses: 1,
                example: "10.67.1.1".parse().unwrap(),
                holder: "pod shop/web-1".into(),
            })
            .collect();
        let mut told = Told::default();

        told.tell(&overlaps[..2]);
        told.tell(&overlaps[..2]);
        assert_eq!(told.0.len(), 2);
        told.tell(&overlaps);
        told.tell(&overlaps);

        assert_eq!(told.0.len(), MOST_TOLD + 1);
    }
}
