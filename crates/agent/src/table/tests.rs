//! The table is compared as a whole: how it looks is what it is for.

use std::time::Duration;

use kubezonnet_model::{
    BatchHeader, Coverage, Epoch, FlowKey, Hook, NodeName, Protocol, SkipReason, Skipped, Total,
    TotalKind, Transport,
};

use super::*;

const POINT: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Pod,
    output: InterfaceClass::Uplink,
};

fn record(source: &str, destination: &str, transport: Option<Transport>, bytes: u64) -> FlowRecord {
    FlowRecord {
        key: FlowKey {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            transport,
            point: POINT,
            socket: None,
        },
        counters: FlowCounters { bytes, packets: 2 },
    }
}

fn tcp(number: u16, side: PortSide, client_port: Option<u16>) -> Transport {
    Transport {
        protocol: Protocol::TCP,
        service: Some(ServicePort { number, side }),
        client_port,
    }
}

fn batch() -> FlowBatch {
    let counters = FlowCounters {
        bytes: 60,
        packets: 1,
    };
    FlowBatch {
        header: BatchHeader {
            node: NodeName::new("n1").unwrap(),
            epoch: Epoch([7; 16]),
            sequence: 3,
            window: Duration::from_millis(10_049),
            coverage: Coverage::full(),
        },
        records: vec![
            record(
                "10.0.0.1",
                "10.0.0.2",
                Some(tcp(5432, PortSide::Destination, None)),
                150,
            ),
            record(
                "fd00::1",
                "fd00::2",
                Some(tcp(80, PortSide::Source, Some(40_000))),
                1_000_000,
            ),
            record("10.0.0.1", "10.0.0.3", None, 90),
        ],
        totals: vec![Total {
            kind: TotalKind::Loopback,
            point: POINT,
            counters,
        }],
        skipped: vec![Skipped {
            reason: SkipReason::Looped,
            hook: Hook::LocalIn,
            counters,
        }],
        node_addresses: Vec::new(),
    }
}

#[test]
fn a_window_is_a_table_with_the_most_bytes_on_top_and_the_sum_below() {
    let expected = "\
window 3 of node n1: 10.0 s, 3 records
SOURCE             DESTINATION      PROTOCOL  HOOK         IN   OUT       BYTES  PACKETS
[fd00::1]:80       [fd00::2]:40000  tcp       postrouting  pod  uplink  1000000        2
10.0.0.1           10.0.0.2:5432    tcp       postrouting  pod  uplink      150        2
10.0.0.1           10.0.0.3         (any)     postrouting  pod  uplink       90        2
(loopback)                                    postrouting  pod  uplink       60        1
(skipped: looped)                             local_in                       60        1
(seen)                                                                  1000360        8

";

    assert_eq!(render(&batch()), expected);
}

#[tokio::test]
async fn what_is_no_window_is_not_printed_but_refused() {
    let answer = Table
        .deliver(Outgoing {
            epoch: Epoch([7; 16]),
            sequence: 1,
            age: Duration::ZERO,
            body: b"no window".as_slice().into(),
        })
        .await;

    assert_eq!(answer.outcome, Outcome::Refused);
}
