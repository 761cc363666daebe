//! A cluster of any size, and what its agents report.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kubezonnet_model::{
    BatchHeader, Coverage, Epoch, FlowBatch, FlowCounters, FlowKey, FlowRecord, Hook,
    InterfaceClass, Name, Namespace, NodeName, ObservationPoint, PortSide, Protocol, Region,
    ServicePort, Timestamp, Transport, Workload, Zone,
};
use kubezonnet_pricing::{Overrides, PriceBook};
use kubezonnet_server::export::pods::Pods;
use kubezonnet_server::export::recent::Recent;
use kubezonnet_server::export::{Exporter, Exporters};
use kubezonnet_server::history::embedded::Options;
use kubezonnet_server::ledger::SeriesLimits;
use kubezonnet_server::pipeline::{Pipeline, Settings};
use kubezonnet_server::store::Pace;
use kubezonnet_topology::{NodeState, PodState, Topology};
use kubezonnet_wire::{Limits, decode, encode};

use crate::Outcome;

/// When the windows end; long after the cluster was made.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);

pub(crate) const WINDOW: Duration = Duration::from_secs(10);

pub(crate) const PODS_OF_A_NODE: u32 = 50;

const PODS_OF_A_WORKLOAD: u32 = 10;

/// Pods of other nodes that those of one node talk to, and ports they do so by.
const PEERS: u64 = 500;
const SERVICES: u64 = 15;

/// A topology of so many pods, all told.
pub(crate) fn topology(pods: u32) -> Outcome<Topology> {
    let topology = Topology::new();
    {
        let mut index = topology.write();
        for node in 0..pods.div_ceil(PODS_OF_A_NODE) {
            let state = NodeState {
                name: node_name(node)?,
                uid: format!("00000000-0000-4000-9000-{node:012}"),
                zone: Some(Zone::new(format!("eu-central-1{}", zone(node)))?),
                zone_id: None,
                region: Some(Region::new("eu-central-1")?),
                provider_id: None,
                can_run_agent: true,
                pod_cidrs: Vec::new(),
                addresses: vec![Ipv4Addr::from(0xC0A8_0000 + node).into()],
            };
            index.apply_node(state, Timestamp(1));
        }
        for pod in 0..pods {
            let (workload, namespace) = workload(pod, pods);
            let namespace = Namespace::new(namespace)?;
            let name = Name::new(format!("service-{workload}-5d9c7b6f48-{pod:05x}"))?;
            let uid = format!("00000000-0000-4000-8000-{pod:012}");
            let state = PodState {
                node: Some(node_name(pod / PODS_OF_A_NODE)?),
                workload: Some(Workload {
                    kind: Name::new("Deployment")?,
                    name: Name::new(format!("service-{workload}"))?,
                }),
                addresses: vec![pod_address(pod), pod_address_ipv6(pod)],
                created: Some(Timestamp(1)),
                ..PodState::new(namespace, name, uid)
            };
            index.apply_pod(state, Timestamp(1));
        }
    }
    topology.set_synced();
    Ok(topology)
}

/// The workload of a pod, one of so many, and its namespace: a node has a pod of many of them.
pub(crate) fn workload(pod: u32, pods: u32) -> (u32, String) {
    let workload = pod % (pods / PODS_OF_A_WORKLOAD);
    (workload, format!("team-{}", workload % 200))
}

/// A server that waits for nobody.
pub(crate) fn pipeline(topology: Topology, exporters: Exporters) -> Pipeline {
    Pipeline::new(topology, exporters, SETTINGS)
}

/// One that keeps what it hears in a directory.
pub(crate) fn durable(topology: Topology, directory: &Path) -> Outcome<Pipeline> {
    let pace = Pace::default();
    let exporters = Exporters::default();
    Ok(Pipeline::open(
        topology, exporters, SETTINGS, directory, pace,
    )?)
}

