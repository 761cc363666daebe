//! Whatever happens, pods that change their node and forgetting in the middle included: an index that
//! does what is left to do in the smallest portions answers as one that does it in one go.

use std::net::{IpAddr, Ipv4Addr};

use kubezonnet_model::{Name, Namespace, NodeName, Timestamp, Window, Workload};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{NamespaceState, OwnerKind, OwnerState, PodState, TopologyIndex};

const PODS: u8 = 6;
const ADDRESSES: u8 = 4;

/// A pod by number: its node, its address, and whether it leaves or has completed.
type Told = (u8, u8, u8, bool, bool);

#[derive(Debug, Clone)]
enum Event {
    Pod(Told),
    Gone(u8),
    Pods(Vec<Told>),
    Owner(u8),
    Labels(u8),
    Prune(u64),
}

fn told() -> impl Strategy<Value = Told> {
    let flag = || prop::bool::weighted(0.2);
    (0..PODS, 0..3_u8, 0..ADDRESSES, flag(), flag())
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => told().prop_map(Event::Pod),
        2 => (0..PODS).prop_map(Event::Gone),
        3 => vec(told(), 0..6).prop_map(Event::Pods),
        2 => (0..3_u8).prop_map(Event::Owner),
        2 => (0..3_u8).prop_map(Event::Labels),
        2 => (0..20_u64).prop_map(Event::Prune),
    ]
}

fn ip(address: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, address + 1).into()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn pod((number, node, address, leaving, completed): Told) -> PodState {
    let namespace = Namespace::new("shop").unwrap();
    PodState {
        node: NodeName::new(format!("n{node}")).ok(),
        addresses: vec![ip(address)],
        controller: Some("owner".to_owned()),
        leaving,
        completed,
        ..PodState::new(namespace, name(&format!("p{number}")), format!("{number}"))
    }
}

/// Tells the index, and does what is left to do, in such portions.
fn tell(index: &mut TopologyIndex, event: &Event, now: u64, portion: usize) {
    let at = Timestamp(now);
    match event {
        Event::Pod(told) => index.apply_pod(pod(*told), at),
        Event::Gone(number) => index.delete_pod(&number.to_string(), at),
        Event::Pods(pods) => {
            index.begin_pods(at);
            for told in pods {
                index.apply_pod(pod(*told), at);
            }
            index.end_pods_later();
        }
        Event::Owner(top) => index.apply_owner_later(OwnerState {
            kind: OwnerKind::ReplicaSet,
            uid: "owner".to_owned(),
            workload: Workload {
                kind: name("Deployment"),
                name: name(&format!("top-{top}")),
            },
        }),
        Event::Labels(team) => index.apply_namespace_later(NamespaceState {
            name: Namespace::new("shop").unwrap(),
            labels: [Some(name(&format!("team-{team}")))].into(),
        }),
        Event::Prune(before) => while index.prune_some(Timestamp(*before), portion) {},
    }
    while index.work(portion) {}
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn in_portions_all_is_as_in_one_go(events in vec(event(), 1..20)) {
        let (mut whole, mut parts) = (TopologyIndex::new(), TopologyIndex::new());
        for (now, event) in (1..).zip(&events) {
            tell(&mut whole, event, now, usize::MAX);
            tell(&mut parts, event, now, 1);

            prop_assert_eq!(whole.sizes(), parts.sizes());
            for address in (0..ADDRESSES).map(ip) {
                for start in 0..=now {
                    for end in start..=now + 1 {
                        let window = Window { start: Timestamp(start), end: Timestamp(end) };
                        prop_assert_eq!(
                            whole.holder(address, window),
                            parts.holder(address, window),
                            "{} from {} to {}", address, start, end
                        );
                    }
                }
            }
        }
    }
}
