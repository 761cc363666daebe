//! The rows of a batch, resolved by position in its dictionaries.

use std::net::IpAddr;

use foldhash::HashMap;
use kubezonnet_model::{
    FlowCounters, FlowRecord, InterfaceClass, NodeName, ObservationPoint, SocketOwner, Transport,
    Window,
};
use kubezonnet_wire::DecodedBatch;

use super::Pipeline;
use crate::ledger::{Entry, SeenAt};
use crate::resolve::{self, Reporter, ResolvedBatch, ResolvedFlow, Views, Wanted};

/// What resolving gives: the flows whose ends are settled, and those that may wait.
pub(super) struct Resolved {
    pub(super) batch: ResolvedBatch,
    /// Flows that may wait for what is wanted, resolved as if it never came.
    pub(super) wanting: Vec<(Wanted, ResolvedFlow)>,
    /// The version of the views they were resolved with.
    pub(super) version: u64,
    /// Where in the batch's parties a party's neighbour is, once there is one.
    neighbours: HashMap<u32, u32>,
}

/// One row before it is resolved.
#[derive(Clone, Copy)]
struct Row {
    source: u32,
    destination: u32,
    transport: Option<Transport>,
    point: ObservationPoint,
    socket: Option<SocketOwner>,
    counters: FlowCounters,
}

impl Pipeline {
    /// Resolves the dictionary once, then each flow by position.
    pub(super) fn resolve_batch(&self, batch: &DecodedBatch, window: Window) -> Resolved {
        let mut resolved = self.resolve_addresses(&batch.header.node, &batch.addresses, window);
        let flows = &batch.flows;
        resolved.batch.flows.reserve(flows.len());
        for row in 0..flows.len() {
            let shape = batch.shapes[flows.shape[row] as usize];
            let client_port = flows.client_port.get(row).copied().flatten();
            resolved.add(Row {
                source: flows.source[row],
                destination: flows.destination[row],
                transport: shape.transport.map(|transport| Transport {
                    client_port,
                    ..transport
                }),
                point: shape.point,
                socket: shape.socket,
                counters: FlowCounters {
                    bytes: flows.bytes[row],
                    packets: flows.packets[row],
                },
            });
        }
        resolved
    }

    /// Resolves records that came apart from their batch.
    pub(super) fn resolve_records(
        &self,
        node: &NodeName,
        records: &[FlowRecord],
        window: Window,
    ) -> Resolved {
        let mut addresses: Vec<_> = records
            .iter()
            .flat_map(|record| [record.key.source, record.key.destination])
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        let position = |address: IpAddr| {
            let position = addresses
                .binary_search(&address)
                .expect("every address of the records was collected above");
            u32::try_from(position).expect("fewer records wait than 32 bits count")
        };
        let mut resolved = self.resolve_addresses(node, &addresses, window);
        for record in records {
            resolved.add(Row {
                source: position(record.key.source),
                destination: position(record.key.destination),
                transport: record.key.transport,
                point: record.key.point,
                socket: record.key.socket,
                counters: record.counters,
            });
        }
        resolved
    }

    fn resolve_addresses(&self, node: &NodeName, addresses: &[IpAddr], window: Window) -> Resolved {
        let agents = self.state.agents();
        let networks = self.topology.networks();
        let topology = self.topology.read();
        let views = Views {
            topology: &topology,
            networks: &networks,
            agents: &agents,
        };
        let version = views.version();
        let reporter = Reporter::new(node, &topology);
        let parties = views.parties(addresses, &reporter, window);
        Resolved {
            batch: ResolvedBatch {
                reporter,
                window,
                parties,
                services: Vec::new(),
                flows: Vec::new(),
            },
            wanting: Vec::new(),
            version,
            neighbours: HashMap::default(),
        }
    }
}

impl Resolved {
    fn add(&mut self, row: Row) {
        let source = self.behind(row.source, row.point.input);
        let destination = self.behind(row.destination, row.point.output);
        let batch = &mut self.batch;
        let from = &batch.parties[source as usize];
        let to = &batch.parties[destination as usize];
        let outcome = resolve::outcome(from, to, row.point, &batch.reporter);
        let flow = ResolvedFlow {
            source,
            destination,
            transport: row.transport,
            point: row.point,
            socket: row.socket,
            service: None,
            counters: row.counters,
            outcome,
        };
        match resolve::wanted(from, to, row.point, outcome) {
            Some(wanted) => self.wanting.push((wanted, flow)),
            None => batch.flows.push(flow),
        }
    }

    /// The position of who has that party's address behind that interface.
    fn behind(&mut self, position: u32, interface: InterfaceClass) -> u32 {
        let parties = &mut self.batch.parties;
        let Some(neighbour) = parties[position as usize].neighbour_behind(interface) else {
            return position;
        };
        *self.neighbours.entry(position).or_insert_with(|| {
            parties.push(neighbour);
            u32::try_from(parties.len() - 1).expect("a batch has far fewer addresses")
        })
    }
}

/// Adds everything a batch's hooks saw, by where; and where that went which has no addresses.
pub(super) fn see(entry: &mut Entry, batch: &DecodedBatch) {
    let flows = &batch.flows;
    let mut by_shape = vec![FlowCounters::ZERO; batch.shapes.len()];
    for row in 0..flows.len() {
        by_shape[flows.shape[row] as usize] += FlowCounters {
            bytes: flows.bytes[row],
            packets: flows.packets[row],
        };
    }
    for (shape, counters) in batch.shapes.iter().zip(by_shape) {
        entry.see(SeenAt::point(shape.point), counters);
    }
    for total in &batch.totals {
        entry.total(total);
    }
    for skipped in &batch.skipped {
        entry.skipped(skipped);
    }
}