/// One that does all that the program does: as [`durable`], with the past and with what is shown of the
/// last minutes.
pub(crate) fn whole(topology: Topology, directory: &Path) -> Outcome<Pipeline> {
    let exporters: Vec<Box<dyn Exporter>> = vec![
        Box::new(Arc::new(Recent::new(0))),
        Box::new(Arc::new(Pods::new())),
    ];
    let past = Options {
        directory: Some(directory.to_owned()),
        ..Options::default()
    };
    let store = Some((directory, Pace::default()));
    let exporters = Exporters::of(exporters);
    let prices = "currency: EUR\nunit: GB\nbetweenZones: { price: 0.02, paidBy: both }\n";
    let book = PriceBook::new(None, &Overrides::parse(prices)?, false)?;
    exporters.begin(&book);
    let pipeline = Pipeline::with_past(topology, exporters, SETTINGS, store, Some(past))?;
    pipeline.begin_costs(&book);
    Ok(pipeline)
}

const SETTINGS: Settings = Settings {
    pending_timeout: Duration::ZERO,
    reports_due: Timestamp(0),
    series_retention: Duration::from_mins(15),
    limits: SeriesLimits {
        subjects: 50_000,
        edges: 50_000,
    },
};

/// Lets every node report once, so that all are covered.
pub(crate) fn let_all_report(pipeline: &Pipeline, pods: u32) -> Outcome {
    for node in 0..pods.div_ceil(PODS_OF_A_NODE) {
        let body = encode(&empty_batch(node, 1)?);
        let batch = decode(&body, &Limits::default())?;
        pipeline.apply(&batch, Duration::ZERO, NOW)?;
    }
    Ok(())
}

/// A window of a node with so many flows: of its pods with pods of other nodes, each way, as client
/// and as service.
pub(crate) fn batch(pods: u32, node: u32, flows: usize) -> Outcome<FlowBatch> {
    let mut random = Random(u64::from(node) + 1);
    let peers: Vec<u32> = (0..PEERS)
        .map(|_| random.below(u64::from(pods)))
        .map(u32::try_from)
        .collect::<Result<_, _>>()?;
    let mut records = BTreeMap::new();
    while records.len() < flows {
        let local = u32::try_from(random.below(PODS_OF_A_NODE.into()))?;
        let local = pod_address(node * PODS_OF_A_NODE + local);
        let peer = pod_address(peers[usize::try_from(random.below(PEERS))?]);
        let leaves = random.below(2) == 0;
        let (source, destination, input, output) = if leaves {
            (local, peer, InterfaceClass::Pod, InterfaceClass::Uplink)
        } else {
            (peer, local, InterfaceClass::Uplink, InterfaceClass::Pod)
        };
        let side = if random.below(2) == 0 {
            PortSide::Source
        } else {
            PortSide::Destination
        };
        let number = u16::try_from(3000 + random.below(SERVICES) * 137)?;
        let key = FlowKey {
            source,
            destination,
            transport: Some(Transport {
                protocol: Protocol::TCP,
                service: Some(ServicePort { number, side }),
                client_port: None,
            }),
            point: ObservationPoint {
                hook: Hook::Postrouting,
                input,
                output,
            },
            socket: None,
        };
        let magnitude = 6 + random.below(14);
        let bytes = 40 + random.below(1 << magnitude);
        let packets = 1 + bytes / 900;
        records.insert(key, FlowCounters { bytes, packets });
    }
    let record = |(key, counters)| FlowRecord { key, counters };
    Ok(FlowBatch {
        records: records.into_iter().map(record).collect(),
        ..empty_batch(node, 2)?
    })
}

fn empty_batch(node: u32, sequence: u64) -> Outcome<FlowBatch> {
    Ok(FlowBatch {
        header: BatchHeader {
            node: node_name(node)?,
            epoch: Epoch([7; 16]),
            sequence,
            window: WINDOW,
            coverage: Coverage::full(),
        },
        records: Vec::new(),
        totals: Vec::new(),
        skipped: Vec::new(),
        node_addresses: Vec::new(),
    })
}

fn zone(node: u32) -> char {
    ['a', 'b', 'c'][node as usize % 3]
}

pub(crate) fn node_name(node: u32) -> Outcome<NodeName> {
    let name = format!("ip-10-0-{}-{}.internal", node / 250, node % 250);
    Ok(NodeName::new(name)?)
}

pub(crate) fn pod_address(pod: u32) -> IpAddr {
    Ipv4Addr::from(0x0A00_0000 + pod).into()
}

pub(crate) fn pod_address_ipv6(pod: u32) -> IpAddr {
    Ipv6Addr::from((0xFD00 << 112) + u128::from(pod)).into()
}

/// splitmix64, so that a bench measures the same on any day.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
