//! The programs on crafted packets: the verifier accepts them, and each packet is charged to the
//! right key with the right bytes, however odd it is.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kubezonnet_capture::{Config, Drained, FlowDetail, Trial};
use kubezonnet_model::{
    Family, FlowCounters, FlowKey, FlowRecord, Hook, InterfaceClass, ObservationPoint, PortSide,
    Protocol, ServicePort, SkipReason, Skipped, Total, TotalKind, Transport,
};

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);
const CLIENT6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const SERVER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 2);
const ACCEPT: u32 = 1;

/// Runs packets through one program and returns what was counted.
fn count(config: &Config, class: InterfaceClass, hook: Hook, packets: &[Vec<u8>]) -> Drained {
    kubezonnet_testkit::require_root();
    let mut storage = MaybeUninit::uninit();
    let mut trial = Trial::load(config, class, &mut storage).expect("the programs load");
    for packet in packets {
        let family = if packet[0] >> 4 == 6 {
            Family::Ipv6
        } else {
            Family::Ipv4
        };
        let (verdict, _) = trial
            .run(hook, family, packet, 1)
            .expect("the kernel takes the packet");
        assert_eq!(verdict, ACCEPT, "packets pass, whatever they are");
    }
    trial.take().expect("the maps can be read")
}

fn count_leaving(packets: &[Vec<u8>]) -> Drained {
    count(
        &Config::default(),
        InterfaceClass::Uplink,
        Hook::Postrouting,
        packets,
    )
}

/// The one record, where there is to be no other and nothing else.
fn only(drained: &Drained) -> FlowRecord {
    assert_eq!(drained.totals, []);
    assert_eq!(drained.skipped, []);
    let [record] = drained.records[..] else {
        panic!("not one record: {:?}", drained.records)
    };
    record
}

fn ipv4(protocol: u8, options: usize, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let header_words = u8::try_from(5 + options).unwrap();
    let length = u16::try_from(20 + options * 4 + payload.len()).unwrap();
    let mut packet = vec![0x40 | header_words, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(CLIENT.octets());
    packet.extend(SERVER.octets());
    packet.extend(vec![1; options * 4]);
    packet.extend(payload);
    packet
}

fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    packet.extend([next_header, 64]);
    packet.extend(CLIENT6.octets());
    packet.extend(SERVER6.octets());
    packet.extend(payload);
    packet
}

