//! Agents that come and go while what is pinned counts on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kubezonnet_model::{Family, FlowCounters};
use kubezonnet_testkit::{Cluster, LinkCounters, Place as _, Process, Relay, traffic, wait_for};
use nix::mount::{MsFlags, mount};

use super::ledger::Ledger;
use super::{DEADLINE, WITHOUT_CGROUPS, cluster, metrics};

/// A cluster with pins for node-a and a server that keeps what it gets.
pub(crate) struct Bench {
    pub(crate) cluster: Cluster,
    pub(crate) ledger: Ledger,
    pub(crate) pin_dir: PathBuf,
    relay: Relay,
    before: LinkCounters,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let cluster = cluster();
        let pin_dir = cluster.run().bpf_fs().unwrap().join("node-a");
        let ledger = Ledger::default();
        let relay = Relay::start(cluster.node("node-a").netns(), 0, ledger.serve()).unwrap();
        let before = cluster.settled_uplink("node-a").unwrap();
        Self {
            cluster,
            ledger,
            pin_dir,
            relay,
            before,
        }
    }

    pub(crate) fn command(&self, node: &str, words: &[&str]) -> Command {
        let node = self.cluster.node(node);
        let mut command = node.netns().command(env!("CARGO_BIN_EXE_kubezonnet-agent"));
        command.args(WITHOUT_CGROUPS);
        command
            .args(words)
            .args(["--node", node.name(), "--interval", "1s"])
            .arg(format!("--server=http://{}", self.relay.address()));
        command
    }

    fn start_command(&self, mut command: Command) -> Process {
        Process::start(self.cluster.run(), "agent", &mut command).unwrap()
    }

    /// An agent whose pins are those of the bench.
    pub(crate) fn pinned(&self, words: &[&str]) -> Command {
        let mut command = self.command("node-a", words);
        command.arg(format!("--pin-dir={}", self.pin_dir.display()));
        command
    }

    pub(crate) fn start(&self) -> Process {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, words: &[&str]) -> Process {
        self.start_command(self.pinned(&[words, &["--metrics-listen=127.0.0.1:9780"]].concat()))
    }

    /// An agent that dies at a point.
    pub(crate) fn start_to_die(&self, point: &str, words: &[&str]) -> Process {
        let mut command = self.pinned(&[words, &["--metrics-listen=off"]].concat());
        command.env("KUBEZONNET_FAULT_POINT", point);
        self.start_command(command)
    }

    /// Waits until so many windows more have arrived.
    pub(crate) fn wait_for_windows(&self, more: usize) {
        let wanted = self.ledger.windows().len() + more;
        wait_for(&format!("{wanted} windows"), DEADLINE, || {
            (self.ledger.windows().len() >= wanted).then_some(())
        })
        .unwrap();
    }

    /// Waits until nothing is left of maps that were counted into before.
    pub(crate) fn wait_for_one_set(&self) {
        let sets = || {
            let entries = fs::read_dir(&self.pin_dir).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name());
            names
                .filter(|name| name.to_string_lossy().starts_with("set-"))
                .count()
        };
        wait_for("old maps to go", DEADLINE, || (sets() == 1).then_some(())).unwrap();
    }

    /// Ends an agent, which stays pinned.
    pub(crate) fn end(&self, mut agent: Process) {
        let exit = agent.terminate(DEADLINE).unwrap();
        assert_eq!(exit.code(), Some(0), "{}", agent.output());
        let output = agent.output();
        assert!(output.contains("hooks stay attached"), "{output}");
        assert!(self.pin_dir.join("programs").exists());
    }

    /// Runs `detach` to its end, and returns what it said.
    pub(crate) fn detach(&self) -> String {
        let mut agent = self.start_command(self.pinned(&["detach"]));
        let exit = wait_for("the end of detach", DEADLINE, || agent.ended()).unwrap();
        assert_eq!(exit.code(), Some(0), "{}", agent.output());
        // Its readers are joined by this.
        agent.kill();
        agent.output()
    }

    /// A whole number among the agent's metrics.
    fn metric(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let text = metrics(&self.cluster).sum(name, labels).to_string();
        text.parse().expect("it is whole")
    }

    pub(crate) fn send(&self, bytes: u64) {
        let (web, db) = (
            self.cluster.pod("shop/web-0"),
            self.cluster.pod("shop/db-0"),
        );
        traffic::tcp_bulk(web, db, Family::Ipv4, bytes).unwrap();
        traffic::udp(web, db, Family::Ipv6, 50, 700).unwrap();
    }

    /// Lets traffic flow while `work` is done.
    pub(crate) fn under_traffic(&self, work: impl FnOnce()) {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let load = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    self.send(300_000);
                }
            });
            let end = EndOnDrop(&is_over);
            work();
            drop(end);
            load.join().expect("the traffic went through");
        });
    }

    /// What node-a's uplink has sent since the bench began.
    pub(crate) fn sent(&self) -> FlowCounters {
        let uplink = self.cluster.settled_uplink("node-a").unwrap();
        let uplink = uplink.since(&self.before);
        FlowCounters {
            bytes: uplink.tx_ip_bytes(),
            packets: uplink.tx_packets,
        }
    }

    /// Asserts that the server has all that the uplink has sent, once.
    pub(crate) fn assert_exact(&self) {
        let sent = self.sent();
        assert!(sent.bytes > 100_000, "there was traffic: {sent:?}");
        assert_eq!(self.ledger.sent_by_uplinks(), sent);
        self.ledger.assert_is_gapless();
    }
}

