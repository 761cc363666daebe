//! Pods and nodes as Kubernetes has them, as far as anyone here reads them.

use serde_json::{Value, json};

/// A pod that is running on a node, without an address.
pub fn pod(namespace: &str, name: &str, uid: &str, node: &str) -> Value {
    json!({
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "creationTimestamp": "2026-11-20T21:25:17Z",
        },
        "spec": { "nodeName": node, "containers": [{ "name": "c", "image": "none" }] },
        "status": { "phase": "Running" },
    })
}

/// The pod with these addresses.
pub fn with_addresses(mut pod: Value, addresses: &[&str]) -> Value {
    pod["status"]["podIP"] = json!(addresses.first());
    let addresses = addresses.iter().map(|address| json!({ "ip": address }));
    pod["status"]["podIPs"] = addresses.collect();
    pod
}

/// The pod in another phase.
pub fn in_phase(mut pod: Value, phase: &str) -> Value {
    pod["status"]["phase"] = json!(phase);
    pod
}

/// A node in a zone of region-1, with these addresses.
pub fn node(name: &str, uid: &str, zone: &str, addresses: &[&str]) -> Value {
    let addresses = addresses
        .iter()
        .map(|address| json!({ "type": "InternalIP", "address": address }));
    json!({
        "metadata": {
            "name": name,
            "uid": uid,
            "creationTimestamp": "2026-11-20T21:25:17Z",
            "labels": {
                "topology.kubernetes.io/region": "region-1",
                "topology.kubernetes.io/zone": zone,
            },
        },
        "status": { "addresses": addresses.collect::<Vec<_>>() },
    })
}
