//! What is no flow between two ends: loopback, multicast, other networks, no IP at all.

use std::net::IpAddr;

use kubezonnet_capture::{Config, Trial};
use kubezonnet_model::{
    Family, FlowCounters, Hook, InterfaceClass, ObservationPoint, SkipReason, Skipped, Total,
    TotalKind,
};

use crate::packets::{
    ACCEPT, bytes, count, count_leaving, ipv4, ipv6, leaving_by_uplink, only, udp,
};

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
        let mut trial = Trial::load(&Config::default(), InterfaceClass::Uplink).unwrap();

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
fn an_address_of_the_former_class_e_is_no_broadcast() {
    let mut packet = ipv4(17, 0, 0, &udp(40_000, 53, 0));
    packet[16..20].copy_from_slice(&[240, 1, 2, 255]);

    let record = only(&count(
        &Config::default(),
        InterfaceClass::Uplink,
        Hook::Postrouting,
        &[packet],
    ));

    assert_eq!(
        record.key.destination,
        "240.1.2.255".parse::<IpAddr>().unwrap()
    );
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
