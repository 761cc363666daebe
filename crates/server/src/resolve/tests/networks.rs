//! What is in a named network, and what only looks like it.

use kubezonnet_model::{NetworkKind, Region, Zone};

use super::*;
use crate::books::Disposition;
use crate::testing::name_networks;

const NETWORKS: &str = "
networks:
- {name: orders-db, kind: managed-database, cidrs: [10.9.0.0/24, 'fd09::/64'], zone: b, region: r1}
- {name: far-db, cidr: 10.9.1.0/24, region: r2}
- {name: office, kind: on-premises, cidr: 10.0.0.0/8}
- {name: s3, kind: object-storage, cidr: 52.218.0.0/17, region: r1}
";

fn named() -> Topology {
    let topology = cluster();
    name_networks(&topology, NETWORKS);
    topology
}

fn of(topology: &Topology, from: &str, to: &str, point: ObservationPoint) -> Outcome {
    outcome_in(topology, "n1", &[], from, to, point)
}

#[test]
fn what_goes_to_and_comes_from_a_named_network_counts_by_where_it_is() {
    let topology = named();
    let cases = [
        ("10.9.0.7", Locality::CrossZone),
        ("fd09::7", Locality::CrossZone),
        ("10.9.1.7", Locality::CrossRegion),
        ("10.200.0.1", Locality::Unknown(UnknownReason::MissingZone)),
        ("52.218.3.4", Locality::Unknown(UnknownReason::MissingZone)),
        ("52.219.3.4", Locality::Internet),
    ];
    for (outside, locality) in cases {
        let pod = if outside.contains(':') {
            "fd67:1::1"
        } else {
            "10.67.1.1"
        };
        let out = of(&topology, pod, outside, OUT);
        let back = of(&topology, outside, pod, IN);

        assert_eq!(
            (out, back),
            (egress(locality), ingress(locality)),
            "{outside}"
        );
    }
}

#[test]
fn the_cluster_goes_before_a_named_network_whatever_its_prefix() {
    let topology = named();
    name_networks(
        &topology,
        "networks: [{name: all, cidr: 10.67.2.1, zone: a}]",
    );

    let of_a_pod = of(&topology, "10.67.1.1", "10.67.2.1", OUT);

    assert_eq!(of_a_pod, egress(Locality::CrossZone));
}

#[test]
fn what_ends_on_the_node_is_not_in_a_network_outside() {
    let topology = named();

    let arrived = of(&topology, "10.67.3.1", "10.9.0.7", TO_HOST);

    assert_eq!(arrived, ingress(Locality::Unknown(LOST)));
}

#[test]
fn what_means_something_on_one_link_only_is_in_no_network() {
    let topology = cluster();
    name_networks(
        &topology,
        "networks: [{name: all, cidrs: [0.0.0.0/0, '::/0'], zone: b}]",
    );

    for (address, expected) in [
        ("169.254.20.10", egress(Locality::Unknown(LOST))),
        ("224.0.0.1", egress(Locality::Unknown(LOST))),
        ("8.8.8.8", egress(Locality::CrossZone)),
    ] {
        assert_eq!(
            of(&topology, "10.67.1.1", address, OUT),
            expected,
            "{address}"
        );
    }
}

#[test]
fn a_database_in_another_zone_is_in_the_books_once_in_each_direction() {
    let topology = named();
    let pipeline = pipeline(&topology);
    let report = Report::of("n1", 1)
        .record("10.67.1.1", "10.9.0.7", OUT, 100)
        .record("10.9.0.7", "10.67.1.1", IN, 9_000)
        .record("10.9.0.7", "10.66.0.1", TO_HOST, 20);

    apply(&pipeline, &report);

    let snapshot = pipeline.snapshot();
    let books = snapshot.totals.books;
    assert_eq!(books.get(Disposition::CrossZone).bytes, 9_120);
    assert_eq!(books.sum().bytes, 9_120);
    assert_eq!(snapshot.totals.imbalance(), (0, 0));
    assert_eq!(pipeline.pending_records(), 0, "no database is waited for");
}