/// Also if the work fails: the traffic would never end.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn counting_goes_on_with_no_agent_and_the_next_one_delivers_it() {
    let bench = Bench::new();
    let agent = bench.start();
    bench.wait_for_windows(1);
    assert_eq!(bench.metric("kubezonnet_agent_pinned", &[]), 1);
    bench.send(1_000_000);
    bench.end(agent);
    let windows = bench.ledger.windows();

    bench.send(2_000_000);

    assert_eq!(bench.ledger.windows().len(), windows.len());
    let next = bench.start();
    bench.wait_for_windows(1);
    bench.end(next);
    bench.assert_exact();
    let after = bench.ledger.windows();
    assert_eq!(after[0].header.epoch, after[windows.len()].header.epoch);
    assert!(after.iter().all(|window| !window.header.coverage.ends));
}

#[test]
fn what_the_server_did_not_acknowledge_goes_out_again_with_the_next_agent_unchanged() {
    let bench = Bench::new();
    let agent = bench.start();
    bench.wait_for_windows(1);
    bench.ledger.lose_answers(true);
    bench.send(1_000_000);
    bench.wait_for_windows(1);
    let mut agent = agent;
    agent.kill();

    bench.send(500_000);
    bench.ledger.lose_answers(false);
    let next = bench.start();
    bench.wait_for_windows(1);
    bench.end(next);

    assert!(bench.ledger.duplicates() >= 1);
    bench.assert_exact();
}

#[test]
fn an_agent_that_cannot_deliver_leaves_what_it_has_to_the_next_one() {
    let bench = Bench::new();
    let agent = bench.start_with(&["--grace=1s"]);
    bench.wait_for_windows(1);
    bench
        .ledger
        .refuse(Some(axum::http::StatusCode::SERVICE_UNAVAILABLE));
    bench.send(1_000_000);
    bench.end(agent);

    bench.ledger.refuse(None);
    let next = bench.start();
    bench.wait_for_windows(2);
    bench.end(next);

    bench.assert_exact();
}

#[test]
fn another_size_of_maps_or_another_layout_takes_over_without_losing_a_byte() {
    let bench = Bench::new();
    let agent = bench.start();
    bench.wait_for_windows(1);
    let longer = ("KUBEZONNET_LAYOUT", "longer");
    // Larger, then a newer layout, then back to the older one, each under traffic.
    let steps = [
        (vec!["--max-flows=4096"], None),
        (vec!["--max-flows=4096"], Some(longer)),
        (vec!["--max-flows=4096"], None),
        (vec![], None),
    ];

    bench.under_traffic(|| {
        bench.end(agent);
        for (words, variable) in steps {
            let mut command = bench.pinned(&words);
            command.arg("--metrics-listen=off").envs(variable);
            let mut agent = bench.start_command(command);
            agent
                .wait_for_line("delivering that first", DEADLINE)
                .unwrap();
            bench.wait_for_one_set();
            bench.wait_for_windows(1);
            bench.end(agent);
        }
    });
    let last = bench.start();
    bench.wait_for_windows(1);
    bench.end(last);

    bench.assert_exact();
    let windows = bench.ledger.windows();
    let mut epochs: Vec<_> = windows.iter().map(|window| window.header.epoch).collect();
    epochs.dedup();
    assert_eq!(epochs.len(), 5);
}

#[test]
fn detach_delivers_what_there_is_and_leaves_nothing() {
    let bench = Bench::new();
    let agent = bench.start();
    bench.wait_for_windows(1);
    bench.end(agent);
    bench.send(1_000_000);
    let sent = bench.sent();

    let said = bench.detach();

    assert!(said.contains("hooks are taken off"), "{said}");
    assert!(!bench.pin_dir.exists());
    assert_eq!(bench.ledger.sent_by_uplinks(), sent);
    let (last, others) = bench.ledger.windows().split_last().map_or_else(
        || panic!("there are windows"),
        |(last, others)| (last.clone(), others.to_vec()),
    );
    assert!(last.header.coverage.ends);
    assert!(others.iter().all(|window| !window.header.coverage.ends));
    let again = bench.detach();
    assert!(again.contains("nothing is pinned here"), "{again}");
    // Nothing is attached any more: the first priority is free.
    let agent = bench.start();
    bench.wait_for_windows(1);
    let first = [("hook", "postrouting"), ("family", "ipv4")];
    assert_eq!(bench.metric("kubezonnet_agent_hook_priority", &first), 95);
    drop(agent);
}

