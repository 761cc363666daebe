//! The program under attack, and what an honest agent and Prometheus ask of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kubezonnet_model::{
    BatchHeader, Coverage, Epoch, FlowBatch, FlowCounters, FlowKey, FlowRecord, Hook,
    InterfaceClass, NodeName, ObservationPoint,
};
use kubezonnet_testkit::served::{self, Served};
use kubezonnet_wire::{AGE_HEADER, CONTENT_TYPE, INGEST_PATH, encode};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::{self, connect};

/// How long anything here may take.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

const TOPOLOGY: &str = "\
nodes:
  - {name: n1, zone: a, region: r, addresses: [10.66.0.1]}
  - {name: n2, zone: b, region: r, addresses: [10.66.0.2]}
pods:
  - {namespace: shop, name: web, node: n1, addresses: [10.67.1.1]}
  - {namespace: shop, name: db, node: n2, addresses: [10.67.2.1]}
";

/// A server that runs; it is killed when the test ends.
pub(crate) struct Server {
    served: Served,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    _directory: tempfile::TempDir,
}

impl Server {
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::launch(tempfile::tempdir().unwrap(), TOPOLOGY, more)
    }

    /// One that knows so many pods on `n1` more, of which [`busy_window`] tells.
    pub(crate) fn start_with_pods(pods: u32, with_tls: bool, more: &[&str]) -> Self {
        let mut topology = TOPOLOGY.to_owned();
        for pod in 0..pods {
            let address = pod_address(pod);
            let line = format!(
                "  - {{namespace: shop, name: pod-{pod}, node: n1, addresses: [{address}]}}\n"
            );
            topology.push_str(&line);
        }
        if with_tls {
            Self::launch_with_tls(&topology, more)
        } else {
            Self::launch(tempfile::tempdir().unwrap(), &topology, more)
        }
    }

    pub(crate) fn start_with_tls(more: &[&str]) -> Self {
        Self::launch_with_tls(TOPOLOGY, more)
    }

    fn launch_with_tls(topology: &str, more: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["server".to_owned()]).unwrap();
        let certificate = directory.path().join("tls.crt");
        let key = directory.path().join("tls.key");
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let files = ["--listen-tls-cert", certificate.to_str().unwrap()];
        let key = ["--listen-tls-key", key.to_str().unwrap()];
        let arguments = [&files[..], &key[..], more].concat();
        let mut server = Self::launch(directory, topology, &arguments);
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("server").unwrap();
        server.tls = Some((Arc::new(config), name));
        server
    }

    fn launch(directory: tempfile::TempDir, known: &str, more: &[&str]) -> Self {
        let topology = directory.path().join("topology.yaml");
        std::fs::write(&topology, known).unwrap();
        let mut command = served::command(env!("CARGO_BIN_EXE_kubezonnet-server"));
        command
            .args(["--insecure", "--listen", "127.0.0.1:0"])
            .args(["--log-format", "json"])
            .args(["--flow-log", "off", "--topology-file"])
            .arg(&topology)
            .arg("--data-dir")
            .arg(directory.path().join("data"))
            .args(more)
            .stdout(Stdio::null());
        let served = Served::start(&mut command, &["--listen"]).unwrap();
        Self {
            address: served.address("--listen"),
            served,
            tls: None,
            _directory: directory,
        }
    }

    /// Sends a request as an agent or a scraper of its own address does, and returns the answer.
    pub(crate) fn ask(&self, request: &[u8]) -> String {
        // No attacker has this address.
        let stream = connect(self, [127, 0, 0, 1].into());
        match &self.tls {
            None => client::ask(stream, request),
            Some((config, name)) => {
                let session = ClientConnection::new(Arc::clone(config), name.clone()).unwrap();
                client::ask(StreamOwned::new(session, stream), request)
            }
        }
    }

    pub(crate) fn metrics(&self) -> Page {
        Page(self.ask(&get("/metrics")))
    }

    /// Asks for metrics until they are as expected.
    pub(crate) fn wait_for(&self, mut expected: impl FnMut(&Page) -> bool) {
        let begun = Instant::now();
        loop {
            let page = self.metrics();
            if page.0.starts_with("HTTP/1.1 200") && expected(&page) {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "{}", page.0);
            std::thread::yield_now();
        }
    }

    /// The most memory that has been resident so far.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.served.peak_bytes().unwrap()
    }
}

/// A page of metrics.
pub(crate) struct Page(String);

impl Page {
    /// How long it is, with its head.
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// The value of a series.
    pub(crate) fn value(&self, series: &str) -> f64 {
        let mut lines = self.0.lines();
        let found = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        found
            .unwrap_or_else(|| panic!("{series}: {}", self.0))
            .parse()
            .unwrap()
    }

    pub(crate) fn closed(&self, reason: &str) -> f64 {
        let name = "kubezonnet_server_closed_connections_total";
        self.value(&format!("{name}{{reason=\"{reason}\"}}"))
    }

    pub(crate) fn refused(&self, reason: &str) -> f64 {
        let name = "kubezonnet_server_rejected_batches_total";
        self.value(&format!("{name}{{reason=\"{reason}\"}}"))
    }
}

pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n").into_bytes()
}

/// The head of a batch of some length.
pub(crate) fn post_head(length: usize) -> String {
    format!(
        "POST {INGEST_PATH} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\
         Content-Type: {CONTENT_TYPE}\r\nContent-Length: {length}\r\n{AGE_HEADER}: 0\r\n\r\n"
    )
}

/// A batch with its head.
pub(crate) fn post(body: &[u8]) -> Vec<u8> {
    [post_head(body.len()).as_bytes(), body].concat()
}

fn pod_address(pod: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 80, 0, 0)) + pod)
}

/// A window of `n1` in which the pod web sent to the pod db, as its agent sends it.
pub(crate) fn window(sequence: u64) -> Vec<u8> {
    window_of(sequence, [Ipv4Addr::new(10, 67, 1, 1)])
}

/// One in which so many pods did.
pub(crate) fn busy_window(sequence: u64, pods: u32) -> Vec<u8> {
    window_of(sequence, (0..pods).map(pod_address))
}

fn window_of(sequence: u64, sources: impl IntoIterator<Item = Ipv4Addr>) -> Vec<u8> {
    let record = |source: Ipv4Addr| FlowRecord {
        key: FlowKey {
            source: source.into(),
            destination: "10.67.2.1".parse().unwrap(),
            transport: None,
            point: ObservationPoint {
                hook: Hook::Postrouting,
                input: InterfaceClass::Pod,
                output: InterfaceClass::Uplink,
            },
            socket: None,
        },
        counters: FlowCounters {
            bytes: 1000,
            packets: 1,
        },
    };
    post(&encode(&FlowBatch {
        header: BatchHeader {
            node: NodeName::new("n1").unwrap(),
            epoch: Epoch([5; 16]),
            sequence,
            window: Duration::from_secs(10),
            coverage: Coverage::full(),
        },
        records: sources.into_iter().map(record).collect(),
        totals: Vec::new(),
        skipped: Vec::new(),
        node_addresses: Vec::new(),
    }))
}
