//! Full maps, windows, and flows that share a place.

use kubezonnet_capture::{Config, Trial};
use kubezonnet_model::{Family, FlowCounters, Hook, InterfaceClass, Total, TotalKind};

use crate::packets::{bytes, count, ipv4, only, udp};

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
    let mut trial = Trial::load(&Config::default(), InterfaceClass::Uplink).unwrap();
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
    let mut trial = Trial::load(&Config::default(), InterfaceClass::Uplink).unwrap();
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

#[test]
fn the_verifier_has_room_left() {
    // Kernels give up at a million instructions, and older ones look at more of the same program.
    const MOST: u32 = 250_000;
    kubezonnet_testkit::require_root();
    let trial = Trial::load(&Config::default(), InterfaceClass::Uplink).unwrap();

    let verified = trial.verified_instructions().unwrap();

    assert_eq!(verified.len(), 4);
    for (hook, family, instructions) in verified {
        assert!(
            (1..MOST).contains(&instructions),
            "{hook:?}, {family:?}: {instructions}"
        );
    }
}
