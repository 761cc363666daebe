//! What is pinned: what a failed start leaves, and what taking it off does.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use kubezonnet_capture::{Capture, CaptureError, Config, Detachment, Tunnel};
use kubezonnet_model::{FlowCounters, InterfaceClass};
use kubezonnet_testkit::{Cluster, NodeSpec, Place as _};
use libbpf_rs::{Link, MapCore as _, MapFlags, MapHandle};

use crate::nodes::CapturingNode;

fn cluster() -> Cluster {
    kubezonnet_testkit::require_root();
    Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .build()
        .expect("the cluster is built")
}

/// The sets of maps in a pin directory.
fn sets(pin_dir: &Path) -> usize {
    let entries = fs::read_dir(pin_dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with("set-"))
        .count()
}

/// A firewall that leaves no priority to the first hook.
const IN_THE_WAY: &str = "table ip in_the_way {
    chain a { type filter hook postrouting priority 91; }
    chain b { type filter hook postrouting priority 92; }
    chain c { type filter hook postrouting priority 93; }
    chain d { type filter hook postrouting priority 94; }
    chain e { type filter hook postrouting priority 95; }
}
";

#[test]
fn who_fails_to_attach_again_and_again_leaves_one_set_of_maps() {
    let cluster = cluster();
    let netns = cluster.node("node-a").netns();
    netns.tool(&["nft", "-f", "-"], IN_THE_WAY).unwrap();
    let pin_dir = cluster.run().bpf_fs().unwrap().join("failing");
    let config = Config {
        max_flows: 16,
        pin_dir: Some(pin_dir.clone()),
        ..Config::default()
    };

    for _ in 0..2 {
        let refused = CapturingNode::try_attach(&cluster, "node-a", &config);
        let refused = refused.map(|_| ()).unwrap_err();
        let is_taken = matches!(refused, CaptureError::PrioritiesTaken { .. });
        assert!(is_taken, "{refused}");
    }
    netns
        .tool(&["nft", "-f", "-"], "delete table ip in_the_way")
        .unwrap();
    let cleared = Instant::now();
    let node = CapturingNode::attach(&cluster, "node-a", &config);

    assert_eq!(sets(&pin_dir), 1);
    assert!(node.opened() > cleared, "it began before there were hooks");
}

#[test]
fn hooks_are_off_once_they_are_taken_off_whoever_holds_them() {
    let cluster = cluster();
    let pin_dir = cluster.run().bpf_fs().unwrap().join("off");
    let config = Config {
        max_flows: 16,
        ..Config::default()
    };
    let pinned = Config {
        pin_dir: Some(pin_dir.clone()),
        ..config.clone()
    };
    drop(CapturingNode::attach(&cluster, "node-a", &pinned));
    // A newer agent can have hooks that this one does not know.
    let link = pin_dir.join("hook_to_come_ipv4");
    fs::rename(pin_dir.join("postrouting_ipv4"), &link).unwrap();
    let _held = Link::open(&link).unwrap();
    let netns = cluster.node("node-a").netns();

    let detachment = netns.run(|| Detachment::begin(&pin_dir)).unwrap().unwrap();

    let next = CapturingNode::attach(&cluster, "node-a", &config);
    assert_eq!(next.first_priority(), 95);
    detachment.expect("hooks were pinned").finish().unwrap();
    assert!(!pin_dir.exists());
}

#[test]
fn what_others_counted_ends_where_the_next_maps_begin() {
    let cluster = cluster();
    let netns = cluster.node("node-a").netns();
    let pin_dir = cluster.run().bpf_fs().unwrap().join("ends");
    let attach = |max_flows| {
        let config = Config {
            max_flows,
            pin_dir: Some(pin_dir.clone()),
            ..Config::default()
        };
        let attached = netns.run(|| Capture::attach(&config, &BTreeMap::new()));
        attached.unwrap().unwrap()
    };
    drop(attach(16));
    let mut larger = attach(32);
    let replaced = Instant::now();

    let mut leftover = larger.take_leftover().expect("other maps were there");
    leftover.close_window().unwrap();

    let ended = leftover.progress().closed.expect("it is closed").ended;
    assert_eq!(ended, larger.progress().opened);
    assert!(ended < replaced, "it ends when it is read");
}

