//! Objects as API servers send them, and what becomes of them.

use serde_json::{Value, json};

use super::*;

fn pod(metadata: &Value, spec: Value, status: Value) -> PodState {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-5d9c7b6f48-aaaaa",
            "namespace": "shop",
            "uid": "u1",
            "creationTimestamp": "2026-11-20T22:40:31Z",
            "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {}}}],
        },
    });
    let fields = object["metadata"].as_object_mut().unwrap();
    fields.extend(metadata.as_object().unwrap().clone());
    object["spec"] = spec;
    object["status"] = status;
    let kept = KeptLabels::default();
    pod_state(serde_json::from_value(object).unwrap(), &kept).unwrap()
}

fn owned_by(kind: &str, name: &str, hash: &str) -> Option<(String, String)> {
    let owner = json!({
        "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "o1", "controller": true,
    });
    let metadata = json!({
        "labels": {"pod-template-hash": hash},
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Other", "name": "no-controller", "uid": "o0"},
            owner,
        ],
    });
    let workload = pod(&metadata, json!({}), json!({})).workload?;
    Some((workload.kind.to_string(), workload.name.to_string()))
}

#[test]
fn a_pods_owner_is_its_deployment_or_its_controller() {
    let cases = [
        (
            "ReplicaSet",
            "web-5d9c7b6f48",
            "5d9c7b6f48",
            "Deployment",
            "web",
        ),
        (
            "ReplicaSet",
            "web-5d9c7b6f48",
            "other",
            "ReplicaSet",
            "web-5d9c7b6f48",
        ),
        (
            "ReplicaSet",
            "web5d9c7b6f48",
            "5d9c7b6f48",
            "ReplicaSet",
            "web5d9c7b6f48",
        ),
        (
            "ReplicaSet",
            "-5d9c7b6f48",
            "5d9c7b6f48",
            "ReplicaSet",
            "-5d9c7b6f48",
        ),
        ("ReplicaSet", "web-", "", "ReplicaSet", "web-"),
        ("StatefulSet", "db", "db", "StatefulSet", "db"),
        ("Job", "load-28", "", "Job", "load-28"),
    ];
    for (kind, name, hash, workload_kind, workload_name) in cases {
        let expected = Some((workload_kind.to_owned(), workload_name.to_owned()));
        assert_eq!(owned_by(kind, name, hash), expected, "{kind} {name} {hash}");
    }
}

#[test]
fn a_bare_pod_has_no_workload() {
    assert_eq!(pod(&json!({}), json!({}), json!({})).workload, None);
}

#[test]
fn a_pods_addresses_are_all_that_it_names() {
    let status = json!({
        "podIP": "10.1.0.7",
        "podIPs": [{"ip": "10.1.0.7"}, {"ip": "fd00::7"}, {"ip": "::ffff:10.1.0.8"}, {}],
    });
    let old = json!({"podIP": "10.1.0.7"});
    let odd = json!({"podIPs": [{"ip": "10.1.0"}, {"ip": ""}], "podIP": ""});
    let addresses = |status| {
        let addresses = pod(&json!({}), json!({}), status).addresses;
        addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>()
    };

    let all = addresses(status);
    for address in ["10.1.0.7", "fd00::7", "10.1.0.8"] {
        assert!(
            all.iter().any(|each| each == address),
            "{address} in {all:?}"
        );
    }
    assert_eq!(addresses(old), ["10.1.0.7"]);
    assert!(addresses(odd).is_empty());
}

#[test]
fn phase_deletion_and_network_are_told() {
    for (phase, completed) in [
        ("Pending", false),
        ("Running", false),
        ("Unknown", false),
        ("Succeeded", true),
        ("Failed", true),
    ] {
        let state = pod(&json!({}), json!({}), json!({"phase": phase}));
        assert_eq!(state.completed, completed, "{phase}");
    }
    let leaving = json!({"deletionTimestamp": "2026-11-20T22:41:00Z"});
    let state = pod(
        &leaving,
        json!({"nodeName": "node-a", "hostNetwork": true}),
        json!({}),
    );
    assert!(state.leaving && state.host_network);
    assert_eq!(state.node, NodeName::new("node-a").ok());
    assert_eq!(state.created, Some(Timestamp(1_795_214_431_000)));
}

#[test]
fn a_pod_without_a_uid_is_malformed() {
    let object = json!({"metadata": {"name": "web", "namespace": "shop"}});

    let error = pod_state(
        serde_json::from_value(object).unwrap(),
        &KeptLabels::default(),
    )
    .unwrap_err();

    assert_eq!(error.to_string(), "an object has no uid");
}

