//! What the index says of pods, nodes, sites and sizes; `histories` has who held what when.

use std::net::IpAddr;
use std::time::Duration;

use kubezonnet_model::{
    Endpoint, Located, Name, Namespace, NodeName, Region, Site, Timestamp, Window, Workload, Zone,
};

use super::{Holder, Sizes, TopologyIndex};
use crate::{NamespaceState, NodeState, PodState};

mod histories;
mod places;
mod portions;
mod services;
mod uids;

const WEB: &str = "10.1.0.7";
const HOST: &str = "192.168.0.1";

fn pod(name: &str, address: &str) -> PodState {
    let namespace = Namespace::new("shop").unwrap();
    let uid = format!("uid-of-{name}");
    PodState {
        node: NodeName::new("node-a").ok(),
        addresses: address.parse().into_iter().collect(),
        ..PodState::new(namespace, Name::new(name).unwrap(), uid)
    }
}

fn completed(name: &str, address: &str) -> PodState {
    PodState {
        completed: true,
        ..pod(name, address)
    }
}

fn leaving(name: &str, address: &str) -> PodState {
    PodState {
        leaving: true,
        ..pod(name, address)
    }
}

fn created(at: u64, pod: PodState) -> PodState {
    PodState {
        created: Some(Timestamp(at)),
        ..pod
    }
}

fn node(name: &str, zone: &str, address: &str) -> NodeState {
    NodeState {
        name: NodeName::new(name).unwrap(),
        uid: format!("uid-of-{name}"),
        zone: Zone::new(zone).ok(),
        zone_id: None,
        region: Region::new("region-1").ok(),
        provider_id: None,
        can_run_agent: true,
        pod_cidrs: Vec::new(),
        addresses: address.parse().into_iter().collect(),
    }
}

#[test]
fn a_namespace_is_known_by_its_pods_and_by_itself_and_a_label_s_values_by_both() {
    let name = |text: &str| Name::new(text).unwrap();
    let values = |index: &TopologyIndex| {
        let mut values: Vec<_> = index.label_values(1).map(ToString::to_string).collect();
        values.sort();
        values
    };
    let (shop, empty) = (
        Namespace::new("shop").unwrap(),
        Namespace::new("empty").unwrap(),
    );
    let mut index = TopologyIndex::new();
    index.apply_pod(
        PodState {
            labels: [Some(name("web")), Some(name("pay"))].into(),
            ..pod("web", WEB)
        },
        Timestamp(1),
    );
    index.apply_namespace(NamespaceState {
        name: empty.clone(),
        labels: [None, Some(name("infra"))].into(),
    });

    assert!(index.has_namespace(&shop) && index.has_namespace(&empty));
    assert_eq!(values(&index), ["infra", "pay"]);
    index.delete_namespace(&empty);
    index.delete_pod("uid-of-web", Timestamp(2));
    assert!(index.has_namespace(&shop), "its pod is remembered");
    index.prune(Timestamp(3));
    assert!(!index.has_namespace(&shop) && !index.has_namespace(&empty));
    assert_eq!(values(&index), [""; 0]);
}

/// Who held the address in the window, as a word: a pod's or node's name, `reused` or `nobody`.
fn owner(index: &TopologyIndex, address: &str, start: u64, end: u64) -> String {
    let window = Window {
        start: Timestamp(start),
        end: Timestamp(end),
    };
    match index.holder(address.parse().unwrap(), window) {
        Holder::Held { endpoint, .. } => match endpoint {
            Endpoint::Pod(pod) => pod.name.to_string(),
            Endpoint::Node(node) => node.name.to_string(),
            other => panic!("the index names pods and nodes only, got {other:?}"),
        },
        Holder::Reused => "reused".to_owned(),
        Holder::Nobody => "nobody".to_owned(),
    }
}

fn site(index: &TopologyIndex, address: &str) -> Site {
    let window = Window {
        start: Timestamp(0),
        end: Timestamp(u64::MAX - 1),
    };
    match index.holder(address.parse().unwrap(), window) {
        Holder::Held { site, .. } => site,
        other => panic!("{address} has no site but {other:?}"),
    }
}

