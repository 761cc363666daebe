//! For any history of pods, owners, namespaces and Services, pods belong to what a model says that is
//! too slow to be wrong, and Services have the addresses and endpoints that it says.
#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use kubezonnet_model::{
    Name, Namespace, NodeName, PodUid, Protocol, Service, Timestamp, Window, Workload,
};
use kubezonnet_topology::{
    EndpointPort, EndpointSliceState, EndpointState, NamespaceState, OwnerKind, OwnerState,
    PodState, ServiceState, TopologyIndex,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

const PODS: u8 = 6;
const OWNERS: u8 = 3;
const NAMESPACES: u8 = 2;
const SERVICES: u8 = 3;
const SLICES: u8 = 4;
const ADDRESSES: u8 = 4;

/// What happens in a tick.
#[derive(Debug, Clone)]
enum Event {
    /// A pod runs, with a label of its own or without.
    Pod(u8, Option<u8>),
    Completed(u8),
    PodGone(u8),
    /// These pods, without labels, and no others.
    Pods(BTreeSet<u8>),
    /// An owner has this owner.
    Owner(u8, u8),
    OwnerGone(u8),
    Owners(BTreeMap<u8, u8>),
    Namespace(u8, Option<u8>),
    NamespaceGone(u8),
    Service(u8, BTreeSet<u8>),
    ServiceGone(u8),
    Services(BTreeMap<u8, BTreeSet<u8>>),
    Slice(u8, u8, BTreeSet<u8>),
    SliceGone(u8),
}

fn event() -> impl Strategy<Value = Event> {
    let pod = || 0..PODS;
    let label = || prop::option::of(0..3u8);
    let addresses = || btree_set(0..ADDRESSES, 0..3);
    prop_oneof![
        4 => (pod(), label()).prop_map(|(pod, label)| Event::Pod(pod, label)),
        1 => pod().prop_map(Event::Completed),
        1 => pod().prop_map(Event::PodGone),
        1 => btree_set(pod(), 0..5).prop_map(Event::Pods),
        3 => (0..OWNERS, 0..3u8).prop_map(|(owner, top)| Event::Owner(owner, top)),
        1 => (0..OWNERS).prop_map(Event::OwnerGone),
        1 => btree_map(0..OWNERS, 0..3u8, 0..3).prop_map(Event::Owners),
        2 => (0..NAMESPACES, label()).prop_map(|(name, label)| Event::Namespace(name, label)),
        1 => (0..NAMESPACES).prop_map(Event::NamespaceGone),
        2 => (0..SERVICES, addresses()).prop_map(|(service, held)| Event::Service(service, held)),
        1 => (0..SERVICES).prop_map(Event::ServiceGone),
        1 => btree_map(0..SERVICES, addresses(), 0..3).prop_map(Event::Services),
        3 => (0..SLICES, 0..SERVICES, addresses())
            .prop_map(|(slice, service, held)| Event::Slice(slice, service, held)),
        1 => (0..SLICES).prop_map(Event::SliceGone),
    ]
}

/// A pod that was told of, whatever became of it.
#[derive(Debug, Clone)]
struct Known {
    workload: String,
    own: Option<u8>,
    label: Option<u8>,
    is_running: bool,
}

#[derive(Default)]
struct Model {
    pods: BTreeMap<u8, Known>,
    /// Pods that went before they were told of.
    gone: BTreeSet<u8>,
    owners: BTreeMap<u8, u8>,
    labels: BTreeMap<u8, u8>,
    /// Who has which addresses, and when it went if it did.
    services: BTreeMap<u8, (BTreeSet<u8>, Option<u64>)>,
    slices: BTreeMap<u8, (u8, BTreeSet<u8>)>,
    now: u64,
}

/// What every pod's controller and namespace are.
fn owner_of(pod: u8) -> u8 {
    pod % OWNERS
}

fn namespace_of(pod: u8) -> u8 {
    pod % NAMESPACES
}

fn is_in(address: u8, addresses: &BTreeSet<u8>) -> bool {
    addresses.contains(&address)
}

impl Model {
    fn happen(&mut self, event: &Event) {
        match event {
            Event::Pod(pod, own) => self.pod(*pod, *own, true, false),
            Event::Completed(pod) => self.pod(*pod, None, false, false),
            Event::PodGone(pod) => self.pod_gone(*pod),
            Event::Pods(pods) => {
                for pod in pods {
                    self.pod(*pod, None, true, true);
                }
                let known: Vec<_> = self.pods.keys().copied().collect();
                for pod in known.iter().filter(|pod| !pods.contains(pod)) {
                    self.pod_gone(*pod);
                }
            }
            Event::Owner(owner, top) => self.owner(*owner, *top),
            Event::Owners(owners) => {
                for (owner, top) in owners {
                    self.owner(*owner, *top);
                }
            }
            // What it said stays true.
            Event::OwnerGone(_) => {}
            Event::Namespace(name, label) => {
                self.labels.remove(name);
                self.labels.extend(label.map(|label| (*name, label)));
                for (_, pod) in self
                    .pods
                    .iter_mut()
                    .filter(|it| namespace_of(*it.0) == *name)
                {
                    pod.label = pod.own.or(*label);
                }
            }
            Event::NamespaceGone(name) => {
                if !self.pods.keys().any(|pod| namespace_of(*pod) == *name) {
                    self.labels.remove(name);
                }
            }
            Event::Service(service, addresses) => {
                self.services.insert(*service, (addresses.clone(), None));
            }
            Event::ServiceGone(service) => self.service_gone(*service),
            Event::Services(services) => {
                for (service, addresses) in services {
                    self.services.insert(*service, (addresses.clone(), None));
                }
                for service in (0..SERVICES).filter(|it| !services.contains_key(it)) {
                    self.service_gone(service);
                }
            }
            Event::Slice(slice, service, addresses) => {
                self.slices.insert(*slice, (*service, addresses.clone()));
            }
            Event::SliceGone(slice) => {
                self.slices.remove(slice);
            }
        }
        self.now += 1;
    }

    fn pod(&mut self, pod: u8, own: Option<u8>, is_running: bool, is_listed: bool) {
        let known = self.pods.get(&pod);
        let is_over = known.is_some_and(|known| !known.is_running) || self.gone.contains(&pod);
        if is_over && !is_listed {
            return;
        }
        self.gone.remove(&pod);
        let top = self
            .owners
            .get(&owner_of(pod))
            .map(|top| format!("top-{top}"));
        let before = known.map(|known| known.workload.clone());
        let known = Known {
            workload: top.or(before).unwrap_or_else(|| format!("pod-{pod}")),
            own,
            label: own.or_else(|| self.labels.get(&namespace_of(pod)).copied()),
            is_running,
        };
        self.pods.insert(pod, known);
    }

    fn pod_gone(&mut self, pod: u8) {
        match self.pods.get_mut(&pod) {
            Some(known) => known.is_running = false,
            None => {
                self.gone.insert(pod);
            }
        }
    }

    fn owner(&mut self, owner: u8, top: u8) {
        self.owners.insert(owner, top);
        for (_, pod) in self.pods.iter_mut().filter(|it| owner_of(*it.0) == owner) {
            pod.workload = format!("top-{top}");
        }
    }

    fn service_gone(&mut self, service: u8) {
        if let Some((_, gone)) = self.services.get_mut(&service)
            && gone.is_none()
        {
            *gone = Some(self.now);
        }
    }

    /// Of several that went together any may be named.
    fn services_at(&self, address: u8) -> BTreeSet<u8> {
        let holders = self.services.iter().filter(|it| is_in(address, &it.1.0));
        let (live, gone): (Vec<_>, Vec<_>) = holders.partition(|it| it.1.1.is_none());
        match *live {
            [] => {
                let last = gone.iter().map(|it| it.1.1).max();
                let last = gone.iter().filter(|it| Some(it.1.1) == last);
                last.map(|it| *it.0).collect()
            }
            [one] => [*one.0].into(),
            _ => BTreeSet::new(),
        }
    }

    fn service_of(&self, address: u8) -> Option<u8> {
        let slices = self.slices.values().filter(|it| is_in(address, &it.1));
        let services: BTreeSet<u8> = slices.map(|it| it.0).collect();
        services.first().copied().filter(|_| services.len() == 1)
    }
}

fn name(text: impl AsRef<str>) -> Name {
    Name::new(text).unwrap()
}

fn namespace(number: u8) -> Namespace {
    Namespace::new(format!("namespace-{number}")).unwrap()
}

fn uid(pod: u8) -> String {
    format!("{pod:032x}")
}

fn ip(address: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, address + 1).into()
}