/// What the programs are told in the first set of maps.
fn told(pin_dir: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let names = [
        "interfaces",
        "networks",
        "tunnel_ports",
        "wireguard_devices",
    ];
    let maps = names.map(|name| pin_dir.join("set-1").join(name));
    let maps = maps.map(|path| MapHandle::from_pinned_path(path).unwrap());
    let entries = maps.iter().flat_map(|map| {
        map.keys().map(|key| {
            let value = map.lookup(&key, MapFlags::ANY).unwrap();
            (key, value.expect("nobody writes meanwhile"))
        })
    });
    let mut entries: Vec<_> = entries.collect();
    entries.sort();
    entries
}

#[test]
fn what_an_agent_before_has_told_the_programs_is_forgotten() {
    let cluster = cluster();
    let netns = cluster.node("node-a").netns();
    let bpf_fs = cluster.run().bpf_fs().unwrap();
    let [again, fresh] = ["again", "fresh"].map(|name| bpf_fs.join(name));
    let attach = |config: &Config, interfaces: &BTreeMap<_, _>| {
        let attached = netns.run(|| Capture::attach(config, interfaces));
        drop(attached.unwrap().unwrap());
    };
    let with = |pin_dir: &Path| Config {
        max_flows: 16,
        pin_dir: Some(pin_dir.to_owned()),
        ..Config::default()
    };
    let before = Config {
        networks: vec!["10.66.0.0/16".parse().unwrap()],
        tunnel_ports: BTreeMap::from([
            (4788, Tunnel::Geneve),
            (4789, Tunnel::Geneve),
            (51_820, Tunnel::WireGuard { interface: 77 }),
        ]),
        ..with(&again)
    };
    let pods = BTreeMap::from([(77, InterfaceClass::Tunnel), (3, InterfaceClass::Pod)]);
    attach(&before, &pods);
    let told_before = told(&again);

    let uplink = BTreeMap::from([(3, InterfaceClass::Uplink)]);
    attach(&with(&again), &uplink);
    attach(&with(&fresh), &uplink);

    assert_eq!(told(&again), told(&fresh));
    assert_ne!(told(&again), told_before);
}

#[test]
fn what_a_newer_agent_has_counted_and_cannot_be_read_is_lost_and_holds_nothing_up() {
    let cluster = cluster();
    let pin_dir = cluster.run().bpf_fs().unwrap().join("newer");
    let config = Config {
        max_flows: 16,
        pin_dir: Some(pin_dir.clone()),
        ..Config::default()
    };
    let mut node = CapturingNode::attach(&cluster, "node-a", &config);
    let map = |name| MapHandle::from_pinned_path(pin_dir.join("set-1").join(name)).unwrap();
    let value = [1500_u64.to_ne_bytes(), 3_u64.to_ne_bytes()].concat();
    // In both keys the hook has an offset of its own; 9 is none.
    for (name, bytes, hook) in [("flows_0", 44, 38), ("pairs_0", 40, 32)] {
        let mut known = vec![0; bytes];
        let mut newer = known.clone();
        newer[hook] = 9;
        known[0] = 7;
        for key in [known, newer] {
            map(name).update(&key, &value, MapFlags::ANY).unwrap();
        }
    }

    let drained = node.take();

    let counters = |times: u64| FlowCounters {
        bytes: times * 1500,
        packets: times * 3,
    };
    assert_eq!(drained.undecodable, counters(2));
    let read: FlowCounters = drained.records.iter().map(|each| each.counters).sum();
    assert_eq!(read, counters(2));
    assert_eq!(node.take().undecodable, FlowCounters::ZERO);
}
