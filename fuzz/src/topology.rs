//! What tells the server who holds which address.

use std::collections::HashSet;

use kubezonnet_model::Timestamp;
use kubezonnet_topology::{Topology, fuzzing};
use serde_json::Deserializer;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// The file's text. What is taken has no contradictions, and a topology takes it.
pub fn topology_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(view) = fuzzing::file(text) else {
        return;
    };
    let nodes: HashSet<_> = view.nodes.iter().map(|node| &node.name).collect();
    assert_eq!(nodes.len(), view.nodes.len(), "a node twice");
    let holders = view.pods.iter().map(|pod| &pod.addresses);
    let holders = holders.chain(view.nodes.iter().map(|node| &node.addresses));
    let addresses: Vec<_> = holders.flatten().collect();
    let distinct: HashSet<_> = addresses.iter().collect();
    assert_eq!(distinct.len(), addresses.len(), "an address twice");
    for pod in &view.pods {
        assert!(pod.node.as_ref().is_some_and(|node| nodes.contains(node)));
    }
    view.give_to(&Topology::new(), NOW);
}

/// The text of a networks file. What is taken answers for any address.
pub fn networks_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(networks) = fuzzing::networks(text) else {
        return;
    };
    assert_eq!(networks.is_empty(), networks.len() == 0);
    for address in ["0.0.0.0", "10.9.0.7", "255.255.255.255", "::", "fd09::7"] {
        let address = address.parse().expect("it is an address");
        if let Some((_, site)) = networks.find(address) {
            assert_eq!(site.node(), None, "a network is on no node");
        }
    }
    Topology::new().set_networks(networks);
}

/// An object's JSON, taken for a pod and for a node; a topology takes what comes of it.
pub fn kubernetes(bytes: &[u8]) {
    let topology = Topology::new();
    if let Some(node) = fuzzing::node(&mut Deserializer::from_slice(bytes)) {
        topology.write().apply_node(node, NOW);
    }
    if let Some(pod) = fuzzing::pod(&mut Deserializer::from_slice(bytes)) {
        assert!(!pod.uid.is_empty());
        let uid = pod.uid.clone();
        topology.write().apply_pod(pod, NOW);
        topology.write().delete_pod(&uid, NOW);
    }
}
