//! The part of objects that is read: a whole pod is 30 times as large. Of some only the metadata is
//! asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::core::{ClusterResourceScope, NamespaceResourceScope, Resource};
use serde::{Deserialize, Deserializer};

use super::convert::{HASH_ANNOTATION, MIRROR_ANNOTATION};

/// A pod.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PodObject {
    #[serde(deserialize_with = "slim")]
    pub(super) metadata: ObjectMeta,
    #[serde(default)]
    pub(super) spec: PodSpec,
    #[serde(default)]
    pub(super) status: PodStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) node_name: Option<String>,
    pub(super) host_network: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct PodStatus {
    pub(super) phase: Option<String>,
    #[serde(rename = "podIP")]
    pub(super) pod_ip: Option<String>,
    #[serde(rename = "podIPs")]
    pub(super) pod_ips: Option<Vec<PodIp>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct PodIp {
    pub(super) ip: Option<String>,
}

/// A node.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NodeObject {
    #[serde(deserialize_with = "slim")]
    pub(super) metadata: ObjectMeta,
    #[serde(default)]
    pub(super) spec: NodeSpec,
    #[serde(default)]
    pub(super) status: NodeStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct NodeSpec {
    #[serde(rename = "providerID")]
    pub(super) provider_id: Option<String>,
    #[serde(rename = "podCIDR")]
    pub(super) pod_cidr: Option<String>,
    #[serde(rename = "podCIDRs")]
    pub(super) pod_cidrs: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct NodeStatus {
    pub(super) addresses: Option<Vec<NodeAddress>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct NodeAddress {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) address: String,
}

/// A `ReplicaSet`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ReplicaSetObject {
    #[serde(deserialize_with = "slim")]
    pub(super) metadata: ObjectMeta,
}

/// A Job.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct JobObject {
    #[serde(deserialize_with = "slim")]
    pub(super) metadata: ObjectMeta,
}

/// A namespace.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NamespaceObject {
    #[serde(deserialize_with = "slim")]
    pub(super) metadata: ObjectMeta,
}

/// A Service.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ServiceObject {
    #[serde(deserialize_with = "slim")]
    pub(super) metadata: ObjectMeta,
    #[serde(default)]
    pub(super) spec: ServiceSpec,
    #[serde(default)]
    pub(super) status: ServiceStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceSpec {
    #[serde(rename = "clusterIP")]
    pub(super) cluster_ip: Option<String>,
    #[serde(rename = "clusterIPs")]
    pub(super) cluster_ips: Option<Vec<String>>,
    #[serde(rename = "externalIPs")]
    pub(super) external_ips: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceStatus {
    #[serde(default)]
    pub(super) load_balancer: LoadBalancer,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct LoadBalancer {
    pub(super) ingress: Option<Vec<LoadBalancerIngress>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct LoadBalancerIngress {
    pub(super) ip: Option<String>,
}

/// An `EndpointSlice`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct EndpointSliceObject {
    #[serde(deserialize_with = "slim")]
    pub(super) metadata: ObjectMeta,
    pub(super) endpoints: Option<Vec<SliceEndpoint>>,
    pub(super) ports: Option<Vec<SlicePort>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SliceEndpoint {
    pub(super) addresses: Option<Vec<String>>,
    #[serde(default)]
    pub(super) conditions: EndpointConditions,
    pub(super) node_name: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct EndpointConditions {
    pub(super) ready: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct SlicePort {
    pub(super) protocol: Option<String>,
    pub(super) port: Option<u16>,
}

/// The part of the metadata that is read: most of the rest is annotations and managed fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SlimMeta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    annotations: SlimAnnotations,
    owner_references: Option<Vec<OwnerReference>>,
}

/// The annotations that are read: those by which a static pod is told.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SlimAnnotations {
    #[serde(rename = "kubernetes.io/config.mirror")]
    mirror: Option<String>,
    #[serde(rename = "kubernetes.io/config.hash")]
    hash: Option<String>,
}

impl SlimAnnotations {
    fn into_map(self) -> Option<BTreeMap<String, String>> {
        let named = [
            (MIRROR_ANNOTATION, self.mirror?),
            (HASH_ANNOTATION, self.hash?),
        ];
        Some(named.map(|(key, value)| (key.to_owned(), value)).into())
    }
}

/// Reads that part into the type that `Resource` asks for.
fn slim<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let slim = SlimMeta::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: slim.name,
        namespace: slim.namespace,
        uid: slim.uid,
        resource_version: slim.resource_version,
        creation_timestamp: slim.creation_timestamp,
        deletion_timestamp: slim.deletion_timestamp,
        labels: slim.labels,
        annotations: slim.annotations.into_map(),
        owner_references: slim.owner_references,
        ..ObjectMeta::default()
    })
}

/// What lists and watches need to know of a type.
macro_rules! resource {
    ($type:ident, $scope:ident, $group:literal, $kind:literal, $plural:literal, metadata only: $metadata_only:literal) => {
        impl Resource for $type {
            type DynamicType = ();
            type Scope = $scope;

            fn metadata_api() -> bool {
                $metadata_only
            }

            fn kind((): &()) -> Cow<'_, str> {
                $kind.into()
            }

            fn group((): &()) -> Cow<'_, str> {
                $group.into()
            }

            fn version((): &()) -> Cow<'_, str> {
                "v1".into()
            }

            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

resource!(PodObject, NamespaceResourceScope, "", "Pod", "pods", metadata only: false);
resource!(NodeObject, ClusterResourceScope, "", "Node", "nodes", metadata only: false);
resource!(ReplicaSetObject, NamespaceResourceScope, "apps", "ReplicaSet", "replicasets", metadata only: true);
resource!(JobObject, NamespaceResourceScope, "batch", "Job", "jobs", metadata only: true);
resource!(NamespaceObject, ClusterResourceScope, "", "Namespace", "namespaces", metadata only: true);
resource!(ServiceObject, NamespaceResourceScope, "", "Service", "services", metadata only: false);
resource!(EndpointSliceObject, NamespaceResourceScope, "discovery.k8s.io", "EndpointSlice", "endpointslices", metadata only: false);
