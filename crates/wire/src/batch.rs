//! What decoding gives: the columns of a batch, checked, with their dictionaries.

use std::net::IpAddr;

use kubezonnet_model::{
    BatchHeader, FlowBatch, FlowCounters, FlowKey, FlowRecord, ObservationPoint, Skipped,
    SocketOwner, Total, Transport,
};

/// A batch as it came over the wire: columns and dictionaries.
///
/// Resolve [`addresses`](Self::addresses) once, then walk [`flows`](Self::flows) and add up by
/// index. What [`decode`](crate::decode()) gives holds to this: the columns of `flows` have one
/// length, every index has its entry, the two addresses of a flow are of one family, and all
/// counters together fit in 64 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedBatch {
    /// Who reports, and which window it is.
    pub header: BatchHeader,
    /// Every address of the batch once, in ascending order, IPv4 before IPv6.
    pub addresses: Vec<IpAddr>,
    /// What flows have in common besides addresses.
    pub shapes: Vec<Shape>,
    /// The flows, by source, destination, shape and client port in ascending order.
    pub flows: Flows,
    /// What has no addresses, by where it was seen.
    pub totals: Vec<Total>,
    /// What the hooks saw and left out, by reason.
    pub skipped: Vec<Skipped>,
    /// The node's own addresses, in ascending order.
    pub node_addresses: Vec<IpAddr>,
}

/// What many flows of a batch have in common: everything in their key but addresses and client port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    /// Protocol and service port. Its client port is always `None`: that is a column of [`Flows`].
    pub transport: Option<Transport>,
    /// Where on the node the packets were seen.
    pub point: ObservationPoint,
    /// Whose socket it was.
    pub socket: Option<SocketOwner>,
}

/// The flows of a batch, one column for each part; a flow is a row over all columns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flows {
    /// Position of the source in [`DecodedBatch::addresses`].
    pub source: Vec<u32>,
    /// Position of the destination in [`DecodedBatch::addresses`].
    pub destination: Vec<u32>,
    /// Position in [`DecodedBatch::shapes`].
    pub shape: Vec<u32>,
    /// The client's port. Empty where no flow of the batch has one.
    pub client_port: Vec<Option<u16>>,
    /// IP bytes as on the wire.
    pub bytes: Vec<u64>,
    /// Packets as on the wire.
    pub packets: Vec<u64>,
}

impl Flows {
    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl DecodedBatch {
    /// The flows as records, in their order.
    ///
    /// A key may come twice where the agent is newer and tells apart what this reader cannot (an
    /// interface class, a part of the key that is new). The records are then parts of one flow: add
    /// them up.
    pub fn records(&self) -> impl Iterator<Item = FlowRecord> + '_ {
        (0..self.flows.len()).map(|row| self.record(row))
    }

    fn record(&self, row: usize) -> FlowRecord {
        let flows = &self.flows;
        let shape = self.shapes[flows.shape[row] as usize];
        let client_port = flows.client_port.get(row).copied().flatten();
        FlowRecord {
            key: FlowKey {
                source: self.addresses[flows.source[row] as usize],
                destination: self.addresses[flows.destination[row] as usize],
                transport: shape.transport.map(|transport| Transport {
                    client_port,
                    ..transport
                }),
                point: shape.point,
                socket: shape.socket,
            },
            counters: FlowCounters {
                bytes: flows.bytes[row],
                packets: flows.packets[row],
            },
        }
    }

    /// The batch as the agent had it, its records in ascending order and no key twice.
    pub fn into_batch(self) -> FlowBatch {
        let mut records: Vec<_> = self.records().collect();
        records.sort_unstable_by_key(|record| record.key);
        records.dedup_by(|later, kept| {
            let same = later.key == kept.key;
            if same {
                kept.counters += later.counters;
            }
            same
        });
        FlowBatch {
            header: self.header,
            records,
            totals: self.totals,
            skipped: self.skipped,
            node_addresses: self.node_addresses,
        }
    }
}
