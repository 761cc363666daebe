//! The rows of a batch, resolved by position in its dictionaries.

use std::net::IpAddr;

use foldhash::HashMap;
use kubezonnet_model::{
    Endpoint, FlowCounters, FlowRecord, Hook, InterfaceClass, NodeName, ObservationPoint, PodUid,
    SocketOwner, Total, TotalKind, Transport, Window,
};
use kubezonnet_wire::DecodedBatch;

use super::Pipeline;
use crate::ledger::{Entry, SeenAt};
use crate::resolve::{
    self, Fronts, Local, Owner, Reporter, ResolvedBatch, ResolvedFlow, Views, Wanted,
};

/// What resolving gives: the flows whose ends are settled, and those that may wait.
pub(super) struct Resolved {
    pub(super) batch: ResolvedBatch,
    /// Flows that may wait for what is wanted, resolved as if it never came.
    pub(super) wanting: Vec<(Wanted, ResolvedFlow)>,
    /// The version of the views they were resolved with.
    pub(super) version: u64,
    /// Where in the batch's parties a party is behind an interface, where it is another there.
    behind: HashMap<(u32, InterfaceClass), u32>,
    /// Who the Services' own addresses stand for on this node.
    locals: HashMap<u32, Local>,
    /// The Services in front of the addresses.
    fronts: Fronts,
    /// Whose sockets there are.
    owners: HashMap<PodUid, Owner>,
    /// Where in the batch's parties a party is by whose socket it was.
    owned: HashMap<(u32, PodUid), u32>,
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

/// Whether flows of the batch were added up more coarsely, as the kernel's maps were full.
pub(super) fn is_coarsened(batch: &DecodedBatch) -> bool {
    let is_total = |total: &Total| total.kind == TotalKind::Coarsened && total.counters.bytes > 0;
    batch.totals.iter().any(is_total) || batch.shapes.iter().any(|shape| shape.transport.is_none())
}

impl Pipeline {
    /// Resolves the dictionary once, then each flow by position.
    pub(super) fn resolve_batch(&self, batch: &DecodedBatch, window: Window) -> Resolved {
        let sockets = batch.shapes.iter().map(|shape| shape.socket);
        let node = &batch.header.node;
        let mut resolved = self.resolve_addresses(node, &batch.addresses, sockets, window);
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
        resolved.done()
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
        let sockets = records.iter().map(|record| record.key.socket);
        let mut resolved = self.resolve_addresses(node, &addresses, sockets, window);
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
        resolved.done()
    }

    pub(super) fn resolve_addresses(
        &self,
        node: &NodeName,
        addresses: &[IpAddr],
        sockets: impl Iterator<Item = Option<SocketOwner>>,
        window: Window,
    ) -> Resolved {
        let agents = self.state.agents();
        let networks = self.topology.networks();
        let topology = self.topology.read();
        let views = Views {
            topology: &topology,
            networks: &networks,
            agents: &agents,
        };
        let version = views.version();
        let reporter = Reporter::new(node, window, &topology);
        let parties = views.parties(addresses, &reporter, window);
        let mut fronts = Fronts::default();
        let mut locals = HashMap::default();
        for (position, party) in (0_u32..).zip(&parties) {
            fronts.add(party, &views);
            if let Some(local) = Local::of(party, &reporter, window, &views) {
                locals.insert(position, local);
            }
        }
        let mut owners = HashMap::default();
        for socket in sockets {
            if let Some(SocketOwner::Pod(uid)) = socket {
                owners
                    .entry(uid)
                    .or_insert_with(|| Owner::find(uid, &reporter, window, &topology));
            }
        }
        Resolved {
            batch: ResolvedBatch {
                reporter,
                window,
                parties,
                services: Vec::new(),
                flows: Vec::new(),
                is_legacy: false,
            },
            wanting: Vec::new(),
            version,
            behind: HashMap::default(),
            locals,
            fronts,
            owners,
            owned: HashMap::default(),
        }
    }
}

impl Resolved {
    /// The same, once all rows are added: with the Services that they name.
    fn done(mut self) -> Self {
        self.batch.services = std::mem::take(&mut self.fronts).into_services();
        self
    }

    fn add(&mut self, row: Row) {
        let mut source = self.behind(row.source, row.point.input);
        let mut destination = self.behind(row.destination, row.point.output);
        if let Some(SocketOwner::Pod(uid)) = row.socket {
            let local = match row.point.hook {
                Hook::Postrouting => &mut source,
                Hook::LocalIn => &mut destination,
            };
            *local = self.owned(*local, uid);
        }
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
            service: self.fronts.of(row.transport, (row.source, row.destination)),
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
        let party = &self.batch.parties[position as usize];
        let other = match &party.endpoint {
            Endpoint::Service(_) => {
                let local = self.locals.get(&position);
                local.and_then(|local| local.behind(interface)).cloned()
            }
            _ => party.neighbour_behind(interface),
        };
        let Some(other) = other else {
            return position;
        };
        let parties = &mut self.batch.parties;
        *self.behind.entry((position, interface)).or_insert_with(|| {
            parties.push(other);
            u32::try_from(parties.len() - 1).expect("a batch has far fewer addresses")
        })
    }

    /// The position of that party where the socket was that pod's.
    fn owned(&mut self, position: u32, uid: PodUid) -> u32 {
        let Self {
            batch,
            owners,
            owned,
            ..
        } = self;
        *owned.entry((position, uid)).or_insert_with(|| {
            let owner = &owners[&uid];
            let party = &batch.parties[position as usize];
            let Some(pod) = party.with_socket_of(owner, &batch.reporter) else {
                return position;
            };
            batch.parties.push(pod);
            u32::try_from(batch.parties.len() - 1).expect("a batch has far fewer addresses")
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
