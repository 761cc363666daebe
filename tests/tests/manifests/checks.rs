//! What one object says of another, and what none may ask for. Each rule returns its faults as
//! sentences; none of them stops at the first.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::decode::Manifest;

/// The rules, in the order their faults are told.
const RULES: &[fn(&Manifest) -> Vec<String>] = &[
    namespaces_exist,
    workloads_fit_together,
    services_lead_to_pods,
    addresses_in_arguments_are_services,
    monitors_find_services,
    access_is_least,
    pods_ask_for_little,
    containers_ask_for_little,
    the_server_is_alone,
];

/// The capabilities that a container may add, by the workload's name.
const CAPABILITIES: &[(&str, &[&str])] = &[("kubezonnet-agent", &["BPF", "NET_ADMIN", "PERFMON"])];

/// The account that must have no access to Kubernetes at all.
const WITHOUT_ACCESS: &str = "kubezonnet-agent";

/// Everything that is wrong with the objects of `manifest`.
pub(crate) fn faults(manifest: &Manifest) -> Vec<String> {
    RULES.iter().flat_map(|rule| rule(manifest)).collect()
}

/// What a `DaemonSet` and a `StatefulSet` have in common.
pub(crate) struct Workload<'a> {
    kind: &'static str,
    metadata: &'a ObjectMeta,
    selector: &'a LabelSelector,
    template: &'a PodTemplateSpec,
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

    fn pod(&self) -> &'a PodSpec {
        self.template
            .spec
            .as_ref()
            .expect("a pod template has a spec")
    }

    fn labels(&self) -> BTreeMap<String, String> {
        self.template
            .metadata
            .as_ref()
            .and_then(|meta| meta.labels.clone())
            .unwrap_or_default()
    }

    fn name(&self) -> String {
        named(self.kind, self.metadata)
    }

    fn has_port(&self, port: &IntOrString) -> bool {
        self.containers()
            .iter()
            .any(|container| has_port(container, port))
    }
}

fn named(kind: &str, metadata: &ObjectMeta) -> String {
    format!("{kind} {}", metadata.name.as_deref().unwrap_or("?"))
}

fn has_port(container: &Container, port: &IntOrString) -> bool {
    container.ports.iter().flatten().any(|known| match port {
        IntOrString::String(name) => known.name.as_ref() == Some(name),
        IntOrString::Int(number) => known.container_port == *number,
    })
}

fn port_name(port: &IntOrString) -> String {
    match port {
        IntOrString::String(name) => name.clone(),
        IntOrString::Int(number) => number.to_string(),
    }
}

fn includes(labels: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    !wanted.is_empty()
        && wanted
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
}

fn matches(labels: &BTreeMap<String, String>, selector: &LabelSelector) -> bool {
    selector
        .match_labels
        .as_ref()
        .is_some_and(|wanted| includes(labels, wanted))
}

fn namespaces_exist(manifest: &Manifest) -> Vec<String> {
    let objects = (manifest
        .service_accounts
        .iter()
        .map(|o| ("ServiceAccount", &o.metadata)))
    .chain(
        manifest
            .daemon_sets
            .iter()
            .map(|o| ("DaemonSet", &o.metadata)),
    )
    .chain(
        manifest
            .stateful_sets
            .iter()
            .map(|o| ("StatefulSet", &o.metadata)),
    )
    .chain(manifest.services.iter().map(|o| ("Service", &o.metadata)))
    .chain(
        manifest
            .service_monitors
            .iter()
            .map(|o| ("ServiceMonitor", &o.metadata)),
    );
    objects
        .filter_map(|(kind, metadata)| {
            let namespace = metadata.namespace.as_deref().unwrap_or("(none given)");
            let known = manifest
                .namespaces
                .iter()
                .any(|known| known.metadata.name.as_deref() == Some(namespace));
            (!known).then(|| format!("{}: no namespace {namespace}", named(kind, metadata)))
        })
        .collect()
}

fn workloads_fit_together(manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    for workload in manifest.workloads() {
        let name = workload.name();
        if !matches(&workload.labels(), workload.selector) {
            faults.push(format!("{name}: its selector does not match its own pods"));
        }
        let account = workload
            .pod()
            .service_account_name
            .as_deref()
            .unwrap_or("default");
        let known = manifest.service_accounts.iter().any(|known| {
            known.metadata.name.as_deref() == Some(account)
                && known.metadata.namespace == workload.metadata.namespace
        });
        if !known {
            faults.push(format!("{name}: no service account {account}"));
        }
        if let Some(class) = &workload.pod().priority_class_name
            && !manifest
                .priority_classes
                .iter()
                .any(|c| c.metadata.name.as_ref() == Some(class))
        {
            faults.push(format!("{name}: no priority class {class}"));
        }
        for container in workload.containers() {
            for probe in [&container.liveness_probe, &container.readiness_probe] {
                let get = probe.as_ref().and_then(|probe| probe.http_get.as_ref());
                if let Some(get) = get
                    && !has_port(container, &get.port)
                {
                    let (container, port) = (&container.name, port_name(&get.port));
                    faults.push(format!(
                        "{name}: container {container} has no port {port} for a probe"
                    ));
                }
            }
        }
    }
    for set in &manifest.stateful_sets {
        let service = set.spec.as_ref().and_then(|spec| spec.service_name.clone());
        let service = service.unwrap_or_default();
        if !manifest
            .services
            .iter()
            .any(|known| known.metadata.name.as_ref() == Some(&service))
        {
            faults.push(format!(
                "{}: no service {service}",
                named("StatefulSet", &set.metadata)
            ));
        }
    }
    faults
}

