//! Overlays: the outer packet is charged to the inner addresses with all its bytes, and the inner
//! pass is left out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kubezonnet_capture::{Config, Drained, Tunnel};
use kubezonnet_model::{
    FlowCounters, Hook, InterfaceClass, PortSide, Protocol, SkipReason, Skipped,
};

use crate::packets::{
    CLIENT, CLIENT6, SERVER, SERVER6, count, count_each, ipv4, ipv6, only, service, udp,
};

const NODES: [[u8; 4]; 2] = [[192, 168, 0, 1], [192, 168, 0, 2]];
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];

/// A packet between the nodes, of IPv4.
fn between_nodes(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = ipv4(protocol, 0, 0, payload);
    packet[12..16].copy_from_slice(&NODES[0]);
    packet[16..20].copy_from_slice(&NODES[1]);
    packet
}

/// The same of IPv6.
fn between_nodes6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = ipv6(protocol, payload);
    packet[8] = 0xfc;
    packet[24] = 0xfc;
    packet
}

fn datagram(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = udp(50_000, port, 0);
    datagram.extend(payload);
    datagram
}

fn ethernet(kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
    [&[2; 12][..], &kind, payload].concat()
}

fn tagged(kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
    ethernet([0x81, 0x00], &[&[0, 7][..], &kind, payload].concat())
}

fn vxlan(frame: &[u8]) -> Vec<u8> {
    [&[0x08, 0, 0, 0, 0, 0, 1, 0][..], frame].concat()
}

fn geneve(option_words: u8, kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
    let options = vec![0; usize::from(option_words) * 4];
    [
        &[option_words, 0, kind[0], kind[1], 0, 0, 1, 0][..],
        &options,
        payload,
    ]
    .concat()
}

/// A GRE header with the fields its flags announce.
fn gre(flags: u8, kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
    let fields = vec![0; flags.count_ones() as usize * 4];
    [&[flags, 0, kind[0], kind[1]][..], &fields, payload].concat()
}

fn inner4() -> Vec<u8> {
    ipv4(17, 1, 0, &udp(40_000, 53, 9))
}

fn inner6() -> Vec<u8> {
    ipv6(
        0,
        &[&[17, 0, 5, 2, 0, 0, 1, 0][..], &udp(40_000, 53, 9)].concat(),
    )
}

/// Every overlay, around both families, over both families.
fn outer_packets() -> Vec<(Vec<u8>, bool)> {
    let mut packets = Vec::new();
    for (inner, kind, is_ipv6) in [(inner4(), IPV4, false), (inner6(), IPV6, true)] {
        let payloads = [
            (17, datagram(4789, &vxlan(&ethernet(kind, &inner)))),
            (17, datagram(8472, &vxlan(&tagged(kind, &inner)))),
            (
                17,
                datagram(6081, &geneve(0, [0x65, 0x58], &ethernet(kind, &inner))),
            ),
            (17, datagram(6081, &geneve(3, kind, &inner))),
            (47, gre(0, kind, &inner)),
            (47, gre(0xb0, kind, &inner)),
            (47, gre(0x20, [0x65, 0x58], &ethernet(kind, &inner))),
            (if is_ipv6 { 41 } else { 4 }, inner),
        ];
        for (protocol, payload) in payloads {
            packets.push((between_nodes(protocol, &payload), is_ipv6));
            packets.push((between_nodes6(protocol, &payload), is_ipv6));
        }
    }
    packets
}

fn assert_charged_to_inner(drained: &Drained, packet: &[u8], is_ipv6: bool) {
    let record = only(drained);
    let (source, destination): (IpAddr, IpAddr) = if is_ipv6 {
        (CLIENT6.into(), SERVER6.into())
    } else {
        (CLIENT.into(), SERVER.into())
    };
    assert_eq!(
        (record.key.source, record.key.destination),
        (source, destination),
        "{packet:02x?}"
    );
    let transport = record.key.transport.unwrap();
    assert_eq!(transport.protocol, Protocol::UDP);
    assert_eq!(transport.service, Some(service(53, PortSide::Destination)));
    assert_eq!(
        record.counters,
        FlowCounters {
            bytes: packet.len() as u64,
            packets: 1
        }
    );
}

