use std::mem::size_of;

use ipnet::IpNet;

use super::*;
use crate::skeleton::types::{hot_flow, network_key};

const OURS: Dimensions = Dimensions::OURS;
const HEADER: &str = include_str!("../bpf/flow_abi.h");

/// The names of an enum of the header, in their order. Each must be given its number.
fn codes(name: &str) -> Vec<String> {
    let body = HEADER
        .split(&format!("enum {name} {{"))
        .nth(1)
        .expect("the header has the enum");
    let body = body.split('}').next().expect("the enum ends");
    let entries = body
        .lines()
        .filter_map(|line| line.trim().split_once(" = "));
    let entries: Vec<_> = entries
        .map(|(name, number)| {
            (
                name,
                number.split(',').next().unwrap().parse::<usize>().unwrap(),
            )
        })
        .collect();
    for (position, (name, number)) in entries.iter().enumerate() {
        assert_eq!(position, *number, "{name} is out of order");
    }
    entries
        .into_iter()
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn define(name: &str) -> u32 {
    let rest = HEADER
        .split(&format!("#define {name} "))
        .nth(1)
        .expect("the header defines it");
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn the_codes_are_those_of_the_header() {
    let with = |prefix: &str, names: Vec<&str>, end: &str| {
        let mut all: Vec<_> = names
            .iter()
            .map(|name| format!("{prefix}{}", name.to_uppercase()))
            .collect();
        all.push(end.to_owned());
        all
    };

    let hooks = HOOKS.iter().map(|hook| hook.as_str()).collect();
    let classes = CLASSES.iter().map(|class| class.as_str()).collect();
    let kinds = TOTAL_KINDS.iter().map(|kind| kind.as_str()).collect();
    let reasons = SKIP_REASONS.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(codes("flow_hook"), with("HOOK_", hooks, "HOOKS"));
    assert_eq!(codes("interface_class"), with("CLASS_", classes, "CLASSES"));
    assert_eq!(codes("total_kind"), with("TOTAL_", kinds, "TOTAL_KINDS"));
    assert_eq!(codes("skip_reason"), with("SKIP_", reasons, "SKIP_REASONS"));
    assert_eq!(
        codes("tunnel_kind"),
        [
            "TUNNEL_NONE",
            "TUNNEL_VXLAN",
            "TUNNEL_GENEVE",
            "TUNNEL_WIREGUARD",
            "TUNNEL_KINDS"
        ]
    );
    let wireguard = Tunnel::WireGuard { interface: 7 };
    let kinds = [Tunnel::Vxlan, Tunnel::Geneve, wireguard].map(|kind| tunnel_port(8, kind).1);
    assert_eq!(kinds, [1, 2, 3]);
    assert_eq!(define("INTERFACE_SLOTS"), INTERFACE_SLOTS);
    assert_eq!(define("WIREGUARD_DEVICES") as usize, WIREGUARD_DEVICES);
    assert_eq!(define("CLIENT_PORT_KEPT"), u32::from(CLIENT_PORT_KEPT));
    for (code, number) in [
        ("SIDE_SOURCE", SIDE_SOURCE),
        ("SIDE_DESTINATION", SIDE_DESTINATION),
        ("SIDE_MASK", SIDE_MASK),
        ("DETAIL_SERVICE", DETAIL_SERVICE),
        ("DETAIL_CONNECTION", DETAIL_CONNECTION),
    ] {
        assert!(HEADER.contains(&format!("{code} = {number},")), "{code}");
    }
    for (code, number) in [
        ("CGROUP_UNREADABLE", CGROUP_UNREADABLE),
        ("CGROUP_UNSEEN", CGROUP_UNSEEN),
        ("CGROUP_KERNEL", CGROUP_KERNEL),
        ("CGROUP_LEARNT", CGROUP_LEARNT),
    ] {
        let line = format!("#define {code} {number:#x}");
        assert!(HEADER.contains(&line), "{code}");
    }
    assert_eq!(define("CGROUP_NONE"), CGROUP_NONE);
}

fn socket_of(key: &[u8]) -> Socket {
    flow(key, &[0; COUNTERS_BYTES]).unwrap().socket
}

fn key_of(source: [u8; 16], destination: [u8; 16]) -> Vec<u8> {
    let mut key = source.to_vec();
    key.extend(destination);
    key.resize(size_of::<flow_key>(), 0);
    key
}

fn mapped(address: [u8; 4]) -> [u8; 16] {
    std::net::Ipv4Addr::from(address).to_ipv6_mapped().octets()
}

#[test]
fn a_flow_is_decoded_with_all_its_parts() {
    let mut key = key_of(mapped([10, 0, 0, 1]), mapped([10, 0, 0, 2]));
    key[32..34].copy_from_slice(&5432_u16.to_ne_bytes());
    key[34..36].copy_from_slice(&40_000_u16.to_ne_bytes());
    key[36..40].copy_from_slice(&[6, SIDE_SOURCE | CLIENT_PORT_KEPT, 1, 0x24]);
    key[40..].copy_from_slice(&4711_u32.to_ne_bytes());
    let value = [1500_u64.to_ne_bytes(), 3_u64.to_ne_bytes()].concat();

    let record = flow(&key, &value).unwrap();

    let transport = Transport {
        protocol: Protocol::TCP,
        service: Some(ServicePort {
            number: 5432,
            side: PortSide::Source,
        }),
        client_port: Some(40_000),
    };
    let point = ObservationPoint {
        hook: Hook::LocalIn,
        input: InterfaceClass::Uplink,
        output: InterfaceClass::Host,
    };
    let key = FlowKey {
        source: "10.0.0.1".parse().unwrap(),
        destination: "10.0.0.2".parse().unwrap(),
        transport: Some(transport),
        point,
        socket: None,
    };
    assert_eq!(
        record,
        SeenFlow {
            key,
            socket: Socket::Cgroup(4711),
            counters: FlowCounters {
                bytes: 1500,
                packets: 3
            }
        }
    );
}

#[test]
fn what_is_no_control_group_is_told_as_what_it_is() {
    let with = |cgroup: u32| {
        let mut key = key_of([0; 16], [0; 16]);
        key[40..].copy_from_slice(&cgroup.to_ne_bytes());
        socket_of(&key)
    };

    assert_eq!(with(CGROUP_NONE), Socket::None);
    assert_eq!(with(CGROUP_UNREADABLE), Socket::Unreadable);
    assert_eq!(with(CGROUP_UNSEEN), Socket::Unseen);
    assert_eq!(with(CGROUP_KERNEL), Socket::Kernel);
    assert_eq!(with(1), Socket::Cgroup(1));
    assert_eq!(with(CGROUP_LEARNT | 0x1267), Socket::Learnt(0x1267));
    // A key that ends before it, as older ones might, is of no socket.
    assert_eq!(socket_of(&key_of([0; 16], [0; 16])[..40]), Socket::None);
}

#[test]
fn an_empty_place_among_the_hot_flows_holds_its_generation_and_nothing_else() {
    let size = size_of::<hot_flow>();

    let empty = empty_hot(1, size);

    let mut holder = [0_u8; 64];
    holder[offset_of!(hot_flow, holder)] = 2;
    assert_eq!((empty, size), (holder.to_vec(), 64));
}

#[test]
fn what_does_not_follow_the_layout_is_refused() {
    let value = [0; COUNTERS_BYTES];
    let mut wrong_side = key_of([0; 16], [0; 16]);
    wrong_side[37] = 3;
    let mut wrong_hook = key_of([0; 16], [0; 16]);
    wrong_hook[38] = 2;

    for key in [&wrong_side[..], &wrong_hook, &[0; 39][..]] {
        let error = flow(key, &value).unwrap_err().to_string();
        assert!(
            error.starts_with("an entry of the flow map does not follow the layout"),
            "{error}"
        );
    }
    assert!(flow(&key_of([0; 16], [0; 16]), &value[1..]).is_err());
    assert!(pair(&[0; 33], &value).is_err());
}

#[test]
fn every_total_has_an_index_of_its_own() {
    let value = [1_u64.to_ne_bytes(), 1_u64.to_ne_bytes()].concat();

    let mut totals: Vec<_> = (0..OURS.totals())
        .map(|index| total(index, &value, &OURS).unwrap().unwrap())
        .collect();
    let mut skips: Vec<_> = (0..OURS.skips())
        .map(|index| skip(index, &value, &OURS).unwrap().unwrap())
        .collect();

    assert_eq!(totals[0].kind, TotalKind::Coarsened);
    assert_eq!(totals[71 + 2].kind, TotalKind::Loopback);
    assert_eq!(totals[1].point.output, InterfaceClass::Pod);
    totals.sort();
    totals.dedup();
    skips.sort();
    skips.dedup();
    assert_eq!((totals.len(), skips.len()), (OURS.totals(), OURS.skips()));
    assert!(total(OURS.totals(), &value, &OURS).is_err());
    assert!(skip(OURS.skips(), &value, &OURS).is_err());
    assert_eq!(total(OURS.totals(), &[0; COUNTERS_BYTES], &OURS), Ok(None));
}

#[test]
fn a_network_of_ipv4_is_a_mapped_one() {
    let key = network(&"10.1.255.0/16".parse::<IpNet>().unwrap());

    assert_eq!(key.len(), size_of::<network_key>());
    assert_eq!(key[..4], 112_u32.to_ne_bytes());
    assert_eq!(key[4..], mapped([10, 1, 0, 0]));
    assert_eq!(
        network(&"fd00::/8".parse().unwrap())[..4],
        8_u32.to_ne_bytes()
    );
}

#[test]
fn a_key_that_a_newer_agent_made_longer_is_read_by_its_beginning() {
    let mut key = key_of(mapped([10, 0, 0, 1]), mapped([10, 0, 0, 2]));
    key[36] = 17;
    let value = [1500_u64.to_ne_bytes(), 3_u64.to_ne_bytes()].concat();
    let known = flow(&key, &value).unwrap();

    key.extend([0xff; 8]);
    let hot_flow = [&key[..], &[3; 4], &value].concat();
    let places = [&hot_flow[..], &[0; 72]].concat();
    let hot_flows: Vec<_> = hot(&places, 72)
        .map(|(key, value)| flow(key, value))
        .collect();

    assert_eq!(flow(&key, &value).unwrap(), known);
    assert_eq!(hot_flows, [Ok(known)]);
}

#[test]
fn classes_and_kinds_that_only_a_newer_agent_knows_lose_their_detail_and_no_byte() {
    let newer = Dimensions {
        total_kinds: OURS.total_kinds + 1,
        classes: OURS.classes + 1,
        ..OURS
    };
    let value = [1500_u64.to_ne_bytes(), 3_u64.to_ne_bytes()].concat();

    let mut key = key_of([0; 16], [0; 16]);
    key[39] = 0x62;

    let point = flow(&key, &value).unwrap().key.point;
    let mut all = (0..newer.totals()).map(|index| total(index, &value, &newer).unwrap().unwrap());
    let bytes: u64 = all.clone().map(|total| total.counters.bytes).sum();
    let last = all.next_back().unwrap();

    assert_eq!(
        (point.input, point.output),
        (InterfaceClass::Other, InterfaceClass::Uplink)
    );
    assert_eq!(bytes, 1500 * newer.totals() as u64);
    assert_eq!(
        (last.kind, last.point.hook, last.point.output),
        (TotalKind::Coarsened, Hook::LocalIn, InterfaceClass::Other)
    );
}

/// What maps look like and what is in them, without the header's comments.
fn layout() -> String {
    let opened = crate::load::Opened::new(&crate::Config::default()).unwrap();
    let maps = opened.maps().into_iter();
    let maps = maps.map(|(name, shape)| format!("{name}: {shape:?}\n"));
    let mut maps: Vec<_> = maps.collect();
    maps.sort();
    let maps = maps.concat();
    let mut text = format!("LAYOUT {}\n\nmaps:\n{maps}", crate::state::LAYOUT);
    text.push_str("\nflow_abi.h:\n");
    let mut rest = HEADER;
    let mut code = String::new();
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").expect("comments end").1;
    }
    code.push_str(rest);
    for line in code.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if !words.is_empty() {
            text.push_str(&words.join(" "));
            text.push('\n');
        }
    }
    text
}

#[test]
fn the_layout_is_the_one_that_has_its_number() {
    let path = format!(
        "{}/src/abi/layout-{}.txt",
        env!("CARGO_MANIFEST_DIR"),
        crate::state::LAYOUT
    );
    let known = std::fs::read_to_string(&path).unwrap_or_default();

    let layout = layout();

    assert!(
        layout == known,
        "agents tell layouts apart by their number, and {path} is what this one stands for: what \
         changes it takes another (LAYOUT in flow_abi.h and state.rs), and a file of its own:\n{layout}"
    );
}
