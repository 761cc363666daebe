//! The cluster: ten pods a workload, thirty a node, both families, three revisions of each
//! Deployment, a Service for each, two labels kept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kubezonnet_model::{
    InvalidName, Name, Namespace, NodeName, Protocol, Region, Service, Timestamp, Workload, Zone,
};
use kubezonnet_topology::{
    EndpointPort, EndpointSliceState, EndpointState, KeptLabel, KeptLabels, NamespaceState,
    NodeState, OwnerKind, OwnerState, PodState, ServiceState, Topology, TopologyIndex,
};

use crate::Outcome;

pub(crate) const PODS: u32 = 150_000;
const PODS_OF_A_NODE: u32 = 30;
const PODS_OF_A_WORKLOAD: u32 = 10;
const REVISIONS: u32 = 3;
const NAMESPACES: u32 = 200;

/// When everything was listed.
pub(crate) const START: Timestamp = Timestamp(1_000);

/// A topology that keeps two labels and knows nothing.
pub(crate) fn empty() -> Outcome<Topology> {
    let labels = KeptLabels::new([KeptLabel::team("team")?, "app=app".parse()?])?;
    Ok(Topology::keeping(labels))
}

/// What is listed before the pods.
pub(crate) fn tell_surroundings(topology: &Topology) -> Outcome {
    topology.tell(|index| index.begin_nodes(START));
    for node in 0..PODS / PODS_OF_A_NODE {
        let state = NodeState {
            name: node_name(node)?,
            uid: uid(9, node),
            zone: Some(Zone::new(format!("eu-central-1{}", node % 3))?),
            zone_id: None,
            region: Some(Region::new("eu-central-1")?),
            provider_id: None,
            can_run_agent: true,
            pod_cidrs: Vec::new(),
            addresses: vec![Ipv4Addr::from(0xC0A8_0000 + node).into()],
        };
        topology.tell(|index| index.apply_node(state, START));
    }
    topology.tell(TopologyIndex::end_nodes);
    for number in 0..NAMESPACES {
        let name = namespace(number)?;
        let labels = [Some(Name::new(format!("team-{}", number % 20))?), None].into();
        topology.tell(|index| index.apply_namespace_later(NamespaceState { name, labels }));
    }
    for set in 0..PODS / PODS_OF_A_WORKLOAD * REVISIONS {
        let state = OwnerState {
            kind: OwnerKind::ReplicaSet,
            uid: uid(7, set),
            workload: Workload {
                kind: Name::new("Deployment")?,
                name: Name::new(format!("service-{}", set / REVISIONS))?,
            },
        };
        topology.tell(|index| index.apply_owner_later(state));
    }
    Ok(())
}

/// Everything that is listed, but for the Services.
pub(crate) fn tell_all(topology: &Topology) -> Outcome {
    tell_surroundings(topology)?;
    topology.tell(|index| index.begin_pods(START));
    for pod in 0..PODS {
        let state = pod_state(pod)?;
        topology.tell(|index| index.apply_pod(state, START));
    }
    topology.tell(TopologyIndex::end_pods_later);
    Ok(())
}

/// A Service a workload, with a slice for each family.
pub(crate) fn tell_services(topology: &Topology) -> Outcome {
    for number in 0..PODS / PODS_OF_A_WORKLOAD {
        let service = Service {
            namespace: namespace(number % NAMESPACES)?,
            name: Name::new(format!("service-{number}"))?,
        };
        let state = ServiceState {
            service: service.clone(),
            uid: uid(5, number),
            addresses: vec![service_address(number)],
            external: Vec::new(),
        };
        topology.tell(|index| index.apply_service(state));
        for (family, address) in [pod_v4 as fn(u32) -> IpAddr, pod_v6]
            .into_iter()
            .enumerate()
        {
            let first = number * PODS_OF_A_WORKLOAD;
            let endpoints = (first..first + PODS_OF_A_WORKLOAD).map(|pod| {
                Ok(EndpointState {
                    address: address(pod),
                    node: Some(node_name(pod / PODS_OF_A_NODE)?),
                    is_ready: true,
                })
            });
            let state = EndpointSliceState {
                uid: uid(if family == 0 { 3 } else { 4 }, number),
                service: service.clone(),
                endpoints: endpoints.collect::<Result<_, InvalidName>>()?,
                ports: vec![EndpointPort {
                    protocol: Protocol::TCP,
                    number: Some(8080),
                }],
            };
            topology.tell(|index| index.apply_endpoints(state));
        }
    }
    Ok(())
}

pub(crate) fn pod_state(pod: u32) -> Outcome<PodState> {
    let workload = pod / PODS_OF_A_WORKLOAD;
    let name = Name::new(format!("service-{workload}-5d9c7b6f48-{pod:05x}"))?;
    Ok(PodState {
        node: Some(node_name(pod / PODS_OF_A_NODE)?),
        workload: Some(Workload {
            kind: Name::new("Deployment")?,
            name: Name::new(format!("service-{workload}"))?,
        }),
        controller: Some(uid(7, workload * REVISIONS)),
        labels: [None, Some(Name::new(format!("app-{}", workload % 1_000))?)].into(),
        addresses: vec![pod_v4(pod), pod_v6(pod)],
        created: Some(Timestamp(500)),
        ..PodState::new(namespace(workload % NAMESPACES)?, name, uid(8, pod))
    })
}

/// The pod that follows another: its address is the same, all else is not.
pub(crate) fn successor(pod: u32, now: Timestamp) -> Outcome<PodState> {
    let before = pod_state(pod)?;
    Ok(PodState {
        name: Name::new(format!("{}-b", before.name))?,
        uid: uid(2, pod),
        created: Some(now),
        ..before
    })
}

/// A UUID, one for each number of each kind.
pub(crate) fn uid(kind: u32, number: u32) -> String {
    let mixed = number.wrapping_mul(2_654_435_761);
    format!("{mixed:08x}-0000-4000-800{kind}-{number:012x}")
}

pub(crate) fn namespace(number: u32) -> Result<Namespace, InvalidName> {
    Namespace::new(format!("namespace-{number}"))
}

fn node_name(node: u32) -> Result<NodeName, InvalidName> {
    NodeName::new(format!("ip-10-0-{}-{}.internal", node / 250, node % 250))
}

pub(crate) fn pod_v4(pod: u32) -> IpAddr {
    Ipv4Addr::from(0x0A00_0000 + pod).into()
}

pub(crate) fn pod_v6(pod: u32) -> IpAddr {
    Ipv6Addr::from(0xFD00_0000_0000_0000_0000_0000_0000_0000 + u128::from(pod)).into()
}

pub(crate) fn service_address(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0B00_0000 + number).into()
}
