//! Services' own addresses, and the Services in front of pods.

use kubezonnet_model::{
    Direction, Endpoint, InterfaceClass, Locality, ObservationPoint, PortSide, Protocol,
    ServicePort, SocketOwner, Transport, UnknownReason,
};

use super::*;
use crate::resolve::{Outcome, ResolvedBatch, ResolvedFlow};
use crate::testing::{
    WINDOW, add_host_pod, add_service, add_service_reached_by, host_uid, name_networks, to_port,
};

const DB: &str = "10.96.0.10";

/// From a socket of the node to a pod.
const HOST_TO_POD: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Host,
    output: InterfaceClass::Pod,
};

/// From a pod to another behind this node.
const POD_TO_POD: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Pod,
    output: InterfaceClass::Pod,
};

/// A cluster with Service `db`, whose endpoints are those, and agents on `n1` and `n2`.
fn with_service(endpoints: &[(&str, &str)]) -> Pipeline {
    let topology = cluster();
    add_service(&topology, "db", DB, endpoints);
    let pipeline = pipeline(&topology);
    for node in ["n1", "n2"] {
        // IPVS has every Service's address on every node.
        apply(&pipeline, &Report::of(node, 1).declares(DB));
    }
    pipeline
}

fn resolve(pipeline: &Pipeline, report: &Report) -> ResolvedBatch {
    let window = Window::placed(NOW, Duration::ZERO, WINDOW);
    pipeline.resolve_batch(&report.decoded(), window).batch
}

fn outcome(endpoints: &[(&str, &str)], from: &str, to: &str, point: ObservationPoint) -> Outcome {
    let report = Report::of("n1", 2).record(from, to, point, 1000);
    resolve(&with_service(endpoints), &report).flows[0].outcome
}

fn egress(locality: Locality) -> Outcome {
    Outcome::Counted(Direction::Egress, locality)
}

fn name(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Pod(pod) => pod.name.to_string(),
        Endpoint::Node(node) => node.name.to_string(),
        Endpoint::Service(service) => format!("service {}", service.name),
        other => format!("{other:?}"),
    }
}

/// The names of both ends of the first flow.
fn ends(batch: &ResolvedBatch) -> [String; 2] {
    let flow: ResolvedFlow = batch.flows[0];
    [flow.source, flow.destination].map(|position| name(&batch.parties[position as usize].endpoint))
}

/// The Service of each flow, the smallest flow first.
fn services(batch: &ResolvedBatch) -> Vec<Option<&str>> {
    let named = |flow: &ResolvedFlow| {
        let service = &batch.services[flow.service? as usize];
        Some(service.name.as_str())
    };
    let mut flows: Vec<_> = batch.flows.iter().collect();
    flows.sort_unstable_by_key(|flow| flow.counters.bytes);
    flows.into_iter().map(named).collect()
}

#[test]
fn what_goes_to_a_service_goes_to_where_all_its_endpoints_are() {
    let unknown = Locality::Unknown(UnknownReason::ServiceAddress);
    let cases: [(&[(&str, &str)], Locality); 5] = [
        (&[("10.67.2.1", "n2")], Locality::CrossZone),
        (&[("10.67.1.2", "n1")], Locality::SameNode),
        (&[("10.67.3.1", "n3")], Locality::CrossRegion),
        (&[("10.67.2.1", "n2"), ("10.67.3.1", "n3")], unknown),
        (&[], unknown),
    ];
    for (endpoints, locality) in cases {
        let found = outcome(endpoints, "10.67.1.1", DB, OUT);

        assert_eq!(found, egress(locality), "{endpoints:?}");
    }
}

#[test]
fn what_comes_from_a_service_by_the_uplink_was_counted_where_it_was_sent() {
    let endpoints = [("10.67.2.1", "n2"), ("10.67.1.2", "n1")];

    assert_eq!(
        outcome(&endpoints, DB, "10.67.1.1", IN),
        Outcome::CountedBySender
    );
}

#[test]
fn an_answer_that_is_given_its_services_address_back_is_of_the_one_endpoint_here() {
    // On the node of both, where the answer is seen once only.
    let pipeline = with_service(&[("10.67.2.1", "n2"), ("10.67.1.2", "n1")]);
    let report = Report::of("n1", 2).record(DB, "10.67.1.1", POD_TO_POD, 1000);

    let batch = resolve(&pipeline, &report);

    assert_eq!(ends(&batch), ["q1", "p1"]);
    assert_eq!(batch.flows[0].outcome, egress(Locality::SameNode));
}

