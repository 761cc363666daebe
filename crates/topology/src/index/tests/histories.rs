//! Histories of pods, nodes and addresses, each with its right owner.

use kubezonnet_model::Namespace;

use super::{E, Event, HOST, WEB, after, completed, created, leaving, node, owner, pod};
use crate::{NodeState, PodState};

/// A history, and who then held `WEB` in which window.
type History = (
    &'static str,
    Vec<(u64, Event)>,
    Vec<(u64, u64, &'static str)>,
);

fn check(histories: Vec<History>) {
    for (what, events, expected) in histories {
        let index = after(events);
        for (start, end, name) in expected {
            let found = owner(&index, WEB, start, end);
            assert_eq!(found, name, "{what}: from {start} to {end}");
        }
    }
}

#[test]
fn a_pod_holds_its_address_from_its_first_event_to_its_last() {
    check(vec![
        (
            "never told of",
            vec![(10, E::Pod(pod("other", "10.1.0.8")))],
            vec![(0, 100, "nobody")],
        ),
        (
            "created without address, then running",
            vec![(10, E::Pod(pod("web", ""))), (20, E::Pod(pod("web", WEB)))],
            vec![(20, 30, "web"), (15, 25, "web"), (1_000, 1_010, "web")],
        ),
        (
            "told of a little after it began to speak",
            vec![(31, E::Pod(created(15, pod("web", WEB))))],
            vec![(20, 30, "web"), (5, 15, "nobody")],
        ),
        (
            "told twice",
            vec![(10, E::Pod(pod("web", WEB))), (20, E::Pod(pod("web", WEB)))],
            vec![(10, 20, "web"), (12, 25, "web")],
        ),
        (
            "completed: the address is free at once",
            vec![
                (10, E::Pod(pod("web", WEB))),
                (20, E::Pod(completed("web", WEB))),
            ],
            vec![(10, 20, "web"), (15, 25, "web"), (20, 30, "nobody")],
        ),
        (
            "completed before its address was told",
            vec![
                (10, E::Pod(created(10, pod("web", "")))),
                (20, E::Pod(created(10, completed("web", WEB)))),
            ],
            vec![
                (12, 18, "web"),
                (15, 25, "web"),
                (20, 30, "nobody"),
                (0, 10, "nobody"),
            ],
        ),
        (
            "deleted: kept for the windows before",
            vec![(10, E::Pod(pod("web", WEB))), (20, E::PodGone("web"))],
            vec![(10, 20, "web"), (15, 25, "web"), (20, 30, "nobody")],
        ),
        (
            "names another address",
            vec![
                (10, E::Pod(pod("web", WEB))),
                (20, E::Pod(pod("web", "10.1.0.8"))),
            ],
            vec![(10, 20, "web"), (20, 30, "nobody")],
        ),
    ]);
}

#[test]
fn an_address_that_is_reused_has_the_holder_of_the_window() {
    check(vec![
        (
            "reused at once",
            vec![
                (10, E::Pod(pod("old", WEB))),
                (20, E::Pod(completed("old", WEB))),
                (21, E::Pod(pod("new", WEB))),
            ],
            vec![
                (10, 20, "old"),
                (10, 21, "old"),
                (15, 25, "reused"),
                (20, 30, "new"),
                (30, 40, "new"),
            ],
        ),
        (
            "reused while the end of the first is not yet told",
            vec![
                (10, E::Pod(pod("old", WEB))),
                (20, E::Pod(pod("new", WEB))),
                (22, E::Pod(leaving("old", WEB))),
                (25, E::PodGone("old")),
            ],
            vec![
                (10, 20, "old"),
                (15, 21, "reused"),
                (20, 30, "new"),
                (26, 30, "new"),
            ],
        ),
        (
            "the same pod again after it lost its address",
            vec![
                (10, E::Pod(pod("web", WEB))),
                (20, E::Pod(pod("web", ""))),
                (30, E::Pod(pod("web", WEB))),
            ],
            vec![(15, 35, "web"), (22, 28, "nobody")],
        ),
        (
            "a gap goes to the next holder if it existed",
            vec![
                (10, E::Pod(created(5, pod("old", WEB)))),
                (20, E::PodGone("old")),
                (40, E::Pod(created(28, pod("new", WEB)))),
            ],
            vec![(20, 28, "nobody"), (25, 35, "new"), (0, 9, "old")],
        ),
        (
            "a pod recreated under the same name is another",
            vec![
                (10, E::Pod(pod("web", WEB))),
                (20, E::PodGone("web")),
                (
                    20,
                    E::Pod(PodState {
                        uid: "another".to_owned(),
                        ..pod("web", WEB)
                    }),
                ),
            ],
            vec![(10, 20, "web"), (15, 25, "reused"), (20, 30, "web")],
        ),
        (
            "taken over by a pod of another namespace",
            vec![
                (10, E::Pod(pod("old", WEB))),
                (20, E::PodGone("old")),
                (
                    25,
                    E::Pod(PodState {
                        namespace: Namespace::new("lab").unwrap(),
                        ..pod("new", WEB)
                    }),
                ),
            ],
            vec![(10, 20, "old"), (15, 26, "reused"), (24, 34, "new")],
        ),
        (
            "a node's old address goes to a pod",
            vec![
                (10, E::Node(node("node-b", "zone-b", WEB))),
                (20, E::Pod(pod("web", WEB))),
                (30, E::NodeGone("node-b")),
            ],
            vec![(10, 20, "node-b"), (15, 25, "reused"), (31, 40, "web")],
        ),
    ]);
}

#[test]
fn events_out_of_order_give_back_nothing_that_has_ended() {
    check(vec![
        (
            "running after completed",
            vec![
                (10, E::Pod(pod("web", WEB))),
                (20, E::Pod(completed("web", WEB))),
                (30, E::Pod(pod("web", WEB))),
            ],
            vec![(10, 20, "web"), (20, 40, "nobody")],
        ),
        (
            "running after deleted, while another has it",
            vec![
                (10, E::Pod(pod("old", WEB))),
                (20, E::PodGone("old")),
                (22, E::Pod(pod("new", WEB))),
                (25, E::Pod(pod("old", WEB))),
            ],
            vec![(23, 30, "new")],
        ),
        (
            "deleted before it was told of",
            vec![(10, E::PodGone("web")), (20, E::Pod(pod("web", WEB)))],
            vec![(0, 100, "nobody")],
        ),
        (
            "completed long ago, and told of again",
            vec![
                (10, E::Pod(created(5, pod("web", WEB)))),
                (20, E::Pod(created(5, completed("web", WEB)))),
                (60, E::Pod(created(5, completed("web", WEB)))),
            ],
            vec![(30, 50, "nobody"), (55, 65, "nobody")],
        ),
        (
            "a clock that was set back",
            vec![(50, E::Pod(pod("old", WEB))), (40, E::Pod(pod("new", WEB)))],
            vec![(60, 70, "new")],
        ),
    ]);
}

#[test]
fn a_list_ends_what_it_does_not_have() {
    check(vec![
        (
            "vanished while the connection was down",
            vec![
                (10, E::Pod(pod("web", WEB))),
                (50, E::Pods(vec![pod("other", "10.1.0.8")])),
            ],
            vec![(10, 20, "web"), (45, 55, "web"), (50, 60, "nobody")],
        ),
        (
            "still there: as if nothing had been",
            vec![
                (10, E::Pod(pod("web", WEB))),
                (50, E::Pods(vec![pod("web", WEB)])),
            ],
            vec![(10, 20, "web"), (45, 55, "web"), (60, 70, "web")],
        ),
        (
            "completed while the connection was down",
            vec![
                (10, E::Pod(pod("web", WEB))),
                (50, E::Pods(vec![completed("web", WEB)])),
            ],
            vec![(45, 55, "web"), (50, 60, "nobody")],
        ),
        (
            "completed before the first list: holds nothing, claims nothing",
            vec![(50, E::Pods(vec![created(10, completed("web", WEB))]))],
            vec![(20, 40, "nobody"), (45, 55, "nobody")],
        ),
        (
            "passed on twice while the connection was down for hours, and completed",
            vec![
                (10, E::Pod(created(5, pod("first", WEB)))),
                (
                    9_000,
                    E::Pods(vec![
                        created(4_000, completed("second", WEB)),
                        created(8_000, pod("third", WEB)),
                    ]),
                ),
            ],
            vec![
                (10, 20, "first"),
                (8_995, 9_005, "reused"),
                (9_000, 9_010, "third"),
            ],
        ),
        (
            "a list that comes while packets are on their way",
            vec![(50, E::Pods(vec![created(10, pod("web", WEB))]))],
            vec![(20, 30, "web"), (0, 10, "nobody"), (45, 55, "web")],
        ),
        (
            "handed over while the connection was down",
            vec![
                (10, E::Pod(pod("old", WEB))),
                (50, E::Pods(vec![pod("new", WEB)])),
            ],
            vec![(10, 20, "old"), (45, 55, "reused"), (50, 60, "new")],
        ),
        (
            "gone by one list and back by the next",
            vec![
                (10, E::Pods(vec![pod("web", WEB)])),
                (20, E::Pods(vec![])),
                (30, E::Pods(vec![pod("web", WEB)])),
            ],
            vec![(10, 20, "web"), (22, 28, "nobody"), (30, 40, "web")],
        ),
    ]);
}

#[test]
fn a_node_that_goes_and_comes_back_is_the_same_node() {
    check(vec![
        (
            "gone and back",
            vec![
                (10, E::Node(node("node-a", "zone-a", WEB))),
                (20, E::NodeGone("node-a")),
                (
                    30,
                    E::Node(NodeState {
                        uid: "another".to_owned(),
                        ..node("node-a", "zone-a", WEB)
                    }),
                ),
            ],
            vec![
                (10, 20, "node-a"),
                (22, 28, "nobody"),
                (15, 35, "node-a"),
                (30, 40, "node-a"),
            ],
        ),
        (
            "vanished from a list",
            vec![
                (10, E::Node(node("node-a", "zone-a", WEB))),
                (20, E::Nodes(vec![node("node-b", "zone-b", HOST)])),
            ],
            vec![(10, 20, "node-a"), (20, 30, "nobody")],
        ),
        (
            "the end of the one before comes late",
            vec![
                (10, E::Node(node("node-a", "zone-a", WEB))),
                (
                    20,
                    E::Node(NodeState {
                        uid: "another".to_owned(),
                        ..node("node-a", "zone-a", WEB)
                    }),
                ),
                (30, E::NodeGone("node-a")),
            ],
            vec![(25, 40, "node-a")],
        ),
    ]);
}

#[test]
fn both_addresses_of_a_pod_have_one_history() {
    const SIX: &str = "fd00::7";
    let dual = |name: &str| PodState {
        addresses: [WEB, SIX].map(|address| address.parse().unwrap()).into(),
        ..pod(name, "")
    };
    let index = after(vec![
        (10, E::Pod(dual("old"))),
        (20, E::PodGone("old")),
        (21, E::Pod(dual("new"))),
        // One family only.
        (40, E::Pod(pod("new", SIX))),
    ]);

    for (start, end, four, six) in [
        (10, 20, "old", "old"),
        (15, 25, "reused", "reused"),
        (25, 35, "new", "new"),
        (40, 50, "nobody", "new"),
    ] {
        assert_eq!(owner(&index, WEB, start, end), four, "{start} to {end}");
        assert_eq!(owner(&index, SIX, start, end), six, "{start} to {end}");
    }
}