#[test]
fn an_outer_packet_is_charged_to_the_inner_addresses_with_all_its_bytes() {
    let (packets, is_ipv6): (Vec<_>, Vec<_>) = outer_packets().into_iter().unzip();
    for hook in Hook::ALL {
        let counted = count_each(InterfaceClass::Uplink, hook, &packets);

        assert_eq!(counted.len(), 32);
        for ((drained, packet), is_ipv6) in counted.iter().zip(&packets).zip(&is_ipv6) {
            assert_charged_to_inner(drained, packet, *is_ipv6);
        }
    }
}

#[test]
fn a_tunnel_has_the_ports_it_is_given() {
    let packet = between_nodes(17, &datagram(4790, &vxlan(&ethernet(IPV4, &inner4()))));
    let of = |ports: BTreeMap<u16, Tunnel>| {
        let config = Config {
            tunnel_ports: ports,
            ..Config::default()
        };
        let packets = [packet.clone()];
        only(&count(
            &config,
            InterfaceClass::Uplink,
            Hook::Postrouting,
            &packets,
        ))
        .key
        .source
    };

    assert_eq!(
        of(BTreeMap::from([(4790, Tunnel::Vxlan)])),
        IpAddr::from(CLIENT)
    );
    assert_eq!(
        of(BTreeMap::from([(4791, Tunnel::Vxlan)])),
        IpAddr::from(NODES[0])
    );
    assert_eq!(
        of(BTreeMap::from([(4789, Tunnel::Vxlan)])),
        IpAddr::from(NODES[0])
    );
}

#[test]
fn what_cannot_be_read_inside_stays_with_the_nodes() {
    let inner = inner4();
    let short = &inner[..19];
    let payloads = [
        // No VXLAN network, an ARP frame, a frame that is cut short, an inner header that is.
        (
            17,
            datagram(4789, &[&[0; 8][..], &ethernet(IPV4, &inner)].concat()),
        ),
        (
            17,
            datagram(4789, &vxlan(&ethernet([0x08, 0x06], &[0; 28]))),
        ),
        (17, datagram(4789, &vxlan(&[2; 10]))),
        (17, datagram(4789, &vxlan(&ethernet(IPV4, short)))),
        (17, datagram(4789, &[])),
        (17, datagram(6081, &geneve(63, IPV4, &inner[..8]))),
        (47, gre(0, [0x88, 0x0b], &[0; 40])),
        (47, vec![0x20, 0]),
        (4, short.to_vec()),
        (41, inner.clone()),
    ];
    let protocols = payloads.clone().map(|(protocol, _)| protocol);
    let packets = payloads.map(|(protocol, payload)| between_nodes(protocol, &payload));

    let counted = count_each(InterfaceClass::Uplink, Hook::Postrouting, &packets);

    for ((drained, packet), protocol) in counted.iter().zip(&packets).zip(protocols) {
        let record = only(drained);
        assert_eq!(record.key.source, IpAddr::from(NODES[0]), "{packet:02x?}");
        assert_eq!(record.key.transport.unwrap().protocol, Protocol(protocol));
        assert_eq!(record.counters.bytes, packet.len() as u64);
    }
}

#[test]
fn what_goes_into_a_tunnel_is_left_out_and_its_outer_packet_is_not() {
    let inner = inner4();
    let counters = FlowCounters {
        bytes: inner.len() as u64,
        packets: 1,
    };
    let config = Config::default();

    let drained = count(&config, InterfaceClass::Tunnel, Hook::Postrouting, &[inner]);

    let hook = Hook::Postrouting;
    assert_eq!(
        drained.skipped,
        [Skipped {
            reason: SkipReason::Encapsulated,
            hook,
            counters
        }]
    );
    assert_eq!(drained.records, []);
}
