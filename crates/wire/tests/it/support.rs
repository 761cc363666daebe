//! Batches for the tests: fixed ones, and arbitrary ones.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use kubezonnet_model::{
    BatchHeader, Coverage, Epoch, Family, FlowBatch, FlowCounters, FlowKey, FlowRecord, Hook,
    InterfaceClass, NodeName, ObservationPoint, PodUid, PortSide, Protocol, ServicePort,
    SkipReason, Skipped, SocketOwner, Total, TotalKind, Transport, Uplinks,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

/// A batch of a window in which nothing happened.
pub(crate) fn empty() -> FlowBatch {
    FlowBatch {
        header: BatchHeader {
            node: NodeName::new("node-a").unwrap(),
            epoch: Epoch(*b"0123456789abcdef"),
            sequence: 1,
            window: Duration::from_secs(10),
            coverage: Coverage::full(),
        },
        records: Vec::new(),
        totals: Vec::new(),
        skipped: Vec::new(),
        node_addresses: Vec::new(),
    }
}

/// A batch with one of everything, its parts in the order in which decoding gives them.
pub(crate) fn small() -> FlowBatch {
    let pod_to_uplink = point(
        Hook::Postrouting,
        InterfaceClass::Pod,
        InterfaceClass::Uplink,
    );
    let uplink_to_pod = point(
        Hook::Postrouting,
        InterfaceClass::Uplink,
        InterfaceClass::Pod,
    );
    let to_host = point(Hook::LocalIn, InterfaceClass::Uplink, InterfaceClass::Host);
    let request = Some(tcp(5432, PortSide::Destination, None));
    let answer = Some(tcp(5432, PortSide::Source, None));
    let icmp = Some(Transport {
        protocol: Protocol::ICMPV6,
        service: None,
        client_port: None,
    });
    let mut coverage = Coverage::default();
    coverage.add(Hook::Postrouting, Family::Ipv4);
    coverage.add(Hook::LocalIn, Family::Ipv4);
    coverage.add(Hook::Postrouting, Family::Ipv6);
    coverage.ends = true;
    let mut batch = empty();
    batch.header.sequence = 300;
    batch.header.window = Duration::from_millis(2_500);
    batch.header.coverage = coverage;
    batch.records = vec![
        record("10.67.1.2", "10.67.2.3", None, pod_to_uplink, 40, 1),
        record("10.67.1.2", "10.67.2.3", request, pod_to_uplink, 1_500, 3),
        record(
            "10.67.2.3",
            "10.67.1.2",
            answer,
            uplink_to_pod,
            3_000_000,
            2_000,
        ),
        record("fd67:1::2", "fd67:2::3", icmp, pod_to_uplink, 104, 1),
        record(
            "fd67:2::3",
            "fd67:1::1",
            Some(tcp(53, PortSide::Destination, Some(0))),
            to_host,
            80,
            1,
        ),
    ];
    batch.totals = vec![Total {
        kind: TotalKind::Loopback,
        point: point(
            Hook::Postrouting,
            InterfaceClass::Host,
            InterfaceClass::Loopback,
        ),
        counters: counters(640, 8),
    }];
    batch.skipped = vec![Skipped {
        reason: SkipReason::Looped,
        hook: Hook::LocalIn,
        counters: counters(640, 8),
    }];
    batch.node_addresses = vec![address("10.66.0.1"), address("fd67:1::1")];
    batch
}

/// A batch of a window in which pods and others on the node's own network had sockets, a flow each.
pub(crate) fn sockets() -> FlowBatch {
    let from_host = point(
        Hook::Postrouting,
        InterfaceClass::Host,
        InterfaceClass::Uplink,
    );
    let request = Some(tcp(443, PortSide::Destination, None));
    let pod = |first: u8| Some(SocketOwner::Pod(PodUid([first; 16])));
    let owners = [
        None,
        pod(0x0a),
        pod(0xb0),
        Some(SocketOwner::System),
        Some(SocketOwner::Kernel),
        Some(SocketOwner::Unseen),
        Some(SocketOwner::Unreadable),
    ];
    let mut batch = empty();
    for (owner, bytes) in owners.into_iter().zip(100..) {
        let mut flow = record("10.66.0.1", "10.67.2.3", request, from_host, bytes, 1);
        flow.key.socket = owner;
        batch.records.push(flow);
    }
    batch
}

/// A batch of a window in which packets left by the uplinks, most of them unseen.
pub(crate) fn bypassed() -> FlowBatch {
    let mut batch = empty();
    batch.header.coverage.uplinks = Uplinks {
        seen: counters(1_500, 3),
        sent: counters(3_000_000, 2_000),
    };
    batch
}

