//! Counters of the network between the nodes, by the ports that belong to an owner.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kubezonnet_model::{Family, FlowCounters, Hook};
use kubezonnet_testkit::Netns;

use super::Books;
use super::traffic::{Owner, Side};

/// What the fabric forwards from and to node-a: each packet as it is on the wire.
pub(super) struct Wire<'a> {
    fabric: &'a Netns,
}

const TABLE: &str = "sockets";

impl<'a> Wire<'a> {
    /// Counts from now on.
    pub(super) fn count(fabric: &'a Netns, here: &Side, owners: &[Owner<'_>]) -> Self {
        let mut counters = String::new();
        let mut rules = String::new();
        for owner in owners {
            let number = owner.number;
            let own = join(owner.local_ports());
            let remote = join(owner.remote_ports());
            for way in ["out", "in"] {
                writeln!(counters, "counter {way}_{number} {{}}").unwrap();
            }
            for family in Family::ALL {
                let ip = match family {
                    Family::Ipv4 => "ip",
                    Family::Ipv6 => "ip6",
                };
                let address = here.address(family);
                for (way, side, near, far) in [
                    ("out", "saddr", "sport", "dport"),
                    ("in", "daddr", "dport", "sport"),
                ] {
                    for (port, ports) in [(near, &own), (far, &remote)] {
                        writeln!(
                            rules,
                            "{ip} {side} {address} meta l4proto {{ tcp, udp }} th {port} {{ {ports} }} counter name {way}_{number} accept"
                        )
                        .unwrap();
                    }
                }
            }
        }
        let table = format!(
            "table bridge {TABLE} {{\n{counters}chain passing {{\ntype filter hook forward priority 0;\n{rules}}}\n}}\n"
        );
        fabric.tool(&["nft", "-f", "-"], &table).unwrap();
        Self { fabric }
    }

    /// What was counted.
    pub(super) fn books(&self, owners: &[Owner<'_>]) -> Books {
        let mut command = self.fabric.command("nft");
        command.args(["-j", "list", "counters", "table", "bridge", TABLE]);
        let output = command.output().unwrap().stdout;
        let listed: serde_json::Value = serde_json::from_slice(&output).unwrap();
        let counters: BTreeMap<&str, FlowCounters> = listed["nftables"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|each| {
                let counter = &each["counter"];
                let counters = FlowCounters {
                    bytes: counter["bytes"].as_u64()?,
                    packets: counter["packets"].as_u64()?,
                };
                Some((counter["name"].as_str()?, counters))
            })
            .collect();
        let of = |owner: &Owner<'_>, way: &str, hook| {
            let name = format!("{way}_{}", owner.number);
            ((owner.who, hook), counters[name.as_str()])
        };
        let both = |owner| {
            [
                of(owner, "out", Hook::Postrouting),
                of(owner, "in", Hook::LocalIn),
            ]
        };
        owners.iter().flat_map(both).collect()
    }
}

fn join(ports: impl Iterator<Item = u16>) -> String {
    ports
        .map(|port| port.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}
