//! A disk that takes its time: what waits for it takes bounded memory, and all of it is counted.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use kubezonnet_model::{
    BatchHeader, Coverage, Epoch, FlowBatch, FlowCounters, FlowKey, FlowRecord, Hook,
    InterfaceClass, NodeName, ObservationPoint,
};
use kubezonnet_testkit::{wait_for, wait_until_steady};
use kubezonnet_wire::encode;

use crate::build;
use crate::server::{DEADLINE, NODES, Server, Setup, send_body, total};

/// A library whose syncs do not come back for as long as a file is there.
const SLOW_SYNC: &str = r#"
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int sync_by(long call, int fd) {
    const char *file = getenv("SYNC_HANGS");
    while (file && access(file, F_OK) == 0)
        usleep(1000);
    return syscall(call, fd);
}
int fsync(int fd) { return sync_by(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_by(SYS_fdatasync, fd); }
"#;

/// Flows of a window: resolved, with their ends named, they are four megabytes.
const FLOWS: u32 = 30_000;

/// Lives of each node's agent, each with one window.
const LIVES: u8 = 8;

/// What windows may take together while the disk hangs: 32 MiB that wait for it, one that is resolved
/// on each processor, and the bodies of the others. All of them resolved would be twice as much.
const MOST: u64 = 128 << 20;

/// How long no further window is begun with once none is any more: each takes a tenth of it.
const QUIET: Duration = Duration::from_secs(3);

/// A window in which the pod of a node sent to very many addresses.
fn window(node: u8, life: u8) -> Vec<u8> {
    let record = |destination: u32| FlowRecord {
        key: FlowKey {
            source: Ipv4Addr::new(10, 67, node, 1).into(),
            destination: IpAddr::V4(Ipv4Addr::from(0x0800_0000 + destination)),
            transport: None,
            point: ObservationPoint {
                hook: Hook::Postrouting,
                input: InterfaceClass::Pod,
                output: InterfaceClass::Uplink,
            },
            socket: None,
        },
        counters: FlowCounters {
            bytes: 100,
            packets: 1,
        },
    };
    encode(&FlowBatch {
        header: BatchHeader {
            node: NodeName::new(format!("n{node}")).unwrap(),
            epoch: Epoch([life; 16]),
            sequence: 1,
            window: Duration::from_secs(10),
            coverage: Coverage::full(),
        },
        records: (0..FLOWS).map(record).collect(),
        totals: vec![],
        skipped: vec![],
        node_addresses: vec![],
    })
}

/// Sends a window, and again as long as it is told to come again, as agents do: after a while a disk
/// that hangs counts as one that fails.
fn deliver(address: SocketAddr, body: &[u8]) -> (u16, String) {
    let answer = wait_for("an answer", DEADLINE, || {
        send_body(address, body).filter(|(status, _)| *status != 503)
    });
    answer.unwrap()
}

fn windows_begun(server: &Server) -> u64 {
    total(&server.scrape(), "kubezonnet_server_body_bytes_total") / window(1, 1).len() as u64
}

#[test]
fn windows_that_wait_for_a_disk_that_hangs_take_bounded_memory_and_all_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let [library, switch] = ["sync.so", "hangs"].map(|name| directory.path().join(name));
    build(directory.path(), &library, SLOW_SYNC);
    let setup = Setup::new()
        .logging("cross-zone")
        .environment("LD_PRELOAD", library.to_str().unwrap())
        .environment("SYNC_HANGS", switch.to_str().unwrap());
    let server = setup.start();
    let before = server.peak_bytes();
    File::create(&switch).unwrap();

    let answers: Vec<_> = thread::scope(|scope| {
        let pairs = (1..=NODES).flat_map(|node| (1..=LIVES).map(move |life| (node, life)));
        let address = server.address;
        let agents: Vec<_> = pairs
            .map(|(node, life)| scope.spawn(move || deliver(address, &window(node, life))))
            .collect();
        let some = wait_for("windows that wait", DEADLINE, || {
            (windows_begun(&server) >= 4).then_some(())
        });
        let begun = some.and_then(|()| {
            wait_until_steady("no more of them", QUIET, DEADLINE, || {
                Ok(windows_begun(&server))
            })
        });
        // Before anything fails, so that the agents end.
        std::fs::remove_file(&switch).unwrap();
        let all = u64::from(NODES * LIVES);
        let begun = begun.unwrap();
        assert!(begun < all / 2, "{begun} of {all}");
        agents.into_iter().map(|one| one.join().unwrap()).collect()
    });

    for (status, text) in answers {
        assert!(status == 200 && text.contains("applied"), "{status} {text}");
    }
    let sent = u64::from(FLOWS) * 100 * u64::from(NODES * LIVES);
    assert_eq!(total(&server.scrape(), "kubezonnet_seen_bytes_total"), sent);
    let more = server.peak_bytes() - before;
    assert!(more < MOST, "{} MiB", more >> 20);
}
