//! A small cluster and the reports of its agents, for the tests of this crate.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use kubezonnet_model::{
    BatchHeader, Coverage, Epoch, FlowBatch, FlowCounters, FlowKey, FlowRecord, Hook,
    InterfaceClass, Name, Namespace, NodeName, ObservationPoint, PodUid, PortSide, Protocol,
    Region, Service, ServicePort, SkipReason, Skipped, SocketOwner, Timestamp, Total, TotalKind,
    Transport, Uplinks, Workload, Zone,
};
use kubezonnet_topology::{
    EndpointPort, EndpointSliceState, EndpointState, KeptLabels, NodeState, PodState, ServiceState,
    Topology,
};
use kubezonnet_wire::{DecodedBatch, Limits};
use tempfile::TempDir;

use crate::export::Exporters;
use crate::history;
use crate::ledger::SeriesLimits;
use crate::pipeline::{Pipeline, Settings};
use crate::store::Pace;

/// When the first windows of the tests end; long after the cluster was made.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// How long their windows are.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);

/// From a pod behind this node to the uplink.
pub(crate) const OUT: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Pod,
    output: InterfaceClass::Uplink,
};

/// From the uplink to a pod behind this node.
pub(crate) const IN: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Uplink,
    output: InterfaceClass::Pod,
};

/// From the uplink to the node itself.
pub(crate) const TO_HOST: ObservationPoint = ObservationPoint {
    hook: Hook::LocalIn,
    input: InterfaceClass::Uplink,
    output: InterfaceClass::Host,
};

/// From a pod behind this node to the node itself.
pub(crate) const POD_TO_HOST: ObservationPoint = ObservationPoint {
    hook: Hook::LocalIn,
    input: InterfaceClass::Pod,
    output: InterfaceClass::Host,
};

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn node_name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

/// Four nodes: `n1` in zone a and `n2` in zone b of region r1, `n3` in zone c of region r2, `n4`
/// without labels. Node `nN` has 10.66.0.N and `fd66::N`.
/// Pods `pN` in namespace `shop` run on them with 10.67.N.1 and `fd67:N::1`, and `q1` beside `p1`.
pub(crate) fn cluster() -> Topology {
    cluster_keeping(KeptLabels::default())
}

/// The same, which keeps these labels of what is added.
pub(crate) fn cluster_keeping(labels: KeptLabels) -> Topology {
    let topology = Topology::keeping(labels);
    for (number, zone, region) in [(1, "a", "r1"), (2, "b", "r1"), (3, "c", "r2"), (4, "", "")] {
        let state = NodeState {
            name: node_name(&format!("n{number}")),
            uid: format!("node-{number}"),
            zone: Zone::new(zone).ok(),
            zone_id: None,
            region: Region::new(region).ok(),
            provider_id: None,
            can_run_agent: true,
            pod_cidrs: Vec::new(),
            addresses: vec![
                ip(&format!("10.66.0.{number}")),
                ip(&format!("fd66::{number}")),
            ],
        };
        topology.write().apply_node(state, Timestamp(1));
        add_pod(&topology, &format!("p{number}"), number, 1, Timestamp(1));
    }
    add_pod(&topology, "q1", 1, 2, Timestamp(1));
    topology.set_synced();
    topology
}

/// Tells the topology of one more pod, with 10.67.`node`.`host`.
pub(crate) fn add_pod(topology: &Topology, name: &str, node: u8, host: u8, now: Timestamp) {
    let namespace = Namespace::new("shop").unwrap();
    let uid = format!("pod-{name}");
    let state = PodState {
        node: Some(node_name(&format!("n{node}"))),
        workload: Some(Workload {
            kind: Name::new("Deployment").unwrap(),
            name: Name::new(&name[..1]).unwrap(),
        }),
        addresses: vec![
            ip(&format!("10.67.{node}.{host}")),
            ip(&format!("fd67:{node}::{host}")),
        ],
        created: Some(Timestamp(1)),
        ..PodState::new(namespace, Name::new(name).unwrap(), uid)
    };
    topology.write().apply_pod(state, now);
}

/// The uid of a pod that shares its node's network, of that number.
pub(crate) fn host_uid(number: u8) -> PodUid {
    PodUid([number; 16])
}

