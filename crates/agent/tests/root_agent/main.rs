//! The whole agent on real traffic, against a server that only keeps what it gets. Needs root.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod kills;
mod ledger;
mod pins;
mod sockets;
mod uplinks;

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use axum::http::StatusCode;
use kubezonnet_model::{Family, FlowCounters};
use kubezonnet_testkit::{
    Cluster, ClusterBuilder, ClusterNode, NodeSpec, Place as _, PodSpec, Process, Relay, Scrape,
    require_root, scrape, traffic,
};

use ledger::Ledger;

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

fn cluster() -> Cluster {
    builder().build().unwrap()
}

fn builder() -> ClusterBuilder {
    require_root();
    Cluster::builder()
        .node(NodeSpec::new("node-a").zone("r1", "a"))
        .node(NodeSpec::new("node-b").zone("r1", "b"))
        .pod("node-a", PodSpec::new("shop", "web-0"))
        .pod("node-b", PodSpec::new("shop", "db-0"))
}

fn command(node: &ClusterNode) -> Command {
    let mut command = command_with(node, "1s");
    command.args(WITHOUT_CGROUPS);
    command
}

/// For what is not about control groups: whether there are pods among this machine's depends on the
/// tests beside, and two agents could tell the same window otherwise.
const WITHOUT_CGROUPS: [&str; 2] = ["--cgroup-root", "/proc"];

fn command_with(node: &ClusterNode, interval: &str) -> Command {
    let mut command = node.netns().command(env!("CARGO_BIN_EXE_kubezonnet-agent"));
    command.args(["--node", node.name(), "--interval", interval]);
    command.args(["--pin-dir", "none"]);
    command
}

fn start(cluster: &Cluster, server: SocketAddr) -> Process {
    let mut command = command(cluster.node("node-a"));
    command.args([
        "--server",
        &format!("http://{server}"),
        "--metrics-listen",
        "127.0.0.1:9780",
    ]);
    Process::start(cluster.run(), "agent", &mut command).unwrap()
}

fn status(cluster: &Cluster, path: &str) -> u16 {
    let netns = cluster.node("node-a").netns();
    let address = "127.0.0.1:9780".parse().unwrap();
    netns.run(|| scrape::get(address, path)).unwrap().unwrap().0
}

fn metrics(cluster: &Cluster) -> Scrape {
    let netns = cluster.node("node-a").netns();
    let address = "127.0.0.1:9780".parse().unwrap();
    netns.run(|| Scrape::fetch(address)).unwrap().unwrap()
}

#[test]
fn a_server_that_goes_away_and_an_agent_that_ends_lose_no_byte() {
    let cluster = cluster();
    let node = cluster.node("node-a");
    let ledger = Ledger::default();
    let mut relay = Relay::start(node.netns(), 0, ledger.serve()).unwrap();
    let mut agent = start(&cluster, relay.address());
    let (web, db) = (cluster.pod("shop/web-0"), cluster.pod("shop/db-0"));

    let first = ledger.wait_for_window("the first window", |_| true);
    assert_eq!(first.header.sequence, 1);
    let before = cluster.settled_uplink("node-a").unwrap();
    assert_eq!(status(&cluster, "/readyz"), 200);
    for family in Family::ALL {
        traffic::tcp_bulk(web, db, family, 3_000_000).unwrap();
    }
    relay.cut();
    agent.wait_for_line("trying again", DEADLINE).unwrap();
    for family in Family::ALL {
        traffic::tcp_bulk(web, db, family, 2_000_000).unwrap();
    }
    assert!(
        metrics(&cluster).sum(
            "kubezonnet_agent_sends_total",
            &[("outcome", "unreachable")]
        ) >= 1.0
    );
    relay.restore().unwrap();
    let uplink = cluster.settled_uplink("node-a").unwrap().since(&before);
    let exit = agent.terminate(DEADLINE).unwrap();

    assert_eq!(exit.code(), Some(0), "{}", agent.output());
    assert_eq!(
        ledger.sent_by_uplinks(),
        FlowCounters {
            bytes: uplink.tx_ip_bytes(),
            packets: uplink.tx_packets,
        }
    );
    let windows = ledger.windows();
    let sequences: Vec<u64> = windows.iter().map(|batch| batch.header.sequence).collect();
    assert_eq!(sequences, (1..=windows.len() as u64).collect::<Vec<_>>());
    let (last, others) = windows.split_last().unwrap();
    assert!(last.header.coverage.ends);
    assert!(others.iter().all(|batch| !batch.header.coverage.ends));
    let own = [Family::Ipv4, Family::Ipv6].map(|family| node.address(family));
    assert!(
        own.iter()
            .all(|address| last.node_addresses.contains(address))
    );
}