#[test]
fn behind_a_pods_interface_an_address_of_a_network_may_be_a_new_pods() {
    let topology = named();
    let pipeline = pipeline(&topology);

    apply(
        &pipeline,
        &Report::of("n1", 1).record("10.67.3.1", "10.200.0.9", IN, 70),
    );
    let waiting = pipeline.pending_records();
    apply(
        &pipeline,
        &Report::of("n1", 2).record("10.67.1.1", "10.200.0.9", OUT, 7),
    );

    assert_eq!(waiting, 1);
    assert_eq!(
        pipeline.pending_records(),
        1,
        "the uplink leads to no new pod of this node"
    );
}

#[test]
fn a_new_pod_in_a_network_that_is_named_counts_once() {
    let (v4, v6) = ("10.67.1.9", "fd67:1::9");
    let topology = cluster();
    name_networks(
        &topology,
        "networks: [{name: office, cidrs: [10.0.0.0/8, 'fd67:1::/64']}]",
    );
    let pipeline = pipeline(&topology);
    for node in ["n1", "n2"] {
        apply(&pipeline, &Report::of(node, 1));
    }
    for (node, point) in [("n1", OUT), ("n2", IN)] {
        let report = Report::of(node, 2)
            .record(v4, "10.67.2.1", point, 1000)
            .record(v6, "fd67:2::1", point, 20);
        apply(&pipeline, &report);
    }
    assert_eq!(pipeline.pending_records(), 4);

    crate::testing::add_pod(&topology, "x1", 1, 9, NOW);
    pipeline.settle(NOW);

    let totals = pipeline.snapshot().totals;
    assert_eq!(pipeline.pending_records(), 0);
    assert_eq!(totals.books.get(Disposition::CrossZone).bytes, 1020);
    assert_eq!(totals.books.get(Disposition::CountedBySender).bytes, 1020);
}

#[test]
fn the_first_pod_of_a_nodes_block_in_a_network_that_is_named_counts_once() {
    let (v4, v6) = ("10.244.7.2", "fd44:7::2");
    let topology = cluster();
    let prefixes = ["10.244.7.0/24", "fd44:7::/64"];
    let node = kubezonnet_topology::NodeState {
        name: node_name("n1"),
        uid: "node-1".into(),
        zone: Zone::new("a").ok(),
        zone_id: None,
        region: Region::new("r1").ok(),
        provider_id: None,
        can_run_agent: true,
        pod_cidrs: prefixes.map(|text| text.parse().unwrap()).into(),
        addresses: vec![ip("10.66.0.1"), ip("fd66::1")],
    };
    topology.write().apply_node(node, NOW);
    name_networks(
        &topology,
        "networks: [{name: vpc, cidrs: [10.0.0.0/8, 'fd44::/16'], zone: c, region: r2}]",
    );
    let pipeline = pipeline(&topology);
    for node in ["n1", "n2"] {
        apply(&pipeline, &Report::of(node, 1));
    }
    for (node, point) in [("n1", OUT), ("n2", IN)] {
        let report = Report::of(node, 2)
            .record(v4, "10.67.2.1", point, 1000)
            .record(v6, "fd67:2::1", point, 20);
        apply(&pipeline, &report);
    }
    assert_eq!(pipeline.pending_records(), 4);

    let pod = kubezonnet_topology::PodState {
        node: Some(node_name("n1")),
        addresses: vec![ip(v4), ip(v6)],
        created: Some(kubezonnet_model::Timestamp(1)),
        ..kubezonnet_topology::PodState::new(
            kubezonnet_model::Namespace::new("shop").unwrap(),
            kubezonnet_model::Name::new("first").unwrap(),
            "first",
        )
    };
    topology.write().apply_pod(pod, NOW);
    pipeline.settle(NOW);

    let totals = pipeline.snapshot().totals;
    assert_eq!(totals.books.get(Disposition::CrossZone).bytes, 1020);
    assert_eq!(totals.books.get(Disposition::CountedBySender).bytes, 1020);
    assert_eq!(totals.books.sum().bytes, 2040);
    assert_eq!(totals.imbalance(), (0, 0));
}

