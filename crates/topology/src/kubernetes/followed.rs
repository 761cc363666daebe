//! The kinds of objects that are followed, and how the index is told of each.

use std::fmt::Debug;

use kubezonnet_model::Timestamp;
use serde::de::DeserializeOwned;

use super::convert::{
    Malformed, endpoints_state, namespace_state, node_state, owner_state, pod_state, service_state,
};
use super::object::{
    EndpointSliceObject, JobObject, NamespaceObject, NodeObject, PodObject, ReplicaSetObject,
    ServiceObject,
};
use crate::{KeptLabels, OwnerKind, Source, TopologyIndex};

/// A kind of object, and how the index is told of it. What a change leaves to do is done after it.
pub(super) trait Followed:
    kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static
{
    const SOURCE: Source;
    /// What is so where these objects cannot be seen; `None` if nothing works without them.
    const WITHOUT: Option<&'static str>;

    fn begin(index: &mut TopologyIndex, now: Timestamp);
    fn end(index: &mut TopologyIndex);
    fn apply(
        self,
        index: &mut TopologyIndex,
        kept: &KeptLabels,
        now: Timestamp,
    ) -> Result<(), Malformed>;
    fn delete(self, index: &mut TopologyIndex, now: Timestamp) -> Result<(), Malformed>;
}

impl Followed for PodObject {
    const SOURCE: Source = Source::Pods;
    const WITHOUT: Option<&'static str> = None;

    fn begin(index: &mut TopologyIndex, now: Timestamp) {
        index.begin_pods(now);
    }

    fn end(index: &mut TopologyIndex) {
        index.end_pods_later();
    }

    fn apply(
        self,
        index: &mut TopologyIndex,
        kept: &KeptLabels,
        now: Timestamp,
    ) -> Result<(), Malformed> {
        index.apply_pod(pod_state(self, kept)?, now);
        Ok(())
    }

    fn delete(self, index: &mut TopologyIndex, now: Timestamp) -> Result<(), Malformed> {
        index.delete_pod(&uid(self.metadata.uid)?, now);
        Ok(())
    }
}

impl Followed for NodeObject {
    const SOURCE: Source = Source::Nodes;
    const WITHOUT: Option<&'static str> = None;

    fn begin(index: &mut TopologyIndex, now: Timestamp) {
        index.begin_nodes(now);
    }

    fn end(index: &mut TopologyIndex) {
        index.end_nodes();
    }

    fn apply(
        self,
        index: &mut TopologyIndex,
        _: &KeptLabels,
        now: Timestamp,
    ) -> Result<(), Malformed> {
        index.apply_node(node_state(self)?, now);
        Ok(())
    }

    fn delete(self, index: &mut TopologyIndex, now: Timestamp) -> Result<(), Malformed> {
        let node = node_state(self)?;
        index.delete_node(&node.name, &node.uid, now);
        Ok(())
    }
}

/// Owners differ in nothing but their kind.
macro_rules! followed_owner {
    ($type:ident, $kind:expr, $source:expr, $without:literal) => {
        impl Followed for $type {
            const SOURCE: Source = $source;
            const WITHOUT: Option<&'static str> = Some($without);

            fn begin(index: &mut TopologyIndex, now: Timestamp) {
                index.begin_owners($kind, now);
            }

            fn end(index: &mut TopologyIndex) {
                index.end_owners($kind);
            }

            fn apply(
                self,
                index: &mut TopologyIndex,
                _: &KeptLabels,
                _: Timestamp,
            ) -> Result<(), Malformed> {
                index.apply_owner_later(owner_state(self.metadata, $kind)?);
                Ok(())
            }

            fn delete(self, index: &mut TopologyIndex, now: Timestamp) -> Result<(), Malformed> {
                index.delete_owner(&uid(self.metadata.uid)?, now);
                Ok(())
            }
        }
    };
}

followed_owner!(
    ReplicaSetObject,
    OwnerKind::ReplicaSet,
    Source::ReplicaSets,
    "Deployments are told by the names of pods, and Rollouts are not"
);
followed_owner!(
    JobObject,
    OwnerKind::Job,
    Source::Jobs,
    "every Job of a CronJob is a workload of its own"
);

impl Followed for NamespaceObject {
    const SOURCE: Source = Source::Namespaces;
    const WITHOUT: Option<&'static str> = Some("labels of namespaces do not count for their pods");

    fn begin(index: &mut TopologyIndex, now: Timestamp) {
        index.begin_namespaces(now);
    }

    fn end(index: &mut TopologyIndex) {
        index.end_namespaces();
    }

    fn apply(
        self,
        index: &mut TopologyIndex,
        kept: &KeptLabels,
        _: Timestamp,
    ) -> Result<(), Malformed> {
        index.apply_namespace_later(namespace_state(self.metadata, kept)?);
        Ok(())
    }

    fn delete(self, index: &mut TopologyIndex, _: Timestamp) -> Result<(), Malformed> {
        let namespace = namespace_state(self.metadata, &KeptLabels::default())?;
        index.delete_namespace(&namespace.name);
        Ok(())
    }
}

impl Followed for ServiceObject {
    const SOURCE: Source = Source::Services;
    const WITHOUT: Option<&'static str> = Some("addresses of Services are unknown");

    fn begin(index: &mut TopologyIndex, now: Timestamp) {
        index.begin_services(now);
    }

    fn end(index: &mut TopologyIndex) {
        index.end_services();
    }

    fn apply(
        self,
        index: &mut TopologyIndex,
        _: &KeptLabels,
        _: Timestamp,
    ) -> Result<(), Malformed> {
        index.apply_service(service_state(self)?);
        Ok(())
    }

    fn delete(self, index: &mut TopologyIndex, now: Timestamp) -> Result<(), Malformed> {
        let gone = service_state(self)?;
        index.delete_service(&gone.service, &gone.uid, now);
        Ok(())
    }
}

impl Followed for EndpointSliceObject {
    const SOURCE: Source = Source::EndpointSlices;
    const WITHOUT: Option<&'static str> =
        Some("by which Service a pod was reached is not known, nor where Services are");

    fn begin(index: &mut TopologyIndex, now: Timestamp) {
        index.begin_endpoints(now);
    }

    fn end(index: &mut TopologyIndex) {
        index.end_endpoints();
    }

    fn apply(
        self,
        index: &mut TopologyIndex,
        _: &KeptLabels,
        _: Timestamp,
    ) -> Result<(), Malformed> {
        let known = uid(self.metadata.uid.clone())?;
        match endpoints_state(self)? {
            Some(endpoints) => index.apply_endpoints(endpoints),
            None => index.delete_endpoints(&known),
        }
        Ok(())
    }

    fn delete(self, index: &mut TopologyIndex, _: Timestamp) -> Result<(), Malformed> {
        index.delete_endpoints(&uid(self.metadata.uid)?);
        Ok(())
    }
}

fn uid(uid: Option<String>) -> Result<String, Malformed> {
    uid.filter(|uid| !uid.is_empty())
        .ok_or(Malformed::Missing("uid"))
}
