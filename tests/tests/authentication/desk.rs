//! A server process, senders as agents have them, and windows to send.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kubezonnet_agent::answer::{Answer, Outcome};
use kubezonnet_agent::send::{Credentials, Sender};
use kubezonnet_agent::tick::Deliver as _;
use kubezonnet_agent::window::Outgoing;
use kubezonnet_model::{
    BatchHeader, Coverage, Epoch, FlowBatch, FlowCounters, FlowKey, FlowRecord, Hook,
    InterfaceClass, NodeName, ObservationPoint,
};
use kubezonnet_testkit::kube::{FakeKube, Kind, object};
use kubezonnet_testkit::served::{self, Served};
use kubezonnet_testkit::{Scrape, binary, pki, wait_for};
use kubezonnet_tests::books::sum;

/// How long anything here may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// What a pod of the first node sends in a window.
pub(crate) const BYTES: u64 = 1_234;

/// A server that runs; it is killed when it is dropped.
pub(crate) struct Server {
    _served: Served,
    /// Where its metrics are.
    pub(crate) listen: SocketAddr,
    /// Where agents report.
    pub(crate) ingest: SocketAddr,
}

impl Server {
    pub(crate) fn start(arguments: &[String]) -> Self {
        let mut command = served::command(binary("kubezonnet-server").unwrap());
        command
            .args([
                "--listen=127.0.0.1:0",
                "--log-format=json",
                "--flow-log=off",
            ])
            // Nothing outlives a server: a batch that is refused must not be known already.
            .arg("--data-dir=none")
            // Tests that wait for a change send until it is there.
            .arg("--max-batches-per-agent=1000000")
            .args(arguments)
            .stdout(Stdio::null());
        let served = Served::start(&mut command, &["--listen", "--ingest-listen"]).unwrap();
        Self {
            listen: served.address("--listen"),
            ingest: served.address("--ingest-listen"),
            _served: served,
        }
    }

    /// Waits until it is ready.
    pub(crate) fn ready(self) -> Self {
        let ready = || match kubezonnet_testkit::scrape::get(self.listen, "/readyz") {
            Ok((200, _)) => Some(()),
            _ => None,
        };
        wait_for("readiness of the server", DEADLINE, ready).unwrap();
        self
    }

    pub(crate) fn scrape(&self) -> Scrape {
        Scrape::fetch(self.listen).unwrap()
    }

    /// How many batches were refused for a reason.
    pub(crate) fn refused(&self, reason: &str) -> u64 {
        self.sum(
            "kubezonnet_server_rejected_batches_total",
            &[("reason", reason)],
        )
    }

    /// The sum of its samples of that name with those labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        sum(&self.scrape(), name, labels)
    }

    /// Sees that nothing was counted, nor anybody noted as having reported.
    pub(crate) fn assert_untouched(&self) {
        for name in [
            "kubezonnet_server_batches_total",
            "kubezonnet_books_bytes_total",
            "kubezonnet_seen_bytes_total",
            "kubezonnet_server_agents",
        ] {
            assert_eq!(self.sum(name, &[]), 0, "{name}");
        }
    }

    /// A sender to it, as an agent with these credentials has it.
    pub(crate) fn sender(&self, credentials: &Credentials) -> Sender {
        let url = format!("https://localhost:{}", self.ingest.port());
        Sender::new(&url.parse().unwrap(), credentials.clone()).unwrap()
    }
}

/// Delivers a window and returns what came of it.
pub(crate) async fn deliver(sender: &mut Sender, node: &str, sequence: u64) -> Answer {
    deliver_of(sender, node, ["10.67.1.1", "10.67.2.1"], OUT, sequence).await
}

/// From a pod behind the node to its uplink.
pub(crate) const OUT: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Pod,
    output: InterfaceClass::Uplink,
};

/// From a pod behind the node to the node itself.
pub(crate) const TO_HOST: ObservationPoint = ObservationPoint {
    hook: Hook::LocalIn,
    input: InterfaceClass::Pod,
    output: InterfaceClass::Host,
};

