//! Ports of a node that lead to a pod on another one.

use std::net::{SocketAddr, UdpSocket};

use kubezonnet_model::Family;
use kubezonnet_testkit::{Cluster, NodeSpec, Overlay, Place, PodSpec, require_root, traffic};

use crate::wire::{carried, packets, received_by, sent_by};

const UDP_HEADER: u64 = 8;

/// Three nodes: clients on the first and the third, the server on the second.
fn three(overlay: Option<Overlay>) -> Cluster {
    require_root();
    let mut builder = Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .node(NodeSpec::new("node-b"))
        .node(NodeSpec::new("node-c"))
        .pod("node-a", PodSpec::new("shop", "neighbour"))
        .pod("node-b", PodSpec::new("shop", "server"))
        .pod("node-c", PodSpec::new("shop", "client"));
    if let Some(overlay) = overlay {
        builder = builder.overlay(overlay);
    }
    builder
        .build()
        .expect("this machine can make network namespaces")
}

#[test]
fn every_client_reaches_the_pod_by_a_port_of_another_node() {
    for overlay in [None, Some(Overlay::vxlan())] {
        let cluster = three(overlay);
        let server = cluster
            .node_port("node-a", 30_080, "shop/server", 8_080)
            .unwrap();
        let (client, neighbour) = (cluster.pod("shop/client"), cluster.pod("shop/neighbour"));
        let clients: [&dyn Place; 5] = [
            cluster.fabric(),
            client,
            neighbour,
            cluster.node("node-a"),
            cluster.node("node-c"),
        ];
        for family in Family::ALL {
            for client in clients {
                let sent = traffic::tcp_bulk(&client, &server, family, 300_000).unwrap();
                traffic::tcp_requests(&client, &server, family, 10, 100, 5_000).unwrap();
                traffic::udp(&client, &server, family, 100, 1_000).unwrap();

                assert_eq!(sent.destination, server.socket(family));
            }
        }
    }
}

#[test]
fn what_comes_from_outside_passes_a_node_that_neither_end_is_on() {
    let cluster = three(None);
    let server = cluster
        .node_port("node-a", 30_080, "shop/server", 8_080)
        .unwrap();
    for family in Family::ALL {
        let [a, b] = carried(&cluster, || {
            traffic::udp(cluster.fabric(), &server, family, 100, 1_000).unwrap();
        });

        let wire = packets(100, family, 1_500, 1_000 + UDP_HEADER);
        assert_eq!((received_by(&a), sent_by(&a)), (wire, wire));
        assert_eq!((received_by(&b), sent_by(&b)), (wire, (0, 0)));
    }
}

#[test]
fn the_pod_sees_the_node_and_not_the_client() {
    let cluster = three(None);
    let server = cluster
        .node_port("node-a", 30_080, "shop/server", 8_080)
        .unwrap();
    let node = cluster.node("node-a");
    for family in Family::ALL {
        let listening = SocketAddr::new(server.address(family), server.port());
        let socket = server.netns().run(|| UdpSocket::bind(listening));
        let socket = socket.unwrap().unwrap();
        let client = SocketAddr::new(cluster.fabric().address(family), 0);
        let client = cluster.fabric().netns().run(|| UdpSocket::bind(client));

        client
            .unwrap()
            .unwrap()
            .send_to(b"who is it?", server.socket(family))
            .unwrap();

        let (_, seen) = socket.recv_from(&mut [0; 10]).unwrap();
        assert_eq!(seen.ip(), node.address(family));
    }
}

#[test]
fn two_ports_lead_to_two_ports() {
    let cluster = three(None);
    let first = cluster
        .node_port("node-a", 30_080, "shop/server", 8_080)
        .unwrap();
    let second = cluster
        .node_port("node-a", 30_081, "shop/client", 8_081)
        .unwrap();
    for family in Family::ALL {
        for port in [&first, &second] {
            let from = cluster.fabric();
            let [a, _] = carried(&cluster, || {
                traffic::tcp_bulk(from, port, family, 50_000).unwrap();
            });

            assert!(a.rx_ip_bytes() > 50_000 && a.tx_ip_bytes() > 50_000);
        }
    }
}
