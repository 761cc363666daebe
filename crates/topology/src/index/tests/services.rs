//! Services: whose an address is, where its endpoints are, and whose an endpoint is.

use std::net::IpAddr;

use kubezonnet_model::{
    Name, Namespace, NodeName, Protocol, Service, Site, Timestamp, UnknownReason,
};

use super::node;
use crate::{EndpointPort, EndpointSliceState, EndpointState, ServiceState, TopologyIndex};

const SHARED: &str = "203.0.113.7";

fn service(name: &str) -> Service {
    Service {
        namespace: Namespace::new("shop").unwrap(),
        name: Name::new(name).unwrap(),
    }
}

fn state(name: &str, addresses: &[&str]) -> ServiceState {
    ServiceState {
        service: service(name),
        uid: format!("uid-of-{name}"),
        addresses: addresses.iter().map(|it| it.parse().unwrap()).collect(),
        external: Vec::new(),
    }
}

/// An address, its node or nothing, and whether it is ready.
type Listed = (&'static str, &'static str, bool);

fn slice(name: &str, endpoints: &[Listed], ports: &[(Protocol, u16)]) -> EndpointSliceState {
    let endpoints = endpoints
        .iter()
        .map(|(address, node, is_ready)| EndpointState {
            address: address.parse().unwrap(),
            node: NodeName::new(node).ok(),
            is_ready: *is_ready,
        });
    let ports = ports.iter().map(|(protocol, number)| EndpointPort {
        protocol: *protocol,
        number: Some(*number).filter(|number| *number > 0),
    });
    EndpointSliceState {
        uid: format!("slice-of-{name}"),
        service: service(name),
        endpoints: endpoints.collect(),
        ports: ports.collect(),
    }
}

/// Nodes 1 and 2 in zone a, 3 in zone b, 4 in another region, 5 without labels.
fn cluster() -> TopologyIndex {
    let mut index = TopologyIndex::new();
    for (name, zone, region) in [
        ("n1", "a", "region-1"),
        ("n2", "a", "region-1"),
        ("n3", "b", "region-1"),
        ("n4", "c", "region-2"),
        ("n5", "", ""),
    ] {
        let state = crate::NodeState {
            region: kubezonnet_model::Region::new(region).ok(),
            ..node(name, zone, "")
        };
        index.apply_node(state, Timestamp(1));
    }
    index.apply_service(state("web", &["10.96.0.7"]));
    index
}

/// The site of the Service, as node, zone and region; `unknown` if its endpoints share none.
fn site(index: &TopologyIndex) -> String {
    match index.service_at("10.96.0.7".parse().unwrap()).unwrap().1 {
        Site::Unknown(UnknownReason::ServiceAddress) => "unknown".to_owned(),
        site => {
            let node = site.node().map_or("-", NodeName::as_str);
            let zone = site.zone().map_or("-", |zone| zone.as_str());
            let region = site.region().map_or("-", |region| region.as_str());
            format!("{node} {zone} {region}")
        }
    }
}

fn at(index: &TopologyIndex, address: &str) -> Option<String> {
    let (service, _) = index.service_at(address.parse().unwrap())?;
    Some(service.name.to_string())
}

fn of(index: &TopologyIndex, address: &str, protocol: Protocol, port: u16) -> Option<String> {
    let address: IpAddr = address.parse().unwrap();
    let service = index.service_of(address, protocol, port)?;
    Some(service.name.to_string())
}

#[test]
fn an_address_outside_of_the_cluster_takes_none_in_it_from_another_service() {
    let mut index = cluster();
    let other = ServiceState {
        external: vec!["10.96.0.7".parse().unwrap(), SHARED.parse().unwrap()],
        ..state("other", &["10.96.0.8"])
    };
    let outside = |index: &TopologyIndex, address: &str| {
        let service = index.external_service_at(address.parse().unwrap())?;
        Some(service.name.to_string())
    };

    index.apply_service(other.clone());
    assert_eq!(at(&index, "10.96.0.7").as_deref(), Some("web"));
    assert_eq!(at(&index, SHARED), None);
    assert_eq!(outside(&index, SHARED).as_deref(), Some("other"));
    assert_eq!(outside(&index, "10.96.0.8"), None);

    index.apply_service(ServiceState {
        external: Vec::new(),
        ..other
    });
    assert_eq!(outside(&index, SHARED), None);
}

#[test]
fn a_service_is_where_all_its_ready_endpoints_are() {
    let tcp = [(Protocol::TCP, 80)];
    let cases: [(&[Listed], &str); 9] = [
        (&[], "unknown"),
        (
            &[("10.1.0.1", "n1", true), ("10.1.0.2", "n1", true)],
            "n1 a region-1",
        ),
        (
            &[("10.1.0.1", "n1", true), ("10.1.0.2", "n2", true)],
            "- a region-1",
        ),
        (
            &[("10.1.0.1", "n1", true), ("10.1.0.2", "n3", true)],
            "- - region-1",
        ),
        (
            &[("10.1.0.1", "n1", true), ("10.1.0.2", "n4", true)],
            "unknown",
        ),
        (
            &[("10.1.0.1", "n1", true), ("10.1.0.2", "n4", false)],
            "n1 a region-1",
        ),
        (
            &[("10.1.0.1", "n1", true), ("10.1.0.2", "n5", true)],
            "unknown",
        ),
        (
            &[("10.1.0.1", "n5", true), ("10.1.0.2", "n5", true)],
            "n5 - -",
        ),
        (
            &[("10.1.0.1", "n1", true), ("10.1.0.2", "", true)],
            "unknown",
        ),
    ];
    for (endpoints, expected) in cases {
        let mut index = cluster();
        index.apply_endpoints(slice("web", endpoints, &tcp));

        assert_eq!(site(&index), expected, "{endpoints:?}");
    }
}

