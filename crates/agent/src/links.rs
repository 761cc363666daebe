//! The node's network interfaces: of which class each is, which addresses the node holds, and which
//! ports its tunnels listen on.
//!
//! ```text
//! rtnetlink ─▶ netlink::dump ─▶ Links ─▶ classify ─▶ View ─▶ watch channel ─▶ the agent's loop
//!     └─ notifications (links, addresses, routes) cause the next dump
//! ```
//!
//! Everything is read again after each burst of changes, so that a lost notification costs nothing.
//! [`classify()`] is pure, and so is what reads the messages; [`netlink`] has the sockets, and
//! [`follow()`] the thread.

mod classify;
mod follow;
#[cfg(fuzzing)]
pub mod fuzzing;
mod measure;
pub(crate) mod message;
pub mod netlink;
mod wireguard;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kubezonnet_capture::Tunnel;
use kubezonnet_model::InterfaceClass;

pub use classify::classify;
pub use follow::{FollowError, follow};
pub use measure::measured;

/// What flags say of links.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Given {
    /// Names of the uplinks; found if there are none.
    pub uplinks: Vec<String>,
    /// Ports of tunnels, besides the usual ones and those of the node's own tunnels.
    pub tunnel_ports: BTreeMap<u16, Tunnel>,
}

/// What the agent makes of its node's links.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// The class of each interface, by index.
    pub interfaces: BTreeMap<u32, InterfaceClass>,
    /// The uplinks whose counters tell what left the node, by index, with the bytes of their link
    /// layer's header: no packet passes two of them.
    pub uplinks: BTreeMap<u32, u64>,
    /// Every address the node holds, sorted; without loopback and link-local ones.
    pub node_addresses: Vec<IpAddr>,
    /// The UDP ports whose datagrams hold packets of an overlay.
    pub tunnel_ports: BTreeMap<u16, Tunnel>,
}

/// Links, addresses and default routes as the kernel has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Links {
    /// Every link, by index.
    pub links: BTreeMap<u32, Link>,
    /// Indexes of the links that carry a default route, of either family and in any table.
    pub default_routes: BTreeSet<u32>,
    /// Each address with the index of its link.
    pub addresses: BTreeSet<(u32, IpAddr)>,
}

/// One network interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// What the driver calls itself: `veth`, `bridge`, `vxlan`, …; `None` for hardware.
    pub kind: Option<String>,
    /// The loopback interface.
    pub is_loopback: bool,
    /// Carries Ethernet frames: tells a TAP from a TUN.
    pub is_ethernet: bool,
    /// The bridge, bond, team or VRF it is a port of.
    pub controller: Option<u32>,
    /// The link below it (VLAN, macvlan, tunnels), or its peer (veth).
    pub lower: Option<u32>,
    /// Whether `lower` is an index of another network namespace.
    pub lower_is_elsewhere: bool,
    /// The UDP port that a VXLAN, Geneve or `WireGuard` tunnel listens on.
    pub tunnel_port: Option<(u16, Tunnel)>,
}

/// The dummies on which kube-proxy in IPVS mode and kube-router put every Service address. They are
/// on every node, so no node holds them.
const SERVICE_DUMMIES: [&str; 2] = ["kube-ipvs0", "kube-dummy-if"];

impl Links {
    /// Classifies the links and gathers what the agent needs of them.
    pub fn view(&self, given: &Given) -> View {
        let interfaces = classify(self, &given.uplinks);
        View {
            uplinks: measured(self, &interfaces),
            node_addresses: self.node_addresses(),
            tunnel_ports: self.tunnel_ports(&interfaces, &given.tunnel_ports),
            interfaces,
        }
    }

    /// The named links that do not exist.
    pub fn missing<'a>(&self, names: &'a [String]) -> Vec<&'a str> {
        let known: BTreeSet<&str> = self.names().collect();
        names
            .iter()
            .map(String::as_str)
            .filter(|name| !known.contains(name))
            .collect()
    }

    /// The names of all links, by index.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.links.values().map(|link| link.name.as_str())
    }

    /// The usual ports count too where no link has them: Open vSwitch and programs in user space
    /// have tunnels that are no links. What a link says goes before that, and a flag before both.
    ///
    /// A link that is told to be an uplink counts as one, even if it is a tunnel: then what it
    /// sends is not to be left out.
    fn tunnel_ports(
        &self,
        classes: &BTreeMap<u32, InterfaceClass>,
        given: &BTreeMap<u16, Tunnel>,
    ) -> BTreeMap<u16, Tunnel> {
        let is_a_tunnel = |(_, tunnel): &(u16, Tunnel)| match tunnel {
            Tunnel::Vxlan | Tunnel::Geneve => true,
            Tunnel::WireGuard { interface } => {
                classes.get(interface) == Some(&InterfaceClass::Tunnel)
            }
        };
        let of_links = self.links.values().filter_map(|link| link.tunnel_port);
        let mut ports = kubezonnet_capture::Config::default().tunnel_ports;
        ports.extend(of_links.filter(is_a_tunnel));
        ports.extend(given);
        ports
    }

    fn node_addresses(&self) -> Vec<IpAddr> {
        let held: BTreeSet<IpAddr> = self
            .addresses
            .iter()
            .filter(|(index, address)| is_the_nodes_own(address) && !self.holds_services(*index))
            .map(|(_, address)| *address)
            .collect();
        held.into_iter().collect()
    }

    fn holds_services(&self, index: u32) -> bool {
        self.links
            .get(&index)
            .is_some_and(|link| SERVICE_DUMMIES.contains(&link.name.as_str()))
    }
}

