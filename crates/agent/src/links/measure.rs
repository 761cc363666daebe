//! Whose counters tell what left through the uplinks. Pure: links and classes in, links out.

use std::collections::{BTreeMap, BTreeSet};

use kubezonnet_model::InterfaceClass;

use super::classify::UPPERS;
use super::{Link, Links};

/// The header of an Ethernet frame, which interfaces count and wire bytes leave out. A VLAN's tag is
/// not in it: it lies beside the packet until the hardware puts it in.
const ETHERNET_HEADER_BYTES: u64 = 14;

/// The uplinks whose counters are to be read, by index, with the bytes of their link layer's header.
///
/// A packet passes several uplinks where one stands on another; it is counted on one of them. Of a
/// bond, team or bridge and its ports that is the former: a bond's counters are the sums of its
/// ports', and what a bridge sends is what this node's routes send. Of a VLAN or macvlan and the link
/// below it is the latter, which others send by too. A bridge over a VLAN has both above it and
/// below it: there the ports go before the bridge.
pub fn measured(links: &Links, classes: &BTreeMap<u32, InterfaceClass>) -> BTreeMap<u32, u64> {
    let uplinks: BTreeMap<u32, &Link> = links
        .links
        .iter()
        .filter(|(index, _)| classes.get(index) == Some(&InterfaceClass::Uplink))
        .map(|(&index, link)| (index, link))
        .collect();
    let stands_for_its_ports = |index: u32| !sends_by_an_upper(&uplinks, index);
    let is_switch = |index: u32| links.links.get(&index).is_some_and(is_of_open_vswitch);
    let has_switch_port = uplinks
        .values()
        .any(|link| link.controller.is_some_and(is_switch));
    uplinks
        .iter()
        .filter(|&(&index, link)| {
            let controller = link.controller.filter(|index| uplinks.contains_key(index));
            // What an internal device of Open vSwitch sends leaves by a port of the switch.
            !(has_switch_port && is_of_open_vswitch(link))
                && below(&uplinks, link).is_none()
                && stands_for_its_ports(index)
                && !controller.is_some_and(stands_for_its_ports)
        })
        .map(|(&index, link)| (index, header_bytes(link)))
        .collect()
}

fn is_of_open_vswitch(link: &Link) -> bool {
    link.kind.as_deref() == Some("openvswitch")
}

/// The uplink that a VLAN or the like sends by.
fn below(uplinks: &BTreeMap<u32, &Link>, link: &Link) -> Option<u32> {
    let kind = link.kind.as_deref()?;
    let is_upper = UPPERS.contains(&kind) && !link.lower_is_elsewhere;
    let lower = link.lower.filter(|_| is_upper)?;
    uplinks.contains_key(&lower).then_some(lower)
}

/// Whether what an uplink sends can pass a VLAN or the like on its way down, itself included.
fn sends_by_an_upper(uplinks: &BTreeMap<u32, &Link>, index: u32) -> bool {
    let mut passed = BTreeSet::new();
    let mut next = vec![index];
    while let Some(index) = next.pop() {
        // Links can stand on each other.
        if !passed.insert(index) {
            continue;
        }
        if uplinks
            .get(&index)
            .is_some_and(|link| below(uplinks, link).is_some())
        {
            return true;
        }
        let ports = uplinks.iter();
        next.extend(
            ports
                .filter(|(_, port)| port.controller == Some(index))
                .map(|(&port, _)| port),
        );
    }
    false
}