#[test]
fn where_a_service_is_follows_its_endpoints_and_their_nodes() {
    let mut index = cluster();
    let tcp = [(Protocol::TCP, 80)];
    index.apply_endpoints(slice("web", &[("10.1.0.1", "n1", true)], &tcp));
    assert_eq!(site(&index), "n1 a region-1");

    index.apply_endpoints(slice(
        "web",
        &[("10.1.0.1", "n1", true), ("10.1.0.2", "n3", true)],
        &tcp,
    ));
    assert_eq!(site(&index), "- - region-1");

    index.apply_node(node("n3", "a", ""), Timestamp(5));
    assert_eq!(site(&index), "- a region-1");

    index.delete_endpoints("slice-of-web");
    assert_eq!(site(&index), "unknown");
}

#[test]
fn a_service_that_is_gone_has_its_address_until_it_is_pruned_or_another_has_it() {
    let mut index = cluster();
    index.delete_service(&service("web"), "uid-of-web", Timestamp(20));
    assert_eq!(at(&index, "10.96.0.7").as_deref(), Some("web"));
    assert_eq!(index.sizes().services, 0);

    index.apply_service(state("api", &["10.96.0.7"]));
    assert_eq!(at(&index, "10.96.0.7").as_deref(), Some("api"));
    index.delete_service(&service("api"), "uid-of-api", Timestamp(30));
    assert_eq!(at(&index, "10.96.0.7").as_deref(), Some("api"));

    index.prune(Timestamp(31));
    assert_eq!(at(&index, "10.96.0.7"), None);
}

#[test]
fn a_service_made_anew_is_not_ended_by_the_end_of_the_one_before() {
    let mut index = cluster();
    let again = ServiceState {
        uid: "another".to_owned(),
        ..state("web", &["10.96.0.8"])
    };

    index.apply_service(again);
    index.delete_service(&service("web"), "uid-of-web", Timestamp(20));
    index.prune(Timestamp(100));

    assert_eq!(at(&index, "10.96.0.7"), None);
    assert_eq!(at(&index, "10.96.0.8").as_deref(), Some("web"));
}

#[test]
fn an_address_that_several_services_share_names_none() {
    let mut index = cluster();
    index.apply_service(state("tcp", &["10.96.0.8", SHARED]));
    index.apply_service(state("udp", &["10.96.0.9", SHARED]));
    assert_eq!(at(&index, SHARED), None);
    assert_eq!(at(&index, "10.96.0.9").as_deref(), Some("udp"));

    index.apply_service(state("udp", &["10.96.0.9"]));
    assert_eq!(at(&index, SHARED).as_deref(), Some("tcp"));
}

#[test]
fn an_endpoint_is_of_the_service_that_has_its_port() {
    let mut index = cluster();
    let one = [("10.1.0.1", "n1", false)];
    index.apply_endpoints(slice(
        "web",
        &one,
        &[(Protocol::TCP, 80), (Protocol::TCP, 443)],
    ));
    index.apply_endpoints(slice("dns", &one, &[(Protocol::UDP, 53)]));
    index.apply_endpoints(slice(
        "any",
        &[("10.1.0.2", "n1", true)],
        &[(Protocol::TCP, 0)],
    ));

    assert_eq!(
        of(&index, "10.1.0.1", Protocol::TCP, 443).as_deref(),
        Some("web")
    );
    assert_eq!(
        of(&index, "10.1.0.1", Protocol::UDP, 53).as_deref(),
        Some("dns")
    );
    assert_eq!(of(&index, "10.1.0.1", Protocol::UDP, 80), None);
    assert_eq!(
        of(&index, "10.1.0.2", Protocol::TCP, 9).as_deref(),
        Some("any")
    );
    assert_eq!(of(&index, "10.1.0.3", Protocol::TCP, 80), None);

    // A second Service with the same endpoint: by which of them it was reached nobody can tell.
    index.apply_endpoints(slice("web-headless", &one, &[(Protocol::TCP, 80)]));
    assert_eq!(of(&index, "10.1.0.1", Protocol::TCP, 80), None);
    assert_eq!(
        of(&index, "10.1.0.1", Protocol::TCP, 443).as_deref(),
        Some("web")
    );
    index.delete_endpoints("slice-of-web-headless");
    assert_eq!(
        of(&index, "10.1.0.1", Protocol::TCP, 80).as_deref(),
        Some("web")
    );
}

#[test]
fn a_list_ends_services_and_endpoints_that_it_does_not_have() {
    let mut index = cluster();
    index.apply_endpoints(slice(
        "web",
        &[("10.1.0.1", "n1", true)],
        &[(Protocol::TCP, 80)],
    ));

    index.begin_services(Timestamp(20));
    index.apply_service(state("api", &["10.96.0.8"]));
    index.end_services();
    index.begin_endpoints(Timestamp(20));
    index.end_endpoints();

    assert_eq!(index.sizes().services, 1);
    assert_eq!(of(&index, "10.1.0.1", Protocol::TCP, 80), None);
    index.prune(Timestamp(21));
    assert_eq!(at(&index, "10.96.0.7"), None);
    assert_eq!(at(&index, "10.96.0.8").as_deref(), Some("api"));
}
