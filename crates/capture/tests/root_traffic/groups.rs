//! Multicast and broadcast: a class of their own, each datagram once, without the copies that the
//! host makes for itself.

use std::net::IpAddr;

use kubezonnet_capture::Config;
use kubezonnet_model::{Family, FlowCounters, InterfaceClass, SkipReason, TotalKind};
use kubezonnet_testkit::{Cluster, NodeSpec, Place, traffic};

use crate::nodes::{CapturingNode, received_by, seen_at, sent_by};
use crate::page::{Cell, Section};

const DATAGRAMS: u64 = 25;
const PAYLOAD: u16 = 300;

/// What so many datagrams are, as they leave.
fn sent(group: IpAddr) -> FlowCounters {
    let header = if group.is_ipv4() { 28 } else { 48 };
    let bytes = DATAGRAMS * (header + u64::from(PAYLOAD));
    FlowCounters {
        bytes,
        packets: DATAGRAMS,
    }
}

#[test]
fn what_a_node_sends_to_a_group_or_to_everyone_is_counted_once() {
    kubezonnet_testkit::require_root();
    let cluster = Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .node(NodeSpec::new("node-b"))
        .build()
        .expect("the cluster is built");
    let mut a = CapturingNode::attach(&cluster, "node-a", &Config::default());
    let mut b = CapturingNode::attach(&cluster, "node-b", &Config::default());
    let (sender, other) = (cluster.node("node-a"), cluster.node("node-b"));
    let groups = Family::ALL.map(traffic::group);
    let alone: Vec<&dyn Place> = vec![other];
    let with_itself: Vec<&dyn Place> = vec![other, sender];
    let mut section = Section::new("Multicast and broadcast");
    for group in groups.into_iter().chain([cluster.fabric().broadcast()]) {
        for members in [&alone, &with_itself] {
            let case = format!("{group}, {} members", members.len());
            let before = ["node-a", "node-b"].map(|node| cluster.settled_uplink(node).unwrap());

            traffic::multicast(sender, members, group, DATAGRAMS, PAYLOAD).unwrap();

            let after = ["node-a", "node-b"].map(|node| cluster.settled_uplink(node).unwrap());
            let [left, arrived] = [0, 1].map(|node| after[node].since(&before[node]));
            let (at_a, at_b) = (a.take(), b.take());
            let looped = at_a
                .skipped
                .iter()
                .all(|skip| skip.reason == SkipReason::Looped);
            assert!(looped, "{case}: {:?}", at_a.skipped);
            for drained in [&at_a, &at_b] {
                assert_eq!(drained.records, [], "{case}");
                let multicast = drained
                    .totals
                    .iter()
                    .all(|all| all.kind == TotalKind::Multicast);
                assert!(multicast, "{case}: {:?}", drained.totals);
            }
            let leaving = seen_at(&at_a, |point| point.output == InterfaceClass::Uplink);
            let arriving = seen_at(&at_b, |point| point.input == InterfaceClass::Uplink);
            assert_eq!(sent_by(&left), sent(group), "{case}: on the wire");
            assert_eq!(leaving, sent(group), "{case}: leaving");
            assert_eq!(received_by(&arrived), sent(group), "{case}: on the wire");
            assert_eq!(arriving, sent(group), "{case}: arriving");
            let alone = members.len() == 1;
            section.add(&Cell {
                traffic: &format!("udp to {group}"),
                family: Family::of(&group).as_str(),
                network: if alone {
                    "no member here"
                } else {
                    "a member here"
                },
                way: "there",
                wire: Some(sent_by(&left)),
                leaving: Some(leaving),
                arriving: Some(arriving),
            });
        }
    }
    section.finish();
}