#[test]
fn a_new_pod_with_a_public_address_counts_once() {
    let topology = cluster();
    let public = |host: &str| format!("2a00:1450:1::{host}");
    let pod = |name: &str, host: &str| kubezonnet_topology::PodState {
        node: Some(node_name("n1")),
        addresses: vec![ip(&public(host))],
        created: Some(kubezonnet_model::Timestamp(1)),
        ..kubezonnet_topology::PodState::new(
            kubezonnet_model::Namespace::new("shop").unwrap(),
            kubezonnet_model::Name::new(name).unwrap(),
            name,
        )
    };
    topology.write().apply_pod(pod("old", "1"), NOW);
    let pipeline = pipeline(&topology);
    for node in ["n1", "n2"] {
        apply(&pipeline, &Report::of(node, 1));
    }
    for (node, point) in [("n1", OUT), ("n2", IN)] {
        let report = Report::of(node, 2).record(&public("9"), "fd67:2::1", point, 1000);
        apply(&pipeline, &report);
    }
    assert_eq!(pipeline.pending_records(), 2);

    topology.write().apply_pod(pod("new", "9"), NOW);
    pipeline.settle(NOW);

    let books = pipeline.snapshot().totals.books;
    assert_eq!(books.get(Disposition::CrossZone).bytes, 1000);
    assert_eq!(books.get(Disposition::CountedBySender).bytes, 1000);
}

#[test]
fn an_address_that_a_network_lists_by_itself_is_not_waited_for_though_pods_are_near() {
    let topology = cluster();
    name_networks(
        &topology,
        "networks: [{name: db, cidrs: [10.67.1.77, 'fd67:1::77']}, {name: all, cidr: 10.67.1.0/24}]",
    );
    let pipeline = pipeline(&topology);
    let report = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.1.77", OUT, 7)
        .record("fd67:1::1", "fd67:1::77", OUT, 7)
        .record("10.67.1.1", "10.67.1.78", OUT, 7);

    apply(&pipeline, &report);

    assert_eq!(pipeline.pending_records(), 1);
}

#[test]
fn what_waits_is_looked_at_again_when_a_network_is_named() {
    let topology = cluster();
    let pipeline = pipeline(&topology);
    apply(
        &pipeline,
        &Report::of("n1", 1).record("10.67.1.1", "10.9.0.7", OUT, 70),
    );
    assert_eq!(pipeline.pending_records(), 1);

    name_networks(&topology, NETWORKS);
    pipeline.settle(NOW);

    assert_eq!(pipeline.pending_records(), 0);
    let books = pipeline.snapshot().totals.books;
    assert_eq!(books.get(Disposition::CrossZone).bytes, 70);
}

#[test]
fn a_party_says_which_network_it_is() {
    let topology = named();
    let index = topology.read();
    let agents = Agents::default();
    let views = Views {
        topology: &index,
        networks: &topology.networks(),
        agents: &agents,
    };
    let window = Window::placed(NOW, Duration::ZERO, WINDOW);
    let reporter = Reporter::new(&node_name("n1"), window, &index);

    let parties = views.parties(&[ip("10.9.0.7")], &reporter, window);

    let Endpoint::Network(network) = &parties[0].endpoint else {
        panic!("{:?} is no network", parties[0].endpoint);
    };
    assert_eq!(network.name.as_str(), "orders-db");
    assert_eq!(network.kind, NetworkKind::ManagedDatabase);
    assert_eq!(parties[0].site.zone().unwrap().as_str(), "b");
    assert_eq!(
        (parties[0].place, parties[0].covered),
        (Place::Nowhere, Covered::No)
    );
}
