//! What windows say of their node's uplinks: all is seen, or some of it bypasses the hooks.

use std::net::UdpSocket;

use kubezonnet_model::{Family, FlowCounters, InterfaceClass, Uplinks};
use kubezonnet_testkit::{
    Cluster, ClusterPod, Overlay, Place as _, Process, Relay, traffic, wait_for,
};

use super::ledger::Ledger;
use super::{DEADLINE, builder, cluster, metrics, start};

/// A cluster with an agent on node-a that has reported its first window.
struct Bench {
    cluster: Cluster,
    ledger: Ledger,
    agent: Process,
    _relay: Relay,
}

impl Bench {
    fn start(cluster: Cluster) -> Self {
        let ledger = Ledger::default();
        let relay = Relay::start(cluster.node("node-a").netns(), 0, ledger.serve()).unwrap();
        let agent = start(&cluster, relay.address());
        ledger.wait_for_window("the first window", |_| true);
        Self {
            cluster,
            ledger,
            agent,
            _relay: relay,
        }
    }

    /// What the windows say, once they tell of so many bytes sent since `before`.
    fn uplinks_once_sent(&self, before: FlowCounters, sent: FlowCounters) -> Uplinks {
        let what = format!("{sent:?} sent by the uplink");
        wait_for(&what, DEADLINE, || {
            let uplinks = self.ledger.uplinks();
            (uplinks.sent.bytes >= before.bytes + sent.bytes).then_some(uplinks)
        })
        .unwrap()
    }

    fn bypassed(&self) -> f64 {
        metrics(&self.cluster).sum("kubezonnet_agent_bypassed", &[])
    }
}

/// Lets everything that comes from a pod leave by its node's uplink at once, as programs of some
/// networks do: a packet is sent on before any netfilter hook of the node.
fn bypass_the_hooks(cluster: &Cluster, pod: &ClusterPod) {
    let node = cluster.node(pod.node()).netns();
    let link = pod.link();
    let tc = |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        node.tool(&words, "").unwrap();
    };
    tc(&format!("tc qdisc add dev {link} ingress"));
    tc(&format!(
        "tc filter add dev {link} ingress protocol ip prio 1 u32 match u32 0 0 \
         action mirred egress redirect dev eth0"
    ));
}

/// Sends datagrams of 1,000 bytes of payload from a pod to another one; nobody listens.
fn send_datagrams(from: &ClusterPod, to: &ClusterPod, count: usize) {
    let [source, destination] = [from, to].map(|pod| pod.address(Family::Ipv4));
    from.netns()
        .run(|| {
            let socket = UdpSocket::bind((source, 0)).unwrap();
            for _ in 0..count {
                socket.send_to(&[7; 1000], (destination, 9)).unwrap();
            }
        })
        .unwrap();
}

fn counters(uplink: &kubezonnet_testkit::LinkCounters) -> FlowCounters {
    FlowCounters {
        bytes: uplink.tx_ip_bytes(),
        packets: uplink.tx_packets,
    }
}

/// Sends TCP from pod to pod, ends the agent, and asserts that all was seen.
fn assert_all_is_seen(bench: &mut Bench) {
    let cluster = &bench.cluster;
    let before = bench.ledger.uplinks();
    let (web, db) = (cluster.pod("shop/web-0"), cluster.pod("shop/db-0"));
    let uplink_before = cluster.settled_uplink("node-a").unwrap();

    for family in Family::ALL {
        traffic::tcp_bulk(web, db, family, 3_000_000).unwrap();
    }

    let uplink = cluster.settled_uplink("node-a").unwrap();
    let sent = counters(&uplink.since(&uplink_before));
    assert!(bench.agent.terminate(DEADLINE).unwrap().success());
    let mut expected = before;
    expected.seen += sent;
    expected.sent += sent;
    assert_eq!(bench.ledger.uplinks(), expected);
    assert_eq!(before.seen, before.sent);
    let output = bench.agent.output();
    assert!(!output.contains("bypass"), "{output}");
}

#[test]
fn on_an_ordinary_node_the_hooks_see_exactly_what_the_uplink_sends() {
    assert_all_is_seen(&mut Bench::start(cluster()));
}

#[test]
fn an_overlay_on_a_port_of_its_own_is_found_and_all_of_it_is_seen() {
    let overlay = Overlay::vxlan().port(14_789);
    let mut bench = Bench::start(builder().overlay(overlay).build().unwrap());

    assert_all_is_seen(&mut bench);

    for family in Family::ALL {
        let [web, db] =
            ["shop/web-0", "shop/db-0"].map(|pod| bench.cluster.pod(pod).address(family));
        let windows = bench.ledger.windows();
        let records = windows.iter().flat_map(|window| &window.records);
        let of_the_pods: FlowCounters = records
            .filter(|record| (record.key.source, record.key.destination) == (web, db))
            .filter(|record| record.key.point.output == InterfaceClass::Uplink)
            .map(|record| record.counters)
            .sum();
        assert!(of_the_pods.bytes > 3_000_000, "{family:?}: {of_the_pods:?}");
    }
}

#[test]
fn packets_that_bypass_the_hooks_are_told_of_by_windows_log_and_metrics() {
    let mut bench = Bench::start(cluster());
    let cluster = &bench.cluster;
    let before = bench.ledger.uplinks();
    let (web, db) = (cluster.pod("shop/web-0"), cluster.pod("shop/db-0"));
    bypass_the_hooks(cluster, web);
    let uplink_before = cluster.settled_uplink("node-a").unwrap();

    send_datagrams(web, db, 3_000);

    let uplink = cluster.settled_uplink("node-a").unwrap();
    let sent = counters(&uplink.since(&uplink_before));
    let uplinks = bench.uplinks_once_sent(before.sent, sent);
    let mut expected = before;
    expected.sent += sent;
    assert_eq!(uplinks, expected);
    bench
        .agent
        .wait_for_line("packets bypass the hooks and are not counted", DEADLINE)
        .unwrap();
    assert!((bench.bypassed() - 1.0).abs() < f64::EPSILON);
    let told = metrics(&bench.cluster);
    let [sent, seen] = ["sent", "seen"]
        .map(|what| told.sum("kubezonnet_agent_uplink_bytes_total", &[("what", what)]));
    // The pod's link may drop some of them.
    assert!(sent - seen >= 2_000_000.0, "{sent} sent, {seen} seen");
}