fn header_bytes(link: &Link) -> u64 {
    if link.is_ethernet {
        ETHERNET_HEADER_BYTES
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn link(kind: &str) -> Link {
        Link {
            kind: (!kind.is_empty()).then(|| kind.to_owned()),
            is_ethernet: true,
            ..Link::default()
        }
    }

    fn over(lower: u32, kind: &str) -> Link {
        Link {
            lower: Some(lower),
            ..link(kind)
        }
    }

    fn port_of(controller: u32, link: Link) -> Link {
        Link {
            controller: Some(controller),
            ..link
        }
    }

    fn of(links: Vec<Link>, others: &[u32]) -> (Links, BTreeMap<u32, InterfaceClass>) {
        let links: BTreeMap<u32, Link> = (1..).zip(links).collect();
        let class = |index: u32| {
            if others.contains(&index) {
                InterfaceClass::Pod
            } else {
                InterfaceClass::Uplink
            }
        };
        let classes = links.keys().map(|&index| (index, class(index))).collect();
        let links = Links {
            links,
            ..Links::default()
        };
        (links, classes)
    }

    /// Numbers the links from 1, all of them uplinks but for the `others`.
    fn read(list: Vec<Link>, others: &[u32]) -> Vec<u32> {
        let (links, classes) = of(list, others);
        measured(&links, &classes).into_keys().collect()
    }

    #[test]
    fn uplinks_side_by_side_are_all_read_and_nothing_else_is() {
        let elsewhere = Link {
            lower_is_elsewhere: true,
            ..over(1, "macvlan")
        };
        let node = vec![link(""), link(""), link("veth"), elsewhere];

        assert_eq!(read(node, &[3]), [1, 2, 4]);
    }

    #[test]
    fn a_bond_a_team_or_a_bridge_is_read_for_its_ports() {
        for kind in ["bond", "team", "bridge"] {
            let node = vec![port_of(3, link("")), port_of(3, link("")), link(kind)];

            assert_eq!(read(node, &[]), [3], "{kind}");
        }
        // Where the controller is none, the port is.
        let node = vec![port_of(2, link("")), link("vrf")];
        assert_eq!(read(node, &[2]), [1]);
    }

    #[test]
    fn of_open_vswitch_the_port_is_read_and_not_the_bridge() {
        let port = || port_of(2, link(""));
        let (datapath, bridge) = (|| link("openvswitch"), || link("openvswitch"));

        assert_eq!(read(vec![port(), datapath(), bridge()], &[2]), [1]);
        assert_eq!(read(vec![link(""), datapath(), bridge()], &[2]), [1, 3]);
    }

    #[test]
    fn a_link_is_read_for_what_stands_on_it() {
        for kind in UPPERS {
            let node = vec![link(""), over(1, kind), over(2, "vlan")];

            assert_eq!(read(node, &[]), [1], "{kind}");
        }
        // Only the VLAN leads to the network, by the word of a flag.
        assert_eq!(read(vec![link(""), over(1, "vlan")], &[1]), [2]);
    }

    #[test]
    fn what_stands_on_each_other_several_times_is_read_once() {
        let bridge_over_vlan_over_bond = vec![
            port_of(2, link("")),
            link("bond"),
            port_of(4, over(2, "vlan")),
            link("bridge"),
        ];
        let bridge_of_a_bond = vec![
            port_of(2, link("")),
            port_of(3, link("bond")),
            link("bridge"),
        ];
        let bridge_of_hardware_and_a_vlan = vec![
            port_of(3, link("")),
            port_of(3, over(4, "vlan")),
            link("bridge"),
            link(""),
        ];

        assert_eq!(read(bridge_over_vlan_over_bond, &[]), [2]);
        assert_eq!(read(bridge_of_a_bond, &[]), [3]);
        assert_eq!(read(bridge_of_hardware_and_a_vlan, &[]), [1, 4]);
    }

    #[test]
    fn only_ethernet_has_a_header_to_leave_out() {
        let point_to_point = Link {
            is_ethernet: false,
            ..link("")
        };
        let (links, classes) = of(vec![link(""), point_to_point], &[]);

        assert_eq!(
            measured(&links, &classes),
            BTreeMap::from([(1, ETHERNET_HEADER_BYTES), (2, 0)])
        );
    }

    /// Any links, standing on each other in any way, some of them uplinks.
    fn any_node() -> impl Strategy<Value = (Vec<Link>, Vec<u32>)> {
        let kinds = vec!["", "bond", "bridge", "vlan", "macvlan", "veth"];
        let index = || proptest::option::of(1_u32..9);
        let any_link = (
            proptest::sample::select(kinds),
            index(),
            index(),
            any::<bool>(),
        );
        let any_link = any_link.prop_map(|(kind, controller, lower, lower_is_elsewhere)| Link {
            controller,
            lower,
            lower_is_elsewhere,
            ..link(kind)
        });
        let links = proptest::collection::vec(any_link, 0..9);
        (links, proptest::collection::vec(1_u32..9, 0..3))
    }

    /// Every uplink that a packet can pass after this one.
    fn passed_after(index: u32, uplinks: &BTreeMap<u32, &Link>) -> BTreeSet<u32> {
        let mut passed = BTreeSet::new();
        let mut next = vec![index];
        while let Some(index) = next.pop() {
            let ports = uplinks
                .iter()
                .filter(|(_, port)| port.controller == Some(index));
            let lower = below(uplinks, uplinks[&index]);
            for after in ports.map(|(&port, _)| port).chain(lower) {
                if passed.insert(after) {
                    next.push(after);
                }
            }
        }
        passed
    }

    proptest! {
        #[test]
        fn no_packet_passes_two_links_that_are_read((list, others) in any_node()) {
            let (links, classes) = of(list, &others);

            let read = measured(&links, &classes);

            let uplinks: BTreeMap<u32, &Link> = links
                .links
                .iter()
                .filter(|(index, _)| classes[index] == InterfaceClass::Uplink)
                .map(|(&index, link)| (index, link))
                .collect();
            for &index in read.keys() {
                prop_assert!(uplinks.contains_key(&index));
                let again = passed_after(index, &uplinks)
                    .into_iter()
                    .filter(|after| *after != index && read.contains_key(after));
                prop_assert_eq!(again.collect::<Vec<_>>(), Vec::<u32>::new(), "after {}", index);
            }
        }
    }
}