fn node(labels: &Value) -> NodeState {
    let object = json!({
        "metadata": {"name": "node-a", "uid": "n1", "labels": labels},
        "spec": {"providerID": "aws:///us-east-1a/i-0"},
        "status": {"addresses": [
            {"type": "InternalIP", "address": "192.168.50.11"},
            {"type": "InternalIP", "address": "fd50::11"},
            {"type": "ExternalIP", "address": "203.0.113.7"},
            {"type": "Hostname", "address": "10.9.9.9"},
            {"type": "InternalDNS", "address": "node-a.internal"},
        ]},
    });
    node_state(serde_json::from_value(object).unwrap()).unwrap()
}

#[test]
fn a_node_has_its_inner_and_outer_addresses() {
    let addresses = node(&json!({})).addresses;

    let expected = ["192.168.50.11", "fd50::11", "203.0.113.7"];
    assert_eq!(
        addresses,
        expected.map(|each| each.parse::<IpAddr>().unwrap())
    );
}

#[test]
fn a_node_tells_from_where_its_pods_have_their_addresses() {
    let of = |spec: serde_json::Value| {
        let object = json!({"metadata": {"name": "node-b", "uid": "n2"}, "spec": spec});
        let state = node_state(serde_json::from_value(object).unwrap()).unwrap();
        let prefixes = state.pod_cidrs.iter().map(ToString::to_string);
        prefixes.collect::<Vec<_>>().join(" ")
    };

    let both = json!({"podCIDR": "10.244.7.0/24", "podCIDRs": ["10.244.7.0/24", "fd67:7::/64"]});
    assert_eq!(of(both), "10.244.7.0/24 fd67:7::/64");
    assert_eq!(of(json!({"podCIDR": "10.244.7.9/24"})), "10.244.7.0/24");
    assert_eq!(of(json!({"podCIDR": "", "podCIDRs": ["none"]})), "");
    assert_eq!(of(json!({})), "");
}

#[test]
fn a_node_tells_what_its_cloud_calls_it() {
    let silent = json!({"metadata": {"name": "node-b", "uid": "n2"}, "spec": {"providerID": ""}});
    let silent = node_state(serde_json::from_value(silent).unwrap()).unwrap();

    let told = node(&json!({})).provider_id;

    assert_eq!(told.as_deref(), Some("aws:///us-east-1a/i-0"));
    assert_eq!(silent.provider_id, None);
}

#[test]
fn no_agent_runs_on_other_systems_and_on_what_is_no_machine() {
    let can = [
        json!({}),
        json!({"kubernetes.io/os": "linux"}),
        json!({"eks.amazonaws.com/compute-type": "ec2", "type": "worker"}),
    ];
    let cannot = [
        json!({"kubernetes.io/os": "windows"}),
        json!({"kubernetes.io/os": "linux", "eks.amazonaws.com/compute-type": "fargate"}),
        json!({"kubernetes.io/os": "linux", "type": "virtual-kubelet"}),
    ];

    for labels in can {
        assert!(node(&labels).can_run_agent, "{labels}");
    }
    for labels in cannot {
        assert!(!node(&labels).can_run_agent, "{labels}");
    }
}

#[test]
fn the_old_labels_count_where_the_new_ones_say_nothing() {
    let cases = [
        (json!({}), None),
        (json!({"topology.kubernetes.io/zone": "a"}), Some("a")),
        (
            json!({"failure-domain.beta.kubernetes.io/zone": "b"}),
            Some("b"),
        ),
        (
            json!({"topology.kubernetes.io/zone": "a", "failure-domain.beta.kubernetes.io/zone": "b"}),
            Some("a"),
        ),
        (
            json!({"topology.kubernetes.io/zone": "", "failure-domain.beta.kubernetes.io/zone": "b"}),
            Some("b"),
        ),
        (json!({"topology.kubernetes.io/zone": " "}), None),
    ];
    for (labels, zone) in cases {
        let found = node(&labels).zone;
        assert_eq!(found.as_ref().map(Zone::as_str), zone, "{labels}");
    }
    let region = node(&json!({"failure-domain.beta.kubernetes.io/region": "r"})).region;
    assert_eq!(region, Region::new("r").ok());
}

const DIGEST: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

#[test]
fn a_static_pod_is_of_its_manifest_and_known_by_its_digest() {
    let metadata = |name: &str, mirror: &str| {
        json!({
            "name": name,
            "annotations": {
                "kubernetes.io/config.hash": DIGEST,
                "kubernetes.io/config.mirror": mirror,
                "kubernetes.io/config.source": "file",
            },
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Node", "name": "node-a", "uid": "n1", "controller": true,
            }],
        })
    };
    let on_node = json!({"nodeName": "node-a", "hostNetwork": true});
    let cases = [
        ("kube-proxy-node-a", DIGEST, "kube-proxy", true),
        ("kube-proxy", DIGEST, "kube-proxy", true),
        ("-node-a", DIGEST, "-node-a", true),
        ("kube-proxy-node-a", "another", "kube-proxy", false),
    ];
    for (name, mirror, workload, is_known) in cases {
        let pod = pod(&metadata(name, mirror), on_node.clone(), json!({}));

        let found = pod.workload.unwrap();
        assert_eq!(
            (found.kind.as_str(), found.name.as_str()),
            ("StaticPod", workload)
        );
        assert_eq!(
            pod.digest,
            PodUid::parse(DIGEST).filter(|_| is_known),
            "{name}"
        );
        assert_eq!(pod.controller, None);
    }
    assert_eq!(pod(&json!({}), json!({}), json!({})).digest, None);
}