enum Event {
    Pod(PodState),
    PodGone(&'static str),
    Pods(Vec<PodState>),
    Node(NodeState),
    NodeGone(&'static str),
    Nodes(Vec<NodeState>),
}
use Event as E;

fn after(events: Vec<(u64, Event)>) -> TopologyIndex {
    let mut index = TopologyIndex::new();
    for (at, event) in events {
        let now = Timestamp(at);
        match event {
            E::Pod(pod) => index.apply_pod(pod, now),
            E::PodGone(name) => index.delete_pod(&format!("uid-of-{name}"), now),
            E::Pods(pods) => index.reset_pods(pods, now),
            E::Node(node) => index.apply_node(node, now),
            E::NodeGone(name) => {
                index.delete_node(
                    &NodeName::new(name).unwrap(),
                    &format!("uid-of-{name}"),
                    now,
                );
            }
            E::Nodes(nodes) => index.reset_nodes(nodes, now),
        }
    }
    index
}

#[test]
fn of_two_in_one_list_one_has_the_address_whatever_their_order() {
    let rivals = [
        (leaving("old", WEB), pod("new", WEB)),
        (created(10, pod("old", WEB)), created(20, pod("new", WEB))),
        (
            created(20, leaving("old", WEB)),
            created(10, pod("new", WEB)),
        ),
    ];
    for (old, new) in rivals {
        for pods in [
            vec![old.clone(), new.clone()],
            vec![new.clone(), old.clone()],
        ] {
            let index = after(vec![(50, E::Pods(pods))]);

            assert_eq!(owner(&index, WEB, 45, 55), "new", "{old:?} and {new:?}");
            assert_eq!(index.sizes().past, 0);
        }
    }
}

#[test]
fn a_list_that_was_begun_twice_counts_once() {
    let mut index = after(vec![(10, E::Pod(pod("web", WEB)))]);

    index.begin_pods(Timestamp(20));
    index.apply_pod(pod("half", "10.1.0.8"), Timestamp(21));
    index.begin_pods(Timestamp(30));
    index.apply_pod(pod("web", WEB), Timestamp(31));
    index.end_pods();

    assert_eq!(owner(&index, WEB, 40, 50), "web");
    assert_eq!(owner(&index, "10.1.0.8", 40, 50), "nobody");
}

#[test]
fn a_pods_site_is_its_nodes_as_it_is_now() {
    let known = |zone: &str| {
        Site::from(Located {
            node: NodeName::new("node-a").ok(),
            zone: Zone::new(zone).ok(),
            zone_id: None,
            region: Region::new("region-1").ok(),
        })
    };
    let mut index = after(vec![(10, E::Pod(pod("web", WEB)))]);
    let unlabelled = Site::from(Located {
        node: NodeName::new("node-a").ok(),
        zone: None,
        zone_id: None,
        region: None,
    });
    assert_eq!(site(&index, WEB), unlabelled);

    index.apply_node(node("node-a", "zone-a", HOST), Timestamp(20));
    assert_eq!(site(&index, WEB), known("zone-a"));
    assert_eq!(site(&index, HOST), known("zone-a"));

    index.apply_node(node("node-a", "zone-b", HOST), Timestamp(30));
    assert_eq!(site(&index, WEB), known("zone-b"));
    assert_eq!(site(&index, HOST), known("zone-b"));

    let name = NodeName::new("node-a").unwrap();
    index.delete_node(&name, "uid-of-node-a", Timestamp(40));
    assert_eq!(site(&index, WEB), known("zone-b"));
    assert_eq!(index.node(&name).unwrap().zone, Zone::new("zone-b").ok());
}

#[test]
fn the_nodes_there_are_tell_their_cloud() {
    let mut index = TopologyIndex::new();
    let told = |name, id: &str| NodeState {
        provider_id: Some(id.to_owned()),
        can_run_agent: true,
        ..node(name, "zone-a", "")
    };
    index.apply_node(told("node-a", "aws:///a/i-1"), Timestamp(1));
    index.apply_node(told("node-b", "aws:///a/i-2"), Timestamp(1));
    index.apply_node(node("node-c", "zone-a", ""), Timestamp(1));

    index.delete_node(
        &NodeName::new("node-a").unwrap(),
        "uid-of-node-a",
        Timestamp(2),
    );

    let ids: Vec<_> = index.provider_ids().collect();
    assert_eq!(ids, ["aws:///a/i-2"]);
}

#[test]
fn a_pod_without_a_node_has_no_site() {
    let unscheduled = PodState {
        node: None,
        ..pod("web", WEB)
    };
    let mut index = after(vec![(10, E::Pod(unscheduled))]);
    assert_eq!(site(&index, WEB).node(), None);

    index.apply_pod(pod("web", WEB), Timestamp(20));

    assert_eq!(
        site(&index, WEB).node(),
        NodeName::new("node-a").ok().as_ref()
    );
}

#[test]
fn what_changes_of_a_live_pod_is_taken_over() {
    let mut index = after(vec![(10, E::Pod(pod("web", WEB)))]);
    let workload = Workload {
        kind: Name::new("Deployment").unwrap(),
        name: Name::new("web").unwrap(),
    };

    let adopted = PodState {
        workload: Some(workload.clone()),
        ..pod("web", WEB)
    };
    index.apply_pod(adopted, Timestamp(20));

    let window = Window {
        start: Timestamp(12),
        end: Timestamp(18),
    };
    match index.holder(WEB.parse().unwrap(), window) {
        Holder::Held {
            endpoint: Endpoint::Pod(pod),
            ..
        } => assert_eq!(pod.workload, std::sync::Arc::new(workload)),
        other => panic!("the pod holds its address, got {other:?}"),
    }
}

#[test]
fn a_pod_in_its_nodes_network_holds_nothing() {
    let proxy = PodState {
        host_network: true,
        ..pod("proxy", HOST)
    };

    let index = after(vec![
        (10, E::Node(node("node-a", "zone-a", HOST))),
        (20, E::Pod(proxy)),
    ]);

    assert_eq!(owner(&index, HOST, 10, 30), "node-a");
}

#[test]
fn an_address_is_one_in_either_way_to_write_it() {
    let index = after(vec![(10, E::Pod(pod("web", "::ffff:10.1.0.7")))]);

    assert_eq!(owner(&index, "10.1.0.7", 10, 20), "web");
    assert_eq!(owner(&index, "::ffff:10.1.0.7", 10, 20), "web");
}

#[test]
fn what_is_in_one_block_with_an_address_is_near_as_long_as_the_address_is_remembered() {
    let dual = PodState {
        addresses: vec![WEB.parse().unwrap(), "fd00:7::7".parse().unwrap()],
        ..pod("web", "")
    };
    let mut index = after(vec![
        (10, E::Pod(dual)),
        (10, E::Pod(pod("api", "10.1.0.8"))),
    ]);
    let near = |index: &TopologyIndex| {
        let addresses = [
            "10.1.0.255",
            "::ffff:10.1.0.0",
            "fd00:7::ffff:1",
            "10.1.1.0",
            "10.0.255.255",
            "fd00:7:0:1::7",
            "::10.1.0.9",
        ];
        addresses.map(|address| index.is_near(address.parse().unwrap()))
    };
    let all = [true, true, true, false, false, false, false];
    assert_eq!(near(&index), all);

    index.delete_pod("uid-of-web", Timestamp(20));
    assert_eq!(near(&index), all);
    index.prune(Timestamp(21));
    assert_eq!(
        near(&index),
        [true, true, false, false, false, false, false]
    );
    index.delete_pod("uid-of-api", Timestamp(30));
    index.prune(Timestamp(31));

    assert_eq!(near(&index), [false; 7]);
}

#[test]
fn a_node_gives_addresses_of_its_own_blocks_only_as_long_as_it_is_there() {
    let giving = |name: &str, prefix: &str| NodeState {
        pod_cidrs: vec![prefix.parse().unwrap()],
        ..node(name, "zone-a", "")
    };
    let mut index = TopologyIndex::new();
    index.apply_node(giving("n1", "10.67.1.0/25"), Timestamp(1));
    index.apply_node(giving("n2", "fd67:2::/80"), Timestamp(1));
    let gives = |index: &TopologyIndex, node: &str, address: &str| {
        index.gives(&NodeName::new(node).unwrap(), address.parse().unwrap())
    };

    assert!(gives(&index, "n1", "10.67.1.127"));
    assert!(!gives(&index, "n1", "10.67.1.128"));
    assert!(gives(&index, "n2", "fd67:2::9"));
    assert!(!gives(&index, "n1", "fd67:2::9"));
    let n1 = giving("n1", "10.67.1.0/25");
    index.delete_node(&n1.name, &n1.uid, Timestamp(2));
    assert!(!gives(&index, "n1", "10.67.1.127"));
}

#[test]
fn what_a_node_gives_to_its_pods_is_near_as_long_as_there_is_such_a_node() {
    let giving = |name: &str, prefixes: &[&str]| NodeState {
        pod_cidrs: prefixes.iter().map(|text| text.parse().unwrap()).collect(),
        ..node(name, "zone-a", "")
    };
    let mut index = after(vec![
        (10, E::Node(giving("a", &["10.244.6.0/23", "fd67:1::/80"]))),
        (10, E::Node(giving("b", &["10.244.6.0/23", "0.0.0.0/0"]))),
    ]);
    let near = |index: &TopologyIndex| {
        [
            "10.244.6.1",
            "10.244.7.255",
            "fd67:1::9",
            "10.244.8.1",
            "fd67:1::1:0:0:1",
        ]
        .map(|address| index.is_near(address.parse().unwrap()))
    };
    assert_eq!(near(&index), [true, true, true, false, false]);

    index.apply_node(giving("a", &["10.244.8.0/24"]), Timestamp(20));
    assert_eq!(near(&index), [true, true, false, true, false]);
    index.delete_node(&NodeName::new("b").unwrap(), "uid-of-b", Timestamp(30));
    assert_eq!(near(&index), [false, false, false, true, false]);
    index.reset_nodes([], Timestamp(40));

    assert_eq!(near(&index), [false; 5]);
}

#[test]
fn every_address_of_a_pod_is_its_own() {
    let both: Vec<IpAddr> = vec![WEB.parse().unwrap(), "fd00::7".parse().unwrap()];
    let dual = PodState {
        addresses: both,
        ..pod("web", "")
    };

    let index = after(vec![(10, E::Pod(dual))]);

    assert_eq!(owner(&index, WEB, 10, 20), "web");
    assert_eq!(owner(&index, "fd00::7", 10, 20), "web");
}

#[test]
fn addresses_that_tell_no_one_apart_are_nobodys() {
    for address in [
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "::ffff:127.0.0.1",
    ] {
        let index = after(vec![(10, E::Pod(pod("web", address)))]);

        assert_eq!(owner(&index, address, 10, 20), "nobody", "{address}");
    }
}

#[test]
fn what_ended_is_kept_until_it_is_pruned() {
    let mut index = after(vec![
        (5, E::Node(node("node-a", "zone-a", HOST))),
        (10, E::Pod(pod("old", WEB))),
        (20, E::PodGone("old")),
        (30, E::Pod(pod("new", WEB))),
        (40, E::PodGone("new")),
        (45, E::NodeGone("node-a")),
    ]);
    let gone = Sizes {
        past: 3,
        ..Sizes::default()
    };
    assert_eq!(index.sizes(), gone);
    let node_a = NodeName::new("node-a").unwrap();
    assert!(index.node(&node_a).is_some() && !index.has_node(&node_a));

    index.prune(Timestamp(21));
    assert_eq!(owner(&index, WEB, 10, 20), "nobody");
    assert_eq!(owner(&index, WEB, 30, 40), "new");
    assert_eq!(site(&index, WEB).zone(), Zone::new("zone-a").ok().as_ref());

    index.prune(Timestamp(46));
    assert_eq!(owner(&index, WEB, 30, 40), "nobody");
    assert_eq!(index.node(&node_a), None);
    assert_eq!(index.sizes(), Sizes::default());
}

#[test]
fn a_slot_that_is_given_again_is_another_nodes() {
    let mut index = after(vec![
        (10, E::Node(node("node-a", "zone-a", HOST))),
        (20, E::NodeGone("node-a")),
    ]);
    index.prune(Timestamp(21));

    index.apply_node(node("node-b", "zone-b", "192.168.0.2"), Timestamp(30));
    index.apply_pod(pod("web", WEB), Timestamp(30));

    assert_eq!(
        site(&index, "192.168.0.2").node().unwrap().as_str(),
        "node-b"
    );
    assert_eq!(site(&index, WEB).node().unwrap().as_str(), "node-a");
    assert_eq!(site(&index, WEB).zone(), None);
}

#[test]
fn sizes_count_what_is_there_now() {
    let index = after(vec![
        (5, E::Node(node("node-a", "zone-a", HOST))),
        (10, E::Pod(pod("web", WEB))),
        (10, E::Pod(pod("pending", ""))),
        (10, E::Pod(pod("job", "10.1.0.8"))),
        (20, E::Pod(completed("job", "10.1.0.8"))),
    ]);

    let expected = Sizes {
        pods: 2,
        nodes: 1,
        addresses: 2,
        past: 1,
        ..Sizes::default()
    };
    assert_eq!(index.sizes(), expected);
    assert!(index.has_node(&NodeName::new("node-a").unwrap()));
    assert!(!index.has_node(&NodeName::new("node-b").unwrap()));
}

#[test]
fn the_nodes_of_all_holders_are_told_where_one_cannot_be() {
    let elsewhere = PodState {
        node: NodeName::new("node-b").ok(),
        ..pod("new", WEB)
    };
    let nowhere = PodState {
        node: None,
        ..pod("newest", WEB)
    };
    let index = after(vec![
        (10, E::Pod(pod("old", WEB))),
        (20, E::Pod(elsewhere)),
        (30, E::Pod(nowhere)),
    ]);

    let nodes = |start, end| -> Vec<_> {
        let window = Window {
            start: Timestamp(start),
            end: Timestamp(end),
        };
        let nodes = index.nodes_of_holders(WEB.parse().unwrap(), window);
        nodes.map(|node| node.map(NodeName::as_str)).collect()
    };
    assert_eq!(nodes(15, 25), [Some("node-a"), Some("node-b")]);
    assert_eq!(nodes(25, 35), [Some("node-b"), None]);
    assert_eq!(nodes(15, 20), [Some("node-a")]);
    assert_eq!(nodes(1, 5), []);
}

#[test]
fn an_empty_window_is_a_moment() {
    let index = after(vec![
        (10, E::Pod(pod("old", WEB))),
        (20, E::PodGone("old")),
        (20, E::Pod(pod("new", WEB))),
    ]);

    assert_eq!(owner(&index, WEB, 15, 15), "old");
    assert_eq!(owner(&index, WEB, 20, 20), "new");
    let from = Timestamp(15).plus(Duration::from_millis(10));
    assert_eq!(owner(&index, WEB, from.0, from.0), "new");
}

#[test]
fn the_version_rises_with_whatever_is_told_and_with_nothing_else() {
    let mut index = TopologyIndex::new();
    let node_a = NodeName::new("node-a").unwrap();
    let tell: [fn(&mut TopologyIndex); 6] = [
        |index| index.apply_node(node("node-a", "zone-a", HOST), Timestamp(5)),
        |index| index.apply_pod(pod("web", WEB), Timestamp(10)),
        |index| index.delete_pod("uid-of-web", Timestamp(20)),
        |index| index.reset_pods([], Timestamp(30)),
        |index| index.reset_nodes([], Timestamp(30)),
        |index| {
            let name = NodeName::new("node-a").unwrap();
            index.delete_node(&name, "uid-of-node-a", Timestamp(40));
        },
    ];
    for (step, tell) in tell.into_iter().enumerate() {
        let before = index.version();
        tell(&mut index);
        assert!(index.version() > before, "step {step}");
    }

    let before = index.version();
    owner(&index, WEB, 10, 20);
    index.node(&node_a);
    index.prune(Timestamp(50));

    assert_eq!(index.version(), before);
}
