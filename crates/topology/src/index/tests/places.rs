//! Where nodes were in a window: their labels change, and machines follow each other under one name.

use kubezonnet_model::{NodeName, PodUid, Timestamp, Window, Zone};
use proptest::prelude::*;

use super::{HOST, WEB, node, pod};
use crate::{Holder, NodeState, PodState, TopologyIndex};

/// A node as told at a time: on which machine, in which zone.
type Told = (u64, u8, Option<&'static str>);

/// A window, and the zone in it.
type Asked = (u64, u64, Option<&'static str>);

fn state(machine: u8, zone: Option<&str>) -> NodeState {
    NodeState {
        uid: format!("machine-{machine}"),
        ..node("node-a", zone.unwrap_or_default(), HOST)
    }
}

fn after(told: &[Told]) -> TopologyIndex {
    let mut index = TopologyIndex::new();
    index.apply_pod(pod("web", WEB), Timestamp(1));
    for (at, machine, zone) in told {
        index.apply_node(state(*machine, *zone), Timestamp(*at));
    }
    index
}

fn window(start: u64, end: u64) -> Window {
    Window {
        start: Timestamp(start),
        end: Timestamp(end),
    }
}

/// In which zone the pod was, the node and who reports, by all ways to ask.
fn zone(index: &TopologyIndex, start: u64, end: u64) -> Option<String> {
    let window = window(start, end);
    let zone = |address: &str| match index.holder(address.parse().unwrap(), window) {
        Holder::Held { site, .. } => site.zone().map(Zone::to_string),
        other => panic!("{address} is held, got {other:?}"),
    };
    let of_the_pod = zone(WEB);
    let node = index.node_in(&NodeName::new("node-a").unwrap(), window);
    let of_the_node = node
        .and_then(|node| node.zone.as_ref())
        .map(Zone::to_string);
    assert_eq!((&of_the_pod, &of_the_pod), (&of_the_node, &zone(HOST)));
    of_the_pod
}

#[test]
fn a_window_has_the_zone_that_was_told_then() {
    let cases: [(&str, &[Told], &[Asked]); 5] = [
        (
            "another zone on a live node",
            &[(10, 1, Some("a")), (30, 1, Some("b"))],
            &[
                (10, 20, Some("a")),
                (20, 30, Some("a")),
                (25, 35, Some("b")),
                (40, 50, Some("b")),
            ],
        ),
        (
            "a label that comes late was so all the time",
            &[(10, 1, None), (30, 1, Some("b"))],
            &[(10, 20, Some("b")), (40, 50, Some("b"))],
        ),
        (
            "a label that is taken away",
            &[(10, 1, Some("a")), (30, 1, None)],
            &[(10, 20, Some("a")), (40, 50, None)],
        ),
        (
            "another machine of the name says nothing of the one before",
            &[(10, 1, None), (30, 2, Some("b"))],
            &[(10, 20, None), (40, 50, Some("b"))],
        ),
        (
            "there and back",
            &[(10, 1, Some("a")), (30, 1, Some("b")), (50, 1, Some("a"))],
            &[
                (20, 30, Some("a")),
                (30, 40, Some("b")),
                (50, 60, Some("a")),
            ],
        ),
    ];
    for (what, told, expected) in cases {
        let index = after(told);

        for (start, end, expected) in expected {
            let found = zone(&index, *start, *end);
            assert_eq!(found.as_deref(), *expected, "{what}: {start} to {end}");
        }
    }
}

#[test]
fn a_pod_of_the_nodes_network_was_where_the_node_was() {
    let mut index = after(&[(10, 1, Some("a"))]);
    let uid = PodUid([7; 16]);
    let proxy = PodState {
        uid: uid.to_string(),
        host_network: true,
        ..pod("proxy", "")
    };
    index.apply_pod(proxy, Timestamp(11));
    index.apply_node(state(1, Some("b")), Timestamp(30));

    let zone = |start, end| {
        let name = NodeName::new("node-a").unwrap();
        let (_, site) = index.pod_by_uid(uid, window(start, end), &name).unwrap();
        site.zone().unwrap().to_string()
    };

    assert_eq!((zone(10, 20), zone(40, 50)), ("a".into(), "b".into()));
}

#[test]
fn what_was_before_is_forgotten_with_all_else_of_its_time() {
    let mut index = after(&[(10, 1, Some("a")), (30, 1, Some("b"))]);

    index.prune(Timestamp(30));
    assert_eq!(zone(&index, 10, 20).as_deref(), Some("a"));
    index.prune(Timestamp(31));

    assert_eq!(zone(&index, 10, 20).as_deref(), Some("b"));
}

#[test]
fn a_node_whose_labels_never_rest_keeps_a_few_places_only() {
    let zones = ["b", "a"].into_iter().cycle();
    let told: Vec<Told> = (1..=1000)
        .zip(zones)
        .map(|(at, zone)| (at, 1, Some(zone)))
        .collect();

    let index = after(&told);

    let kept = index.nodes.find(&NodeName::new("node-a").unwrap()).unwrap();
    assert_eq!(kept.count_places(), 16);
    assert_eq!(zone(&index, 998, 999).as_deref(), Some("a"));
}

/// What is told last before the window's end, or first of all; completed by what comes next.
fn obvious(told: &[Told], end: u64) -> Option<&'static str> {
    let last = told.iter().rposition(|(at, ..)| *at < end).unwrap_or(0);
    let (_, machine, mut zone) = told[last];
    for (_, other, next) in &told[last + 1..] {
        if zone.is_some() || *other != machine {
            break;
        }
        zone = *next;
    }
    zone
}

proptest! {
    #[test]
    fn a_node_was_where_a_plain_list_of_what_was_told_says(
        steps in prop::collection::vec((1..4_u64, 0..3_u8, 0..3_usize), 1..12),
    ) {
        let mut at = 10;
        let told: Vec<Told> = steps
            .into_iter()
            .map(|(step, machine, zone)| {
                at += step;
                (at, machine, [None, Some("a"), Some("b")][zone])
            })
            .collect();
        let index = after(&told);

        for end in 11..at + 3 {
            let found = zone(&index, end - 1, end);
            prop_assert_eq!(found.as_deref(), obvious(&told, end), "{:?} until {}", &told, end);
        }
    }
}
