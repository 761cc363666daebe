//! For any history, the index answers as a model does that is too slow to be wrong: a table of
//! who had each address in each tick.
#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use kubezonnet_model::{Endpoint, Name, Namespace, NodeName, Timestamp, Window, Zone};
use kubezonnet_topology::{Holder, NodeState, PodState, TopologyIndex};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use self::model::{Answer, Event, Model, Told, Who};

mod model;

const ADDRESSES: u8 = 4;
const PODS: u8 = 5;
const NODES: u8 = 3;

fn addresses() -> impl Strategy<Value = BTreeSet<u8>> {
    btree_set(0..ADDRESSES, 0..3)
}

fn told() -> impl Strategy<Value = Told> {
    let flag = || prop::bool::weighted(0.2);
    let created = prop::option::of(0..6u8);
    (addresses(), flag(), flag(), created).prop_map(
        |(addresses, completed, leaving, created_before)| Told {
            addresses,
            completed,
            leaving,
            created_before,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..PODS, told()).prop_map(|(pod, told)| Event::Pod(pod, told)),
        2 => (0..PODS).prop_map(Event::PodGone),
        1 => btree_map(0..PODS, told(), 0..4).prop_map(Event::Pods),
        2 => (0..NODES, addresses()).prop_map(|(node, held)| Event::Node(node, held)),
        1 => (0..NODES).prop_map(Event::NodeGone),
        1 => btree_map(0..NODES, addresses(), 0..3).prop_map(Event::Nodes),
        2 => Just(Event::Nothing),
    ]
}

fn ip(address: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, address + 1).into()
}

fn pod_state(pod: u8, told: &Told, now: u64) -> PodState {
    let namespace = Namespace::new("shop").unwrap();
    let name = Name::new(format!("{pod}")).unwrap();
    PodState {
        node: NodeName::new("0").ok(),
        addresses: told.addresses.iter().copied().map(ip).collect(),
        completed: told.completed,
        leaving: told.leaving,
        created: told
            .created_before
            .map(|before| Timestamp(now.saturating_sub(before.into()))),
        ..PodState::new(namespace, name, format!("pod-{pod}"))
    }
}

fn node_state(node: u8, addresses: &BTreeSet<u8>) -> NodeState {
    NodeState {
        name: NodeName::new(format!("{node}")).unwrap(),
        uid: format!("node-{node}"),
        zone: Zone::new("zone-a").ok(),
        zone_id: None,
        region: None,
        provider_id: None,
        can_run_agent: true,
        pod_cidrs: Vec::new(),
        addresses: addresses.iter().copied().map(ip).collect(),
    }
}

/// Tells the index; lists in the order given or the reverse.
fn tell(index: &mut TopologyIndex, event: &Event, now: u64, reversed: bool) {
    let at = Timestamp(now);
    match event {
        Event::Pod(pod, told) => index.apply_pod(pod_state(*pod, told, now), at),
        Event::PodGone(pod) => index.delete_pod(&format!("pod-{pod}"), at),
        Event::Pods(pods) => {
            let states = pods.iter().map(|(pod, told)| pod_state(*pod, told, now));
            let mut states: Vec<_> = states.collect();
            if reversed {
                states.reverse();
            }
            index.reset_pods(states, at);
        }
        Event::Node(node, addresses) => index.apply_node(node_state(*node, addresses), at),
        Event::NodeGone(node) => {
            let name = NodeName::new(format!("{node}")).unwrap();
            index.delete_node(&name, &format!("node-{node}"), at);
        }
        Event::Nodes(nodes) => {
            let states = nodes.iter().map(|(node, held)| node_state(*node, held));
            let mut states: Vec<_> = states.collect();
            if reversed {
                states.reverse();
            }
            index.reset_nodes(states, at);
        }
        Event::Nothing => {}
    }
}

fn ask(index: &TopologyIndex, address: u8, start: u64, end: u64) -> Answer {
    let window = Window {
        start: Timestamp(start),
        end: Timestamp(end),
    };
    match index.holder(ip(address), window) {
        Holder::Held { endpoint, .. } => match endpoint {
            Endpoint::Pod(pod) => Answer::Held(Who::Pod(pod.name.as_str().parse().unwrap())),
            Endpoint::Node(node) => Answer::Held(Who::Node(node.name.as_str().parse().unwrap())),
            other => panic!("the index names pods and nodes only, got {other:?}"),
        },
        Holder::Reused => Answer::Reused,
        Holder::Nobody => Answer::Nobody,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_index_answers_as_the_model(
        events in vec(event(), 1..20),
        reversed in any::<bool>(),
        pruned in prop::option::of(0..20u64),
    ) {
        let mut model = Model::default();
        let mut index = TopologyIndex::new();
        for event in &events {
            tell(&mut index, event, model.now(), reversed);
            model.happen(event);
        }
        let pruned = pruned.unwrap_or(0);
        index.prune(Timestamp(pruned));

        // What begins before the pruned time may be forgotten, the rest not.
        for address in 0..ADDRESSES {
            for start in pruned..=model.now() {
                for end in start..=model.now() + 1 {
                    let answer = ask(&index, address, start, end);
                    let expected = model.answer(address, start, end);
                    prop_assert_eq!(answer, expected, "{} from {} to {}", ip(address), start, end);
                }
            }
        }
        let all: Vec<IpAddr> = (0..ADDRESSES).map(ip).collect();
        let window = Window { start: Timestamp(pruned), end: Timestamp(model.now()) };
        let at_once: Vec<_> = index.find_all(&all, window).collect();
        let one_by_one: Vec<_> = all.iter().map(|address| index.find(*address, window)).collect();
        prop_assert_eq!(at_once, one_by_one);
        let held = model.held.len();
        prop_assert_eq!(index.sizes().addresses, held);
        prop_assert_eq!(index.sizes().pods, model.running.len());
        prop_assert_eq!(index.sizes().nodes, model.nodes.len());

        // What has ended can all be forgotten; what lasts can not.
        index.prune(Timestamp(u64::MAX - 1));
        prop_assert_eq!(index.sizes().past, 0);
        prop_assert_eq!(index.sizes().addresses, held);
    }
}