#[test]
fn of_several_endpoints_here_nobody_can_say_which_it_was_and_yet_where() {
    let pipeline = with_service(&[
        ("10.67.1.1", "n1"),
        ("10.67.1.2", "n1"),
        ("10.67.2.1", "n2"),
    ]);
    let report = Report::of("n1", 2).record(DB, "10.67.2.1", OUT, 1000);

    let batch = resolve(&pipeline, &report);

    assert_eq!(ends(&batch), ["service db", "p2"]);
    assert_eq!(batch.flows[0].outcome, egress(Locality::CrossZone));
}

#[test]
fn what_the_node_itself_answers_for_a_service_is_the_nodes_or_its_pods() {
    let topology = cluster();
    add_service(&topology, "api", DB, &[("10.66.0.1", "n1")]);
    add_host_pod(&topology, "apiserver", "n1", 1);
    let pipeline = pipeline(&topology);
    let system = Report::of("n1", 1).record(DB, "10.67.1.1", HOST_TO_POD, 1000);
    let pod = system.clone().socket(SocketOwner::Pod(host_uid(1)));
    let ping = Report::of("n1", 1).record("10.67.1.1", DB, POD_TO_HOST, 84);

    let [system, pod, ping] = [system, pod, ping].map(|report| resolve(&pipeline, &report));

    assert_eq!(ends(&system), ["n1", "p1"]);
    assert_eq!(ends(&pod), ["apiserver", "p1"]);
    assert_eq!(ends(&ping), ["p1", "n1"]);
    for batch in [system, pod, ping] {
        assert_eq!(batch.flows[0].outcome, egress(Locality::SameNode));
    }
}

#[test]
fn the_service_by_which_a_pod_was_reached_is_told_both_ways() {
    let pipeline = with_service(&[("10.67.2.1", "n2")]);
    let answer = Transport {
        protocol: Protocol::TCP,
        service: Some(ServicePort {
            number: 5432,
            side: PortSide::Source,
        }),
        client_port: None,
    };
    let report = Report::of("n1", 2)
        .key("10.67.1.1", "10.67.2.1", OUT, Some(to_port(5432)), 1)
        .key("10.67.2.1", "10.67.1.1", IN, Some(answer), 2)
        .key("10.67.1.1", "10.67.2.1", OUT, Some(to_port(9090)), 3)
        .key("10.67.2.1", "10.67.1.1", OUT, Some(to_port(5432)), 4)
        .key("10.67.1.1", DB, OUT, Some(to_port(80)), 5)
        .key("10.67.1.1", "10.67.2.1", OUT, None, 6);

    let batch = resolve(&pipeline, &report);

    let db = Some("db");
    assert_eq!(services(&batch), [db, db, None, None, db, None]);
}

#[test]
fn of_two_services_in_front_of_one_port_neither_is_told() {
    let topology = cluster();
    for (name, address) in [("db", DB), ("db-read", "10.96.0.11")] {
        add_service(&topology, name, address, &[("10.67.2.1", "n2")]);
    }
    let pipeline = pipeline(&topology);
    let report = Report::of("n1", 1).record("10.67.1.1", "10.67.2.1", OUT, 1);

    assert_eq!(services(&resolve(&pipeline, &report)), [None]);
}

#[test]
fn a_node_port_and_its_answers_count_once_a_hop() {
    let pipeline = with_service(&[("10.67.2.1", "n2")]);
    let up_to_up = ObservationPoint {
        output: InterfaceClass::Uplink,
        ..IN
    };
    // A client outside comes by n1, which gives the packets its own address; the answers go back.
    let there = Report::of("n1", 2).record("8.8.8.8", "10.67.2.1", up_to_up, 100);
    let arrived = Report::of("n2", 2)
        .record("10.66.0.1", "10.67.2.1", IN, 100)
        .record("10.67.2.1", "10.66.0.1", OUT, 7000);
    let back = Report::of("n1", 3).record("10.67.2.1", "8.8.8.8", up_to_up, 7000);

    for report in [there, arrived, back] {
        apply(&pipeline, &report);
    }

    assert_eq!(booked(&pipeline, Disposition::CrossZone), 7100);
    assert_eq!(booked(&pipeline, Disposition::Internet), 7000);
    assert_eq!(booked(&pipeline, Disposition::CountedBySender), 100);
}

