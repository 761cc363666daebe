//! Owners of flows, by control groups that are not there and a table that is made up.

use std::collections::BTreeMap;

use kubezonnet_model::{
    FlowCounters, FlowKey, InterfaceClass, ObservationPoint, PodUid, Protocol, ServicePort,
    Transport,
};

use super::*;

fn flow(socket: Socket) -> SeenFlow {
    let service = ServicePort {
        number: 53,
        side: PortSide::Destination,
    };
    SeenFlow {
        key: FlowKey {
            source: "10.67.1.2".parse().unwrap(),
            destination: "10.66.0.1".parse().unwrap(),
            transport: Some(Transport {
                protocol: Protocol::UDP,
                service: Some(service),
                client_port: None,
            }),
            point: ObservationPoint {
                hook: Hook::LocalIn,
                input: InterfaceClass::Uplink,
                output: InterfaceClass::Host,
            },
            socket: None,
        },
        socket,
        counters: FlowCounters {
            bytes: 10,
            packets: 1,
        },
    }
}

fn sockets() -> Sockets {
    Sockets {
        read: || (Table::default(), None),
        ..Sockets::new(Cgroups::none())
    }
}

#[test]
fn what_the_kernel_tells_of_a_socket_is_told_and_its_bytes_are_counted_by_owner() {
    let metrics = Metrics::new();
    let seen = [
        Socket::None,
        Socket::Kernel,
        Socket::Unseen,
        Socket::Unreadable,
        Socket::Cgroup(5),
    ];

    let (told, _) = sockets().tell(seen.map(flow).to_vec(), &metrics);

    let owners: Vec<_> = told.iter().map(|record| record.key.socket).collect();
    assert_eq!(
        owners,
        [
            None,
            Some(SocketOwner::Kernel),
            Some(SocketOwner::Unseen),
            Some(SocketOwner::Unreadable),
            Some(SocketOwner::Unreadable),
        ]
    );
    let page = metrics.render(kubezonnet_exposition::Format::Classic);
    for line in [
        "kubezonnet_agent_socket_bytes_total{owner=\"kernel\"} 10\n",
        "kubezonnet_agent_socket_bytes_total{owner=\"pod\"} 0\n",
        "kubezonnet_agent_socket_packets_total{owner=\"unreadable\"} 2\n",
        "kubezonnet_agent_cgroups{view=\"absent\"} 1\n",
        "kubezonnet_agent_cgroups{view=\"unified\"} 0\n",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
}

#[test]
fn the_table_is_read_only_for_a_flow_without_a_socket_and_its_failure_is_counted() {
    let fail = || {
        let refused = NetlinkError::Refused {
            what: "sockets",
            source: std::io::ErrorKind::PermissionDenied.into(),
        };
        (Table::default(), Some(refused))
    };
    let failures = |seen: &[Socket]| {
        let metrics = Metrics::new();
        let mut sockets = sockets();
        sockets.read = fail;
        let (told, _) = sockets.tell(seen.iter().copied().map(flow).collect(), &metrics);
        assert_eq!(told.len(), seen.len());
        let page = metrics.render(kubezonnet_exposition::Format::Classic);
        let name = "kubezonnet_agent_socket_read_failures_total ";
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().parse::<u32>().unwrap()
    };

    assert_eq!(failures(&[Socket::None, Socket::Cgroup(1)]), 0);
    assert_eq!(failures(&[Socket::Unseen, Socket::Unseen]), 1);
}

#[test]
fn the_port_that_is_looked_up_is_the_nodes_own() {
    let mut answer = flow(Socket::Unseen);
    answer.key.point.hook = Hook::Postrouting;
    let received = flow(Socket::Unseen);
    let mut with_both = answer;
    let transport = with_both.key.transport.as_mut().unwrap();
    transport.client_port = Some(40_000);
    let mut without = answer;
    without.key.transport = None;
    let port = |address: &str, port| Some((Protocol::UDP, address.parse().unwrap(), port));

    assert_eq!(local_port(&received), port("10.66.0.1", 53));
    // Port 53 is the other end's, and the own one was not kept.
    assert_eq!(local_port(&answer), None);
    assert_eq!(local_port(&with_both), port("10.67.1.2", 40_000));
    assert_eq!(local_port(&without), None);
}

#[test]
fn what_was_told_of_a_window_is_told_of_it_again_whoever_is_there_now() {
    let metrics = Metrics::new();
    let seen = [Socket::Cgroup(5), Socket::Unseen].map(flow).to_vec();
    let pod = SocketOwner::Pod(PodUid([7; 16]));
    let kept = Owners {
        groups: BTreeMap::from([(5, pod)]),
        ports: BTreeMap::from([(local_port(&seen[1]).unwrap(), SocketOwner::System)]),
    };
    let mut sockets = sockets();

    sockets.resume(kept.clone());
    let (again, told) = sockets.tell(seen.clone(), &metrics);
    let (next, _) = sockets.tell(seen, &metrics);

    let owners = |records: &[FlowRecord]| [0, 1].map(|row| records[row].key.socket.unwrap());
    assert_eq!(owners(&again), [pod, SocketOwner::System]);
    assert_eq!(told, kept);
    assert_eq!(
        owners(&next),
        [SocketOwner::Unreadable, SocketOwner::Unseen]
    );
}

#[test]
fn nothing_is_looked_up_for_a_window_that_was_told_before() {
    let metrics = Metrics::new();
    let mut sockets = sockets();
    sockets.read = || (Table::of(Protocol::UDP, "10.66.0.1", 53, 7), None);
    let seen = vec![flow(Socket::Unseen)];

    sockets.resume(Owners::default());
    let (again, _) = sockets.tell(seen.clone(), &metrics);
    let (next, _) = sockets.tell(seen, &metrics);

    assert_eq!(again[0].key.socket, Some(SocketOwner::Unseen));
    assert_eq!(next[0].key.socket, Some(SocketOwner::Unreadable));
}

#[test]
fn a_group_that_stays_unknown_is_looked_for_once() {
    let metrics = Metrics::new();
    let cgroups = Cgroups::unfollowed(&std::env::current_dir().unwrap().join("src"));
    let mut sockets = Sockets::new(cgroups.clone());
    let only_the_root = cgroups.count();
    sockets.missed.insert(9);

    sockets.tell(vec![flow(Socket::Cgroup(9))], &metrics);
    assert_eq!(cgroups.count(), only_the_root);
    sockets.tell([9, 10].map(Socket::Cgroup).map(flow).to_vec(), &metrics);

    // All directories were read for the other one.
    assert!(cgroups.count() > only_the_root);
    assert_eq!(sockets.missed, BTreeSet::from([9, 10]));
}
