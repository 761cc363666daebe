//! Sees that nothing asks for more than it needs. Each rule returns its faults as sentences.

use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::decode::Manifest;
use crate::workload::named;

/// The rules, in the order their faults are told.
pub(crate) const RULES: &[fn(&Manifest) -> Vec<String>] = &[
    access_is_least,
    pods_ask_for_little,
    containers_ask_for_little,
    the_server_is_alone,
];

/// The capabilities that a container may add, by the workload's name.
const CAPABILITIES: &[(&str, &[&str])] = &[("kubezonnet-agent", &["BPF", "NET_ADMIN", "PERFMON"])];

/// The account that must have no access to Kubernetes at all.
const WITHOUT_ACCESS: &str = "kubezonnet-agent";

/// Resources and the verbs on them.
type Access = &'static [(&'static str, &'static [&'static str])];

/// What each cluster role may allow.
const CLUSTER_ACCESS: &[(&str, Access)] = &[
    (
        "kubezonnet-server",
        &[
            ("pods", &["get", "list", "watch"]),
            ("nodes", &["get", "list", "watch"]),
            ("replicasets", &["list", "watch"]),
            ("jobs", &["list", "watch"]),
            ("services", &["list", "watch"]),
            ("endpointslices", &["list", "watch"]),
            ("namespaces", &["list", "watch"]),
            ("tokenreviews", &["create"]),
        ],
    ),
    ("kubectl-zonnet", &[("nodes", &["list"])]),
];

/// What each role may allow, on objects that it names; all but lists, which have no name.
const NAMED_ACCESS: &[(&str, Access)] = &[
    (
        "kubezonnet-server",
        &[
            ("secrets", &["get", "update"]),
            ("configmaps", &["get", "update"]),
        ],
    ),
    (
        "kubectl-zonnet",
        &[
            ("services", &["get"]),
            ("pods", &["list"]),
            ("pods/portforward", &["get", "create"]),
            ("daemonsets", &["get"]),
        ],
    ),
];

fn access_is_least(manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    for role in &manifest.cluster_roles {
        let name = named("ClusterRole", &role.metadata);
        for rule in role.rules.iter().flatten() {
            faults.extend(beyond(&name, rule, access(CLUSTER_ACCESS, &role.metadata)));
        }
    }
    for role in &manifest.roles {
        let name = named("Role", &role.metadata);
        for rule in role.rules.iter().flatten() {
            faults.extend(beyond(&name, rule, access(NAMED_ACCESS, &role.metadata)));
            if rule.verbs != ["list"] && rule.resource_names.iter().flatten().next().is_none() {
                let resources = rule.resources.clone().unwrap_or_default();
                faults.push(format!("{name}: names no {}", resources.join(", ")));
            }
        }
    }
    let cluster_wide = manifest
        .cluster_role_bindings
        .iter()
        .map(|each| &each.subjects);
    let bound = cluster_wide.chain(manifest.role_bindings.iter().map(|each| &each.subjects));
    for subject in bound.flatten().flatten() {
        if subject.name == WITHOUT_ACCESS {
            faults.push(format!(
                "DaemonSet {WITHOUT_ACCESS}: has access to Kubernetes"
            ));
        }
    }
    faults
}

/// What the role of that name may allow; nothing, if nobody knows it.
fn access(of_roles: &[(&str, Access)], role: &ObjectMeta) -> Access {
    let mut of_roles = of_roles.iter();
    let known = of_roles.find(|(name, _)| role.name.as_deref() == Some(name));
    known.map_or(&[], |(_, access)| access)
}

/// What a rule allows beyond what it may.
fn beyond(name: &str, rule: &PolicyRule, allowed: &[(&str, &[&str])]) -> Vec<String> {
    let resources = rule.resources.iter().flatten();
    let pairs = resources.flat_map(|resource| rule.verbs.iter().map(move |verb| (resource, verb)));
    pairs
        .filter(|(resource, verb)| {
            !allowed
                .iter()
                .any(|(known, verbs)| known == resource && verbs.contains(&verb.as_str()))
        })
        .map(|(resource, verb)| format!("{name}: allows {verb} on {resource}"))
        .collect()
}

fn pods_ask_for_little(manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    for workload in manifest.workloads() {
        let (name, pod) = (workload.name(), workload.pod());
        let context = pod.security_context.clone().unwrap_or_default();
        if context
            .seccomp_profile
            .as_ref()
            .is_none_or(|profile| profile.type_ != "RuntimeDefault")
        {
            faults.push(format!("{name}: no seccomp profile RuntimeDefault"));
        }
        let agent = pod.service_account_name.as_deref() == Some(WITHOUT_ACCESS);
        if agent && pod.automount_service_account_token != Some(false) {
            faults.push(format!("{name}: gets a token for Kubernetes"));
        }
        if !agent && context.run_as_non_root != Some(true) {
            faults.push(format!("{name}: may run as root"));
        }
        if !agent && pod.host_network == Some(true) {
            faults.push(format!("{name}: uses the host's network"));
        }
        for (shares, what) in [(pod.host_pid, "processes"), (pod.host_ipc, "IPC")] {
            if shares == Some(true) {
                faults.push(format!("{name}: sees the host's {what}"));
            }
        }
    }
    faults
}

fn containers_ask_for_little(manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    for workload in manifest.workloads() {
        let allowed = CAPABILITIES
            .iter()
            .find(|(name, _)| workload.metadata.name.as_deref() == Some(name))
            .map_or(&[][..], |(_, capabilities)| capabilities);
        for container in workload.containers() {
            let name = format!("{}: container {}", workload.name(), container.name);
            let mut fault = |what: String| faults.push(format!("{name} {what}"));
            let context = container.security_context.clone().unwrap_or_default();
            if context.privileged == Some(true) {
                fault("is privileged".to_owned());
            }
            if context.allow_privilege_escalation != Some(false) {
                fault("may gain privileges".to_owned());
            }
            if context.read_only_root_filesystem != Some(true) {
                fault("can write its root file system".to_owned());
            }
            let capabilities = context.capabilities.unwrap_or_default();
            if capabilities.drop.unwrap_or_default() != ["ALL"] {
                fault("does not drop all capabilities".to_owned());
            }
            for added in capabilities.add.unwrap_or_default() {
                if !allowed.contains(&added.as_str()) {
                    fault(format!("adds capability {added}"));
                }
            }
            let resources = container.resources.clone().unwrap_or_default();
            if !resources.limits.unwrap_or_default().contains_key("memory") {
                fault("has no memory limit".to_owned());
            }
            for resource in ["cpu", "memory"] {
                if !resources
                    .requests
                    .clone()
                    .unwrap_or_default()
                    .contains_key(resource)
                {
                    fault(format!("requests no {resource}"));
                }
            }
            if container.liveness_probe.is_none() {
                fault("has no liveness probe".to_owned());
            }
            if container.readiness_probe.is_none() {
                fault("has no readiness probe".to_owned());
            }
        }
    }
    faults
}

/// Two servers would each count a part.
fn the_server_is_alone(manifest: &Manifest) -> Vec<String> {
    manifest
        .stateful_sets
        .iter()
        .filter_map(|set| {
            let replicas = set
                .spec
                .as_ref()
                .and_then(|spec| spec.replicas)
                .unwrap_or(1);
            let name = named("StatefulSet", &set.metadata);
            (replicas != 1).then(|| format!("{name}: runs {replicas} servers"))
        })
        .collect()
}