#[test]
fn only_owners_that_may_be_owned_are_asked_after() {
    let cases = [
        ("apps/v1", "ReplicaSet", true),
        ("batch/v1", "Job", true),
        ("batch.volcano.sh/v1alpha1", "Job", false),
        ("apps/v1", "StatefulSet", false),
        ("v1", "ReplicationController", false),
    ];
    for (version, kind, is_asked) in cases {
        let owner = json!({
            "apiVersion": version, "kind": kind, "name": "web", "uid": "o1", "controller": true,
        });
        let pod = pod(&json!({"ownerReferences": [owner]}), json!({}), json!({}));

        assert_eq!(pod.controller.is_some(), is_asked, "{version} {kind}");
        assert_eq!(pod.workload.unwrap().kind.as_str(), kind);
    }
}

fn service_of(object: Value) -> ServiceState {
    service_state(serde_json::from_value(object).unwrap()).unwrap()
}

#[test]
fn a_service_has_addresses_in_the_cluster_and_outside() {
    let metadata = json!({"name": "web", "namespace": "shop", "uid": "s1"});
    let all = service_of(json!({
        "metadata": metadata,
        "spec": {
            "clusterIP": "10.96.0.7",
            "clusterIPs": ["10.96.0.7", "fd00:96::7"],
            "externalIPs": ["192.0.2.7", "8.8.8.8", "2a00:1450::1"],
        },
        "status": {"loadBalancer": {"ingress": [
            {"ip": "9.9.9.9"},
            {"hostname": "web.example.com"},
        ]}},
    }));
    let headless = service_of(json!({
        "metadata": metadata, "spec": {"clusterIP": "None", "clusterIPs": ["None"]}, "status": {},
    }));
    let external = service_of(json!({
        "metadata": metadata, "spec": {"type": "ExternalName", "externalName": "example.com"},
    }));

    let addresses = |texts: &[&str]| -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    };
    assert_eq!(
        all.addresses,
        addresses(&["10.96.0.7", "fd00:96::7", "10.96.0.7"])
    );
    assert_eq!(
        all.external,
        addresses(&["192.0.2.7", "9.9.9.9"]),
        "none on the internet but the load balancer's"
    );
    for none in [headless, external] {
        assert!(none.addresses.is_empty() && none.external.is_empty());
    }
}

#[test]
fn a_slice_has_its_services_endpoints_with_all_their_ports() {
    let object = |labels: Value| {
        let object = json!({
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "e1", "labels": labels},
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": ["10.1.0.1"], "nodeName": "node-a", "conditions": {"ready": true}},
                {"addresses": ["10.1.0.2"], "conditions": {"ready": false, "terminating": true}},
                {"addresses": ["10.1.0.3"], "nodeName": "node-b", "conditions": {}},
                {"addresses": ["example.com"]},
            ],
            "ports": [
                {"port": 80},
                {"protocol": "UDP", "port": 53},
                {"protocol": "SCTP", "port": null},
                {"protocol": "QUIC", "port": 1},
            ],
        });
        endpoints_state(serde_json::from_value(object).unwrap()).unwrap()
    };

    let slice = object(json!({"kubernetes.io/service-name": "web"})).unwrap();

    assert_eq!(slice.service.name.as_str(), "web");
    let endpoints: Vec<_> = slice
        .endpoints
        .iter()
        .map(|it| (it.address.to_string(), it.node.is_some(), it.is_ready))
        .collect();
    let expected = [
        ("10.1.0.1", true, true),
        ("10.1.0.2", false, false),
        ("10.1.0.3", true, true),
    ];
    assert_eq!(
        endpoints,
        expected.map(|(text, node, ready)| (text.to_owned(), node, ready))
    );
    let ports: Vec<_> = slice
        .ports
        .iter()
        .map(|it| (it.protocol, it.number))
        .collect();
    let expected = [
        (Protocol::TCP, Some(80)),
        (Protocol::UDP, Some(53)),
        (Protocol::SCTP, None),
    ];
    assert_eq!(ports, expected);
    assert_eq!(object(json!({})), None);
}
