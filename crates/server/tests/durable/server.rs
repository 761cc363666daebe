//! A server that can be killed and started again on its data, and agents that send until they are
//! acknowledged.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kubezonnet_model::{
    BatchHeader, Coverage, Epoch, FlowBatch, FlowCounters, FlowKey, FlowRecord, Hook,
    InterfaceClass, NodeName, ObservationPoint,
};
use kubezonnet_testkit::served::{self, Served};
use kubezonnet_testkit::{Scrape, get, wait_for};
use kubezonnet_wire::{AGE_HEADER, CONTENT_TYPE, INGEST_PATH, TIME_HEADER, encode};
use nix::sys::signal::Signal;

/// How long anything here may take.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Nodes, each with one pod that sends to the pod of the next.
pub(crate) const NODES: u8 = 8;

/// How a server is started.
pub(crate) struct Setup {
    data: PathBuf,
    topology: PathBuf,
    environment: Vec<(String, String)>,
    flow_log: &'static str,
    _directory: tempfile::TempDir,
}

impl Setup {
    /// With its data in a directory that goes with this.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        Self::in_directory(directory, data)
    }

    /// With its data elsewhere.
    pub(crate) fn with_data(data: &Path) -> Self {
        Self::in_directory(tempfile::tempdir().unwrap(), data.to_owned())
    }

    fn in_directory(directory: tempfile::TempDir, data: PathBuf) -> Self {
        let mut text = "nodes:\n".to_owned();
        let zone = |node| if node % 2 == 0 { "a" } else { "b" };
        for node in 1..=NODES {
            let zone = zone(node);
            let line =
                format!("  - {{name: n{node}, zone: {zone}, addresses: [10.66.0.{node}]}}\n");
            text.push_str(&line);
        }
        text += "pods:\n";
        for node in 1..=NODES {
            let line = format!(
                "  - {{namespace: shop, name: p{node}, node: n{node}, addresses: [10.67.{node}.1]}}\n"
            );
            text.push_str(&line);
        }
        let topology = directory.path().join("topology.yaml");
        std::fs::write(&topology, text).unwrap();
        Self {
            data,
            topology,
            environment: Vec::new(),
            flow_log: "off",
            _directory: directory,
        }
    }

    /// With an environment variable more.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a flow log, which nobody reads.
    pub(crate) fn logging(self, flow_log: &'static str) -> Self {
        Self { flow_log, ..self }
    }

    /// Where its data are.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    fn command(&self) -> Command {
        let mut command = served::command(env!("CARGO_BIN_EXE_kubezonnet-server"));
        command
            .args(["--insecure", "--listen=127.0.0.1:0", "--log-format=json"])
            .arg("--max-batches-per-agent=1000000")
            .arg(format!("--flow-log={}", self.flow_log))
            .arg(format!("--topology-file={}", self.topology.display()))
            .arg(format!("--data-dir={}", self.data.display()))
            .envs(self.environment.iter().cloned())
            .stdout(Stdio::null());
        command
    }

    /// Starts what must refuse to, and returns what it says.
    pub(crate) fn refused(&self) -> String {
        let Output { status, stderr, .. } = self.command().output().unwrap();
        let text = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(64), "{text}");
        text.lines().last().unwrap_or_default().to_owned()
    }

    /// Starts it.
    pub(crate) fn start(&self) -> Server {
        let served = Served::start(&mut self.command(), &["--listen"]).unwrap();
        Server {
            address: served.address("--listen"),
            served,
        }
    }
}

/// A server that runs; it is killed when this goes.
pub(crate) struct Server {
    served: Served,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Kills it (SIGKILL).
    pub(crate) fn kill(self) {
        self.served.kill();
    }

    /// Ends it in order (SIGTERM); says how long it took.
    pub(crate) fn end(self) -> Duration {
        let begun = Instant::now();
        self.served.signal(Signal::SIGTERM).unwrap();
        let status = self.served.wait(DEADLINE).unwrap();
        assert!(status.success(), "{status}");
        begun.elapsed()
    }

