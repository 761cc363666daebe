//! What a `DaemonSet` and a `StatefulSet` have in common, and small questions to objects.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::decode::Manifest;

/// A set of pods.
pub(crate) struct Workload<'a> {
    pub(crate) kind: &'static str,
    pub(crate) metadata: &'a ObjectMeta,
    pub(crate) selector: &'a LabelSelector,
    pub(crate) template: &'a PodTemplateSpec,
}

impl Manifest {
    pub(crate) fn workloads(&self) -> Vec<Workload<'_>> {
        let daemon_sets = self.daemon_sets.iter().map(|set| {
            let spec = set.spec.as_ref().expect("a spec");
            Workload {
                kind: "DaemonSet",
                metadata: &set.metadata,
                selector: &spec.selector,
                template: &spec.template,
            }
        });
        let stateful_sets = self.stateful_sets.iter().map(|set| {
            let spec = set.spec.as_ref().expect("a spec");
            Workload {
                kind: "StatefulSet",
                metadata: &set.metadata,
                selector: &spec.selector,
                template: &spec.template,
            }
        });
        daemon_sets.chain(stateful_sets).collect()
    }
}

impl<'a> Workload<'a> {
    pub(crate) fn containers(&self) -> &'a [Container] {
        &self.pod().containers
    }

    /// The binary in a container's image: the image's name without registry and tag.
    pub(crate) fn binary(container: &Container) -> String {
        let image = container.image.as_deref().unwrap_or_default();
        let name = image.rsplit('/').next().unwrap_or_default();
        name.split(':').next().unwrap_or_default().to_owned()
    }

    pub(crate) fn arguments(container: &Container) -> &[String] {
        container.args.as_deref().unwrap_or_default()
    }

    pub(crate) fn pod(&self) -> &'a PodSpec {
        self.template
            .spec
            .as_ref()
            .expect("a pod template has a spec")
    }

    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        self.template
            .metadata
            .as_ref()
            .and_then(|meta| meta.labels.clone())
            .unwrap_or_default()
    }

    pub(crate) fn name(&self) -> String {
        named(self.kind, self.metadata)
    }

    pub(crate) fn has_port(&self, port: &IntOrString) -> bool {
        self.containers()
            .iter()
            .any(|container| has_port(container, port))
    }
}

pub(crate) fn named(kind: &str, metadata: &ObjectMeta) -> String {
    format!("{kind} {}", metadata.name.as_deref().unwrap_or("?"))
}

pub(crate) fn has_port(container: &Container, port: &IntOrString) -> bool {
    container.ports.iter().flatten().any(|known| match port {
        IntOrString::String(name) => known.name.as_ref() == Some(name),
        IntOrString::Int(number) => known.container_port == *number,
    })
}

pub(crate) fn port_name(port: &IntOrString) -> String {
    match port {
        IntOrString::String(name) => name.clone(),
        IntOrString::Int(number) => number.to_string(),
    }
}

pub(crate) fn includes(
    labels: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> bool {
    !wanted.is_empty()
        && wanted
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
}

pub(crate) fn matches(labels: &BTreeMap<String, String>, selector: &LabelSelector) -> bool {
    selector
        .match_labels
        .as_ref()
        .is_some_and(|wanted| includes(labels, wanted))
}
