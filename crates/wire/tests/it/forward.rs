//! Agents and servers of neighbouring versions work together.

use kubezonnet_model::{FlowRecord, Hook, InterfaceClass, SocketOwner};
use kubezonnet_wire::{DecodeError, FORMAT_VERSION, Limits, decode, encode};
use prost::encoding::{WireType, encode_key, encode_varint};

use crate::body::Body;
use crate::support::{counters, empty, point, small, sockets};

#[test]
fn fields_that_are_not_known_are_skipped() {
    let mut body = encode(&small());
    for number in [8, 74, 1_000, 0x1fff_ffff] {
        encode_key(number, WireType::Varint, &mut body);
        encode_varint(u64::MAX, &mut body);
        encode_key(number, WireType::LengthDelimited, &mut body);
        body.extend([3, 0xff, 0xff, 0xff]);
        encode_key(number, WireType::ThirtyTwoBit, &mut body);
        body.extend([0xff; 4]);
        encode_key(number, WireType::SixtyFourBit, &mut body);
        body.extend([0xff; 8]);
    }

    let decoded = decode(&body, &Limits::default()).unwrap();

    assert_eq!(decoded.into_batch(), small());
}

#[test]
fn fields_may_come_in_any_order() {
    let decoded = Body::of(&small()).reversed().decode().unwrap();

    assert_eq!(decoded.into_batch(), small());
}

#[test]
fn another_version_is_told_even_where_nothing_else_fits() {
    let newer = u64::from(FORMAT_VERSION) + 1;
    let body = Body::of(&small())
        .uint(1, newer)
        .uint(2, 7)
        .bytes(4, b"text")
        .without(3);

    let error = body.decode().unwrap_err();

    assert_eq!(error, DecodeError::UnsupportedVersion { found: newer });
}

#[test]
fn an_interface_class_that_is_not_known_is_other() {
    let pod_to_uplink = small().records[1];
    let mut batch = empty();
    batch.records = vec![pod_to_uplink];

    // Shape columns: 23 is the input class, 24 the output class.
    let decoded = Body::of(&batch)
        .column(23, &[6])
        .column(24, &[999])
        .decode();

    let point = point(
        Hook::Postrouting,
        InterfaceClass::Other,
        InterfaceClass::Other,
    );
    assert_eq!(decoded.unwrap().shapes[0].point, point);
}

#[test]
fn flows_that_differ_only_in_a_class_not_known_are_added_up() {
    let mut batch = empty();
    let mut one = small().records[1];
    one.key.point.output = InterfaceClass::Host;
    let mut other = one;
    other.key.point.output = InterfaceClass::Loopback;
    batch.records = vec![one, other];

    let decoded = Body::of(&batch).column(24, &[6, 7]).decode().unwrap();

    assert_eq!(decoded.flows.len(), 2);
    let mut expected = one;
    expected.key.point.output = InterfaceClass::Other;
    expected.counters += other.counters;
    assert_eq!(decoded.into_batch().records, [expected]);
}

#[test]
fn flows_that_differ_only_in_a_part_of_the_key_not_known_are_added_up() {
    let mut batch = empty();
    batch.records = vec![FlowRecord {
        counters: counters(100, 1),
        ..small().records[1]
    }];
    // Columns of the flows: 31 flows of a source, 32 destination, 33 shape, 35 bytes, 36 packets;
    // 61 is kept for a part of the key to come.
    let body = Body::of(&batch)
        .column(31, &[2])
        .column(32, &[1, 0])
        .column(33, &[0, 0])
        .column(35, &[100, 50])
        .column(36, &[1, 2]);

    let twice = body.decode().unwrap_err();
    let parts = body.column(61, &[4_711, 4_712]).decode().unwrap();

    assert_eq!(twice.reason(), "inconsistent");
    batch.records[0].counters = counters(150, 3);
    assert_eq!(parts.into_batch(), batch);
}

#[test]
fn an_owner_of_a_socket_that_is_not_known_cannot_be_told_and_its_flows_are_added_up() {
    let mut batch = empty();
    batch.records = sockets().records[3..5].to_vec();

    // Column 60 of the shapes is whose socket it was; 5 to 15 are kept for who is no pod.
    let decoded = Body::of(&batch).column(60, &[5, 15]).decode().unwrap();

    assert_eq!(decoded.flows.len(), 2);
    let mut expected = batch.records[0];
    expected.key.socket = Some(SocketOwner::Unreadable);
    expected.counters += batch.records[1].counters;
    assert_eq!(decoded.into_batch().records, [expected]);
}

/// What a server that does not know of sockets makes of them: to it field 60 is a part of the key to
/// come, as 61 is to this one.
#[test]
fn a_reader_that_knows_no_sockets_adds_up_the_flows_of_all_owners() {
    let mut body = Body::of(&sockets()).without(14).without(60);
    let of_each_shape = [0, 16, 17, 1, 2, 3, 4];
    assert_eq!(body.decode().unwrap_err().reason(), "inconsistent");
    body = body.column(61, &of_each_shape);

    let batch = body.decode().unwrap().into_batch();

    let mut expected = sockets().records[0];
    expected.counters = sockets().records.iter().map(|flow| flow.counters).sum();
    assert_eq!(batch.records, [expected]);
}

#[test]
fn hooks_that_are_not_known_are_left_out_of_the_coverage() {
    let decoded = Body::of(&empty()).uint(6, u64::MAX).decode().unwrap();

    assert_eq!(decoded.into_batch(), empty());
}