fn labels(label: Option<u8>) -> Box<[Option<Name>]> {
    [label.map(|label| name(format!("label-{label}")))].into()
}

fn service(number: u8) -> Service {
    Service {
        namespace: namespace(0),
        name: name(format!("{number}")),
    }
}

fn pod_state(pod: u8, own: Option<u8>, completed: bool) -> PodState {
    PodState {
        controller: Some(format!("owner-{}", owner_of(pod))),
        workload: Some(Workload {
            kind: name("Deployment"),
            name: name(format!("pod-{pod}")),
        }),
        labels: labels(own),
        completed,
        node: NodeName::new("node-a").ok(),
        ..PodState::new(
            namespace(namespace_of(pod)),
            name(format!("{pod}")),
            uid(pod),
        )
    }
}

fn owner_state(owner: u8, top: u8) -> OwnerState {
    OwnerState {
        kind: OwnerKind::ReplicaSet,
        uid: format!("owner-{owner}"),
        workload: Workload {
            kind: name("Deployment"),
            name: name(format!("top-{top}")),
        },
    }
}

fn service_state(number: u8, addresses: &BTreeSet<u8>) -> ServiceState {
    ServiceState {
        service: service(number),
        uid: format!("service-{number}"),
        addresses: addresses.iter().copied().map(ip).collect(),
        external: Vec::new(),
    }
}

