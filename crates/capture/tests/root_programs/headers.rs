//! Headers of all kinds: addresses, protocol and ports are read right, and every byte is counted.

use std::net::IpAddr;

use kubezonnet_capture::{Config, FlowDetail, SeenFlow, Socket};
use kubezonnet_model::{
    FlowCounters, FlowKey, Hook, InterfaceClass, PortSide, Protocol, Transport,
};

use crate::packets::{
    CLIENT, CLIENT6, SERVER, SERVER6, bytes, count, count_each, count_leaving, ipv4, ipv6,
    leaving_by_uplink, only, service, udp,
};

#[test]
fn a_datagram_is_charged_to_its_addresses_protocol_and_service_port() {
    let packets = [ipv4(17, 0, 0, &udp(40_000, 53, 30))];

    let record = only(&count_leaving(&packets));

    let transport = Transport {
        protocol: Protocol::UDP,
        service: Some(service(53, PortSide::Destination)),
        client_port: None,
    };
    let key = FlowKey {
        source: IpAddr::V4(CLIENT),
        destination: IpAddr::V4(SERVER),
        transport: Some(transport),
        point: leaving_by_uplink(),
        socket: None,
    };
    assert_eq!(
        record,
        SeenFlow {
            key,
            socket: Socket::Unseen,
            counters: FlowCounters {
                bytes: 58,
                packets: 1
            }
        }
    );
}

#[test]
fn packets_of_one_flow_add_up() {
    let packets = [10, 200, 1000].map(|size| ipv6(17, &udp(40_000, 53, size)));

    let record = only(&count_leaving(&packets));

    assert_eq!(record.key.source, IpAddr::V6(CLIENT6));
    assert_eq!(record.key.destination, IpAddr::V6(SERVER6));
    assert_eq!(
        record.counters,
        FlowCounters {
            bytes: bytes(&packets),
            packets: 3
        }
    );
}

#[test]
fn the_service_port_is_the_one_outside_the_ephemeral_range_or_the_lower() {
    let cases = [
        ((40_000, 8080), service(8080, PortSide::Destination)),
        ((8080, 40_000), service(8080, PortSide::Source)),
        ((61_000, 40_000), service(61_000, PortSide::Source)),
        ((40_001, 40_000), service(40_000, PortSide::Destination)),
        ((40_000, 40_001), service(40_000, PortSide::Source)),
        ((443, 8080), service(443, PortSide::Source)),
        ((5353, 5353), service(5353, PortSide::Destination)),
    ];
    let packets = cases.map(|((source, destination), _)| {
        let datagram = udp(source, destination, 0);
        [ipv4(17, 0, 0, &datagram), ipv6(17, &datagram)]
    });

    let counted = count_each(InterfaceClass::Uplink, Hook::Postrouting, &packets.concat());

    for (drained, (ports, expected)) in counted.chunks(2).zip(cases) {
        for drained in drained {
            let transport = only(drained).key.transport.unwrap();
            assert_eq!(transport.service, Some(expected), "{ports:?}");
            assert_eq!(transport.client_port, None);
        }
    }
}

#[test]
fn both_ports_are_kept_on_request() {
    let config = Config {
        detail: FlowDetail::Connection,
        ..Config::default()
    };
    let packet = ipv4(17, 0, 0, &udp(0, 53, 0));

    let drained = count(
        &config,
        InterfaceClass::Uplink,
        Hook::Postrouting,
        &[packet],
    );

    let transport = only(&drained).key.transport.unwrap();
    assert_eq!(transport.service, Some(service(0, PortSide::Source)));
    assert_eq!(transport.client_port, Some(53));
}

#[test]
fn options_of_ipv4_are_stepped_over_and_counted() {
    let packets = [1, 5, 10].map(|options| ipv4(17, options, 0, &udp(40_000, 53, 4)));
    for (drained, packet) in count_each(InterfaceClass::Uplink, Hook::Postrouting, &packets)
        .iter()
        .zip(&packets)
    {
        let record = only(drained);

        let transport = record.key.transport.unwrap();
        assert_eq!(transport.service, Some(service(53, PortSide::Destination)));
        assert_eq!(record.counters.bytes, packet.len() as u64);
    }
}

