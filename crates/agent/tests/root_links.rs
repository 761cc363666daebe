//! Links of a fresh network namespace, followed as they come and go. Needs root.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::collections::BTreeMap;
use std::net::{IpAddr, UdpSocket};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use kubezonnet_agent::links::{Given, View, follow, netlink};
use kubezonnet_capture::Tunnel;
use kubezonnet_model::{FlowCounters, InterfaceClass};
use kubezonnet_testkit::{require_root, wait_for};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Pid, gettid};
use tokio::sync::watch;

/// Far longer than a change takes to be heard, which is tens of milliseconds.
const DEADLINE: Duration = Duration::from_secs(20);

/// Moves this test's thread into a network namespace of its own, which ends with the thread.
/// Threads and programs it starts are in it too.
fn enter_fresh_namespace() {
    require_root();
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
}

/// A thread in one more namespace; both end when this is dropped.
struct Elsewhere {
    thread: Pid,
    _end: mpsc::Sender<()>,
}

impl Elsewhere {
    fn new() -> Self {
        let (entered, entering) = mpsc::sync_channel(1);
        let (end, ending) = mpsc::channel();
        std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            entered.send(gettid()).unwrap();
            // Returns when the sender is dropped.
            let _ = ending.recv();
        });
        Self {
            thread: entering.recv().unwrap(),
            _end: end,
        }
    }
}

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status().unwrap();
    assert!(status.success(), "ip {words}");
}

fn index(name: &str) -> Option<u32> {
    let text = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let is_there = text
        .lines()
        .any(|line| line.trim_start().starts_with(&format!("{name}:")));
    is_there.then(|| nix::net::if_::if_nametoindex(name).unwrap())
}

fn wait_for_class(views: &watch::Receiver<Arc<View>>, index: u32, class: Option<InterfaceClass>) {
    wait_for(&format!("interface {index} as {class:?}"), DEADLINE, || {
        (views.borrow().interfaces.get(&index).copied() == class).then_some(())
    })
    .unwrap();
}

fn wait_for_addresses(views: &watch::Receiver<Arc<View>>, addresses: &[&str]) {
    let expected: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    wait_for(
        &format!("{addresses:?} as the node's own"),
        DEADLINE,
        || (views.borrow().node_addresses == expected).then_some(()),
    )
    .unwrap();
}

#[test]
fn a_pair_that_comes_and_goes_is_followed() {
    enter_fresh_namespace();
    let views = follow(Given::default()).unwrap();
    wait_for_class(&views, index("lo").unwrap(), Some(InterfaceClass::Loopback));

    ip("link add pair0 type veth peer name pair1");
    let pair = index("pair0").unwrap();
    wait_for_class(&views, pair, Some(InterfaceClass::Host));

    ip("link del pair0");
    wait_for_class(&views, pair, None);
}

#[test]
fn a_pair_into_another_namespace_leads_to_a_pod_and_its_bridge_too() {
    enter_fresh_namespace();
    let views = follow(Given::default()).unwrap();
    let elsewhere = Elsewhere::new();
    let thread = elsewhere.thread;
    ip(&format!(
        "link add pod0 type veth peer name eth0 netns {thread}"
    ));
    let pod = index("pod0").unwrap();
    wait_for_class(&views, pod, Some(InterfaceClass::Pod));

    ip("link add bridge0 type bridge");
    let bridge = index("bridge0").unwrap();
    wait_for_class(&views, bridge, Some(InterfaceClass::Host));
    ip("link set pod0 master bridge0");
    wait_for_class(&views, bridge, Some(InterfaceClass::Pod));

    ip("link del pod0");
    wait_for_class(&views, pod, None);
    wait_for_class(&views, bridge, Some(InterfaceClass::Host));
}

#[test]
fn a_default_route_makes_an_uplink_and_its_end_unmakes_it() {
    enter_fresh_namespace();
    let views = follow(Given::default()).unwrap();
    ip("link add up0 type bridge");
    ip("addr add 10.1.2.3/24 dev up0");
    ip("link set up0 up");
    let up = index("up0").unwrap();
    wait_for_class(&views, up, Some(InterfaceClass::Host));

    ip("route add default via 10.1.2.1");
    wait_for_class(&views, up, Some(InterfaceClass::Uplink));
    ip("route del default");
    wait_for_class(&views, up, Some(InterfaceClass::Host));

    ip("route add default nexthop via 10.1.2.1 dev up0 nexthop via 10.1.2.4 dev up0");
    wait_for_class(&views, up, Some(InterfaceClass::Uplink));
}

