//! Of which class each interface is. Pure: links in, classes out.

use std::collections::BTreeMap;

use kubezonnet_model::InterfaceClass;

use super::{Link, Links};

/// Kinds that wrap packets and send them on.
const TUNNELS: [&str; 23] = [
    "amt",
    "bareudp",
    "erspan",
    "geneve",
    "gre",
    "gretap",
    "gtp",
    "ip6erspan",
    "ip6gre",
    "ip6gretap",
    "ip6tnl",
    "ipip",
    "l2tpeth",
    "lisp",
    "ovpn",
    "pfcp",
    "sit",
    "vti",
    "vti6",
    "vxlan",
    "wireguard",
    "xfrm",
    "xfrmi",
];

/// Kinds with one end here and one where the other end is.
const PAIRS: [&str; 2] = ["netkit", "veth"];

/// Kinds that send by the link below them.
pub(super) const UPPERS: [&str; 7] = [
    "hsr", "ipvlan", "ipvtap", "macsec", "macvlan", "macvtap", "vlan",
];

/// Kinds that send by their ports.
const CONTROLLERS: [&str; 3] = ["bond", "bridge", "team"];

/// Controllers that make one link of many.
const BONDS: [&str; 2] = ["bond", "team"];

/// The class of every link, by index.
///
/// In this order: loopback; the links named in `uplinks`; tunnels; links with a default route and
/// hardware, if no uplinks are named; pairs whose other end is in another namespace lead to pods.
/// A pair with both ends here is the host's own, default route or not.
/// What is built on an uplink (a VLAN, a bond, a bridge with hardware in it) is one too, and so are
/// the ports of a bond that is; a bridge with pods in it leads to pods. The rest is the host's own.
///
/// Naming uplinks replaces finding them, because detection can be wrong either way.
pub fn classify(links: &Links, uplinks: &[String]) -> BTreeMap<u32, InterfaceClass> {
    let mut classes: BTreeMap<u32, InterfaceClass> = links
        .links
        .iter()
        .map(|(&index, link)| (index, alone(links, index, link, uplinks)))
        .collect();
    // A bridge with both hardware and pods in it leads to the network, so uplinks go first.
    spread(links, InterfaceClass::Uplink, &mut classes);
    spread(links, InterfaceClass::Pod, &mut classes);
    classes
}

/// Gives a class to the links that are built on links of it, until nothing changes.
///
/// Each round takes at least one link out of `Host`, and none goes back, so it ends.
fn spread(links: &Links, class: InterfaceClass, classes: &mut BTreeMap<u32, InterfaceClass>) {
    loop {
        let more: Vec<u32> = links
            .links
            .iter()
            .filter(|(index, _)| classes.get(index) == Some(&InterfaceClass::Host))
            .filter(|&(&index, link)| is_built_on(links, index, link, class, classes))
            .map(|(&index, _)| index)
            .collect();
        if more.is_empty() {
            return;
        }
        classes.extend(more.into_iter().map(|index| (index, class)));
    }
}

/// What a link is by itself.
fn alone(links: &Links, index: u32, link: &Link, uplinks: &[String]) -> InterfaceClass {
    let kind = link.kind.as_deref();
    let is_one_of = |kinds: &[&str]| kind.is_some_and(|kind| kinds.contains(&kind));
    let is_tun = kind == Some("tun") && !link.is_ethernet;
    let is_pair = is_one_of(&PAIRS);
    // A default route may lead into the host itself: by a pair that has both ends here.
    let has_default_route =
        links.default_routes.contains(&index) && (!is_pair || link.lower_is_elsewhere);
    if link.is_loopback {
        InterfaceClass::Loopback
    } else if uplinks.contains(&link.name) {
        InterfaceClass::Uplink
    } else if is_one_of(&TUNNELS) || is_tun {
        InterfaceClass::Tunnel
    } else if uplinks.is_empty() && (has_default_route || kind.is_none()) {
        InterfaceClass::Uplink
    } else if is_pair && link.lower_is_elsewhere {
        InterfaceClass::Pod
    } else if uplinks.is_empty() && is_one_of(&UPPERS) && link.lower_is_elsewhere {
        // The hardware is in the namespace around this one.
        InterfaceClass::Uplink
    } else {
        InterfaceClass::Host
    }
}

/// Whether a link leads where links of that class lead.
fn is_built_on(
    links: &Links,
    index: u32,
    link: &Link,
    class: InterfaceClass,
    classes: &BTreeMap<u32, InterfaceClass>,
) -> bool {
    let has_class = |index: u32| classes.get(&index) == Some(&class);
    let is_kind = |link: &Link, kinds: &[&str]| {
        let kind = link.kind.as_deref();
        kind.is_some_and(|kind| kinds.contains(&kind))
    };
    let mut ports = links
        .links
        .iter()
        .filter(|(_, port)| port.controller == Some(index))
        .map(|(&port, _)| port);
    let is_port_of_one = link.controller.is_some_and(|controller| {
        let is_bond = |link: &Link| is_kind(link, &BONDS);
        has_class(controller) && links.links.get(&controller).is_some_and(is_bond)
    });
    let is_upper_of_one = class == InterfaceClass::Uplink
        && is_kind(link, &UPPERS)
        && !link.lower_is_elsewhere
        && link.lower.is_some_and(has_class);
    let has_one_as_port = is_kind(link, &CONTROLLERS) && ports.any(has_class);
    is_port_of_one || is_upper_of_one || has_one_as_port
}

#[cfg(test)]
mod tests {
    use InterfaceClass::{Host, Loopback, Pod, Tunnel, Uplink};

    use super::*;

