//! From Kubernetes' objects to what the index is told; pure.

use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kubezonnet_model::{
    AddressKind, InvalidName, Name, Namespace, NodeName, PodUid, Protocol, Region, Service,
    Timestamp, Workload, Zone, ZoneId,
};

use super::object::{EndpointSliceObject, NodeObject, PodObject, ServiceObject};
use crate::{
    EndpointPort, EndpointSliceState, EndpointState, KeptLabels, NamespaceState, NodeState,
    OwnerKind, OwnerState, PodState, ServiceState,
};

/// The labels of zone and region, the one that counts first.
const ZONE_LABELS: [&str; 2] = [
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/zone",
];
const ZONE_ID_LABELS: [&str; 1] = ["topology.k8s.aws/zone-id"];
const REGION_LABELS: [&str; 2] = [
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/region",
];

/// The label that says which system a node has.
const OS_LABELS: [&str; 1] = ["kubernetes.io/os"];

/// Labels of nodes that are no machines: what a DaemonSet has for them is not run.
const NO_MACHINES: [(&str, &str); 2] = [
    ("eks.amazonaws.com/compute-type", "fargate"),
    ("type", "virtual-kubelet"),
];

/// The label by which a Deployment tells each `ReplicaSet` it made, and its name, from the others.
const TEMPLATE_HASH_LABEL: &str = "pod-template-hash";

/// The label by which an `EndpointSlice` says whose it is.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// What a Service has for an address that has none of its own.
const HEADLESS: &str = "None";

/// The kind of workload that static pods of one manifest are: Kubernetes has no word for it.
const STATIC_POD: &str = "StaticPod";

/// What the kubelet notes in the mirror of a static pod: the digest of the manifest.
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-config-mirror>
pub(super) const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";
pub(super) const HASH_ANNOTATION: &str = "kubernetes.io/config.hash";

