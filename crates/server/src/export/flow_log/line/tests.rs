//! What a line says of each kind of end.

use std::sync::Arc;

use kubezonnet_model::{
    Billed, FlowCounters, InterfaceClass, Located, Network, NetworkKind, Node, ObservationPoint,
    Pod, PodUid, Site, SocketOwner, Window,
};

use super::*;
use crate::resolve::{Covered, MayBeListed, Place, Reporter};
use crate::testing::{NOW, WINDOW, ip, node_name, to_port};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn site(node: Option<&str>, zone: &str) -> Site {
    Site::from(Located {
        node: node.map(node_name),
        zone: Zone::new(zone).ok(),
        zone_id: ZoneId::new(format!("use1-{zone}")).ok(),
        region: Region::new("us-east-1").ok(),
    })
}

fn party(address: &str, endpoint: Endpoint, site: Site) -> Party {
    Party {
        address: ip(address),
        endpoint,
        site,
        place: Place::Here,
        covered: Covered::Yes,
        may_be_listed: MayBeListed::No,
        reach: crate::resolve::Reach::Everywhere,
    }
}

/// A pod, one on its node's network, a node, a named network, a Service.
fn batch() -> ResolvedBatch {
    let node = Arc::new(Node {
        name: node_name("n1"),
        zone: Zone::new("a").ok(),
        zone_id: ZoneId::new("use1-a").ok(),
        region: Region::new("us-east-1").ok(),
    });
    let pod = |pod: &str, kind: &str, labels: &[Option<&str>]| {
        let values: Vec<_> = labels.iter().map(|value| value.map(name)).collect();
        Endpoint::Pod(Arc::new(Pod {
            namespace: kubezonnet_model::Namespace::new("shop").unwrap(),
            name: name(pod),
            uid: "uid".into(),
            workload: Arc::new(Workload {
                kind: name(kind),
                name: name("web"),
            }),
            node: Some(node_name("n1")),
            labels: Labels(Some(values.into())),
        }))
    };
    let network = Endpoint::Network(Arc::new(Network {
        name: name("orders-db"),
        kind: NetworkKind::ManagedDatabase,
        zone: Zone::new("b").ok(),
        zone_id: ZoneId::new("use1-b").ok(),
        region: Region::new("us-east-1").ok(),
        billed: Billed::Both,
    }));
    let service = Arc::new(Service {
        namespace: kubezonnet_model::Namespace::new("shop").unwrap(),
        name: name("db"),
    });
    ResolvedBatch {
        reporter: Reporter {
            node: Arc::clone(&node),
            site: site(Some("n1"), "a"),
        },
        window: Window {
            start: NOW.minus(WINDOW),
            end: NOW,
        },
        parties: vec![
            party(
                "10.67.1.1",
                pod("web-1", "Deployment", &[Some("checkout"), None]),
                site(Some("n1"), "a"),
            ),
            party(
                "10.66.0.1",
                pod("proxy-1", "DaemonSet", &[None, Some("c-7")]),
                site(Some("n1"), "a"),
            ),
            party("10.66.0.1", Endpoint::Node(node), site(Some("n1"), "a")),
            party("10.9.0.7", network, site(None, "b")),
            party(
                "10.96.0.1",
                Endpoint::Service(Arc::clone(&service)),
                Site::Unknown(UnknownReason::ServiceAddress),
            ),
            party("8.8.8.8", Endpoint::Internet, Site::Internet),
        ],
        services: vec![service],
        flows: Vec::new(),
        is_legacy: false,
    }
}

fn flow(source: u32, destination: u32, locality: Locality) -> ResolvedFlow {
    ResolvedFlow {
        source,
        destination,
        transport: Some(to_port(5432)),
        point: ObservationPoint {
            hook: Hook::Postrouting,
            input: InterfaceClass::Host,
            output: InterfaceClass::Uplink,
        },
        socket: None,
        service: None,
        counters: FlowCounters {
            bytes: 1000,
            packets: 1,
        },
        outcome: Outcome::Counted(Direction::Egress, locality),
    }
}

/// One flow for each thing that a line can say.
fn lines(format: Format) -> String {
    let batch = batch();
    let names = [name("team"), name("cost-centre")];
    let pod = SocketOwner::Pod(PodUid([7; 16]));
    let received = ResolvedFlow {
        socket: Some(SocketOwner::Unseen),
        point: ObservationPoint {
            hook: Hook::LocalIn,
            input: InterfaceClass::Uplink,
            output: InterfaceClass::Host,
        },
        outcome: Outcome::Counted(Direction::Ingress, Locality::Internet),
        ..flow(5, 2, Locality::Internet)
    };
    let flows = [
        flow(0, 3, Locality::CrossZone),
        ResolvedFlow {
            socket: Some(pod),
            ..flow(1, 3, Locality::CrossZone)
        },
        ResolvedFlow {
            socket: Some(SocketOwner::System),
            ..flow(2, 5, Locality::Internet)
        },
        received,
        ResolvedFlow {
            service: Some(0),
            ..flow(0, 1, Locality::SameNode)
        },
        ResolvedFlow {
            service: Some(0),
            ..flow(0, 4, Locality::Unknown(UnknownReason::ServiceAddress))
        },
    ];
    let mut text = Vec::new();
    for flow in &flows {
        Line::of(&batch, flow, &names).render(format, &mut text);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn each_end_is_told_with_all_that_is_known_of_it() {
    insta::assert_snapshot!("json", lines(Format::Json));
    insta::assert_snapshot!("text", lines(Format::Text));
}

#[test]
fn the_page_tells_every_field() {
    let page = include_str!("../../../../../../docs/flow-log.md");
    let mut fields = Vec::new();
    for line in lines(Format::Json).lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let object = value.as_object().unwrap();
        fields.extend(object.keys().cloned());
        for side in ["source", "destination"] {
            fields.extend(object[side].as_object().unwrap().keys().cloned());
        }
    }
    fields.sort_unstable();
    fields.dedup();

    assert!(fields.len() > 20, "{fields:?}");
    for field in fields {
        let row = format!("| `{field}` |");
        assert!(page.contains(&row), "{row} is not in docs/flow-log.md");
    }
}
