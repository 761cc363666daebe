//! Objects as Kubernetes has them, as far as anyone here reads them.

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

/// The object with another for its controller.
pub fn owned_by(mut object: Value, api_version: &str, kind: &str, name: &str, uid: &str) -> Value {
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": true,
        "blockOwnerDeletion": true,
    }]);
    object
}

/// The object with that label.
pub fn labelled(mut object: Value, key: &str, value: &str) -> Value {
    object["metadata"]["labels"][key] = json!(value);
    object
}

/// Anything that is in a namespace, with nothing in it.
pub fn bare(namespace: &str, name: &str, uid: &str) -> Value {
    json!({
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "creationTimestamp": "2026-11-20T21:25:17Z",
        },
        "spec": {},
        "status": {},
    })
}

/// A namespace.
pub fn namespace(name: &str) -> Value {
    json!({ "metadata": { "name": name, "uid": format!("uid-of-{name}") }, "spec": {} })
}

/// A Service with these addresses in the cluster.
pub fn service(namespace: &str, name: &str, uid: &str, addresses: &[&str]) -> Value {
    let mut service = bare(namespace, name, uid);
    service["spec"] = json!({
        "clusterIP": addresses.first(),
        "clusterIPs": addresses,
        "ports": [{ "port": 80, "protocol": "TCP", "targetPort": 8080 }],
    });
    service
}

/// An `EndpointSlice` of a Service: addresses, each with its node, that take TCP at that port.
pub fn endpoints(
    namespace: &str,
    service: &str,
    uid: &str,
    endpoints: &[(&str, &str)],
    port: u16,
) -> Value {
    let mut slice = labelled(
        bare(namespace, &format!("{service}-x7k2p"), uid),
        "kubernetes.io/service-name",
        service,
    );
    let endpoints = endpoints.iter().map(|(address, node)| {
        json!({ "addresses": [address], "nodeName": node, "conditions": { "ready": true } })
    });
    slice["addressType"] = json!("IPv4");
    slice["endpoints"] = endpoints.collect();
    slice["ports"] = json!([{ "name": "", "protocol": "TCP", "port": port }]);
    slice
}
