//! `FlowBatch` to bytes.

use std::net::IpAddr;

use kubezonnet_model::{FlowBatch, FlowCounters, FlowKey, FlowRecord, PodUid, SocketOwner};
use prost::Message as _;

use crate::{FORMAT_VERSION, code, proto};

/// Writes a batch.
///
/// Records may come in any order; the same records give the same bytes. A key that comes twice is
/// added up, and the node's addresses are sorted, each kept once. The two addresses of a record are
/// of one family, as [`FlowKey`] has it, and sequences count from 1: else the reader refuses the
/// body.
pub fn encode(batch: &FlowBatch) -> Vec<u8> {
    let uplinks = batch.header.coverage.uplinks;
    let mut message = proto::FlowBatch {
        format_version: FORMAT_VERSION,
        node: batch.header.node.as_str().to_owned(),
        epoch: batch.header.epoch.0.to_vec(),
        sequence: batch.header.sequence,
        window_nanos: u64::try_from(batch.header.window.as_nanos()).unwrap_or(u64::MAX),
        hooks: batch.header.coverage.bits(),
        ends: batch.header.coverage.ends,
        uplink_seen_bytes: uplinks.seen.bytes,
        uplink_seen_packets: uplinks.seen.packets,
        uplink_sent_bytes: uplinks.sent.bytes,
        uplink_sent_packets: uplinks.sent.packets,
        ..proto::FlowBatch::default()
    };
    let addresses = distinct_addresses(batch);
    let pods = distinct_pods(batch);
    let shapes = distinct(
        batch
            .records
            .iter()
            .map(|record| ShapeCode::of(&record.key, &pods)),
    );
    write_addresses(&mut message, &addresses);
    write_node_addresses(&mut message, &addresses, &batch.node_addresses);
    message.pod_uid = pods.iter().flat_map(|pod| pod.0).collect();
    write_shapes(&mut message, &shapes);
    let rows = rows(&batch.records, &addresses, &shapes, &pods);
    write_flows(&mut message, &rows);
    write_totals(&mut message, batch);
    write_skipped(&mut message, batch);
    message.encode_to_vec()
}

/// The numbers of a shape, so that their order is that of the dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ShapeCode {
    protocol: u32,
    port: u32,
    hook: u32,
    input: u32,
    output: u32,
    socket: u32,
}

impl ShapeCode {
    fn of(key: &FlowKey, pods: &[PodUid]) -> Self {
        Self {
            protocol: code::protocol(key.transport),
            port: code::port(key.transport),
            hook: code::hook(key.point.hook),
            input: code::class(key.point.input),
            output: code::class(key.point.output),
            socket: code::socket(key.socket, |pod| index_in(pods, pod)),
        }
    }
}

/// One flow by index, so that the order of rows is that on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    source: u32,
    destination: u32,
    shape: u32,
    client_port: u32,
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn distinct_addresses(batch: &FlowBatch) -> Vec<IpAddr> {
    // The order of `IpAddr` is that of the wire: IPv4 first, each family by its octets.
    let of_records = batch
        .records
        .iter()
        .flat_map(|record| [record.key.source, record.key.destination]);
    distinct(of_records.chain(batch.node_addresses.iter().copied()))
}

fn distinct_pods(batch: &FlowBatch) -> Vec<PodUid> {
    distinct(
        batch
            .records
            .iter()
            .filter_map(|record| match record.key.socket {
                Some(SocketOwner::Pod(uid)) => Some(uid),
                _ => None,
            }),
    )
}

fn index_in<T: Ord>(dictionary: &[T], value: &T) -> u32 {
    let index = dictionary
        .binary_search(value)
        .expect("the dictionary is made of these values");
    u32::try_from(index).expect("fewer than 2^32 distinct values fit in memory with their records")
}