#[test]
fn an_agent_that_cannot_deliver_ends_in_time_and_says_how_much_is_lost() {
    let cluster = cluster();
    let ledger = Ledger::default();
    let relay = Relay::start(cluster.node("node-a").netns(), 0, ledger.serve()).unwrap();
    ledger.refuse(Some(StatusCode::SERVICE_UNAVAILABLE));
    let mut command = command(cluster.node("node-a"));
    command.args([
        "--server",
        &format!("http://{}", relay.address()),
        "--grace",
        "1s",
    ]);
    let mut agent = Process::start(cluster.run(), "agent", &mut command).unwrap();
    agent.wait_for_line("trying again", DEADLINE).unwrap();

    let exit = agent.terminate(DEADLINE).unwrap();

    let output = agent.output();
    assert_eq!(exit.code(), Some(0), "{output}");
    assert!(output.contains("reason=\"undelivered\""), "{output}");
    assert!(ledger.windows().is_empty());
}

#[test]
fn a_refused_window_is_counted_and_the_next_one_arrives() {
    let cluster = cluster();
    let ledger = Ledger::default();
    let relay = Relay::start(cluster.node("node-a").netns(), 0, ledger.serve()).unwrap();
    ledger.refuse(Some(StatusCode::UNPROCESSABLE_ENTITY));
    let mut agent = start(&cluster, relay.address());
    agent.wait_for_line("window lost", DEADLINE).unwrap();
    assert_eq!(status(&cluster, "/readyz"), 503);
    assert_eq!(status(&cluster, "/healthz"), 200);

    ledger.refuse(None);

    let window = ledger.wait_for_window("the next window", |_| true);
    assert!(window.header.sequence > 1);
    assert!(
        metrics(&cluster).sum("kubezonnet_agent_windows_total", &[("result", "refused")]) >= 1.0
    );
}

#[test]
fn without_capabilities_each_that_lacks_is_named_with_what_to_do() {
    require_root();

    let output = Command::new("setpriv")
        .args(["--bounding-set", "-all", "--"])
        .arg(env!("CARGO_BIN_EXE_kubezonnet-agent"))
        .args(["--node", "node-a", "--dry-run"])
        .output()
        .unwrap();

    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{text}");
    for capability in ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"] {
        assert!(text.contains(capability), "{text}");
    }
    assert!(
        text.lines()
            .all(|line| line.starts_with("kubezonnet-agent: "))
    );
}

#[test]
fn a_port_that_is_taken_is_named_with_its_flag() {
    require_root();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();

    let output = Command::new(env!("CARGO_BIN_EXE_kubezonnet-agent"))
        .args([
            "--node",
            "node-a",
            "--dry-run",
            "--metrics-listen",
            &address,
        ])
        .output()
        .unwrap();

    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let expected = format!("failed to listen on {address} (--metrics-listen)");
    assert!(text.contains(&expected), "{text}");
}

#[test]
fn a_dry_run_prints_what_the_node_sends() {
    let cluster = cluster();
    let mut command = command(cluster.node("node-a"));
    command.arg("--dry-run");
    let mut agent = Process::start(cluster.run(), "agent", &mut command).unwrap();
    agent.wait_for_line("attached", DEADLINE).unwrap();
    agent
        .wait_for_line("window 1 of node node-a", DEADLINE)
        .unwrap();
    let (web, db) = (cluster.pod("shop/web-0"), cluster.pod("shop/db-0"));

    traffic::tcp_bulk_to_port(web, db, Family::Ipv4, 5432, 1_000_000).unwrap();

    let flow = format!("{}:5432", db.address(Family::Ipv4));
    let line = agent.wait_for_line(&flow, DEADLINE).unwrap();
    assert!(line.contains("tcp") && line.contains("uplink"), "{line}");
    assert_eq!(agent.terminate(DEADLINE).unwrap().code(), Some(0));
}
