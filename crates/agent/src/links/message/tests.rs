//! Messages as kernels send them, old and new ones.

use proptest::prelude::*;

use super::*;

fn link_message(index: u32, flags: i32, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![0; 2];
    body.extend(libc::ARPHRD_ETHER.to_ne_bytes());
    body.extend(index.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body.extend([0; 4]);
    body.extend(attributes.concat());
    message(libc::RTM_NEWLINK, 0, &body)
}

fn address_message(index: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(attributes.concat());
    message(libc::RTM_NEWADDR, 0, &body)
}

fn route_message(kind: u16, prefix_length: u8, route: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![0, prefix_length, 0, 0, 0, 0, 0, route, 0, 0, 0, 0];
    body.extend(attributes.concat());
    message(kind, 0, &body)
}

fn contents(datagram: &[u8]) -> Vec<Content> {
    let all: io::Result<Vec<Message>> = Messages(datagram).collect();
    let all = all.expect("the datagram is whole").into_iter();
    all.map(|message| message.content).collect()
}

fn only(datagram: &[u8]) -> Content {
    let mut all = contents(datagram);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn a_link_is_read_with_all_that_its_class_depends_on() {
    let info = [attribute(INFO_KIND, b"veth\0"), attribute(2, &[7; 24])].concat();
    let datagram = link_message(
        9,
        libc::IFF_UP,
        &[
            attribute(libc::IFLA_IFNAME, b"lxc19745ece5327\0"),
            attribute(libc::IFLA_MASTER, &4_u32.to_ne_bytes()),
            attribute(libc::IFLA_LINK, &2_u32.to_ne_bytes()),
            attribute(libc::IFLA_LINK_NETNSID, &0_u32.to_ne_bytes()),
            attribute(libc::IFLA_LINKINFO | 0x8000, &info),
        ],
    );

    let link = Link {
        name: "lxc19745ece5327".to_owned(),
        kind: Some("veth".to_owned()),
        is_loopback: false,
        is_ethernet: true,
        controller: Some(4),
        lower: Some(2),
        lower_is_elsewhere: true,
        tunnel_port: None,
    };
    assert_eq!(only(&datagram), Content::Link(9, link));
}

/// The port that is read from a link of this kind with these attributes of its own.
fn tunnel_port(kind: &[u8], data: &[Vec<u8>]) -> Option<(u16, Tunnel)> {
    let info = [
        attribute(INFO_KIND, kind),
        attribute(INFO_DATA | 0x8000, &data.concat()),
    ];
    let datagram = link_message(5, 0, &[attribute(libc::IFLA_LINKINFO, &info.concat())]);
    match only(&datagram) {
        Content::Link(5, link) => link.tunnel_port,
        other => panic!("no link: {other:?}"),
    }
}

#[test]
fn a_tunnels_port_is_read_in_the_order_of_the_network() {
    let vni = attribute(1, &7_u32.to_ne_bytes());
    let port = |attribute_kind| attribute(attribute_kind, &[0x12, 0xb5]);

    let vxlan = tunnel_port(b"vxlan\0", &[vni.clone(), port(15)]);
    let geneve = tunnel_port(b"geneve\0", &[vni.clone(), port(5)]);

    assert_eq!(vxlan, Some((4789, Tunnel::Vxlan)));
    assert_eq!(geneve, Some((4789, Tunnel::Geneve)));
    // Of another kind the same attributes mean something else.
    assert_eq!(tunnel_port(b"vlan\0", &[port(15), port(5)]), None);
    assert_eq!(tunnel_port(b"vxlan\0", &[vni, port(5)]), None);
}

#[test]
fn a_tunnel_that_has_no_port_or_holds_no_frames_tells_none() {
    let port = attribute(15, &4790_u16.to_be_bytes());
    let generic_protocol = attribute(27, &[]);

    assert_eq!(tunnel_port(b"vxlan\0", &[port, generic_protocol]), None);
    assert_eq!(tunnel_port(b"vxlan\0", &[attribute(15, &[0, 0])]), None);
    assert_eq!(tunnel_port(b"geneve\0", &[attribute(5, &[1])]), None);
}

/// `IFLA_LINKINFO` of `ip link add vx7 type vxlan id 7 dstport 14789`, as Linux 6.18 on a
/// little-endian machine gives it.
const REAL_VXLAN: &str = "\
    0a00010076786c616e000000c800020008000100070000000500050000000000 \
    05001c0000000000050006000000000005001d000000000008001a0000000000 \
    0800200000000000050007000100000005000b000000000005000c0000000000 \
    05000d000000000005000e00000000000500190000000000080008002c010000 \
    080009000000000006000f0039c5000005001200010000000500130000000000 \
    05001400000000000500150000000000050016000000000005001f0001000000 \
    08000a00000000000c002100f7ffffff000000ff";

#[cfg(target_endian = "little")]
#[test]
fn a_real_devices_kind_and_port_are_read() {
    let digits: String = REAL_VXLAN.split_whitespace().collect();
    let info: Vec<u8> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect();

    let datagram = link_message(2, 0, &[attribute(libc::IFLA_LINKINFO, &info)]);

    let link = Link {
        kind: Some("vxlan".to_owned()),
        is_ethernet: true,
        tunnel_port: Some((14_789, Tunnel::Vxlan)),
        ..Link::default()
    };
    assert_eq!(only(&datagram), Content::Link(2, link));
}

#[test]
fn a_link_without_a_driver_of_its_own_is_hardware_and_loopback_says_so() {
    let name = || attribute(libc::IFLA_IFNAME, b"ens5\0");
    let lower = attribute(libc::IFLA_LINK, &0_u32.to_ne_bytes());
    let link = Link {
        name: "ens5".to_owned(),
        is_ethernet: true,
        ..Link::default()
    };

    let hardware = only(&link_message(2, 0, &[name(), lower]));
    let loopback = only(&link_message(2, libc::IFF_LOOPBACK, &[name()]));

    assert_eq!(hardware, Content::Link(2, link.clone()));
    let is_loopback = true;
    assert_eq!(
        loopback,
        Content::Link(
            2,
            Link {
                is_loopback,
                ..link
            }
        )
    );
}

#[test]
fn attributes_of_other_kernels_cost_nothing() {
    // One that is not known, one that is known elsewhere by another length, one without a value,
    // and statistics that are longer than any so far.
    let datagram = link_message(
        3,
        0,
        &[
            attribute(0x3ff0, &[1; 100]),
            attribute(libc::IFLA_MTU, &[220, 5]),
            attribute(libc::IFLA_AF_SPEC, &[]),
            attribute(libc::IFLA_STATS64, &[0; 400]),
            attribute(libc::IFLA_LINKINFO, &attribute(2, &[1])),
            attribute(libc::IFLA_IFNAME, b"eth0\0"),
        ],
    );

    let Content::Link(3, link) = only(&datagram) else {
        panic!("no link")
    };
    assert_eq!((link.name.as_str(), link.kind), ("eth0", None));
}

#[test]
fn what_a_link_has_sent_is_read_from_its_counters() {
    // rx_packets, tx_packets, rx_bytes, tx_bytes, and more or fewer of them after that.
    let counters = |count: usize| {
        let numbers = [11_u64, 22, 33, u64::MAX - 44].into_iter().chain(55..);
        let bytes: Vec<u8> = numbers.take(count).flat_map(u64::to_ne_bytes).collect();
        let mut body = vec![0; 4];
        body.extend(7_u32.to_ne_bytes());
        body.extend(ONLY_STATS_LINK_64.to_ne_bytes());
        body.extend(attribute(STATS_LINK_64, &bytes));
        only(&message(NEW_STATS, 0, &body))
    };
    let sent = FlowCounters {
        bytes: u64::MAX - 44,
        packets: 22,
    };

    for count in [4, 24, 25, 40] {
        assert_eq!(counters(count), Content::Sent(7, sent), "{count}");
    }
    assert_eq!(counters(3), Content::Other);
}

#[test]
fn the_links_own_address_goes_before_its_peers() {
    let own = attribute(libc::IFA_LOCAL, &[10, 9, 9, 1]);
    let peer = attribute(libc::IFA_ADDRESS, &[10, 9, 9, 2]);
    let six = attribute(libc::IFA_ADDRESS, &[0xfd; 16]);

    assert_eq!(
        only(&address_message(5, &[peer, own])),
        Content::Address(5, [10, 9, 9, 1].into())
    );
    assert_eq!(
        only(&address_message(5, &[six])),
        Content::Address(5, [0xfd; 16].into())
    );
    assert_eq!(only(&address_message(5, &[])), Content::Other);
}

#[test]
fn of_routes_only_default_ones_matter_and_each_of_their_hops() {
    let out = |index: u32| attribute(libc::RTA_OIF, &index.to_ne_bytes());
    let hop = |index: u32| {
        let gateway = attribute(libc::RTA_GATEWAY, &[10, 0, 0, 1]);
        let mut hop = vec![16, 0, 0, 0];
        if cfg!(target_endian = "big") {
            hop.swap(0, 1);
        }
        hop.extend(index.to_ne_bytes());
        hop.extend(gateway);
        hop
    };
    let new = libc::RTM_NEWROUTE;
    let unicast = libc::RTN_UNICAST;
    let hops = attribute(libc::RTA_MULTIPATH, &[hop(2), hop(3)].concat());

    assert_eq!(
        only(&route_message(new, 0, unicast, &[out(2)])),
        Content::DefaultRoute(vec![2])
    );
    assert_eq!(
        only(&route_message(new, 0, unicast, &[hops])),
        Content::DefaultRoute(vec![2, 3])
    );
    let local = only(&route_message(new, 0, libc::RTN_LOCAL, &[out(1)]));
    assert_eq!(local, Content::Other);
    for kind in [new, libc::RTM_DELROUTE] {
        let other = only(&route_message(kind, 24, unicast, &[out(2)]));
        assert_eq!(other, Content::OtherRoute);
    }
    // The end of a default route is a change.
    let gone = only(&route_message(libc::RTM_DELROUTE, 0, unicast, &[out(2)]));
    assert_eq!(gone, Content::Other);
}

#[test]
fn a_list_ends_and_a_refusal_is_told_by_its_number() {
    let end = |kind: i32, status: i32| {
        let kind = u16::try_from(kind).unwrap();
        message(kind, libc::NLM_F_DUMP_INTR, &status.to_ne_bytes())
    };

    assert_eq!(only(&end(libc::NLMSG_DONE, 0)), Content::Done);
    assert_eq!(only(&end(libc::NLMSG_DONE, -4)), Content::Refused(4));
    assert_eq!(only(&end(libc::NLMSG_ERROR, -1)), Content::Refused(1));
    assert_eq!(only(&end(libc::NLMSG_ERROR, 0)), Content::Other);
    let messages: Vec<_> = Messages(&end(libc::NLMSG_DONE, 0)).collect();
    assert!(messages[0].as_ref().unwrap().interrupted);
}

#[test]
fn messages_of_one_datagram_are_read_in_turn() {
    let name = |name: &[u8]| [attribute(libc::IFLA_IFNAME, name)];
    let datagram = [
        link_message(1, libc::IFF_LOOPBACK, &name(b"lo\0")),
        link_message(2, 0, &name(b"eth0\0")),
    ]
    .concat();

    let indexes: Vec<u32> = contents(&datagram)
        .iter()
        .map(|content| match content {
            Content::Link(index, _) => *index,
            other => panic!("{other:?}"),
        })
        .collect();

    assert_eq!(indexes, [1, 2]);
}

#[test]
fn a_message_that_is_cut_short_is_an_error_and_ends_the_datagram() {
    let whole = link_message(1, 0, &[attribute(libc::IFLA_IFNAME, b"lo\0")]);

    for length in 1..whole.len() {
        let messages: Vec<_> = Messages(&whole[..length]).collect();

        assert_eq!(messages.len(), 1, "{length}");
        assert!(messages[0].is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn nothing_that_comes_makes_it_panic_or_run_on(
        kind in prop_oneof![Just(16_u16), Just(20), Just(24), Just(92), Just(2), Just(3),
            any::<u16>()],
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let messages = Messages(&message(kind, 0, &bytes)).count();
        prop_assert_eq!(messages, 1);
        prop_assert!(Messages(&bytes).count() <= bytes.len());
    }
}
