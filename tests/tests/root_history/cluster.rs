//! A cluster as a file tells it, what its agents send, and a server for it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use kubezonnet_model::{
    BatchHeader, Coverage, Epoch, FlowBatch, FlowCounters, FlowKey, FlowRecord, Hook,
    InterfaceClass, NodeName, ObservationPoint,
};
use kubezonnet_testkit::binary;
use kubezonnet_testkit::scrape::get;
use kubezonnet_testkit::served::{self, Served};
use kubezonnet_testkit::wait_for;
use kubezonnet_wire::{AGE_HEADER, CONTENT_TYPE, INGEST_PATH, encode};
use reqwest::Client;

use crate::PATIENCE;

/// What bytes cost, so that each has a price without a remainder.
const PRICES: &str = "
currency: USD
unit: GB
betweenZones: { price: 1000, paidBy: both }
betweenRegions: [{ price: 3000 }]
";

const NETWORKS: &str = "
networks:
  - {name: orders-db, kind: managed-database, cidr: 10.9.0.0/24, zone: b, region: r1, billed: cluster}
  - {name: office, kind: on-premises, cidr: 10.8.0.0/24}
";

/// From a pod behind the node to its uplink.
const OUT: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Pod,
    output: InterfaceClass::Uplink,
};

/// Who sends to whom, and by how many bytes more each time than the time before: two zones of a region,
/// another region, a node without labels, what is named, what is on the internet and what nobody knows.
const FLOWS: [(u8, &str, u64); 9] = [
    (1, "10.67.2.1", 1_000_003),
    (2, "10.67.1.1", 20_011),
    (1, "10.67.3.1", 3_000_017),
    (1, "10.67.4.1", 40_013),
    (3, "10.67.2.1", 5_000_023),
    (1, "10.9.0.7", 60_029),
    (2, "10.8.0.7", 7_019),
    (2, "8.8.8.8", 80_021),
    (3, "10.99.0.9", 9_007),
];

/// A cluster, and where its server has its files.
pub(crate) struct Cluster {
    pub(crate) namespace: &'static str,
    directory: PathBuf,
    /// How many windows each agent has sent.
    sent: u64,
    /// How many bytes its server was told of.
    pub(crate) bytes: u64,
    /// Tells agents from those before.
    epoch: u8,
}

impl Cluster {
    pub(crate) fn new(namespace: &'static str, directory: PathBuf) -> Self {
        std::fs::create_dir_all(&directory).unwrap();
        let zones = [
            "zone: a, zoneId: id-a, region: r1",
            "zone: b, region: r1",
            "zone: c, region: r2",
            "",
        ];
        let nodes = zones.iter().zip(1..).map(|(zone, number)| {
            format!("  - {{name: {namespace}-n{number}, addresses: [10.66.0.{number}], {zone}}}\n")
        });
        let pods = (1..=4).map(|number| {
            format!(
                "  - {{namespace: {namespace}, name: p{number}-0, node: {namespace}-n{number}, \
                 addresses: [10.67.{number}.1], owner: {{kind: StatefulSet, name: p{number}}}}}\n"
            )
        });
        let (nodes, pods): (String, String) = (nodes.collect(), pods.collect());
        for (name, text) in [
            ("topology.yaml", format!("nodes:\n{nodes}pods:\n{pods}")),
            ("prices.yaml", PRICES.to_owned()),
            ("networks.yaml", NETWORKS.to_owned()),
        ] {
            std::fs::write(directory.join(name), text).unwrap();
        }
        Self {
            namespace,
            directory,
            sent: 0,
            bytes: 0,
            epoch: 1,
        }
    }

    /// Starts its server where it is to listen, with these arguments more.
    pub(crate) fn serve(&self, listen: SocketAddr, arguments: &[String]) -> Served {
        let file = |name: &str| self.directory.join(name).display().to_string();
        let mut command = served::command(binary("kubezonnet-server").unwrap());
        command
            .args([
                "--insecure",
                "--log-format=json",
                "--flow-log=off",
                "--cloud=none",
            ])
            .arg(format!("--listen={listen}"))
            .arg(format!("--topology-file={}", file("topology.yaml")))
            .arg(format!("--networks={}", file("networks.yaml")))
            .arg(format!("--pricing={}", file("prices.yaml")))
            .arg(format!("--data-dir={}", file("data")))
            .args(arguments)
            .stdout(Stdio::null());
        let served = Served::start(&mut command, &["--listen"]).unwrap();
        wait_for("readiness of the server", PATIENCE, || {
            matches!(get(listen, "/readyz"), Ok((200, _))).then_some(())
        })
        .unwrap();
        served
    }

    /// Loses all that its server has, and its agents with it.
    pub(crate) fn lose_data(&mut self) {
        std::fs::remove_dir_all(self.directory.join("data")).unwrap();
        self.epoch += 1;
        (self.sent, self.bytes) = (0, 0);
    }

    /// Whether its server has a file of that name.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.directory.join(file).exists()
    }

    /// Sends a window of each agent.
    pub(crate) async fn send(&mut self, server: SocketAddr) {
        self.sent += 1;
        // A second installation changes nothing, and fails only because there was a first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::new();
        for number in 1..=4 {
            let batch = self.batch(number);
            let records = batch.records.iter();
            self.bytes += records.map(|each| each.counters.bytes).sum::<u64>();
            let answer = client
                .post(format!("http://{server}{INGEST_PATH}"))
                .header("content-type", CONTENT_TYPE)
                .header(AGE_HEADER, "0")
                .body(encode(&batch))
                .send()
                .await
                .unwrap();
            assert!(answer.status().is_success(), "{answer:?}");
        }
    }

    fn batch(&self, number: u8) -> FlowBatch {
        let flows = FLOWS.iter().filter(|(node, ..)| *node == number);
        // No two clusters have as much.
        let more = self.namespace.len() as u64;
        let records = flows.map(|(_, to, bytes)| record(number, to, bytes * self.sent + more));
        FlowBatch {
            header: BatchHeader {
                node: NodeName::new(format!("{}-n{number}", self.namespace)).unwrap(),
                epoch: Epoch([number + 10 * self.epoch; 16]),
                sequence: self.sent,
                window: Duration::from_secs(10),
                coverage: Coverage::full(),
            },
            records: records.collect(),
            totals: Vec::new(),
            skipped: Vec::new(),
            node_addresses: Vec::new(),
        }
    }
}

fn record(number: u8, to: &str, bytes: u64) -> FlowRecord {
    FlowRecord {
        key: FlowKey {
            source: IpAddr::from([10, 67, number, 1]),
            destination: to.parse().unwrap(),
            transport: None,
            point: OUT,
            socket: None,
        },
        counters: FlowCounters {
            bytes,
            packets: bytes / 1_400 + 1,
        },
    }
}

/// Addresses where nobody listens.
pub(crate) fn addresses<const COUNT: usize>() -> [SocketAddr; COUNT] {
    let listeners = [(); COUNT].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}
