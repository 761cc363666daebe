//! An hour of a small shop in three zones and another region, as windows of agents: what each minute has
//! is worked out, so that two runs show the same.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use kubezonnet_model::{
    BatchHeader, Coverage, Epoch, FlowBatch, FlowCounters, FlowKey, FlowRecord, Hook,
    InterfaceClass, NodeName, ObservationPoint, PortSide, Protocol, ServicePort, Transport,
};
use kubezonnet_wire::{AGE_HEADER, CONTENT_TYPE, INGEST_PATH, encode};
use reqwest::Client;

/// How many windows of a minute each agent sends.
const MINUTES: u64 = 60;

/// Pods of one workload that only stay at home, so that lists have something to scroll.
const MANY: u8 = 60;

const MINUTE: Duration = Duration::from_mins(1);

/// From a pod behind the node to its uplink.
const OUT: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Pod,
    output: InterfaceClass::Uplink,
};

/// Node, zone and region; the last has no zone, and none has an agent that is not in `FLOWS`.
const NODES: [(&str, Option<&str>, &str); 6] = [
    ("node-a", Some("us-east-1a"), "us-east-1"),
    ("node-b", Some("us-east-1b"), "us-east-1"),
    ("node-c", Some("us-east-1c"), "us-east-1"),
    ("node-d", Some("eu-west-1a"), "eu-west-1"),
    ("node-e", Some("us-east-1c"), "us-east-1"),
    ("node-f", None, "us-east-1"),
];

/// Number of the node, namespace, name, kind and name of the owner. The address is by the place here.
const PODS: [(u8, &str, &str, &str, &str); 7] = [
    (1, "shop", "orders-6d5f7", "Deployment", "orders"),
    (2, "shop", "postgres-0", "StatefulSet", "postgres"),
    (3, "shop", "web-q8m2z", "Deployment", "web"),
    (4, "shop", "reports-x7b4d", "Deployment", "reports"),
    (1, "shop", "web-7c9fd", "Deployment", "web"),
    (3, "monitoring", "scraper-0", "StatefulSet", "scraper"),
    (
        6,
        "shop",
        "batch-2kx9p",
        "CronJob",
        "nightly-cleanup-of-old-orders",
    ),
];

/// The node that reports, who sends to whom, and about how many bytes in a minute.
const FLOWS: [(u8, &str, &str, u64); 9] = [
    (2, "10.67.2.2", "10.67.1.1", 480_000_000),
    (1, "10.67.1.1", "10.67.2.2", 4_000_000),
    (2, "10.67.2.2", "10.67.4.4", 36_000_000),
    (3, "10.67.3.3", "10.67.1.1", 9_000_000),
    (3, "10.67.3.6", "10.67.2.2", 3_000_000),
    (3, "10.67.3.3", "10.67.3.6", 30_000_000),
    (3, "10.67.3.3", "8.8.8.8", 12_000_000),
    (1, "10.67.1.5", "10.99.0.9", 1_500_000),
    (2, "10.67.2.2", "10.67.6.7", 700_000),
];

fn address(node: u8, pod: u8) -> String {
    format!("10.67.{node}.{pod}")
}

/// The file that tells the server of them.
pub(crate) fn topology() -> String {
    let nodes = NODES.iter().zip(1..).map(|((name, zone, region), number)| {
        let zone = zone.map_or(String::new(), |zone| format!("zone: {zone}, "));
        format!("  - {{name: {name}, {zone}region: {region}, addresses: [10.66.0.{number}]}}\n")
    });
    let pods = PODS
        .iter()
        .zip(1..)
        .map(|((node, namespace, name, kind, owner), number)| {
            pod(
                *node,
                namespace,
                name,
                (kind, owner),
                &address(*node, number),
            )
        });
    let many = (1..=MANY).map(|number| {
        let owner = ("DaemonSet", "cache");
        pod(
            5,
            "shop",
            &format!("cache-{number}"),
            owner,
            &address(5, number),
        )
    });
    let pods: String = pods.chain(many).collect();
    format!("nodes:\n{}pods:\n{pods}", nodes.collect::<String>())
}

fn pod(
    node: u8,
    namespace: &str,
    name: &str,
    (kind, owner): (&str, &str),
    address: &str,
) -> String {
    let (node, _, _) = NODES[usize::from(node) - 1];
    format!(
        "  - {{namespace: {namespace}, name: {name}, node: {node}, addresses: [{address}], \
         owner: {{kind: {kind}, name: {owner}}}}}\n"
    )
}

/// What a node's agent sends of a minute.
fn records(node: u8, minute: u64) -> Vec<FlowRecord> {
    let flows = FLOWS.iter().filter(|(reporter, ..)| *reporter == node);
    let flows = flows.map(|(_, source, destination, bytes)| {
        // Between 80 and 120 per cent, not the same twice.
        let percent = 80 + (minute * 17 + bytes / 1_000) % 41;
        record(source, destination, bytes / 100 * percent + minute)
    });
    let many = (1..=MANY).filter(|_| node == 5).map(|number| {
        let bytes = 1_000 * u64::from(number) + minute;
        record(&address(5, number), &address(5, number % MANY + 1), bytes)
    });
    flows.chain(many).collect()
}

fn record(source: &str, destination: &str, bytes: u64) -> FlowRecord {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    FlowRecord {
        key: FlowKey {
            source: address(source),
            destination: address(destination),
            transport: Some(Transport {
                protocol: Protocol::TCP,
                service: Some(ServicePort {
                    number: 5432,
                    side: PortSide::Source,
                }),
                client_port: None,
            }),
            point: OUT,
            socket: None,
        },
        counters: FlowCounters {
            bytes,
            packets: bytes / 1_400 + 1,
        },
    }
}

/// Sends all of it, the oldest first, and returns how many bytes that are.
pub(crate) async fn send(server: SocketAddr) -> u64 {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::new();
    let mut sum = 0;
    for minute in 0..MINUTES {
        for number in 1..=5_u8 {
            let records = records(number, minute);
            sum += records.iter().map(|each| each.counters.bytes).sum::<u64>();
            let age = MINUTE * u32::try_from(MINUTES - 1 - minute).unwrap();
            let answer = client
                .post(format!("http://{server}{INGEST_PATH}"))
                .header("content-type", CONTENT_TYPE)
                .header(AGE_HEADER, age.as_millis().to_string())
                .body(encode(&batch(number, minute + 1, records)))
                .send()
                .await
                .unwrap();
            assert!(answer.status().is_success(), "{answer:?}");
        }
    }
    sum
}

fn batch(number: u8, sequence: u64, records: Vec<FlowRecord>) -> FlowBatch {
    let (node, _, _) = NODES[usize::from(number) - 1];
    FlowBatch {
        header: BatchHeader {
            node: NodeName::new(node).unwrap(),
            epoch: Epoch([number; 16]),
            sequence,
            window: MINUTE,
            coverage: Coverage::full(),
        },
        records,
        totals: Vec::new(),
        skipped: Vec::new(),
        node_addresses: Vec::new(),
    }
}