/// An object that no API server should send.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("an object has no {0}")]
    Missing(&'static str),
    #[error(transparent)]
    Name(#[from] InvalidName),
}

/// A pod as the index wants it. An address that cannot be read is left out: it is no one's.
pub(super) fn pod_state(pod: PodObject, kept: &KeptLabels) -> Result<PodState, Malformed> {
    let PodObject {
        metadata,
        spec,
        status,
    } = pod;
    let listed = status.pod_ips.unwrap_or_default();
    let listed = listed.into_iter().filter_map(|each| each.ip);
    // An old API server has the single field only; where both are, it repeats the first.
    let mut addresses: Vec<IpAddr> = listed
        .chain(status.pod_ip)
        .filter_map(|text| parsed(&text))
        .collect();
    addresses.dedup();
    let node = spec.node_name.filter(|name| !name.is_empty());
    let controller = controller(&metadata).filter(|owner| owner_kind(owner).is_some());
    Ok(PodState {
        digest: digest(&metadata),
        workload: workload(&metadata, node.as_deref()),
        controller: controller.map(|owner| owner.uid.clone()),
        labels: kept.values(metadata.labels.as_ref()),
        namespace: Namespace::new(required(metadata.namespace, "namespace")?)?,
        name: Name::new(required(metadata.name, "name")?)?,
        uid: required(metadata.uid, "uid")?,
        node: node.map(NodeName::new).transpose()?,
        addresses,
        host_network: spec.host_network.unwrap_or(false),
        completed: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
        leaving: metadata.deletion_timestamp.is_some(),
        created: metadata
            .creation_timestamp
            .map(|time| Timestamp(u64::try_from(time.0.as_millisecond()).unwrap_or_default())),
    })
}

/// How the kubelet calls a static pod: the digest of its manifest, which it writes in the pod that
/// mirrors it in the API server. Any pod may be annotated so; the mirror has the one as the other.
fn digest(metadata: &ObjectMeta) -> Option<PodUid> {
    let annotations = metadata.annotations.as_ref()?;
    let (mirrored, hash) = (
        annotations.get(MIRROR_ANNOTATION)?,
        annotations.get(HASH_ANNOTATION)?,
    );
    PodUid::parse(hash).filter(|_| mirrored == hash)
}

/// A node as the index wants it.
pub(super) fn node_state(node: NodeObject) -> Result<NodeState, Malformed> {
    let NodeObject {
        metadata,
        spec,
        status,
    } = node;
    let addresses = status.addresses.unwrap_or_default();
    // An old API server has the single field only; where both are, it repeats the first.
    let pod_cidrs = spec.pod_cidrs.into_iter().flatten().chain(spec.pod_cidr);
    let mut pod_cidrs: Vec<IpNet> = pod_cidrs.filter_map(|text| block(&text)).collect();
    pod_cidrs.sort_unstable();
    pod_cidrs.dedup();
    Ok(NodeState {
        pod_cidrs,
        zone: label(&metadata, ZONE_LABELS).and_then(|zone| Zone::new(zone).ok()),
        zone_id: label(&metadata, ZONE_ID_LABELS).and_then(|id| ZoneId::new(id).ok()),
        region: label(&metadata, REGION_LABELS).and_then(|region| Region::new(region).ok()),
        provider_id: spec.provider_id.filter(|id| !id.is_empty()),
        can_run_agent: can_run_agent(&metadata),
        name: NodeName::new(required(metadata.name, "name")?)?,
        uid: required(metadata.uid, "uid")?,
        addresses: addresses
            .into_iter()
            .filter(|address| matches!(&*address.kind, "InternalIP" | "ExternalIP"))
            .filter_map(|address| parsed(&address.address))
            .collect(),
    })
}

/// Whether an agent can run on a node: on Linux, and on machines that run what a DaemonSet has for them.
fn can_run_agent(metadata: &ObjectMeta) -> bool {
    let has = |key: &str, value: &str| label(metadata, [key]) == Some(value);
    let is_linux = label(metadata, OS_LABELS).is_none_or(|os| os == "linux");
    is_linux && !NO_MACHINES.iter().any(|(key, value)| has(key, value))
}

/// An owner of pods, as the index wants it.
pub(super) fn owner_state(metadata: ObjectMeta, kind: OwnerKind) -> Result<OwnerState, Malformed> {
    let workload = match controller(&metadata) {
        Some(owner) => named(&owner.kind, &owner.name),
        None => named(kind.as_str(), metadata.name.as_deref().unwrap_or_default()),
    };
    Ok(OwnerState {
        kind,
        uid: required(metadata.uid, "uid")?,
        workload: workload?,
    })
}

/// A namespace as the index wants it.
pub(super) fn namespace_state(
    metadata: ObjectMeta,
    kept: &KeptLabels,
) -> Result<NamespaceState, Malformed> {
    Ok(NamespaceState {
        labels: kept.values(metadata.labels.as_ref()),
        name: Namespace::new(required(metadata.name, "name")?)?,
    })
}

/// A Service as the index wants it.
pub(super) fn service_state(object: ServiceObject) -> Result<ServiceState, Malformed> {
    let ServiceObject {
        metadata,
        spec,
        status,
    } = object;
    let ingress = status.load_balancer.ingress.unwrap_or_default();
    let in_cluster = spec.cluster_ips.into_iter().flatten();
    let in_cluster = in_cluster
        .chain(spec.cluster_ip)
        .filter(|address| !matches!(&**address, "" | HEADLESS));
    // Who may write Services may write any address here. A public one would take the name of
    // anybody on the internet.
    let chosen = spec.external_ips.into_iter().flatten();
    let chosen = chosen
        .filter_map(|text| parsed(&text))
        .filter(|address| AddressKind::of(*address) == AddressKind::Private);
    let balanced = ingress.into_iter().filter_map(|each| parsed(&each.ip?));
    Ok(ServiceState {
        addresses: in_cluster.filter_map(|text| parsed(&text)).collect(),
        external: chosen.chain(balanced).collect(),
        service: Service {
            namespace: Namespace::new(required(metadata.namespace, "namespace")?)?,
            name: Name::new(required(metadata.name, "name")?)?,
        },
        uid: required(metadata.uid, "uid")?,
    })
}

/// An `EndpointSlice` as the index wants it; `None` if it is no Service's.
pub(super) fn endpoints_state(
    object: EndpointSliceObject,
) -> Result<Option<EndpointSliceState>, Malformed> {
    let EndpointSliceObject {
        metadata,
        endpoints,
        ports,
    } = object;
    let labels = metadata.labels.unwrap_or_default();
    let Some(service) = labels.get(SERVICE_LABEL).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let service = Service {
        namespace: Namespace::new(required(metadata.namespace, "namespace")?)?,
        name: Name::new(service)?,
    };
    let mut addresses = Vec::new();
    for endpoint in endpoints.unwrap_or_default() {
        let node = endpoint.node_name.filter(|name| !name.is_empty());
        let node = node.map(NodeName::new).transpose()?;
        // Where it is not said, it is so.
        let is_ready = endpoint.conditions.ready.unwrap_or(true);
        for address in endpoint.addresses.unwrap_or_default() {
            addresses.extend(parsed(&address).map(|address| EndpointState {
                address,
                node: node.clone(),
                is_ready,
            }));
        }
    }
    let ports = ports.unwrap_or_default().into_iter().filter_map(|port| {
        let protocol = match port.protocol.as_deref() {
            None | Some("TCP") => Protocol::TCP,
            Some("UDP") => Protocol::UDP,
            Some("SCTP") => Protocol::SCTP,
            Some(_) => return None,
        };
        Some(EndpointPort {
            protocol,
            number: port.port,
        })
    });
    Ok(Some(EndpointSliceState {
        uid: required(metadata.uid, "uid")?,
        service,
        endpoints: addresses,
        ports: ports.collect(),
    }))
}

/// Who manages the object: of its owners the one that says so.
fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| owner.controller == Some(true))
}

