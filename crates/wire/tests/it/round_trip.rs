//! What is written is what is read.

use kubezonnet_model::{FlowCounters, PortSide};
use kubezonnet_wire::{Limits, decode, encode};
use proptest::prelude::*;

use crate::support::{any_batch, counters, empty, in_order, small, tcp};

proptest! {
    #[test]
    fn any_batch_comes_back_as_it_was(batch in any_batch()) {
        let body = encode(&batch);

        let decoded = decode(&body, &Limits::default()).unwrap();

        prop_assert_eq!(decoded.into_batch(), in_order(batch));
    }

    #[test]
    fn the_order_of_records_does_not_change_the_bytes(batch in any_batch()) {
        let mut turned = batch.clone();
        turned.records.reverse();
        turned.node_addresses.reverse();

        prop_assert_eq!(encode(&turned), encode(&batch));
    }

    #[test]
    fn no_byte_and_no_packet_is_lost_on_the_way(batch in any_batch()) {
        let seen = batch.seen();

        let decoded = decode(&encode(&batch), &Limits::default()).unwrap();

        let columns = FlowCounters {
            bytes: decoded.flows.bytes.iter().sum(),
            packets: decoded.flows.packets.iter().sum(),
        };
        let totals = decoded.totals.iter().map(|total| total.counters);
        let skipped = decoded.skipped.iter().map(|skipped| skipped.counters);
        let sum: FlowCounters = totals.chain(skipped).chain([columns]).sum();
        prop_assert_eq!(sum, seen);
    }

    #[test]
    fn the_dictionaries_hold_each_value_once_and_in_order(batch in any_batch()) {
        let decoded = decode(&encode(&batch), &Limits::default()).unwrap();

        prop_assert!(decoded.addresses.is_sorted_by(|one, next| one < next));
        prop_assert!(decoded.node_addresses.is_sorted_by(|one, next| one < next));
        let distinct: std::collections::BTreeSet<_> = decoded.shapes.iter().collect();
        prop_assert_eq!(distinct.len(), decoded.shapes.len());
    }
}

#[test]
fn a_key_that_comes_twice_is_added_up() {
    let mut batch = small();
    let twice = batch.records[1];
    batch.records.push(twice);

    let decoded = decode(&encode(&batch), &Limits::default()).unwrap();

    let mut expected = small();
    expected.records[1].counters += twice.counters;
    assert_eq!(decoded.into_batch(), expected);
}

#[test]
fn client_port_zero_is_not_the_same_as_none() {
    let base = small().records[1];
    let mut batch = empty();
    for client_port in [None, Some(0), Some(u16::MAX)] {
        let mut record = base;
        record.key.transport = Some(tcp(443, PortSide::Destination, client_port));
        batch.records.push(record);
    }

    let decoded = decode(&encode(&batch), &Limits::default()).unwrap();

    assert_eq!(decoded.shapes.len(), 1);
    assert_eq!(decoded.flows.client_port, [None, Some(0), Some(u16::MAX)]);
    assert_eq!(decoded.into_batch(), batch);
}

#[test]
fn a_batch_without_client_ports_has_no_column_for_them() {
    let mut batch = small();
    batch.records.truncate(3);

    let decoded = decode(&encode(&batch), &Limits::default()).unwrap();

    assert_eq!(decoded.flows.len(), 3);
    assert!(decoded.flows.client_port.is_empty());
}

#[test]
fn the_largest_counters_come_back() {
    let mut batch = small();
    batch.totals.clear();
    batch.skipped.clear();
    batch.records.truncate(1);
    batch.records[0].counters = counters(u64::MAX, u64::MAX);

    let decoded = decode(&encode(&batch), &Limits::default()).unwrap();

    assert_eq!(decoded.into_batch(), batch);
}