fn tell(index: &mut TopologyIndex, event: &Event, now: u64) {
    let at = Timestamp(now);
    match event {
        Event::Pod(pod, own) => index.apply_pod(pod_state(*pod, *own, false), at),
        Event::Completed(pod) => index.apply_pod(pod_state(*pod, None, true), at),
        Event::PodGone(pod) => index.delete_pod(&uid(*pod), at),
        Event::Pods(pods) => {
            index.reset_pods(pods.iter().map(|pod| pod_state(*pod, None, false)), at);
        }
        Event::Owner(owner, top) => index.apply_owner(owner_state(*owner, *top)),
        Event::OwnerGone(owner) => index.delete_owner(&format!("owner-{owner}"), at),
        Event::Owners(owners) => {
            index.begin_owners(OwnerKind::ReplicaSet, at);
            for (owner, top) in owners {
                index.apply_owner(owner_state(*owner, *top));
            }
            index.end_owners(OwnerKind::ReplicaSet);
        }
        Event::Namespace(number, label) => index.apply_namespace(NamespaceState {
            name: namespace(*number),
            labels: labels(*label),
        }),
        Event::NamespaceGone(number) => index.delete_namespace(&namespace(*number)),
        Event::Service(number, held) => index.apply_service(service_state(*number, held)),
        Event::ServiceGone(number) => {
            index.delete_service(&service(*number), &format!("service-{number}"), at);
        }
        Event::Services(services) => {
            index.begin_services(at);
            for (number, held) in services {
                index.apply_service(service_state(*number, held));
            }
            index.end_services();
        }
        Event::Slice(slice, number, held) => index.apply_endpoints(EndpointSliceState {
            uid: format!("slice-{slice}"),
            service: service(*number),
            endpoints: held
                .iter()
                .map(|address| EndpointState {
                    address: ip(*address),
                    node: NodeName::new("node-a").ok(),
                    is_ready: true,
                })
                .collect(),
            ports: vec![EndpointPort {
                protocol: Protocol::TCP,
                number: Some(80),
            }],
        }),
        Event::SliceGone(slice) => index.delete_endpoints(&format!("slice-{slice}")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn surroundings_are_as_the_model_says(events in vec(event(), 1..30)) {
        let mut model = Model::default();
        let mut index = TopologyIndex::new();
        for event in &events {
            tell(&mut index, event, model.now);
            model.happen(event);
        }
        let window = Window { start: Timestamp(0), end: Timestamp(model.now) };
        let anywhere = NodeName::new("anywhere").unwrap();

        for pod in 0..PODS {
            let found = index.pod_by_uid(PodUid::parse(&uid(pod)).unwrap(), window, &anywhere);
            let found = found.map(|(pod, _)| {
                (pod.workload.name.to_string(), pod.labels.get(0).map(ToString::to_string))
            });
            let known = model.pods.get(&pod);
            let expected = known.map(|known| {
                (known.workload.clone(), known.label.map(|label| format!("label-{label}")))
            });
            prop_assert_eq!(found, expected, "pod {}", pod);

            let runs = known.is_some_and(|known| known.is_running);
            let (space, own) = (format!("namespace-{}", namespace_of(pod)), pod.to_string());
            prop_assert_eq!(index.has_pod(&space, &own), runs, "pod {}", pod);
        }
        for (space, top) in (0..NAMESPACES).flat_map(|space| (0..3u8).map(move |top| (space, top))) {
            let top = format!("top-{top}");
            let is_of = |(pod, known): (&u8, &Known)| {
                namespace_of(*pod) == space && known.is_running && known.workload == top
            };
            let expected = model.pods.iter().any(is_of);
            let found = index.has_workload(namespace(space).as_str(), "Deployment", &top);
            prop_assert_eq!(found, expected, "{} in {}", top, space);
        }
        for address in 0..ADDRESSES {
            let found = index.service_at(ip(address)).map(|it| it.0.name.as_str().parse().unwrap());
            let expected = model.services_at(address);
            prop_assert!(found.map_or(expected.is_empty(), |found| expected.contains(&found)),
                "service at {}: {:?}, expected of {:?}", address, found, expected);
            let found = index.service_of(ip(address), Protocol::TCP, 80);
            let found = found.map(|service| service.name.as_str().parse().unwrap());
            prop_assert_eq!(found, model.service_of(address), "endpoint {}", address);
        }

        // What is over is forgotten, and nothing that is not.
        index.prune(Timestamp(u64::MAX - 1));
        for pod in 0..PODS {
            let runs = model.pods.get(&pod).is_some_and(|known| known.is_running);
            let found = index.pod_by_uid(PodUid::parse(&uid(pod)).unwrap(), window, &anywhere);
            prop_assert_eq!(found.is_some(), runs, "pod {}", pod);
        }
        let services = model.services.values().filter(|it| it.1.is_none());
        prop_assert_eq!(index.sizes().services, services.count());
    }
}
