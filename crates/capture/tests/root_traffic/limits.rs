//! Many flows, many switches, taken priorities: nothing is lost at the limits.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kubezonnet_capture::{CaptureError, Config, Drained};
use kubezonnet_model::{Family, FlowCounters, InterfaceClass, ObservationPoint, TotalKind};
use kubezonnet_testkit::{Cluster, NodeSpec, Place, PodSpec, traffic};

use crate::nodes::{CapturingNode, received_by, seen_at, sent_by};

const FLOWS: u16 = 50_000;
/// The one port that clients use here, so that every other one is a service's.
const CLIENT_PORT: u16 = 65_535;

fn cluster() -> Cluster {
    kubezonnet_testkit::require_root();
    Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .node(NodeSpec::new("node-b"))
        .pod("node-a", PodSpec::new("test", "client"))
        .pod("node-b", PodSpec::new("test", "server"))
        .build()
        .expect("the cluster is built")
}

fn at_uplink(point: ObservationPoint) -> bool {
    point.output == InterfaceClass::Uplink
}

/// One datagram to each of [`FLOWS`] ports; the payload's size follows from the port.
fn send_to_every_port(cluster: &Cluster, family: Family) {
    let (from, to) = (cluster.pod("test/client"), cluster.pod("test/server"));
    let source = SocketAddr::new(from.address(family), CLIENT_PORT);
    let socket = from
        .netns()
        .run(|| UdpSocket::bind(source))
        .unwrap()
        .unwrap();
    let destination = to.address(family);
    for port in 1..=FLOWS {
        let payload = vec![0; usize::from(port % 100)];
        // Nobody listens there: an earlier port's refusal may be told at any later send.
        while socket
            .send_to(&payload, SocketAddr::new(destination, port))
            .is_err()
        {}
    }
}

fn capture_every_port(max_flows: u32, family: Family) -> (Drained, FlowCounters, IpAddr) {
    let cluster = cluster();
    let config = Config {
        max_flows,
        ephemeral_ports: CLIENT_PORT..=CLIENT_PORT,
        ..Config::default()
    };
    let mut node = CapturingNode::attach(&cluster, "node-a", &config);
    let before = cluster.settled_uplink("node-a").unwrap();

    send_to_every_port(&cluster, family);

    let link = cluster.settled_uplink("node-a").unwrap().since(&before);
    let server = cluster.pod("test/server").address(family);
    (node.take(), sent_by(&link), server)
}

#[test]
fn fifty_thousand_flows_in_one_window_lose_no_byte_and_no_detail() {
    for family in Family::ALL {
        let (drained, wire, server) = capture_every_port(65_536, family);

        let to_server = drained
            .records
            .iter()
            .filter(|record| record.key.destination == server);
        let (ports, header) = (
            to_server.count(),
            if family == Family::Ipv4 { 28 } else { 48 },
        );
        assert_eq!(ports, usize::from(FLOWS), "one flow a port");
        assert_eq!(drained.totals, []);
        assert_eq!(seen_at(&drained, at_uplink), wire);
        for record in drained
            .records
            .iter()
            .filter(|record| record.key.destination == server)
        {
            let port = record
                .key
                .transport
                .and_then(|transport| transport.service)
                .unwrap();
            let bytes = header + u64::from(port.number % 100);
            assert_eq!(
                record.counters,
                FlowCounters { bytes, packets: 1 },
                "{record:?}"
            );
        }
    }
}

#[test]
fn more_flows_than_there_is_room_for_lose_detail_and_no_byte() {
    let (drained, wire, server) = capture_every_port(1_024, Family::Ipv4);

    assert_eq!(seen_at(&drained, at_uplink), wire);
    assert_eq!(drained.fill.flows, 1_024);
    let coarse = drained
        .records
        .iter()
        .find(|record| record.key.transport.is_none() && record.key.destination == server);
    assert!(
        coarse.is_some_and(|record| record.counters.packets > 40_000),
        "{coarse:?}"
    );
}