fn udp(source: u16, destination: u16, payload: usize) -> Vec<u8> {
    let mut datagram = source.to_be_bytes().to_vec();
    datagram.extend(destination.to_be_bytes());
    datagram.extend(u16::try_from(8 + payload).unwrap().to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(vec![0; payload]);
    datagram
}

fn service(number: u16, side: PortSide) -> ServicePort {
    ServicePort { number, side }
}

fn leaving_by_uplink() -> ObservationPoint {
    ObservationPoint {
        hook: Hook::Postrouting,
        input: InterfaceClass::Host,
        output: InterfaceClass::Uplink,
    }
}

fn bytes(packets: &[Vec<u8>]) -> u64 {
    packets.iter().map(|packet| packet.len() as u64).sum()
}

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
    };
    assert_eq!(
        record,
        FlowRecord {
            key,
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
    for ((source, destination), expected) in cases {
        for packet in [
            ipv4(17, 0, 0, &udp(source, destination, 0)),
            ipv6(17, &udp(source, destination, 0)),
        ] {
            let record = only(&count_leaving(&[packet]));

            let transport = record.key.transport.unwrap();
            assert_eq!(
                transport.service,
                Some(expected),
                "{source} -> {destination}"
            );
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
    for options in [1, 5, 10] {
        let packet = ipv4(17, options, 0, &udp(40_000, 53, 4));

        let record = only(&count_leaving(std::slice::from_ref(&packet)));

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
    for packet in cases {
        let record = only(&count_leaving(std::slice::from_ref(&packet)));

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
    for packet in packets {
        let record = only(&count_leaving(std::slice::from_ref(&packet)));

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
    for (packet, protocol) in cases {
        let record = only(&count_leaving(std::slice::from_ref(&packet)));

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

#[test]
fn what_is_no_ip_header_is_left_out_and_counted_as_malformed() {
    let mut wrong_length = ipv4(17, 0, 0, &udp(1, 2, 3));
    wrong_length[0] = 0x44;
    let mut wrong_version = ipv4(17, 0, 0, &udp(1, 2, 3));
    wrong_version[0] = 0x55;
    let mut wrong_version6 = ipv6(17, &udp(1, 2, 3));
    wrong_version6[0] = 0x6f ^ 0x80;
    for (packet, family) in [
        (wrong_length, Family::Ipv4),
        (wrong_version, Family::Ipv4),
        (wrong_version6, Family::Ipv6),
    ] {
        kubezonnet_testkit::require_root();
        let mut storage = MaybeUninit::uninit();
        let mut trial =
            Trial::load(&Config::default(), InterfaceClass::Uplink, &mut storage).unwrap();

        let (verdict, _) = trial.run(Hook::Postrouting, family, &packet, 1).unwrap();
        let drained = trial.take().unwrap();

        let counters = FlowCounters {
            bytes: packet.len() as u64,
            packets: 1,
        };
        assert_eq!(verdict, ACCEPT);
        assert_eq!(drained.records, []);
        assert_eq!(
            drained.skipped,
            [Skipped {
                reason: SkipReason::Malformed,
                hook: Hook::Postrouting,
                counters
            }]
        );
    }
}

#[test]
fn what_leaves_by_loopback_is_a_total() {
    let packets = [ipv4(17, 0, 0, &udp(40_000, 53, 0))];

    let drained = count(
        &Config::default(),
        InterfaceClass::Loopback,
        Hook::Postrouting,
        &packets,
    );

    let point = ObservationPoint {
        output: InterfaceClass::Loopback,
        ..leaving_by_uplink()
    };
    let counters = FlowCounters {
        bytes: 28,
        packets: 1,
    };
    assert_eq!(
        drained.totals,
        [Total {
            kind: TotalKind::Loopback,
            point,
            counters
        }]
    );
    assert_eq!(drained.records, []);
}

#[test]
fn multicast_and_broadcast_are_totals() {
    let to = |destination: [u8; 4]| {
        let mut packet = ipv4(17, 0, 0, &udp(5353, 5353, 10));
        packet[16..20].copy_from_slice(&destination);
        packet
    };
    let mut to6 = ipv6(17, &udp(5353, 5353, 10));
    to6[24] = 0xff;
    let packets = [to([224, 0, 0, 251]), to([239, 1, 2, 3]), to([255; 4]), to6];

    let drained = count_leaving(&packets);

    let counters = FlowCounters {
        bytes: bytes(&packets),
        packets: 4,
    };
    let kind = TotalKind::Multicast;
    assert_eq!(
        drained.totals,
        [Total {
            kind,
            point: leaving_by_uplink(),
            counters
        }]
    );
    assert_eq!(drained.records, []);
}

#[test]
fn a_limit_to_networks_leaves_the_rest_out_by_name() {
    let packets = [
        ipv4(17, 0, 0, &udp(40_000, 53, 0)),
        ipv6(17, &udp(40_000, 53, 0)),
    ];
    let cases = [
        // Source, destination, both families, none.
        (vec!["10.0.0.0/24"], 1),
        (vec!["10.0.1.0/24"], 1),
        (vec!["0.0.0.0/0", "fd00::/16"], 2),
        (vec!["::/0"], 2),
        (vec!["10.0.2.0/24"], 0),
    ];
    for (networks, expected) in cases {
        let networks = networks
            .into_iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let config = Config {
            networks,
            ..Config::default()
        };

        let drained = count(&config, InterfaceClass::Uplink, Hook::Postrouting, &packets);

        let outside: FlowCounters = drained.skipped.iter().map(|skipped| skipped.counters).sum();
        let counted: FlowCounters = drained.records.iter().map(|record| record.counters).sum();
        assert_eq!(drained.records.len(), expected, "{config:?}");
        assert_eq!(outside.bytes + counted.bytes, bytes(&packets), "{config:?}");
    }
}

#[test]
fn a_full_map_keeps_the_pair_and_a_full_pair_map_the_bytes() {
    // Room for 64 flows, 64 hot ones and 8 pairs; 20 pairs of addresses with 10 ports each.
    let config = Config {
        max_flows: 64,
        ..Config::default()
    };
    let mut packets = Vec::new();
    for host in 0..20_u8 {
        for port in 0..10 {
            let mut packet = ipv4(17, 0, 0, &udp(40_000, 1000 + port, usize::from(host)));
            packet[19] = host;
            packets.push(packet);
        }
    }

    let drained = count(&config, InterfaceClass::Uplink, Hook::Postrouting, &packets);

    assert_eq!((drained.fill.flows, drained.fill.pairs), (64, 8));
    let [
        Total {
            kind: TotalKind::Coarsened,
            counters: rest,
            ..
        },
    ] = drained.totals[..]
    else {
        panic!("not one total: {:?}", drained.totals)
    };
    let mut counted: FlowCounters = drained.records.iter().map(|record| record.counters).sum();
    counted += rest;
    assert_eq!(
        counted,
        FlowCounters {
            bytes: bytes(&packets),
            packets: 200
        }
    );
}

#[test]
fn a_window_starts_from_nothing_after_the_one_before_was_cleared() {
    kubezonnet_testkit::require_root();
    let mut storage = MaybeUninit::uninit();
    let mut trial = Trial::load(&Config::default(), InterfaceClass::Uplink, &mut storage).unwrap();
    let packet = ipv4(17, 0, 0, &udp(40_000, 53, 0));
    for _ in 0..5 {
        trial
            .run(Hook::Postrouting, Family::Ipv4, &packet, 3)
            .unwrap();

        let drained = trial.take().unwrap();

        assert_eq!(
            only(&drained).counters,
            FlowCounters {
                bytes: 84,
                packets: 3
            }
        );
    }
    assert_eq!(trial.take().unwrap().records, []);
}

#[test]
fn flows_that_take_each_others_place_in_the_cache_keep_every_byte() {
    // Far more flows than there are hot places, in turns, so that each packet drives one out.
    kubezonnet_testkit::require_root();
    let mut storage = MaybeUninit::uninit();
    let mut trial = Trial::load(&Config::default(), InterfaceClass::Uplink, &mut storage).unwrap();
    for round in 1..=3 {
        for port in 1..=500 {
            let packet = ipv4(17, 0, 0, &udp(40_000, port, usize::from(port)));
            trial
                .run(Hook::Postrouting, Family::Ipv4, &packet, round)
                .unwrap();
        }
    }

    let drained = trial.take().unwrap();

    assert_eq!(drained.records.len(), 500);
    for record in drained.records {
        let port = record
            .key
            .transport
            .and_then(|transport| transport.service)
            .unwrap()
            .number;
        let bytes = 6 * (28 + u64::from(port));
        assert_eq!(
            record.counters,
            FlowCounters { bytes, packets: 6 },
            "{port}"
        );
    }
}
