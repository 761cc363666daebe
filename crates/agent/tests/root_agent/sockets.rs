//! Whose the bytes of the node's own network are: pods on it, each with control groups of its own, a
//! process in no pod, and the kernel, held against counters of the network between the nodes.

mod learnt;
mod traffic;
mod wire;

use std::collections::BTreeMap;
use std::thread;

use kubezonnet_model::{
    Family, FlowCounters, FlowRecord, Hook, InterfaceClass, PodUid, Protocol, SocketOwner,
};
use kubezonnet_testkit::{
    CgroupDriver, Cluster, ControlGroup, Place as _, Process, Relay, traffic as exact, wait_for,
};

use self::traffic::{Owner, Side};
use self::wire::Wire;
use super::ledger::Ledger;
use super::{DEADLINE, cluster, command_with, metrics};

const FIRST_UID: PodUid = PodUid([0x1a; 16]);
const FIRST: SocketOwner = SocketOwner::Pod(FIRST_UID);
const SECOND: SocketOwner = SocketOwner::Pod(PodUid([0x2b; 16]));

/// What each owner sent (POSTROUTING) and received (LOCAL_IN) by the uplink.
type Books = BTreeMap<(SocketOwner, Hook), FlowCounters>;

/// A cluster with an agent on node-a, and a network that counts.
struct Bench {
    cluster: Cluster,
    ledger: Ledger,
    agent: Process,
    _relay: Relay,
}

impl Bench {
    /// The agent looks for control groups where they usually are, or only below those of this run.
    fn start(interval: &str, is_confined: bool) -> Self {
        let cluster = cluster();
        let ledger = Ledger::default();
        let relay = Relay::start(cluster.node("node-a").netns(), 0, ledger.serve()).unwrap();
        let mut command = command_with(cluster.node("node-a"), interval);
        command.args(["--server", &format!("http://{}", relay.address())]);
        command.args(["--metrics-listen", "127.0.0.1:9780"]);
        if is_confined {
            // So that it is there when the agent looks.
            ControlGroup::make(cluster.run(), "system.slice").unwrap();
            let root = ControlGroup::root_of(cluster.run()).unwrap();
            command.arg("--cgroup-root").arg(root);
        }
        let mut agent = Process::start(cluster.run(), "agent", &mut command).unwrap();
        agent.wait_for_line("the first window", DEADLINE).unwrap();
        Self {
            cluster,
            ledger,
            agent,
            _relay: relay,
        }
    }

    fn pod(&self, driver: CgroupDriver, owner: SocketOwner) -> ControlGroup {
        let SocketOwner::Pod(uid) = owner else {
            panic!("{owner:?} is no pod")
        };
        ControlGroup::of_pod(self.cluster.run(), driver, uid).unwrap()
    }

    fn system(&self) -> ControlGroup {
        ControlGroup::make(self.cluster.run(), "system.slice/kubelet.service").unwrap()
    }

    fn known_groups(&self) -> f64 {
        metrics(&self.cluster).sum("kubezonnet_agent_known_cgroups", &[])
    }

    fn sides(&self) -> [Side; 2] {
        ["node-a", "node-b"].map(|name| Side::of(self.cluster.node(name)))
    }

    /// What has arrived of sockets of node-a.
    fn so_far(&self) -> Books {
        let mut books = Books::new();
        for window in self.ledger.windows() {
            for (owner, record) in of_sockets(&window.records) {
                *books.entry((owner, record.key.point.hook)).or_default() += record.counters;
            }
        }
        books
    }

    /// The same, once it is so much.
    fn books(&self, wanted: FlowCounters) -> Books {
        let found = wait_for(&format!("{wanted:?} of sockets"), DEADLINE, || {
            let found = self.so_far();
            (sum(&found).bytes >= wanted.bytes).then_some(found)
        });
        found
            .unwrap_or_else(|error| panic!("{error}: {:?}\n{}", self.so_far(), self.agent.output()))
    }

    /// The same, once all of it is there that was counted up to now: with the end of the window after
    /// the one that is being sent.
    fn settled(&self) -> Books {
        let wanted = self.ledger.windows().len() + 3;
        wait_for("three windows", DEADLINE, || {
            (self.ledger.windows().len() >= wanted).then_some(())
        })
        .unwrap();
        self.so_far()
    }
}

