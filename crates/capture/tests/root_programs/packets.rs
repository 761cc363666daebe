//! Packets made by hand, and what the programs make of them.

use std::net::{Ipv4Addr, Ipv6Addr};

use kubezonnet_capture::{Config, Drained, SeenFlow, Trial};
use kubezonnet_model::{Family, Hook, InterfaceClass, ObservationPoint, PortSide, ServicePort};

pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);
pub(crate) const CLIENT6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
pub(crate) const SERVER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 2);
pub(crate) const ACCEPT: u32 = 1;

/// Runs packets through one program and returns what was counted.
pub(crate) fn count(
    config: &Config,
    class: InterfaceClass,
    hook: Hook,
    packets: &[Vec<u8>],
) -> Drained {
    let mut trial = load(config, class);
    for packet in packets {
        run(&trial, hook, packet);
    }
    trial.take().expect("the maps can be read")
}

/// The same with a window for each packet.
pub(crate) fn count_each(class: InterfaceClass, hook: Hook, packets: &[Vec<u8>]) -> Vec<Drained> {
    let mut trial = load(&Config::default(), class);
    let of = |packet: &Vec<u8>| {
        run(&trial, hook, packet);
        trial.take().expect("the maps can be read")
    };
    packets.iter().map(of).collect()
}

fn load(config: &Config, class: InterfaceClass) -> Trial {
    kubezonnet_testkit::require_root();
    Trial::load(config, class).expect("the programs load")
}

fn run(trial: &Trial, hook: Hook, packet: &[u8]) {
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

pub(crate) fn count_leaving(packets: &[Vec<u8>]) -> Drained {
    count(
        &Config::default(),
        InterfaceClass::Uplink,
        Hook::Postrouting,
        packets,
    )
}

/// The one record, where there is to be no other and nothing else.
pub(crate) fn only(drained: &Drained) -> SeenFlow {
    assert_eq!(drained.totals, []);
    assert_eq!(drained.skipped, []);
    let [record] = drained.records[..] else {
        panic!("not one record: {:?}", drained.records)
    };
    record
}

pub(crate) fn ipv4(protocol: u8, options: usize, fragment: u16, payload: &[u8]) -> Vec<u8> {
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

pub(crate) fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    packet.extend([next_header, 64]);
    packet.extend(CLIENT6.octets());
    packet.extend(SERVER6.octets());
    packet.extend(payload);
    packet
}

pub(crate) fn udp(source: u16, destination: u16, payload: usize) -> Vec<u8> {
    let mut datagram = source.to_be_bytes().to_vec();
    datagram.extend(destination.to_be_bytes());
    datagram.extend(u16::try_from(8 + payload).unwrap().to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(vec![0; payload]);
    datagram
}

pub(crate) fn service(number: u16, side: PortSide) -> ServicePort {
    ServicePort { number, side }
}

pub(crate) fn leaving_by_uplink() -> ObservationPoint {
    ObservationPoint {
        hook: Hook::Postrouting,
        input: InterfaceClass::Host,
        output: InterfaceClass::Uplink,
    }
}

pub(crate) fn bytes(packets: &[Vec<u8>]) -> u64 {
    packets.iter().map(|packet| packet.len() as u64).sum()
}