/// The same, in which others speak, seen elsewhere.
pub(crate) async fn deliver_of(
    sender: &mut Sender,
    node: &str,
    speakers: [&str; 2],
    point: ObservationPoint,
    sequence: u64,
) -> Answer {
    let outgoing = Outgoing {
        epoch: epoch(node),
        sequence,
        age: Duration::ZERO,
        body: batch(node, speakers, point, sequence).into(),
    };
    sender.deliver(outgoing).await
}

fn epoch(node: &str) -> Epoch {
    let mut epoch = [7; 16];
    epoch[..node.len()].copy_from_slice(node.as_bytes());
    Epoch(epoch)
}

/// A window of a node with one flow, as bytes.
pub(crate) fn batch(
    node: &str,
    [source, destination]: [&str; 2],
    point: ObservationPoint,
    sequence: u64,
) -> Vec<u8> {
    kubezonnet_wire::encode(&FlowBatch {
        header: BatchHeader {
            node: NodeName::new(node).unwrap(),
            epoch: epoch(node),
            sequence,
            window: Duration::from_secs(10),
            coverage: Coverage::full(),
        },
        records: vec![FlowRecord {
            key: FlowKey {
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
                transport: None,
                point,
                socket: None,
            },
            counters: FlowCounters {
                bytes: BYTES,
                packets: 1,
            },
        }],
        totals: Vec::new(),
        skipped: Vec::new(),
        node_addresses: Vec::new(),
    })
}

/// Sees that an answer lets nobody in, for that reason.
pub(crate) fn assert_denied(answer: &Answer, reason: &str) {
    assert_eq!(answer.outcome, Outcome::Unauthorized, "{answer:?}");
    let named = format!("({reason})");
    assert!(answer.detail.ends_with(&named), "{reason}: {answer:?}");
}

pub(crate) fn assert_applied(answer: &Answer) {
    assert_eq!(answer.outcome, Outcome::Acknowledged, "{answer:?}");
}

/// A cluster of two nodes in two zones, as Kubernetes tells it, and a place for an agent's files.
pub(crate) struct Cluster {
    pub(crate) kube: FakeKube,
    pub(crate) files: tempfile::TempDir,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let kube = FakeKube::start().await.unwrap();
        for (number, zone) in [(1, "a"), (2, "b")] {
            let (node, pod) = (format!("n{number}"), format!("p{number}"));
            let address = format!("10.66.0.{number}");
            let uid = format!("node-{number}");
            kube.upsert(Kind::Node, object::node(&node, &uid, zone, &[&address]));
            let object = object::pod("shop", &pod, &format!("pod-{number}"), &node);
            let address = format!("10.67.{number}.1");
            kube.upsert(Kind::Pod, object::with_addresses(object, &[&address]));
        }
        let files = tempfile::tempdir().unwrap();
        Self { kube, files }
    }

    pub(crate) fn server(&self) -> Server {
        self.server_at("127.0.0.1:0".parse().unwrap())
    }

    pub(crate) fn server_at(&self, ingest: SocketAddr) -> Server {
        let arguments = [
            format!("--kubeconfig={}", self.kube.kubeconfig().display()),
            format!("--ingest-listen={ingest}"),
        ];
        Server::start(&arguments).ready()
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        write(self.files.path(), name, text)
    }

    /// What the server has published for agents to trust.
    pub(crate) fn published(&self) -> String {
        let map = self
            .kube
            .single("configmaps/default/kubezonnet-ca")
            .unwrap();
        map["data"]["ca.crt"].as_str().unwrap().to_owned()
    }

    /// An agent's credentials with that token, and the published authorities.
    pub(crate) fn credentials(&self, name: &str, token: &str) -> Credentials {
        Credentials {
            ca_file: Some(self.file("ca.crt", &self.published())),
            token_file: Some(self.file(name, token)),
            client: None,
        }
    }
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    pki::write(&path, text).unwrap();
    path
}