    fn link(name: &str, kind: &str) -> Link {
        Link {
            name: name.to_owned(),
            kind: (!kind.is_empty()).then(|| kind.to_owned()),
            is_ethernet: true,
            ..Link::default()
        }
    }

    fn over(lower: u32, link: Link) -> Link {
        Link {
            lower: Some(lower),
            ..link
        }
    }

    fn elsewhere(link: Link) -> Link {
        Link {
            lower: Some(2),
            lower_is_elsewhere: true,
            ..link
        }
    }

    fn port_of(controller: u32, link: Link) -> Link {
        Link {
            controller: Some(controller),
            ..link
        }
    }

    fn lo() -> Link {
        Link {
            is_loopback: true,
            is_ethernet: false,
            ..link("lo", "")
        }
    }

    /// Numbers the links from 1 and asks for their classes.
    fn classes(list: Vec<Link>, default_routes: &[u32], uplinks: &[&str]) -> Vec<InterfaceClass> {
        let links = Links {
            links: (1..).zip(list).collect(),
            default_routes: default_routes.iter().copied().collect(),
            ..Links::default()
        };
        let uplinks: Vec<String> = uplinks.iter().map(ToString::to_string).collect();
        classify(&links, &uplinks).into_values().collect()
    }

    #[test]
    fn a_node_with_hardware_and_pods_behind_veths() {
        let node = vec![
            lo(),
            link("ens5", ""),
            elsewhere(link("eni1", "veth")),
            elsewhere(link("lxc1", "netkit")),
            link("dummy0", "dummy"),
        ];

        assert_eq!(classes(node, &[2], &[]), [Loopback, Uplink, Pod, Pod, Host]);
    }

    #[test]
    fn a_node_that_is_itself_a_namespace_has_a_veth_as_uplink() {
        let node = vec![
            lo(),
            elsewhere(link("eth0", "veth")),
            elsewhere(link("pod1", "veth")),
        ];

        assert_eq!(classes(node, &[2], &[]), [Loopback, Uplink, Pod]);
    }

    #[test]
    fn a_bridge_leads_where_its_ports_lead() {
        let node = vec![
            link("eth0", ""),
            link("cni0", "bridge"),
            port_of(2, elsewhere(link("veth1", "veth"))),
            link("docker0", "bridge"),
            link("br0", "bridge"),
            port_of(5, over(1, link("eth0.7", "vlan"))),
            port_of(5, elsewhere(link("veth2", "veth"))),
        ];

        assert_eq!(
            classes(node, &[], &[]),
            [Uplink, Pod, Pod, Host, Uplink, Uplink, Pod]
        );
    }

    #[test]
    fn bonds_and_what_stands_on_them_are_uplinks() {
        let node = vec![
            port_of(3, link("ens1", "")),
            port_of(3, link("ens2", "")),
            link("bond0", "bond"),
            over(3, link("bond0.12", "vlan")),
            over(4, link("shim", "macvlan")),
            over(9, link("other", "vlan")),
            elsewhere(link("mv0", "macvlan")),
        ];

        assert_eq!(
            classes(node, &[], &[]),
            [Uplink, Uplink, Uplink, Uplink, Uplink, Host, Uplink]
        );
    }

    #[test]
    fn tunnels_are_tunnels_whatever_they_carry() {
        for kind in TUNNELS {
            assert_eq!(
                classes(vec![link("t", kind)], &[1], &[]),
                [Tunnel],
                "{kind}"
            );
        }
        let tun = Link {
            is_ethernet: false,
            ..link("tun0", "tun")
        };
        assert_eq!(
            classes(vec![tun, link("tap0", "tun")], &[], &[]),
            [Tunnel, Host]
        );
    }

    #[test]
    fn named_uplinks_replace_those_that_are_found() {
        let node = || {
            vec![
                lo(),
                link("eth0", ""),
                link("eth1", ""),
                elsewhere(link("veth1", "veth")),
                link("wg0", "wireguard"),
                over(3, link("eth1.5", "vlan")),
            ]
        };

        assert_eq!(
            classes(node(), &[2], &["eth1"]),
            [Loopback, Host, Uplink, Pod, Tunnel, Uplink]
        );
        assert_eq!(
            classes(node(), &[2], &["wg0", "veth1"]),
            [Loopback, Host, Host, Uplink, Uplink, Host]
        );
    }

    #[test]
    fn ports_of_a_bond_that_is_named_are_uplinks_too() {
        let node = vec![
            port_of(2, link("ens1", "")),
            link("bond0", "bond"),
            link("ens2", ""),
        ];

        assert_eq!(classes(node, &[], &["bond0"]), [Uplink, Uplink, Host]);
    }

    #[test]
    fn a_pair_with_both_ends_here_is_the_hosts_own() {
        let node = vec![
            over(2, link("cilium_host", "veth")),
            over(1, link("cilium_net", "veth")),
        ];

        assert_eq!(classes(node, &[], &[]), [Host, Host]);
    }

    #[test]
    fn a_pair_with_both_ends_here_is_no_uplink_even_with_a_default_route() {
        // Cilium sends what its proxy answers through a table whose default route is cilium_host.
        let node = vec![
            link("eth0", ""),
            over(3, link("cilium_host", "veth")),
            over(2, link("cilium_net", "veth")),
            elsewhere(link("lxc1", "veth")),
        ];

        assert_eq!(classes(node, &[1, 2], &[]), [Uplink, Host, Host, Pod]);
    }

    #[test]
    fn links_that_stand_on_each_other_end_the_search() {
        let node = vec![over(2, link("a", "vlan")), over(1, link("b", "vlan"))];

        assert_eq!(classes(node, &[], &[]), [Host, Host]);
    }
}