    /// Waits until it has logged these words: what it says comes by a pipe of its own, perhaps after its
    /// answer.
    pub(crate) fn wait_for_log(&self, words: &str) {
        let has_words = || self.served.log().contains(words).then_some(());
        let logged = wait_for(words, DEADLINE, has_words);
        assert!(logged.is_ok(), "{words}: {}", self.served.log());
    }

    pub(crate) fn scrape(&self) -> Scrape {
        Scrape::fetch(self.address).unwrap()
    }

    pub(crate) fn ready(&self) -> (u16, String) {
        get(self.address, "/readyz").unwrap()
    }

    /// The most memory that has been resident so far.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.served.peak_bytes().unwrap()
    }

    /// Sends a window; what is answered, or nothing if the connection broke.
    pub(crate) fn send(&self, window: &Window) -> Option<(u16, String)> {
        send(self.address, window)
    }
}

/// A window of a node.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) node: u8,
    pub(crate) epoch: u8,
    pub(crate) sequence: u64,
}

impl Window {
    /// How many bytes its pod sent: never twice the same in a row.
    pub(crate) fn bytes(self) -> u64 {
        1000 + self.sequence * 7 % 1013 + u64::from(self.node)
    }

    fn body(self) -> Vec<u8> {
        let next = self.node % NODES + 1;
        let address = |node| format!("10.67.{node}.1").parse().unwrap();
        let counters = FlowCounters {
            bytes: self.bytes(),
            packets: 1,
        };
        encode(&FlowBatch {
            header: BatchHeader {
                node: NodeName::new(format!("n{}", self.node)).unwrap(),
                epoch: Epoch([self.epoch; 16]),
                sequence: self.sequence,
                window: Duration::from_secs(10),
                coverage: Coverage::full(),
            },
            records: vec![FlowRecord {
                key: FlowKey {
                    source: address(self.node),
                    destination: address(next),
                    transport: None,
                    point: ObservationPoint {
                        hook: Hook::Postrouting,
                        input: InterfaceClass::Pod,
                        output: InterfaceClass::Uplink,
                    },
                    socket: None,
                },
                counters,
            }],
            totals: vec![],
            skipped: vec![],
            node_addresses: vec![],
        })
    }
}

fn send(address: SocketAddr, window: &Window) -> Option<(u16, String)> {
    send_body(address, &window.body())
}

/// Sends a batch; what is answered, or nothing if the connection broke.
pub(crate) fn send_body(address: SocketAddr, body: &[u8]) -> Option<(u16, String)> {
    let head = format!(
        "POST {INGEST_PATH} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\
         Content-Type: {CONTENT_TYPE}\r\nContent-Length: {}\r\n{AGE_HEADER}: 0\r\n\
         {TIME_HEADER}: 1000\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// Agents of all nodes: each sends a window until it is acknowledged, then the next.
pub(crate) struct Agents {
    address: Arc<Mutex<SocketAddr>>,
    ending: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Sent>>,
}

/// What an agent sent and had acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) windows: u64,
    pub(crate) bytes: u64,
    /// Windows that were sent again and had been applied.
    pub(crate) duplicates: u64,
    /// Answers that told it to come again.
    pub(crate) put_off: u64,
}

impl Agents {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let address = Arc::new(Mutex::new(address));
        let ending = Arc::<AtomicBool>::default();
        let acknowledged = Arc::<AtomicU64>::default();
        let start = |node| {
            let (address, ending) = (Arc::clone(&address), Arc::clone(&ending));
            let acknowledged = Arc::clone(&acknowledged);
            std::thread::spawn(move || agent(node, &address, &ending, &acknowledged))
        };
        Self {
            threads: (1..=NODES).map(start).collect(),
            address,
            ending,
            acknowledged,
        }
    }

    /// Tells them where the server is now.
    pub(crate) fn turn_to(&self, address: SocketAddr) {
        *self.address.lock().unwrap() = address;
    }

    /// Waits until so many more windows are acknowledged.
    pub(crate) fn wait_for(&self, more: u64) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + more;
        let begun = Instant::now();
        while self.acknowledged.load(Ordering::Relaxed) < goal {
            assert!(begun.elapsed() < DEADLINE, "nothing is acknowledged");
            std::thread::yield_now();
        }
    }

    /// Lets each have its window acknowledged, and ends.
    pub(crate) fn end(self) -> Sent {
        self.ending.store(true, Ordering::Relaxed);
        let mut all = Sent::default();
        for thread in self.threads {
            let sent = thread.join().unwrap();
            all.windows += sent.windows;
            all.bytes += sent.bytes;
            all.duplicates += sent.duplicates;
            all.put_off += sent.put_off;
        }
        all
    }
}

