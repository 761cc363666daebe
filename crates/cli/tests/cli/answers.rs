//! What a server of a small shop would answer.

use kubezonnet_api::{
    Address, Agent, AgentState, Amount, End, EndKind, Flow, Flows, Gap, Health, History, Item, Key,
    LocalityName, LocalityShare, Matrix, MatrixCell, Measure, Measures, Money, Month, Of, Places,
    Prices, Range, Rank, RateNow, ResolutionName, Store, Summary, Top, Topology, UnknownShare,
    Unpriced, Version, Workload,
};

pub(crate) fn money(text: &str) -> Money {
    Money(text.to_owned())
}

fn measure(bytes: u64, cost: &str) -> Measure {
    Measure {
        bytes,
        packets: bytes / 1000,
        cost: Some(money(cost)),
        unpriced_bytes: 0,
    }
}

/// The same of what has no price.
fn unpriced(bytes: u64) -> Measure {
    Measure {
        unpriced_bytes: bytes,
        ..measure(bytes, "0.000000")
    }
}

/// What went across that boundary; the internet and what is unknown have no price.
fn across(locality: LocalityName, bytes: u64, cost: &str) -> Measure {
    match locality {
        LocalityName::Internet | LocalityName::Unknown => unpriced(bytes),
        _ => measure(bytes, cost),
    }
}

fn range() -> Range {
    Range {
        from: "2026-11-14T12:00:00Z".to_owned(),
        to: "2026-11-21T12:00:00Z".to_owned(),
        resolution: ResolutionName::Hour,
        history_since: Some("2026-11-01T00:00:00Z".to_owned()),
        behind_seconds: 4,
    }
}

pub(crate) fn summary() -> Summary {
    let share = |locality, bytes, cost| LocalityShare {
        locality,
        measure: across(locality, bytes, cost),
        before: None,
    };
    Summary {
        range: range(),
        currency: Some("USD".to_owned()),
        total: measure(10_000_000_000_000, "71.250000"),
        before: Some(measure(9_000_000_000_000, "60.000000")),
        localities: vec![
            share(LocalityName::SameNode, 2_000_000_000_000, "0.000000"),
            share(LocalityName::SameZone, 4_000_000_000_000, "0.000000"),
            share(LocalityName::CrossZone, 3_400_000_000_000, "68.000000"),
            share(LocalityName::CrossRegion, 150_000_000_000, "3.250000"),
            share(LocalityName::Internet, 400_000_000_000, "0.000000"),
            share(LocalityName::Unknown, 50_000_000_000, "0.000000"),
        ],
        rate: RateNow {
            bytes_per_second: 16_534_391,
            crossing_bytes_per_second: 6_530_000,
            cost_per_hour: Some(money("0.424107")),
        },
        month: Some(Month {
            from: "2026-11-01T00:00:00Z".to_owned(),
            to: "2026-12-01T00:00:00Z".to_owned(),
            so_far: measure(30_000_000_000_000, "208.100000"),
            projected: Some(measure(43_000_000_000_000, "304.400000")),
            before: None,
        }),
        unknown: vec![
            UnknownShare {
                reason: "missing_zone".to_owned(),
                measure: unpriced(41_000_000_000),
            },
            UnknownShare {
                reason: "unlisted_address".to_owned(),
                measure: unpriced(9_000_000_000),
            },
        ],
        unpriced: vec![
            Unpriced {
                reason: Gap::InternetOff,
                bytes: 400_000_000_000,
            },
            Unpriced {
                reason: Gap::UnknownPlace,
                bytes: 50_000_000_000,
            },
        ],
        left_out: vec![
            "hours and bytes of NAT gateways".to_owned(),
            "hours and bytes of load balancers".to_owned(),
        ],
    }
}

pub(crate) fn workload(namespace: &str, kind: &str, name: &str) -> End {
    End {
        kind: EndKind::Workload,
        namespace: Some(namespace.to_owned()),
        workload_kind: Some(kind.to_owned()),
        name: Some(name.to_owned()),
        zone: None,
        region: None,
    }
}

fn end(kind: EndKind, name: Option<&str>) -> End {
    End {
        kind,
        namespace: None,
        workload_kind: None,
        name: name.map(str::to_owned),
        zone: None,
        region: None,
    }
}

fn pair(
    source: End,
    destination: End,
    locality: LocalityName,
    size: (u64, &str),
    before: Option<(u64, &str)>,
) -> Item {
    let grown = |from: u64| {
        (0..60)
            .map(|part| size.0 / 120 + (part + from) * size.0 / 7000)
            .collect()
    };
    Item {
        key: Key::Pair {
            source,
            destination,
            locality,
        },
        amount: Amount::Between(across(locality, size.0, size.1)),
        before: before.map(|(bytes, cost)| Amount::Between(across(locality, bytes, cost))),
        trend: grown(0),
    }
}

pub(crate) fn pairs() -> Top {
    let orders = workload("shop", "Deployment", "orders");
    let postgres = workload("shop", "StatefulSet", "postgres");
    let long = workload(
        "recommendations-experimental",
        "Deployment",
        "nightly-product-embedding-trainer-with-a-long-name",
    );
    let items = vec![
        pair(
            postgres.clone(),
            orders.clone(),
            LocalityName::CrossZone,
            (1_900_000_000_000, "38.000000"),
            Some((1_500_000_000_000, "30.000000")),
        ),
        pair(
            long,
            postgres.clone(),
            LocalityName::CrossZone,
            (1_200_000_000_000, "24.000000"),
            None,
        ),
        pair(
            end(EndKind::Network, Some("orders-db")),
            orders.clone(),
            LocalityName::CrossRegion,
            (150_000_000_000, "3.250000"),
            Some((300_000_000_000, "6.500000")),
        ),
        pair(
            orders,
            end(EndKind::Internet, None),
            LocalityName::Internet,
            (400_000_000_000, "0.000000"),
            Some((400_000_000_000, "0.000000")),
        ),
        pair(
            end(EndKind::Node, Some("node-a")),
            end(EndKind::Unknown, Some("missing_zone")),
            LocalityName::Unknown,
            (41_000_000_000, "0.000000"),
            Some((0, "0.000000")),
        ),
    ];
    Top {
        range: range(),
        currency: Some("USD".to_owned()),
        of: Of::Pairs,
        by: Rank::Cost,
        count: 17,
        total: measure(10_000_000_000_000, "71.250000"),
        items,
        next: None,
    }
}