#[test]
fn bytes_of_services_addresses_are_in_the_books_once() {
    let pipeline = with_service(&[("10.67.2.1", "n2"), ("10.67.1.2", "n1")]);
    let report = Report::of("n1", 2)
        .record("10.67.1.1", DB, OUT, 1)
        .record(DB, "10.67.1.1", IN, 20)
        .record(DB, "10.67.1.1", POD_TO_POD, 300);

    apply(&pipeline, &report);

    assert_eq!(booked(&pipeline, Disposition::Unknown), 1);
    assert_eq!(booked(&pipeline, Disposition::CountedBySender), 20);
    assert_eq!(booked(&pipeline, Disposition::SameNode), 300);
    assert_eq!(pipeline.pending_records(), 0);
}

/// A cluster with agents on `n1` and `n2`, and Service `db`, reached by those addresses from outside.
fn reached_by(external: &[&str]) -> Pipeline {
    let topology = cluster();
    let endpoints = [("10.67.2.1", "n2")];
    add_service_reached_by(&topology, "db", (&[DB], external), &endpoints);
    let pipeline = pipeline(&topology);
    for node in ["n1", "n2"] {
        apply(&pipeline, &Report::of(node, 1));
    }
    pipeline
}

#[test]
fn what_a_load_balancer_sends_is_counted_where_it_arrives_and_not_as_if_endpoints_were_there() {
    let pipeline = reached_by(&["9.9.9.9", "10.200.0.9"]);
    let report = Report::of("n1", 2)
        .record("9.9.9.9", "10.67.1.1", IN, 1000)
        .record("10.67.1.1", "9.9.9.9", OUT, 200)
        .record("10.200.0.9", "10.67.1.1", IN, 30);

    let batch = resolve(&pipeline, &report);
    apply(&pipeline, &report);

    assert_eq!(ends(&batch), ["service db", "p1"]);
    assert_eq!(booked(&pipeline, Disposition::Internet), 1200);
    let unknown = pipeline.snapshot().totals.unknown;
    assert_eq!(unknown[UnknownReason::ServiceAddress as usize].bytes, 30);
    assert_eq!(booked(&pipeline, Disposition::CountedBySender), 0);
}

#[test]
fn an_answer_with_a_load_balancers_address_is_of_the_endpoint_here() {
    let pipeline = reached_by(&["9.9.9.9"]);
    let point = ObservationPoint {
        input: InterfaceClass::Pod,
        ..OUT
    };
    let report = Report::of("n2", 2).record("9.9.9.9", "10.67.1.1", point, 1000);

    let batch = resolve(&pipeline, &report);

    assert_eq!(ends(&batch), ["p2", "p1"]);
    assert_eq!(batch.flows[0].outcome, egress(Locality::CrossZone));
}

#[test]
fn who_may_write_services_takes_no_address_from_the_cluster_a_network_or_a_node() {
    let pipeline = reached_by(&["10.96.0.99", "10.9.0.7", "10.67.2.9", "192.168.7.2"]);
    add_service(pipeline.topology(), "api", "10.96.0.99", &[]);
    name_networks(
        pipeline.topology(),
        "networks: [{name: orders-db, cidr: 10.9.0.0/24, zone: b, region: r1}]",
    );
    apply(&pipeline, &Report::of("n2", 2).declares("192.168.7.2"));
    let from = |address| {
        let report = Report::of("n1", 2).record(address, "10.67.1.1", IN, 1);
        let window = Window::placed(NOW, Duration::ZERO, WINDOW);
        let resolved = pipeline.resolve_batch(&report.decoded(), window);
        let flow = resolved.batch.flows.first();
        flow.map(|flow| flow.outcome)
    };

    let ingress = |locality| Outcome::Counted(Direction::Ingress, locality);
    assert_eq!(from("10.96.0.99"), Some(Outcome::CountedBySender));
    assert_eq!(from("10.9.0.7"), Some(ingress(Locality::CrossZone)));
    assert_eq!(from("10.67.2.9"), None, "a new pod is waited for");
    assert_eq!(from("192.168.7.2"), Some(Outcome::CountedBySender));
}