#[test]
fn tunnels_are_told_by_their_kind() {
    enter_fresh_namespace();
    let views = follow(Given::default()).unwrap();

    ip("link add vx0 type vxlan id 7 dstport 4789");

    wait_for_class(&views, index("vx0").unwrap(), Some(InterfaceClass::Tunnel));
}

#[test]
fn ports_of_vxlan_devices_are_followed() {
    enter_fresh_namespace();
    let given = Given {
        tunnel_ports: BTreeMap::from([(9000, Tunnel::Geneve)]),
        ..Given::default()
    };
    let views = follow(given).unwrap();
    let wait_for_port = |port: u16, tunnel: Option<Tunnel>| {
        wait_for(&format!("port {port} as {tunnel:?}"), DEADLINE, || {
            (views.borrow().tunnel_ports.get(&port).copied() == tunnel).then_some(())
        })
        .unwrap();
    };
    wait_for_port(9000, Some(Tunnel::Geneve));
    wait_for_port(8472, Some(Tunnel::Vxlan));

    ip("link add vx0 type vxlan id 7 dstport 14789");
    wait_for_port(14_789, Some(Tunnel::Vxlan));
    ip("link del vx0");
    wait_for_port(14_789, None);

    // As Cilium has it: a device without a network of its own.
    ip("link add vx0 type vxlan external dstport 14790");
    wait_for_port(14_790, Some(Tunnel::Vxlan));
}

#[test]
fn addresses_of_the_node_are_followed() {
    enter_fresh_namespace();
    let views = follow(Given::default()).unwrap();
    ip("link set lo up");
    ip("link add br0 type bridge");
    ip("link set br0 up");

    ip("addr add 10.1.2.3/24 dev br0");
    ip("addr add 10.9.9.1 peer 10.9.9.2 dev br0");
    ip("addr add fd00::3/64 dev br0 nodad");
    ip("addr add 169.254.20.10/32 dev br0");
    wait_for_addresses(&views, &["10.1.2.3", "10.9.9.1", "fd00::3"]);

    ip("addr del 10.1.2.3/24 dev br0");
    wait_for_addresses(&views, &["10.9.9.1", "fd00::3"]);
}

#[test]
fn what_links_have_sent_is_what_the_system_says_and_those_that_are_gone_are_left_out() {
    enter_fresh_namespace();
    ip("link add pair0 type veth peer name pair1");
    for name in ["pair0", "pair1"] {
        ip(&format!("link set {name} up"));
    }
    ip("addr add 10.1.2.3/24 dev pair0");
    ip("neigh add 10.1.2.4 lladdr 02:00:00:00:00:01 dev pair0");
    let socket = UdpSocket::bind("10.1.2.3:0").unwrap();
    socket.send_to(&[7; 1000], "10.1.2.4:9").unwrap();
    let (pair, loopback) = (index("pair0").unwrap(), index("lo").unwrap());
    let of_the_system = |file: &str| -> u64 {
        let words = ["-j", "-s", "link", "show", "pair0"];
        let output = Command::new("ip").args(words).output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        json[0]["stats64"]["tx"][file].as_u64().unwrap()
    };

    // The link's own IPv6 messages come when they like.
    let (sent, (bytes, packets)) = wait_for("two readings with nothing between", DEADLINE, || {
        let before = (of_the_system("bytes"), of_the_system("packets"));
        let sent = netlink::sent(&[loopback, pair, 9999]).unwrap();
        let after = (of_the_system("bytes"), of_the_system("packets"));
        (before == after).then_some((sent, before))
    })
    .unwrap();

    assert!(bytes > 1000);
    assert_eq!(sent[&pair], FlowCounters { bytes, packets });
    assert_eq!(sent[&loopback], FlowCounters::ZERO);
    assert_eq!(sent.len(), 2);
}