fn agent(
    node: u8,
    address: &Mutex<SocketAddr>,
    ending: &AtomicBool,
    acknowledged: &AtomicU64,
) -> Sent {
    let mut sent = Sent::default();
    for sequence in 1.. {
        if ending.load(Ordering::Relaxed) {
            break;
        }
        let window = Window {
            node,
            epoch: 1,
            sequence,
        };
        let begun = Instant::now();
        loop {
            assert!(
                begun.elapsed() < DEADLINE,
                "n{node}: {sequence} is never acknowledged"
            );
            let to = *address.lock().unwrap();
            match send(to, &window) {
                Some((200, answer)) => {
                    sent.duplicates += u64::from(answer.contains("\"duplicate\""));
                    break;
                }
                Some((503, _)) => sent.put_off += 1,
                Some((status, answer)) => panic!("n{node}: {sequence}: {status} {answer}"),
                None => {}
            }
            // The server is away: so is the processor for a moment.
            std::thread::yield_now();
        }
        sent.windows += 1;
        sent.bytes += window.bytes();
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    sent
}

/// The counters that never fall: of traffic, by series.
pub(crate) fn counters(scrape: &Scrape) -> BTreeMap<String, u64> {
    let is_counter = |name: &str| {
        (name.starts_with("kubezonnet_") || name.starts_with("pod_"))
            && name.ends_with("_total")
            && !name.starts_with("kubezonnet_server_")
            && !name.starts_with("kubezonnet_store_")
            && !name.starts_with("kubezonnet_agents_")
    };
    let samples = scrape.all().filter(|sample| is_counter(&sample.name));
    let entry = |sample: &kubezonnet_testkit::Sample| {
        let series = format!("{}{:?}", sample.name, sample.labels);
        (series, whole(sample.value))
    };
    samples.map(entry).collect()
}

/// The sum of a family.
pub(crate) fn total(scrape: &Scrape, name: &str) -> u64 {
    whole(scrape.sum(name, &[]))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of a short test"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

/// Fails if one is lower than it was, or gone.
pub(crate) fn assert_none_fell(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) {
    for (series, value) in before {
        let now = after.get(series).copied().unwrap_or(0);
        assert!(now >= *value, "{series} fell from {value} to {now}");
    }
}

/// Fails unless the counters are what was acknowledged, to the byte.
pub(crate) fn assert_exact(scrape: &Scrape, sent: &Sent) {
    let counters = counters(scrape);
    let sum = |name: &str| -> u64 {
        let of = counters
            .iter()
            .filter(|(series, _)| series.starts_with(name));
        of.map(|(_, value)| value).sum()
    };
    assert_eq!(sum("kubezonnet_seen_bytes_total"), sent.bytes);
    assert_eq!(sum("kubezonnet_books_bytes_total"), sent.bytes);
    assert_eq!(
        sum("pod_cross_zone_network_traffic_bytes_total"),
        sent.bytes
    );
    assert_eq!(sum("kubezonnet_zone_traffic_bytes_total"), sent.bytes);
    assert_eq!(sum("kubezonnet_seen_packets_total"), sent.windows);
}