#[test]
fn detach_without_a_server_ends_in_time_and_says_what_is_lost() {
    let bench = Bench::new();
    let agent = bench.start();
    bench.wait_for_windows(1);
    bench.end(agent);
    bench.send(1_000_000);
    bench
        .ledger
        .refuse(Some(axum::http::StatusCode::SERVICE_UNAVAILABLE));

    let mut agent = bench.start_command(bench.pinned(&["detach", "--grace=1s"]));

    let exit = wait_for("the end of detach", DEADLINE, || agent.ended()).unwrap();
    agent.kill();
    let output = agent.output();
    assert_eq!(exit.code(), Some(74), "{output}");
    assert!(
        output.contains("were counted and not delivered"),
        "{output}"
    );
    assert!(!bench.pin_dir.exists());
}

/// Starts an agent whose pins are to be at a place that cannot have any, and returns what it says.
fn where_nothing_can_be_pinned(bench: &Bench, pin_dir: &Path) -> String {
    let mut command = bench.command("node-a", &["--metrics-listen=127.0.0.1:9780"]);
    command.arg(format!("--pin-dir={}", pin_dir.display()));
    let mut agent = bench.start_command(command);
    bench.wait_for_windows(1);
    bench.send(500_000);
    assert_eq!(bench.metric("kubezonnet_agent_pinned", &[]), 0);
    let sent = bench.sent();

    let exit = agent.terminate(DEADLINE).unwrap();

    assert_eq!(exit.code(), Some(0), "{}", agent.output());
    assert_eq!(bench.ledger.sent_by_uplinks(), sent);
    assert!(!pin_dir.exists());
    agent.output()
}

#[test]
fn without_a_bpf_file_system_the_agent_counts_all_the_same_and_says_what_to_mount() {
    let bench = Bench::new();
    let dir = bench.cluster.run().dir().join("no-bpf");

    let said = where_nothing_can_be_pinned(&bench, &dir);

    assert!(said.contains("is in no BPF file system: mount"), "{said}");
}

#[test]
fn where_pinning_is_denied_the_agent_counts_all_the_same_and_says_so() {
    let bench = Bench::new();
    let bpf = bench.cluster.run().bpf_fs().unwrap();
    let nothing = None::<&str>;
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(nothing, &bpf, nothing, read_only, nothing).unwrap();

    let said = where_nothing_can_be_pinned(&bench, &bench.pin_dir);

    assert!(said.contains("is denied"), "{said}");
    assert!(said.contains("AppArmor"), "{said}");
}

#[test]
fn hooks_of_another_network_namespace_are_left_alone() {
    let bench = Bench::new();
    let agent = bench.start();
    bench.wait_for_windows(1);
    bench.end(agent);

    for words in [&["--metrics-listen=off"][..], &["detach"]] {
        let mut command = bench.command("node-b", words);
        command.arg(format!("--pin-dir={}", bench.pin_dir.display()));
        let output = command.output().unwrap();

        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("another network namespace"), "{said}");
    }
    bench.send(500_000);
    let next = bench.start();
    bench.wait_for_windows(1);
    bench.end(next);
    bench.assert_exact();
}

#[test]
fn an_agent_does_not_count_beside_hooks_that_are_pinned_elsewhere() {
    let bench = Bench::new();
    let agent = bench.start();
    bench.wait_for_windows(1);
    bench.end(agent);

    let elsewhere = bench.pin_dir.with_extension("other");
    for pin_dir in [&*elsewhere, Path::new("none")] {
        let mut command = bench.command("node-a", &["--metrics-listen=off"]);
        command.arg(format!("--pin-dir={}", pin_dir.display()));
        let output = command.output().unwrap();

        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let first = format!("detach --pin-dir={}", bench.pin_dir.display());
        assert!(said.contains(&first), "{said}");
    }
    assert!(!elsewhere.exists());
    bench.send(500_000);
    let next = bench.start();
    bench.wait_for_windows(1);
    bench.end(next);
    bench.assert_exact();
}

#[test]
fn a_window_that_may_be_on_two_servers_is_counted_and_said() {
    let bench = Bench::new();
    bench
        .ledger
        .call_yourself("000000000000000000000000000000aa");
    let mut agent = bench.start();
    bench.wait_for_windows(1);
    bench.ledger.lose_answers(true);
    agent.wait_for_line("trying again", DEADLINE).unwrap();

    bench
        .ledger
        .call_yourself("000000000000000000000000000000bb");
    bench.ledger.lose_answers(false);

    let line = agent.wait_for_line("may have it too", DEADLINE).unwrap();
    assert!(line.contains("00aa") && line.contains("00bb"), "{line}");
    for counter in ["windows_maybe_twice_total", "server_changes_total"] {
        let name = format!("kubezonnet_agent_{counter}");
        assert_eq!(bench.metric(&name, &[]), 1, "{name}");
    }
}