#[test]
fn extension_headers_of_ipv6_are_followed() {
    let hop_by_hop = |next: u8| [next, 0, 5, 2, 0, 0, 1, 0];
    let long_options = |next: u8| {
        let mut header = vec![next, 2, 1, 20];
        header.extend([0; 20]);
        header
    };
    let authentication = |next: u8| {
        let mut header = vec![next, 4];
        header.extend([0; 22]);
        header
    };
    let first_fragment = |next: u8| [next, 0, 0, 1, 0, 0, 0, 9];
    let datagram = udp(40_000, 53, 12);

    let chain = |headers: &[&[u8]]| {
        let mut payload = headers.concat();
        payload.extend(&datagram);
        payload
    };
    let cases = [
        ipv6(0, &chain(&[&hop_by_hop(17)])),
        ipv6(60, &chain(&[&long_options(17)])),
        ipv6(51, &chain(&[&authentication(17)])),
        ipv6(44, &chain(&[&first_fragment(17)])),
        ipv6(
            0,
            &chain(&[
                &hop_by_hop(43),
                &long_options(60),
                &long_options(44),
                &first_fragment(17),
            ]),
        ),
    ];
    for (drained, packet) in count_each(InterfaceClass::Uplink, Hook::Postrouting, &cases)
        .iter()
        .zip(&cases)
    {
        let record = only(drained);

        let transport = record.key.transport.unwrap();
        assert_eq!(transport.protocol, Protocol::UDP);
        assert_eq!(transport.service, Some(service(53, PortSide::Destination)));
        assert_eq!(record.counters.bytes, packet.len() as u64);
    }
}

#[test]
fn later_fragments_are_counted_without_ports() {
    let packets = [
        ipv4(17, 0, 100, &[0; 64]),
        ipv6(44, &[&[17, 0, 1, 1, 0, 0, 0, 9], &[0; 64][..]].concat()),
    ];
    for (drained, packet) in count_each(InterfaceClass::Uplink, Hook::Postrouting, &packets)
        .iter()
        .zip(&packets)
    {
        let record = only(drained);

        let transport = record.key.transport.unwrap();
        assert_eq!(transport.protocol, Protocol::UDP);
        assert_eq!(transport.service, None);
        assert_eq!(record.counters.bytes, packet.len() as u64);
    }
}

#[test]
fn protocols_without_ports_and_headers_cut_short_are_counted_all_the_same() {
    let endless = [0, 0, 5, 2, 0, 0, 1, 0].repeat(20);
    let cases = [
        (ipv4(1, 0, 0, &[8, 0, 0, 0, 0, 1, 0, 1]), 1),
        (ipv4(47, 0, 0, &[0; 9]), 47),
        (ipv4(255, 0, 0, &[]), 255),
        (ipv4(6, 0, 0, &[0x9c, 0x40, 0]), 6),
        (ipv4(17, 0, 0, &[]), 17),
        (ipv6(58, &[128, 0, 0, 0, 0, 0, 0, 1]), 58),
        (ipv6(59, &[]), 59),
        (ipv6(6, &[1]), 6),
        (ipv6(0, &[17]), 0),
        (ipv6(44, &[17, 0]), 44),
        (ipv6(0, &endless), 0),
        (ipv6(43, &[17, 255, 0, 0, 0, 0, 0, 0]), 17),
    ];
    let (packets, protocols): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let counted = count_each(InterfaceClass::Uplink, Hook::Postrouting, &packets);
    for ((drained, packet), protocol) in counted.iter().zip(&packets).zip(protocols) {
        let record = only(drained);

        let transport = record.key.transport.unwrap();
        assert_eq!(transport.protocol, Protocol(protocol), "{packet:02x?}");
        assert_eq!(transport.service, None, "{packet:02x?}");
        assert_eq!(
            record.counters,
            FlowCounters {
                bytes: packet.len() as u64,
                packets: 1
            }
        );
    }
}