pub(crate) fn namespaces() -> Top {
    let item = |name: &str, [sent, received, crossing]: [u64; 3], cost: &str| Item {
        key: Key::Namespace {
            name: name.to_owned(),
        },
        amount: Amount::Party(Measures {
            sent_bytes: sent,
            sent_packets: sent / 1000,
            received_bytes: received,
            received_packets: received / 1000,
            crossing_bytes: crossing,
            cost: Some(money(cost)),
            unpriced_bytes: 0,
        }),
        before: None,
        trend: vec![sent; 60],
    };
    Top {
        of: Of::Namespaces,
        count: 3,
        items: vec![
            item(
                "shop",
                [6_000_000_000_000, 7_000_000_000_000, 3_300_000_000_000],
                "47.125000",
            ),
            item(
                "a \"quoted\", name",
                [3_000_000_000_000, 2_000_000_000_000, 1_200_000_000_000],
                "24.124999",
            ),
            item("", [1_000_000_000, 1_000_000_000, 0], "0.000001"),
        ],
        ..pairs()
    }
}

pub(crate) fn matrix() -> Matrix {
    let cell = |source: &str, destination: &str, bytes, cost| MatrixCell {
        source: source.to_owned(),
        destination: destination.to_owned(),
        measure: match (source, destination) {
            ("", _) | (_, "internet") => unpriced(bytes),
            _ => measure(bytes, cost),
        },
    };
    Matrix {
        range: range(),
        currency: Some("USD".to_owned()),
        by: Places::Zone,
        total: measure(10_000_000_000_000, "71.250000"),
        cells: vec![
            cell("us-east-1a", "us-east-1a", 4_000_000_000_000, "0.000000"),
            cell("us-east-1a", "us-east-1b", 2_400_000_000_000, "48.000000"),
            cell("us-east-1b", "us-east-1a", 1_000_000_000_000, "20.000000"),
            cell("us-east-1b", "internet", 400_000_000_000, "0.000000"),
            cell("", "us-east-1b", 50_000_000_000, "0.000000"),
        ],
    }
}

pub(crate) fn flow(second: u32, bytes: u64) -> Flow {
    let pod = |name: &str, workload: &str, zone: &str, port| Address {
        address: "10.0.0.7".to_owned(),
        port,
        kind: EndKind::Workload,
        namespace: Some("shop".to_owned()),
        pod: Some(name.to_owned()),
        workload: Some(Workload {
            kind: "Deployment".to_owned(),
            name: workload.to_owned(),
        }),
        name: None,
        node: Some("node-a".to_owned()),
        zone: Some(zone.to_owned()),
        region: Some("us-east-1".to_owned()),
    };
    Flow {
        start: format!("2026-11-21T12:00:{second:02}.000Z"),
        end: format!("2026-11-21T12:00:{:02}.000Z", second + 10),
        reporter: "node-a".to_owned(),
        direction: "egress".to_owned(),
        locality: LocalityName::CrossZone,
        unknown_reason: None,
        protocol: "tcp".to_owned(),
        service: None,
        source: pod("orders-6d5f7", "orders", "us-east-1a", None),
        destination: pod("postgres-0", "postgres", "us-east-1b", Some(5432)),
        bytes,
        packets: bytes / 1000,
    }
}

pub(crate) fn flows() -> Flows {
    Flows {
        flows: vec![flow(1, 81_228), flow(11, 1_234_567)],
        next: "one".to_owned(),
        missed: 0,
        wait_seconds: 10.0,
    }
}

pub(crate) fn agent(node: &str, state: AgentState) -> Agent {
    Agent {
        node: node.to_owned(),
        zone: Some("us-east-1a".to_owned()),
        state,
        last_window_seconds: (state != AgentState::None).then_some(4.2),
        coarsened: false,
        lost_bytes: 0,
        bypassed: false,
    }
}

pub(crate) fn health() -> Health {
    Health {
        now: "2026-11-21T12:00:00Z".to_owned(),
        ready: true,
        not_ready: None,
        topology: Topology {
            source: "kubernetes".to_owned(),
            nodes: 2,
            nodes_without_zone: 0,
            pods: 34,
            age_seconds: Some(2.5),
        },
        agents: vec![
            agent("node-a", AgentState::Reporting),
            agent("node-b", AgentState::Reporting),
        ],
        store: Store {
            durable: true,
            failing: None,
            bytes: 123_456_789,
        },
        history: History {
            source: "embedded".to_owned(),
            since: Some("2026-11-01T00:00:00Z".to_owned()),
            behind_seconds: 20.0,
            bytes: 55_000_000,
            failing: None,
            lacking: None,
            lost_changes: 0,
            damaged_files: 0,
        },
        prices: Some(Prices {
            cloud: Some("aws".to_owned()),
            currency: "USD".to_owned(),
            retrieved: Some("2026-10-01".to_owned()),
            stale: false,
        }),
        unseen_budgets: Vec::new(),
    }
}

pub(crate) fn version() -> Version {
    Version {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        labels: vec!["team".to_owned()],
    }
}