fn rows(
    records: &[FlowRecord],
    addresses: &[IpAddr],
    shapes: &[ShapeCode],
    pods: &[PodUid],
) -> Vec<(Row, FlowCounters)> {
    let mut rows: Vec<_> = records
        .iter()
        .map(|FlowRecord { key, counters }| {
            let row = Row {
                source: index_in(addresses, &key.source),
                destination: index_in(addresses, &key.destination),
                shape: index_in(shapes, &ShapeCode::of(key, pods)),
                client_port: code::client_port(key.transport),
            };
            (row, *counters)
        })
        .collect();
    rows.sort_unstable_by_key(|(row, _)| *row);
    rows.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 += later.1;
        }
        same
    });
    rows
}

fn write_addresses(message: &mut proto::FlowBatch, addresses: &[IpAddr]) {
    let mut predecessor: Option<[u8; 16]> = None;
    for address in addresses {
        match address {
            IpAddr::V4(address) => message.ipv4.extend(address.octets()),
            IpAddr::V6(address) => {
                let octets = address.octets();
                let shared = predecessor.map_or(0, |before| {
                    before
                        .iter()
                        .zip(octets)
                        .take_while(|(before, octet)| *before == octet)
                        .count()
                });
                let code = u32::try_from(shared).expect("an address has 16 bytes");
                message.ipv6_shared.push(code);
                message.ipv6_rest.extend(&octets[shared..]);
                predecessor = Some(octets);
            }
        }
    }
}

fn write_node_addresses(message: &mut proto::FlowBatch, addresses: &[IpAddr], own: &[IpAddr]) {
    let own = distinct(own.iter().map(|address| index_in(addresses, address)));
    let mut predecessor = 0;
    for index in own {
        message.node_address.push(index - predecessor);
        predecessor = index;
    }
}

fn write_shapes(message: &mut proto::FlowBatch, shapes: &[ShapeCode]) {
    for shape in shapes {
        message.shape_protocol.push(shape.protocol);
        message.shape_port.push(shape.port);
        message.shape_hook.push(shape.hook);
        message.shape_input.push(shape.input);
        message.shape_output.push(shape.output);
    }
    if shapes.iter().any(|shape| shape.socket != 0) {
        message.shape_socket = shapes.iter().map(|shape| shape.socket).collect();
    }
}

fn write_flows(message: &mut proto::FlowBatch, rows: &[(Row, FlowCounters)]) {
    message.destination.reserve_exact(rows.len());
    message.shape.reserve_exact(rows.len());
    message.bytes.reserve_exact(rows.len());
    message.packets.reserve_exact(rows.len());
    let mut source = 0;
    for of_source in rows.chunk_by(|(one, _), (next, _)| one.source == next.source) {
        let first = of_source[0].0.source;
        let flows = u32::try_from(of_source.len()).expect("a batch has fewer than 2^32 records");
        message.source.push(first - source);
        message.source_flows.push(flows);
        source = first;
        let mut destination = 0;
        for (row, counters) in of_source {
            message.destination.push(row.destination - destination);
            message.shape.push(row.shape);
            message.bytes.push(counters.bytes);
            message.packets.push(counters.packets);
            destination = row.destination;
        }
    }
    if rows.iter().any(|(row, _)| row.client_port != 0) {
        message.client_port = rows.iter().map(|(row, _)| row.client_port).collect();
    }
}

fn write_totals(message: &mut proto::FlowBatch, batch: &FlowBatch) {
    for total in &batch.totals {
        message.total_kind.push(code::total_kind(total.kind));
        message.total_hook.push(code::hook(total.point.hook));
        message.total_input.push(code::class(total.point.input));
        message.total_output.push(code::class(total.point.output));
        message.total_bytes.push(total.counters.bytes);
        message.total_packets.push(total.counters.packets);
    }
}

fn write_skipped(message: &mut proto::FlowBatch, batch: &FlowBatch) {
    for skipped in &batch.skipped {
        message
            .skipped_reason
            .push(code::skip_reason(skipped.reason));
        message.skipped_hook.push(code::hook(skipped.hook));
        message.skipped_bytes.push(skipped.counters.bytes);
        message.skipped_packets.push(skipped.counters.packets);
    }
}