/// The batch as decoding gives it: records and addresses in order.
pub(crate) fn in_order(mut batch: FlowBatch) -> FlowBatch {
    batch.records.sort_unstable();
    batch.node_addresses.sort_unstable();
    batch.node_addresses.dedup();
    batch
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn counters(bytes: u64, packets: u64) -> FlowCounters {
    FlowCounters { bytes, packets }
}

pub(crate) fn point(hook: Hook, input: InterfaceClass, output: InterfaceClass) -> ObservationPoint {
    ObservationPoint {
        hook,
        input,
        output,
    }
}

pub(crate) fn tcp(number: u16, side: PortSide, client_port: Option<u16>) -> Transport {
    Transport {
        protocol: Protocol::TCP,
        service: Some(ServicePort { number, side }),
        client_port,
    }
}

pub(crate) fn record(
    source: &str,
    destination: &str,
    transport: Option<Transport>,
    point: ObservationPoint,
    bytes: u64,
    packets: u64,
) -> FlowRecord {
    FlowRecord {
        key: FlowKey {
            source: address(source),
            destination: address(destination),
            transport,
            point,
            socket: None,
        },
        counters: counters(bytes, packets),
    }
}

/// Counters small enough that a batch of them never overflows.
fn any_counters() -> impl Strategy<Value = FlowCounters> {
    let counter = || prop_oneof![Just(0), 0..200_u64, 0..u64::MAX >> 12];
    (counter(), counter()).prop_map(|(bytes, packets)| counters(bytes, packets))
}

fn any_point() -> impl Strategy<Value = ObservationPoint> {
    (
        select(&Hook::ALL[..]),
        select(&InterfaceClass::ALL[..]),
        select(&InterfaceClass::ALL[..]),
    )
        .prop_map(|(hook, input, output)| point(hook, input, output))
}

fn any_port() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(443), Just(u16::MAX), any::<u16>()]
}

fn any_transport() -> impl Strategy<Value = Transport> {
    let side = select(vec![PortSide::Source, PortSide::Destination]);
    let service = proptest::option::of(
        (any_port(), side).prop_map(|(number, side)| ServicePort { number, side }),
    );
    (any::<u8>(), service, proptest::option::of(any_port())).prop_map(
        |(protocol, service, client_port)| Transport {
            protocol: Protocol(protocol),
            service,
            client_port,
        },
    )
}

/// Addresses from few networks, so that they share prefixes and pairs come again.
fn any_address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::Ipv4 => prop_oneof![
            (0..4_u8, 0..8_u8).prop_map(|(node, pod)| IpAddr::from([10, 67, node, pod])),
            any::<[u8; 4]>().prop_map(IpAddr::from),
        ]
        .boxed(),
        Family::Ipv6 => prop_oneof![
            (0..4_u16, 0..8_u16)
                .prop_map(|(node, pod)| IpAddr::from([0xfd67, 0, 0, node, 0, 0, 0, pod])),
            any::<[u8; 16]>().prop_map(IpAddr::from),
        ]
        .boxed(),
    }
}

fn any_socket() -> impl Strategy<Value = Option<SocketOwner>> {
    let uid = prop_oneof![(0..4_u8).prop_map(|first| [first; 16]), any::<[u8; 16]>()];
    proptest::option::of(prop_oneof![
        Just(SocketOwner::System),
        Just(SocketOwner::Kernel),
        Just(SocketOwner::Unseen),
        Just(SocketOwner::Unreadable),
        uid.prop_map(|uid| SocketOwner::Pod(PodUid(uid))),
    ])
}

fn any_key() -> impl Strategy<Value = FlowKey> {
    let pair = select(&Family::ALL[..]).prop_flat_map(|family| {
        let address = any_address(family);
        (address.clone(), address)
    });
    let transport = proptest::option::of(any_transport());
    (pair, transport, any_point(), any_socket()).prop_map(
        |((source, destination), transport, point, socket)| FlowKey {
            source,
            destination,
            transport,
            point,
            socket,
        },
    )
}

fn any_coverage() -> impl Strategy<Value = Coverage> {
    let uplinks = (any_counters(), any_counters()).prop_map(|(seen, sent)| Uplinks { seen, sent });
    (any::<u64>(), any::<bool>(), uplinks).prop_map(|(hooks, ends, uplinks)| {
        let mut coverage = Coverage::from_bits(hooks, ends);
        coverage.uplinks = uplinks;
        coverage
    })
}

fn any_header() -> impl Strategy<Value = BatchHeader> {
    (
        "[a-z0-9.-]{1,40}",
        any::<[u8; 16]>(),
        1..=u64::MAX,
        any::<u64>(),
        any_coverage(),
    )
        .prop_map(|(node, epoch, sequence, nanos, coverage)| BatchHeader {
            node: NodeName::new(node).unwrap(),
            epoch: Epoch(epoch),
            sequence,
            window: Duration::from_nanos(nanos),
            coverage,
        })
}

fn any_total() -> impl Strategy<Value = Total> {
    let kind = select(&TotalKind::ALL[..]);
    (kind, any_point(), any_counters()).prop_map(|(kind, point, counters)| Total {
        kind,
        point,
        counters,
    })
}

fn any_skipped() -> impl Strategy<Value = Skipped> {
    let reason = select(&SkipReason::ALL[..]);
    let hook = select(&Hook::ALL[..]);
    (reason, hook, any_counters()).prop_map(|(reason, hook, counters)| Skipped {
        reason,
        hook,
        counters,
    })
}

/// Any batch an agent may send, its records in random order and no key twice.
pub(crate) fn any_batch() -> impl Strategy<Value = FlowBatch> {
    let records = btree_map(any_key(), any_counters(), 0..60)
        .prop_map(|keys: BTreeMap<FlowKey, FlowCounters>| {
            let record = |(key, counters)| FlowRecord { key, counters };
            keys.into_iter().map(record).collect::<Vec<_>>()
        })
        .prop_shuffle();
    let own = select(&Family::ALL[..]).prop_flat_map(any_address);
    (
        any_header(),
        records,
        vec(any_total(), 0..6),
        vec(any_skipped(), 0..6),
        vec(own, 0..6),
    )
        .prop_map(
            |(header, records, totals, skipped, node_addresses)| FlowBatch {
                header,
                records,
                totals,
                skipped,
                node_addresses,
            },
        )
}