/// The flows that sockets of the node sent or received by the uplink.
fn of_sockets(records: &[FlowRecord]) -> impl Iterator<Item = (SocketOwner, &FlowRecord)> {
    records.iter().filter_map(|record| {
        let point = record.key.point;
        let is_by_uplink = match point.hook {
            Hook::Postrouting => point.output == InterfaceClass::Uplink,
            Hook::LocalIn => point.input == InterfaceClass::Uplink,
        };
        Some((record.key.socket?, record)).filter(|_| is_by_uplink)
    })
}

fn sum(books: &Books) -> FlowCounters {
    books.values().copied().sum()
}

#[test]
fn each_pod_on_the_nodes_network_has_exactly_the_bytes_that_its_wire_carried() {
    let bench = Bench::start("1s", false);
    let groups = [
        (FIRST, bench.pod(CgroupDriver::Cgroupfs, FIRST)),
        (SECOND, bench.pod(CgroupDriver::Systemd, SECOND)),
        (SocketOwner::System, bench.system()),
    ];
    let owners: Vec<Owner<'_>> = groups
        .iter()
        .zip(1..)
        .map(|((owner, group), number)| Owner::new(*owner, group, number))
        .collect();
    let [here, there] = bench.sides();
    let wire = Wire::count(bench.cluster.fabric().netns(), &here, &owners);
    let before = bench.cluster.settled_uplink("node-a").unwrap();

    let held = thread::scope(|scope| {
        let mut running = Vec::new();
        for owner in &owners {
            for family in Family::ALL {
                let (here, there) = (&here, &there);
                running.push(scope.spawn(move || owner.talk(here, there, family)));
            }
        }
        let (web, db) = (
            bench.cluster.pod("shop/web-0"),
            bench.cluster.pod("shop/db-0"),
        );
        for family in Family::ALL {
            exact::tcp_bulk(web, db, family, 2_000_000).unwrap();
        }
        let held = running.into_iter().map(|each| each.join().unwrap());
        held.collect::<Vec<_>>()
    });
    // What is sent again late is on the wire before it is in a window.
    let agree = || bench.so_far() == wire.books(&owners);
    let _ = wait_for("windows that hold it all", DEADLINE, || {
        agree().then_some(())
    });
    let link = bench
        .cluster
        .settled_uplink("node-a")
        .unwrap()
        .since(&before);
    let expected = wire.books(&owners);
    drop(held);

    assert_eq!(bench.so_far(), expected);
    // Nothing of the counters is made up: with what the pods behind the node sent it is the uplink's.
    let forwarded: u64 = bench
        .ledger
        .windows()
        .iter()
        .flat_map(|window| window.records.clone())
        .filter(|record| record.key.socket.is_none())
        .map(|record| record.counters.bytes)
        .sum();
    let both_ways = link.tx_ip_bytes() + link.rx_ip_bytes();
    assert_eq!(sum(&expected).bytes + forwarded, both_ways);
}

#[test]
fn a_pod_that_lived_for_less_than_a_window_has_its_bytes() {
    let mut bench = Bench::start("5m", true);
    let [here, there] = bench.sides();
    let mut expected = FlowCounters::ZERO;
    for driver in [CgroupDriver::Cgroupfs, CgroupDriver::Systemd] {
        let known = bench.known_groups();
        let group = bench.pod(driver, FIRST);
        wait_for("a group that is known", DEADLINE, || {
            (bench.known_groups() >= known + 4.0).then_some(())
        })
        .unwrap();

        expected += traffic::send_datagrams(&group, &here, &there, 7);
        group.remove().unwrap();
    }
    bench.agent.terminate(DEADLINE).unwrap();

    let books = bench.books(expected);
    assert_eq!(books, Books::from([((FIRST, Hook::Postrouting), expected)]));
}