/// The kind of an owner that may itself be owned. Others have kinds of the same name: a Job of
/// Kubernetes' is one of the group `batch`.
fn owner_kind(owner: &OwnerReference) -> Option<OwnerKind> {
    let group = owner.api_version.split('/').next()?;
    match (group, &*owner.kind) {
        ("apps", "ReplicaSet") => Some(OwnerKind::ReplicaSet),
        ("batch", "Job") => Some(OwnerKind::Job),
        _ => None,
    }
}

/// What the pod belongs to, as far as the pod itself tells.
///
/// A Deployment's pods are owned by a ReplicaSet whose name is the Deployment's and the hash of
/// the pod's template. A static pod is owned by its node, whose name ends the pod's. Every other
/// owner is taken as it is.
fn workload(metadata: &ObjectMeta, node: Option<&str>) -> Option<Workload> {
    let owner = controller(metadata)?;
    if owner.kind == "Node" {
        let pod = metadata.name.as_deref()?;
        let manifest = node.and_then(|node| pod.strip_suffix(node)?.strip_suffix('-'));
        let manifest = manifest.filter(|manifest| !manifest.is_empty());
        return named(STATIC_POD, manifest.unwrap_or(pod)).ok();
    }
    let labels = metadata.labels.as_ref();
    let hash = labels.and_then(|labels| labels.get(TEMPLATE_HASH_LABEL));
    let deployment = hash
        .filter(|hash| owner.kind == "ReplicaSet" && !hash.is_empty())
        .and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
    match deployment {
        Some(deployment) if !deployment.is_empty() => named("Deployment", deployment),
        _ => named(&owner.kind, &owner.name),
    }
    .ok()
}

fn named(kind: &str, name: &str) -> Result<Workload, Malformed> {
    Ok(Workload {
        kind: Name::new(kind)?,
        name: Name::new(name)?,
    })
}

/// The first of the labels that says something.
fn label<'a, const KEYS: usize>(metadata: &'a ObjectMeta, keys: [&str; KEYS]) -> Option<&'a str> {
    let labels = metadata.labels.as_ref()?;
    let mut values = keys.iter().filter_map(|key| labels.get(*key));
    values
        .find(|value| !value.trim().is_empty())
        .map(String::as_str)
}

fn parsed(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>();
    if address.is_err() {
        tracing::debug!(text, "left out an address that is none");
    }
    address.ok().map(|address| address.to_canonical())
}

fn block(text: &str) -> Option<IpNet> {
    let prefix = text.parse::<IpNet>();
    if prefix.is_err() && !text.is_empty() {
        tracing::debug!(text, "left out a block of addresses that is none");
    }
    prefix.ok().map(|prefix| prefix.trunc())
}

fn required(value: Option<String>, what: &'static str) -> Result<String, Malformed> {
    let value = value.filter(|value| !value.is_empty());
    value.ok_or(Malformed::Missing(what))
}

#[cfg(test)]
mod tests;