/// A hundred switches, or as many as `TEST_SWITCHES` says: `make test-long` has a thousand.
fn switches() -> u32 {
    let asked = std::env::var("TEST_SWITCHES").ok();
    asked.map_or(100, |number| {
        number.parse().expect("TEST_SWITCHES is a number")
    })
}

#[test]
fn switches_under_load_lose_no_byte() {
    let cluster = cluster();
    let mut node = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let (client, server) = (cluster.pod("test/client"), cluster.pod("test/server"));
    let (host, other_host) = (cluster.node("node-a"), cluster.node("node-b"));
    let before = cluster.settled_uplink("node-a").unwrap();
    let done = AtomicBool::new(false);
    let mut sums = [FlowCounters::ZERO; 2];
    let mut add = |drained: &Drained| {
        sums[0] += seen_at(drained, at_uplink);
        sums[1] += seen_at(drained, |point| point.input == InterfaceClass::Uplink);
    };

    // Forwarded in softirq, and sent by the node's own processes, at the same time.
    let bulk = || {
        traffic::tcp_bulk(client, server, Family::Ipv4, 5_000_000).unwrap();
    };
    let small = || {
        traffic::udp(client, server, Family::Ipv6, 500, 50).unwrap();
    };
    let local = || {
        traffic::tcp_requests(host, other_host, Family::Ipv6, 200, 10, 3_000).unwrap();
    };

    thread::scope(|scope| {
        let load = [
            scope.spawn(|| repeat(&done, bulk)),
            scope.spawn(|| repeat(&done, small)),
            scope.spawn(|| repeat(&done, local)),
        ];
        for _ in 0..switches() {
            add(&node.take());
        }
        done.store(true, Ordering::Relaxed);
        for thread in load {
            thread.join().expect("the traffic went through");
        }
    });
    let link = cluster.settled_uplink("node-a").unwrap().since(&before);
    add(&node.take());

    assert!(link.tx_ip_bytes() > 5_000_000, "there was load: {link:?}");
    assert_eq!(sums, [sent_by(&link), received_by(&link)]);
}

fn repeat(done: &AtomicBool, work: impl Fn()) {
    while !done.load(Ordering::Relaxed) {
        work();
    }
}

#[test]
fn a_priority_that_is_taken_is_passed_over_and_the_last_one_says_so() {
    let cluster = cluster();
    let config = Config {
        max_flows: 16,
        ..Config::default()
    };
    let mut attached = Vec::new();

    let refused = loop {
        match CapturingNode::try_attach(&cluster, "node-a", &config) {
            Ok(node) => attached.push(node),
            Err(error) => break error,
        }
        assert!(attached.len() < 20, "there is no end to the priorities");
    };

    let priorities: Vec<i32> = attached.iter().map(CapturingNode::first_priority).collect();
    assert_eq!(priorities, [95, 94, 93, 92, 91]);
    assert!(
        matches!(refused, CaptureError::PrioritiesTaken { .. }),
        "{refused}"
    );
}

#[test]
fn an_interface_made_after_thousands_of_others_does_not_take_the_place_of_an_old_one() {
    let cluster = cluster();
    let netns = cluster.node("node-a").netns();
    netns
        .ip(&["link add late index 8193 type veth peer name late-peer index 8194".into()])
        .unwrap();
    let mut node = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let before = cluster.settled_uplink("node-a").unwrap();

    traffic::tcp_bulk(
        cluster.node("node-a"),
        cluster.node("node-a"),
        Family::Ipv4,
        10_000,
    )
    .unwrap();
    traffic::udp(
        cluster.pod("test/client"),
        cluster.pod("test/server"),
        Family::Ipv4,
        9,
        9,
    )
    .unwrap();

    let link = cluster.settled_uplink("node-a").unwrap().since(&before);
    let drained = node.take();
    assert!(
        drained
            .totals
            .iter()
            .all(|total| total.kind == TotalKind::Loopback)
    );
    assert_eq!(seen_at(&drained, at_uplink), sent_by(&link));
    assert!(
        drained
            .records
            .iter()
            .all(|record| at_uplink(record.key.point)),
        "{drained:?}"
    );
}
