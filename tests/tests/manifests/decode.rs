//! YAML text to typed Kubernetes objects, with nothing left over.

use k8s_openapi::api::apps::v1::{DaemonSet, StatefulSet};
use k8s_openapi::api::core::v1::{
    ConfigMap, Namespace, PersistentVolumeClaim, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The objects of one or more manifest files, by kind.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) service_accounts: Vec<ServiceAccount>,
    pub(crate) cluster_roles: Vec<ClusterRole>,
    pub(crate) cluster_role_bindings: Vec<ClusterRoleBinding>,
    pub(crate) roles: Vec<Role>,
    pub(crate) role_bindings: Vec<RoleBinding>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) config_maps: Vec<ConfigMap>,
    pub(crate) priority_classes: Vec<PriorityClass>,
    pub(crate) daemon_sets: Vec<DaemonSet>,
    pub(crate) stateful_sets: Vec<StatefulSet>,
    pub(crate) volume_claims: Vec<PersistentVolumeClaim>,
    pub(crate) services: Vec<Service>,
    pub(crate) service_monitors: Vec<ServiceMonitor>,
}

/// The part of the Prometheus Operator's `ServiceMonitor` that we write.
///
/// <https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.ServiceMonitor>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ServiceMonitor {
    pub(crate) metadata: ObjectMeta,
    pub(crate) spec: ServiceMonitorSpec,
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ServiceMonitorSpec {
    pub(crate) selector: LabelSelector,
    pub(crate) endpoints: Vec<Endpoint>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Endpoint {
    pub(crate) port: String,
    #[serde(rename = "path")]
    _path: String,
    #[serde(rename = "interval")]
    _interval: String,
    #[serde(default, rename = "honorLabels")]
    _honor_labels: bool,
}

/// Why a manifest was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("not YAML: {0}")]
    Yaml(#[from] serde_saphyr::Error),
    #[error("{object}: {source}")]
    Shape {
        object: String,
        source: serde_json::Error,
    },
    #[error("{object}: unknown fields {fields:?}")]
    UnknownFields { object: String, fields: Vec<String> },
    #[error("{object}: no kind that this test knows")]
    UnknownKind { object: String },
}

impl Manifest {
    /// Decodes every document of `text`.
    pub(crate) fn decode(text: &str) -> Result<Self, DecodeError> {
        let mut manifest = Self::default();
        for document in serde_saphyr::from_multiple::<Value>(text)? {
            manifest.push(document)?;
        }
        Ok(manifest)
    }

    fn push(&mut self, document: Value) -> Result<(), DecodeError> {
        let word = |pointer| {
            document
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or("?")
        };
        let object = format!("{} {}", word("/kind"), word("/metadata/name"));
        match (word("/apiVersion"), word("/kind")) {
            ("v1", "Namespace") => self.namespaces.push(strict(object, document)?),
            ("v1", "Service") => self.services.push(strict(object, document)?),
            ("v1", "PersistentVolumeClaim") => {
                self.volume_claims.push(strict(object, document)?);
            }
            ("v1", "ServiceAccount") => self.service_accounts.push(strict(object, document)?),
            ("apps/v1", "DaemonSet") => self.daemon_sets.push(strict(object, document)?),
            ("apps/v1", "StatefulSet") => self.stateful_sets.push(strict(object, document)?),
            ("rbac.authorization.k8s.io/v1", "ClusterRole") => {
                self.cluster_roles.push(strict(object, document)?);
            }
            ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => {
                self.cluster_role_bindings.push(strict(object, document)?);
            }
            ("rbac.authorization.k8s.io/v1", "Role") => self.roles.push(strict(object, document)?),
            ("rbac.authorization.k8s.io/v1", "RoleBinding") => {
                self.role_bindings.push(strict(object, document)?);
            }
            ("v1", "Secret") => self.secrets.push(strict(object, document)?),
            ("v1", "ConfigMap") => self.config_maps.push(strict(object, document)?),
            ("scheduling.k8s.io/v1", "PriorityClass") => {
                self.priority_classes.push(strict(object, document)?);
            }
            ("monitoring.coreos.com/v1", "ServiceMonitor") => {
                self.service_monitors.push(strict(object, document)?);
            }
            _ => return Err(DecodeError::UnknownKind { object }),
        }
        Ok(())
    }

    /// The number of objects.
    pub(crate) fn len(&self) -> usize {
        self.namespaces.len()
            + self.service_accounts.len()
            + self.cluster_roles.len()
            + self.cluster_role_bindings.len()
            + self.roles.len()
            + self.role_bindings.len()
            + self.secrets.len()
            + self.config_maps.len()
            + self.priority_classes.len()
            + self.daemon_sets.len()
            + self.stateful_sets.len()
            + self.volume_claims.len()
            + self.services.len()
            + self.service_monitors.len()
    }
}

/// The Kubernetes types skip what they do not know; here each such field is an error.
fn strict<T: DeserializeOwned>(object: String, document: Value) -> Result<T, DecodeError> {
    let mut fields = Vec::new();
    let decoded = serde_ignored::deserialize(document, |path| fields.push(plain(&path)));
    match decoded {
        Err(source) => Err(DecodeError::Shape { object, source }),
        Ok(_) if !fields.is_empty() => Err(DecodeError::UnknownFields { object, fields }),
        Ok(decoded) => Ok(decoded),
    }
}

/// The path without the marks that `serde_ignored` puts where an `Option` is passed.
fn plain(path: &serde_ignored::Path<'_>) -> String {
    path.to_string()
        .split('.')
        .filter(|step| *step != "?")
        .collect::<Vec<_>>()
        .join(".")
}

/// Finds plain scalars that YAML 1.1, which kubectl reads, takes for booleans and YAML 1.2 for text.
pub(crate) fn old_booleans(text: &str) -> Vec<String> {
    const SUSPECTS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or_default();
        if line.starts_with('#') {
            continue;
        }
        let item = line.trim_start().trim_start_matches("- ");
        let value = item.split_once(": ").map_or(item, |(_, value)| value);
        for scalar in value.split(['[', ']', '{', '}', ',']).map(str::trim) {
            if SUSPECTS.contains(&scalar.to_lowercase().as_str()) {
                found.push(format!("line {}: {scalar}", number + 1));
            }
        }
    }
    found
}