/// The workloads whose pods a service leads to.
fn selected<'a>(service: &Service, manifest: &'a Manifest) -> Vec<Workload<'a>> {
    let selector = service
        .spec
        .as_ref()
        .and_then(|spec| spec.selector.clone())
        .unwrap_or_default();
    let mut workloads = manifest.workloads();
    workloads.retain(|workload| {
        workload.metadata.namespace == service.metadata.namespace
            && includes(&workload.labels(), &selector)
    });
    workloads
}

fn services_lead_to_pods(manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    for service in &manifest.services {
        let name = named("Service", &service.metadata);
        let workloads = selected(service, manifest);
        if workloads.len() != 1 {
            faults.push(format!(
                "{name}: selects the pods of {} workloads",
                workloads.len()
            ));
        }
        for port in service
            .spec
            .iter()
            .flat_map(|spec| spec.ports.iter().flatten())
        {
            let target = port
                .target_port
                .clone()
                .unwrap_or(IntOrString::Int(port.port));
            if !workloads.iter().all(|workload| workload.has_port(&target)) {
                faults.push(format!(
                    "{name}: its pods have no port {}",
                    port_name(&target)
                ));
            }
        }
    }
    faults
}

/// Arguments that name a service by its cluster address, as `http://name.namespace.svc:port`.
fn addresses_in_arguments_are_services(manifest: &Manifest) -> Vec<String> {
    let answers = |address: &str| {
        let (host, port) = address.split_once(':')?;
        let (name, namespace) = host.strip_suffix(".svc")?.split_once('.')?;
        let port: i32 = port.parse().ok()?;
        manifest.services.iter().find(|service| {
            service.metadata.name.as_deref() == Some(name)
                && service.metadata.namespace.as_deref() == Some(namespace)
                && service
                    .spec
                    .as_ref()
                    .is_some_and(|spec| spec.ports.iter().flatten().any(|known| known.port == port))
        })
    };
    let mut faults = Vec::new();
    for workload in manifest.workloads() {
        for argument in workload.containers().iter().flat_map(Workload::arguments) {
            let Some((_, rest)) = argument.split_once("://") else {
                continue;
            };
            let address = rest.split('/').next().unwrap_or_default();
            if answers(address).is_none() {
                faults.push(format!(
                    "{}: no service answers at {address}",
                    workload.name()
                ));
            }
        }
    }
    faults
}

fn monitors_find_services(manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    for monitor in &manifest.service_monitors {
        let name = named("ServiceMonitor", &monitor.metadata);
        for endpoint in &monitor.spec.endpoints {
            let found = manifest.services.iter().any(|service| {
                service.metadata.namespace == monitor.metadata.namespace
                    && matches(
                        &service.metadata.labels.clone().unwrap_or_default(),
                        &monitor.spec.selector,
                    )
                    && service.spec.as_ref().is_some_and(|spec| {
                        let mut ports = spec.ports.iter().flatten();
                        ports.any(|port| port.name.as_ref() == Some(&endpoint.port))
                    })
            });
            if !found {
                let port = &endpoint.port;
                faults.push(format!("{name}: no service it selects has a port {port}"));
            }
        }
    }
    faults
}

fn access_is_least(manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    for role in &manifest.cluster_roles {
        let name = named("ClusterRole", &role.metadata);
        for rule in role.rules.iter().flatten() {
            let mut resources = rule.resources.clone().unwrap_or_default();
            resources.sort();
            for verb in rule
                .verbs
                .iter()
                .filter(|v| !["get", "list", "watch"].contains(&v.as_str()))
            {
                faults.push(format!("{name}: allows {verb} on {}", resources.join(", ")));
            }
            resources.retain(|resource| !["pods", "nodes"].contains(&resource.as_str()));
            for resource in resources {
                faults.push(format!("{name}: allows {} on {resource}", rule.verbs[0]));
            }
        }
    }
    for binding in &manifest.cluster_role_bindings {
        let role = &binding.role_ref.name;
        if !manifest
            .cluster_roles
            .iter()
            .any(|known| known.metadata.name.as_ref() == Some(role))
        {
            let name = named("ClusterRoleBinding", &binding.metadata);
            faults.push(format!("{name}: no cluster role {role}"));
        }
        for subject in binding.subjects.iter().flatten() {
            if subject.name == WITHOUT_ACCESS {
                faults.push(format!(
                    "DaemonSet {WITHOUT_ACCESS}: has access to Kubernetes"
                ));
            }
            if !manifest.service_accounts.iter().any(|known| {
                known.metadata.name.as_ref() == Some(&subject.name)
                    && known.metadata.namespace == subject.namespace
            }) {
                let name = named("ClusterRoleBinding", &binding.metadata);
                faults.push(format!("{name}: no service account {}", subject.name));
            }
        }
    }
    faults
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