#[test]
fn what_the_kernel_answers_for_nobody_is_its_own_and_what_it_answers_is_unseen() {
    let bench = Bench::start("1s", true);
    let group = bench.pod(CgroupDriver::Systemd, FIRST);
    let [here, there] = bench.sides();

    // A segment to a port where nobody listens, and the reset; an echo, and its answer.
    traffic::refused(&here, &there, 7_777);
    let [node_a, node_b] = ["node-a", "node-b"].map(|name| bench.cluster.node(name));
    exact::ping(node_b, node_a, Family::Ipv4, 3, 100).unwrap();
    let datagrams = traffic::send_datagrams(&group, &here, &there, 1);

    let packets = |bytes, packets| FlowCounters { bytes, packets };
    let expected = Books::from([
        ((SocketOwner::Unseen, Hook::LocalIn), packets(60, 1)),
        (
            (SocketOwner::Kernel, Hook::Postrouting),
            packets(40 + 3 * 128, 4),
        ),
        ((SocketOwner::Kernel, Hook::LocalIn), packets(3 * 128, 3)),
        ((FIRST, Hook::Postrouting), datagrams),
    ]);
    assert_eq!(bench.books(sum(&expected)), expected);
}

#[test]
fn a_port_that_another_pod_takes_over_is_its_own_from_its_first_packet_on() {
    let bench = Bench::start("1s", true);
    let [here, there] = bench.sides();
    let groups = [
        (FIRST, bench.pod(CgroupDriver::Cgroupfs, FIRST)),
        (SECOND, bench.pod(CgroupDriver::Cgroupfs, SECOND)),
    ];
    let mut before = Books::new();
    for (_, group) in &groups {
        let listener = traffic::serve_one(group, &here, &there, 8_100, 10_000);
        // As long as it listens, the first segment to it is told by the kernel's table.
        let seen = |books: &Books| {
            let records = books.values().map(|counters| counters.bytes);
            records.sum::<u64>() > before.values().map(|each| each.bytes).sum::<u64>() + 20_000
        };
        let books = bench.books(FlowCounters {
            bytes: sum(&before).bytes + 20_000,
            packets: 0,
        });
        assert!(seen(&books), "{books:?}");
        before = books;
        drop(listener);
    }
    let windows = bench.ledger.windows();
    let records: Vec<_> = windows
        .iter()
        .flat_map(|window| &window.records)
        .copied()
        .collect();

    let received = |owner| -> FlowCounters {
        of_sockets(&records)
            .filter(|(each, record)| *each == owner && record.key.point.hook == Hook::LocalIn)
            .filter(|(_, record)| {
                record
                    .key
                    .transport
                    .is_some_and(|each| each.protocol == Protocol::TCP)
            })
            .map(|(_, record)| record.counters)
            .sum()
    };
    // Both received the same, and the second one's first segment is not the first one's.
    assert_ne!(received(FIRST), FlowCounters::ZERO);
    assert_eq!(received(SECOND), received(FIRST));
}

#[test]
fn a_window_that_goes_out_again_names_the_same_owners_though_they_are_gone() {
    let cluster = cluster();
    let run = cluster.run();
    let ledger = Ledger::default();
    let relay = Relay::start(cluster.node("node-a").netns(), 0, ledger.serve()).unwrap();
    let group = ControlGroup::of_pod(run, CgroupDriver::Systemd, FIRST_UID).unwrap();
    let start = || {
        let node = cluster.node("node-a");
        let mut command = node.netns().command(env!("CARGO_BIN_EXE_kubezonnet-agent"));
        command.args(["--node", node.name(), "--interval", "1s"]);
        command.args(["--server", &format!("http://{}", relay.address())]);
        command.args(["--metrics-listen", "off", "--cgroup-root"]);
        command.arg(ControlGroup::root_of(run).unwrap());
        command
            .arg("--pin-dir")
            .arg(run.bpf_fs().unwrap().join("again"));
        Process::start(run, "agent", &mut command).unwrap()
    };
    let [here, there] = ["node-a", "node-b"].map(|name| Side::of(cluster.node(name)));
    let mut agent = start();
    agent.wait_for_line("the first window", DEADLINE).unwrap();

    ledger.lose_answers(true);
    let sent = traffic::send_datagrams(&group, &here, &there, 3);
    let is_of_first = |records: &[FlowRecord]| of_sockets(records).any(|(owner, _)| owner == FIRST);
    let window =
        ledger.wait_for_window("a window with a pod", |window| is_of_first(&window.records));
    agent.kill();
    group.remove().unwrap();
    let _next = start();
    wait_for("the same window again", DEADLINE, || {
        (ledger.duplicates() > 0).then_some(())
    })
    .unwrap();

    // The server that keeps them has compared the bodies.
    let counted: FlowCounters = of_sockets(&window.records)
        .map(|(_, record)| record.counters)
        .sum();
    assert_eq!(counted, sent);
}
