//! The examples of docs/attribution.md, row by row.

use kubezonnet_model::{Endpoint, InterfaceClass, Locality, ObservationPoint, SocketOwner};

use super::*;
use crate::resolve::{Outcome, Party, ResolvedBatch, ResolvedFlow, Wanted};
use crate::testing::{add_host_pod, add_service, host_uid, name_networks};

/// The column that every table of examples has and no other.
const HEADER: &str = "| seen by | way | from | to |";

/// The cluster of the page, with agents on `n1` and `n2`.
fn page_pipeline() -> Pipeline {
    let topology = cluster();
    name_networks(
        &topology,
        "networks: [{name: orders-db, kind: managed-database, cidr: 10.9.0.0/24, zone: b, region: r1}]",
    );
    add_service(&topology, "db", "10.96.0.10", &[("10.67.2.1", "n2")]);
    let api = [("10.67.1.2", "n1"), ("10.67.3.1", "n3")];
    add_service(&topology, "api", "10.96.0.11", &api);
    add_host_pod(&topology, "proxy", "n1", 1);
    add_host_pod(&topology, "router", "n2", 2);
    let pipeline = pipeline(&topology);
    for node in ["n1", "n2"] {
        apply(&pipeline, &Report::of(node, 1));
    }
    pipeline
}

fn address(name: &str) -> &'static str {
    match name {
        "n1" => "10.66.0.1",
        "n2" => "10.66.0.2",
        "n3" => "10.66.0.3",
        "p1" => "10.67.1.1",
        "q1" => "10.67.1.2",
        "p2" => "10.67.2.1",
        "p3" => "10.67.3.1",
        "p4" => "10.67.4.1",
        "db" => "10.96.0.10",
        "api" => "10.96.0.11",
        "orders-db" => "10.9.0.7",
        "internet" => "8.8.8.8",
        "unlisted" => "192.168.9.9",
        other => panic!("the page names {other:?}, which the test does not know"),
    }
}

fn point(way: &str) -> ObservationPoint {
    let class = |word: &str| {
        let mut all = InterfaceClass::ALL.into_iter();
        let found = all.find(|class| class.as_str() == word);
        found.unwrap_or_else(|| panic!("{word:?} is no interface class"))
    };
    let (input, output) = way.split_once(" to ").unwrap();
    ObservationPoint {
        hook: if output == "host" {
            Hook::LocalIn
        } else {
            Hook::Postrouting
        },
        input: class(input),
        output: class(output),
    }
}

fn socket(of: &str) -> SocketOwner {
    match of {
        "proxy" => SocketOwner::Pod(host_uid(1)),
        "router" => SocketOwner::Pod(host_uid(2)),
        "late" => SocketOwner::Pod(host_uid(3)),
        "system" => SocketOwner::System,
        "unseen" => SocketOwner::Unseen,
        other => panic!("the page names {other:?}, which the test does not know"),
    }
}

/// The name of who is charged: the end that is seen to send or to receive.
fn charged(batch: &ResolvedBatch, flow: &ResolvedFlow) -> String {
    let local = match flow.point.hook {
        Hook::Postrouting => flow.source,
        Hook::LocalIn => flow.destination,
    };
    let Party { endpoint, .. } = &batch.parties[local as usize];
    match endpoint {
        Endpoint::Pod(pod) => pod.name.to_string(),
        Endpoint::Node(node) => node.name.to_string(),
        other => panic!("{other:?} is charged nothing"),
    }
}

fn text(outcome: Outcome) -> String {
    match outcome {
        Outcome::Counted(direction, Locality::Unknown(reason)) => {
            format!("{}, unknown ({})", direction.as_str(), reason.as_str())
        }
        Outcome::Counted(direction, locality) => {
            format!("{}, {}", direction.as_str(), locality.as_str())
        }
        Outcome::CountedBySender => "counted_by_sender".to_owned(),
        Outcome::CountedByReceiver => "counted_by_receiver".to_owned(),
        Outcome::PartlyCovered => "partly_covered".to_owned(),
        Outcome::ForeignAddress => "foreign_address".to_owned(),
    }
}

/// The cells of each row of the tables of examples.
fn rows(page: &'static str) -> Vec<Vec<&'static str>> {
    let tables = page.split(HEADER).skip(1);
    let lines = tables.flat_map(|table| {
        let rows = table.lines().skip(2);
        rows.take_while(|line| line.starts_with('|'))
    });
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    lines.map(cells).collect()
}

#[test]
fn every_example_is_counted_as_the_page_says() {
    let pipeline = page_pipeline();
    let rows = rows(include_str!("../../../../../docs/attribution.md"));
    assert!(rows.len() > 20, "the page was not understood: {rows:?}");
    for row in rows {
        let [node, way, from, to, ref rest @ ..] = row[..] else {
            panic!("{row:?} has too few cells");
        };
        let mut report = Report::of(node, 2).record(address(from), address(to), point(way), 1000);
        if let [of, ..] = rest[..rest.len() - 1] {
            report = report.socket(socket(of));
        }
        let window = Window::placed(NOW, Duration::ZERO, crate::testing::WINDOW);

        let resolved = pipeline.resolve_batch(&report.decoded(), window);

        // All have reported that will.
        let unsettled = resolved.wanting.iter();
        let waiting = unsettled.map(|(wanted, flow)| (flow, *wanted == Wanted::Owner));
        let settled = resolved.batch.flows.iter().map(|flow| (flow, false));
        let (flow, waits) = settled.chain(waiting).next().unwrap();
        let outcome = text(flow.outcome);
        match *rest {
            [counted] => assert_eq!(outcome, counted, "{row:?}"),
            [_, counted, to] => {
                let found = if waits { "waits" } else { &outcome };
                assert_eq!(found, counted, "{row:?}");
                assert_eq!(charged(&resolved.batch, flow), to, "{row:?}");
            }
            _ => panic!("{row:?} has other cells than the page's tables"),
        }
    }
}