/// Tells the topology of one more pod, on the network of `node`, with [`host_uid`].
pub(crate) fn add_host_pod(topology: &Topology, name: &str, node: &str, uid: u8) {
    let namespace = Namespace::new("kube-system").unwrap();
    let state = PodState {
        node: NodeName::new(node).ok(),
        host_network: true,
        created: Some(Timestamp(1)),
        ..PodState::new(
            namespace,
            Name::new(name).unwrap(),
            host_uid(uid).to_string(),
        )
    };
    topology.write().apply_pod(state, NOW);
}

/// Tells the topology of a Service with an address of its own, and of its endpoints on TCP port 5432.
pub(crate) fn add_service(
    topology: &Topology,
    name: &str,
    address: &str,
    endpoints: &[(&str, &str)],
) {
    add_service_reached_by(topology, name, (&[address], &[]), endpoints);
}

/// The same with addresses in the cluster, and outside of it.
pub(crate) fn add_service_reached_by(
    topology: &Topology,
    name: &str,
    (addresses, external): (&[&str], &[&str]),
    endpoints: &[(&str, &str)],
) {
    let all = |texts: &[&str]| texts.iter().map(|text| ip(text)).collect();
    let service = Service {
        namespace: Namespace::new("shop").unwrap(),
        name: Name::new(name).unwrap(),
    };
    let endpoint = |(address, node): &(&str, &str)| EndpointState {
        address: ip(address),
        node: NodeName::new(node).ok(),
        is_ready: true,
    };
    let mut index = topology.write();
    index.apply_service(ServiceState {
        service: service.clone(),
        uid: format!("service-{name}"),
        addresses: all(addresses),
        external: all(external),
    });
    index.apply_endpoints(EndpointSliceState {
        uid: format!("slice-{name}"),
        service,
        endpoints: endpoints.iter().map(endpoint).collect(),
        ports: vec![EndpointPort {
            protocol: Protocol::TCP,
            number: Some(5432),
        }],
    });
}

/// Names networks as a file of that text would.
pub(crate) fn name_networks(topology: &Topology, text: &str) {
    topology.set_networks(text.parse().unwrap());
}

/// A pipeline on a topology, where records wait a minute.
pub(crate) fn pipeline(topology: &Topology) -> Pipeline {
    pipeline_expecting_reports(topology, Timestamp(0))
}

/// The same, where all agents are expected to have reported by then.
pub(crate) fn pipeline_expecting_reports(topology: &Topology, reports_due: Timestamp) -> Pipeline {
    Pipeline::new(
        topology.clone(),
        Exporters::default(),
        settings(reports_due),
    )
}

/// The same as [`pipeline`], which keeps what it hears in a directory and brings its journal into the
/// tables after a few rows, in steps of very few.
pub(crate) fn durable(topology: &Topology, directory: &Path) -> Pipeline {
    let pace = Pace {
        rows: 5,
        rows_a_step: 2,
        ..Pace::default()
    };
    durable_at(pace, topology, directory)
}

/// The same with room for so much.
pub(crate) fn durable_with(
    limits: SeriesLimits,
    topology: &Topology,
    directory: &Path,
) -> Pipeline {
    let pace = Pace {
        rows: 5,
        rows_a_step: 2,
        ..Pace::default()
    };
    let settings = Settings {
        limits,
        ..settings(Timestamp(0))
    };
    let exporters = Exporters::default();
    Pipeline::open(topology.clone(), exporters, settings, directory, pace).unwrap()
}

/// The same at another pace.
pub(crate) fn durable_at(pace: Pace, topology: &Topology, directory: &Path) -> Pipeline {
    let settings = settings(Timestamp(0));
    Pipeline::open(
        topology.clone(),
        Exporters::default(),
        settings,
        directory,
        pace,
    )
    .unwrap()
}

/// Where records wait a minute.
pub(crate) fn settings(reports_due: Timestamp) -> Settings {
    Settings {
        pending_timeout: Duration::from_mins(1),
        reports_due,
        series_retention: Duration::from_mins(15),
        limits: SeriesLimits::default(),
    }
}

/// What a crash at this instant would leave of a data directory.
pub(crate) fn crashed(directory: &Path) -> TempDir {
    let left = tempfile::tempdir().unwrap();
    // In this order: what is in the log may be brought into the file, never the other way round.
    for name in ["kubezonnet.db-wal", "kubezonnet.db"] {
        let from = directory.join(name);
        if from.exists() {
            fs::copy(&from, left.path().join(name)).unwrap();
        }
    }
    left
}