fn is_the_nodes_own(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(names: &[(u32, &str)], addresses: &[(u32, &str)]) -> Links {
        Links {
            links: names
                .iter()
                .map(|(index, name)| {
                    let name = (*name).to_owned();
                    (
                        *index,
                        Link {
                            name,
                            ..Link::default()
                        },
                    )
                })
                .collect(),
            addresses: addresses
                .iter()
                .map(|(index, address)| (*index, address.parse().unwrap()))
                .collect(),
            ..Links::default()
        }
    }

    #[test]
    fn loopback_link_local_and_service_addresses_are_not_the_nodes_own() {
        let links = links(
            &[
                (1, "lo"),
                (2, "eth0"),
                (3, "kube-ipvs0"),
                (4, "cni0"),
                (5, "kube-dummy-if"),
            ],
            &[
                (1, "127.0.0.1"),
                (1, "::1"),
                (1, "10.9.9.9"),
                (2, "10.66.0.1"),
                (2, "fd66::1"),
                (2, "fe80::1"),
                (2, "169.254.20.10"),
                (3, "10.96.0.1"),
                (4, "10.66.0.1"),
                (5, "10.96.0.10"),
            ],
        );

        let addresses = links.view(&Given::default()).node_addresses;

        let expected = ["10.9.9.9", "10.66.0.1", "fd66::1"];
        assert_eq!(
            addresses,
            expected.map(|text| text.parse::<IpAddr>().unwrap())
        );
    }

    #[test]
    fn ports_of_tunnels_are_the_usual_ones_those_of_the_links_and_those_that_are_given() {
        let tunnel = |port| Link {
            tunnel_port: Some(port),
            ..Link::default()
        };
        let links = Links {
            links: BTreeMap::from([
                (1, Link::default()),
                (2, tunnel((14_789, Tunnel::Vxlan))),
                (3, tunnel((4789, Tunnel::Geneve))),
                (4, tunnel((7000, Tunnel::Geneve))),
            ]),
            ..Links::default()
        };
        let given = Given {
            tunnel_ports: BTreeMap::from([(7000, Tunnel::Vxlan), (9000, Tunnel::Geneve)]),
            ..Given::default()
        };

        let ports = links.view(&given).tunnel_ports;

        let expected = [
            (4789, Tunnel::Geneve),
            (6081, Tunnel::Geneve),
            (7000, Tunnel::Vxlan),
            (8472, Tunnel::Vxlan),
            (9000, Tunnel::Geneve),
            (14_789, Tunnel::Vxlan),
        ];
        assert_eq!(ports, BTreeMap::from(expected));
    }

    #[test]
    fn a_wireguard_device_that_is_named_as_uplink_has_no_port_of_a_tunnel() {
        let wireguard = Link {
            name: "wg0".to_owned(),
            kind: Some("wireguard".to_owned()),
            tunnel_port: Some((51_820, Tunnel::WireGuard { interface: 3 })),
            ..Link::default()
        };
        let links = Links {
            links: BTreeMap::from([(3, wireguard)]),
            ..Links::default()
        };
        let named = Given {
            uplinks: vec!["wg0".to_owned()],
            ..Given::default()
        };

        let found = |given: &Given| links.view(given).tunnel_ports.get(&51_820).copied();

        assert_eq!(
            found(&Given::default()),
            Some(Tunnel::WireGuard { interface: 3 })
        );
        assert_eq!(found(&named), None);
    }

    #[test]
    fn an_uplink_that_does_not_exist_is_named() {
        let links = links(&[(1, "lo"), (2, "eth0")], &[]);

        let missing = ["eth0".to_owned(), "eth1".to_owned()];

        assert_eq!(links.missing(&missing), ["eth1"]);
    }
}