/// A server that keeps its past, too.
pub(crate) fn with_past(topology: &Topology, directory: &Path) -> Pipeline {
    let pace = Pace {
        rows: 5,
        rows_a_step: 2,
        ..Pace::default()
    };
    Pipeline::with_past(
        topology.clone(),
        Exporters::default(),
        settings(Timestamp(0)),
        Some((directory, pace)),
        Some(history::embedded::Options {
            directory: Some(directory.to_owned()),
            ..history::embedded::Options::default()
        }),
    )
    .unwrap()
}

/// What a crash at one instant would leave of a data directory with a past.
pub(crate) fn crashed_with_past(directory: &Path) -> TempDir {
    let past = || ["history.db-wal", "history.db"].map(|name| fs::read(directory.join(name)).ok());
    loop {
        // The past is copied before and after: if it is the same, it was so at the instant between.
        let before = past();
        let left = crashed(directory);
        if past() == before {
            for (name, bytes) in ["history.db-wal", "history.db"].into_iter().zip(before) {
                if let Some(bytes) = bytes {
                    fs::write(left.path().join(name), bytes).unwrap();
                }
            }
            return left;
        }
    }
}

/// TCP to a port of the destination.
pub(crate) fn to_port(number: u16) -> Transport {
    Transport {
        protocol: Protocol::TCP,
        service: Some(ServicePort {
            number,
            side: PortSide::Destination,
        }),
        client_port: None,
    }
}

pub(crate) fn counters(bytes: u64) -> FlowCounters {
    FlowCounters {
        bytes,
        packets: bytes.div_ceil(1500),
    }
}

/// What left through uplinks in bytes: what the hooks saw, and what the interfaces say.
pub(crate) fn uplinks(seen: u64, sent: u64) -> Uplinks {
    Uplinks {
        seen: counters(seen),
        sent: counters(sent),
    }
}

/// Builds what one agent reports.
#[derive(Debug, Clone)]
pub(crate) struct Report(pub(crate) FlowBatch);

impl Report {
    /// An empty window of that node, covering everything.
    pub(crate) fn of(node: &str, sequence: u64) -> Self {
        Self(FlowBatch {
            header: BatchHeader {
                node: node_name(node),
                epoch: Epoch([1; 16]),
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

    pub(crate) fn epoch(mut self, byte: u8) -> Self {
        self.0.header.epoch = Epoch([byte; 16]);
        self
    }

    pub(crate) fn ends(mut self) -> Self {
        self.0.header.coverage.ends = true;
        self
    }

    pub(crate) fn uplinks(mut self, seen: u64, sent: u64) -> Self {
        self.0.header.coverage.uplinks = uplinks(seen, sent);
        self
    }

    /// A window in which a tenth of what was sent was seen.
    pub(crate) fn bypassed(self) -> Self {
        self.uplinks(1_000_000, 10_000_000)
    }

    pub(crate) fn declares(mut self, address: &str) -> Self {
        self.0.node_addresses.push(ip(address));
        self
    }

    pub(crate) fn record(self, from: &str, to: &str, point: ObservationPoint, bytes: u64) -> Self {
        self.key(from, to, point, Some(to_port(5432)), bytes)
    }

    pub(crate) fn key(
        mut self,
        from: &str,
        to: &str,
        point: ObservationPoint,
        transport: Option<Transport>,
        bytes: u64,
    ) -> Self {
        self.0.records.push(FlowRecord {
            key: FlowKey {
                source: ip(from),
                destination: ip(to),
                transport,
                point,
                socket: None,
            },
            counters: counters(bytes),
        });
        self
    }

    /// Says whose socket the last record was of.
    pub(crate) fn socket(mut self, owner: SocketOwner) -> Self {
        let record = self.0.records.last_mut();
        record.expect("there is a record").key.socket = Some(owner);
        self
    }

    pub(crate) fn total(mut self, kind: TotalKind, bytes: u64) -> Self {
        self.0.totals.push(Total {
            kind,
            point: OUT,
            counters: counters(bytes),
        });
        self
    }

    pub(crate) fn skipped(mut self, reason: SkipReason, bytes: u64) -> Self {
        self.0.skipped.push(Skipped {
            reason,
            hook: Hook::LocalIn,
            counters: counters(bytes),
        });
        self
    }

    /// The body an agent would send.
    pub(crate) fn body(&self) -> Vec<u8> {
        kubezonnet_wire::encode(&self.0)
    }

    /// What the server makes of that body.
    pub(crate) fn decoded(&self) -> DecodedBatch {
        kubezonnet_wire::decode(&self.body(), &Limits::default()).unwrap()
    }
}
