//! Looks up what one object says of another. Each rule returns its faults as sentences.

use k8s_openapi::api::core::v1::{Container, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::decode::Manifest;
use crate::workload::{Workload, has_port, includes, matches, named, port_name};

/// The rules, in the order their faults are told.
pub(crate) const RULES: &[fn(&Manifest) -> Vec<String>] = &[
    namespaces_exist,
    workloads_fit_together,
    services_lead_to_pods,
    addresses_in_arguments_are_services,
    monitors_find_services,
    roles_and_accounts_exist,
    named_objects_exist,
    agents_and_server_agree,
    data_are_kept_on_claims,
];

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
    .chain(
        manifest
            .volume_claims
            .iter()
            .map(|o| ("PersistentVolumeClaim", &o.metadata)),
    )
    .chain(manifest.services.iter().map(|o| ("Service", &o.metadata)))
    .chain(manifest.roles.iter().map(|o| ("Role", &o.metadata)))
    .chain(
        manifest
            .role_bindings
            .iter()
            .map(|o| ("RoleBinding", &o.metadata)),
    )
    .chain(manifest.secrets.iter().map(|o| ("Secret", &o.metadata)))
    .chain(
        manifest
            .config_maps
            .iter()
            .map(|o| ("ConfigMap", &o.metadata)),
    )
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

fn roles_and_accounts_exist(manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    let cluster_wide = manifest.cluster_role_bindings.iter().map(|binding| {
        let name = named("ClusterRoleBinding", &binding.metadata);
        (name, &binding.role_ref, &binding.subjects)
    });
    let in_namespace = manifest.role_bindings.iter().map(|binding| {
        let name = named("RoleBinding", &binding.metadata);
        (name, &binding.role_ref, &binding.subjects)
    });
    for (name, role, subjects) in cluster_wide.chain(in_namespace) {
        let has = |metadata: &ObjectMeta| metadata.name.as_ref() == Some(&role.name);
        let (kind, known) = if role.kind == "Role" {
            (
                "role",
                manifest.roles.iter().any(|known| has(&known.metadata)),
            )
        } else {
            let mut all = manifest.cluster_roles.iter();
            ("cluster role", all.any(|known| has(&known.metadata)))
        };
        if !known {
            faults.push(format!("{name}: no {kind} {}", role.name));
        }
        let accounts = subjects.iter().flatten();
        // People and their groups are not in manifests.
        for subject in accounts.filter(|subject| subject.kind == "ServiceAccount") {
            let known = manifest.service_accounts.iter().any(|known| {
                known.metadata.name.as_ref() == Some(&subject.name)
                    && known.metadata.namespace == subject.namespace
            });
            if !known {
                faults.push(format!("{name}: no service account {}", subject.name));
            }
        }
    }
    faults
}

/// Roles name objects that exist, and so do volumes; what is mounted is a volume.
fn named_objects_exist(manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    let is_named = |metadata: &ObjectMeta, name: &String| metadata.name.as_ref() == Some(name);
    let is_secret = |name: &String| manifest.secrets.iter().any(|o| is_named(&o.metadata, name));
    let is_map = |name: &String| {
        manifest
            .config_maps
            .iter()
            .any(|o| is_named(&o.metadata, name))
    };
    // The pod of a set that has one.
    let is_pod = |name: &String| {
        let set = name.strip_suffix("-0").map(str::to_owned);
        let mut sets = manifest.stateful_sets.iter();
        set.is_some_and(|set| sets.any(|o| is_named(&o.metadata, &set)))
    };
    let is_service = |name: &String| {
        manifest
            .services
            .iter()
            .any(|o| is_named(&o.metadata, name))
    };
    let is_daemon_set = |name: &String| {
        let mut sets = manifest.daemon_sets.iter();
        sets.any(|o| is_named(&o.metadata, name))
    };
    let is_there = |resource: &str, name: &String| match resource {
        "secrets" => is_secret(name),
        "configmaps" => is_map(name),
        "services" => is_service(name),
        "daemonsets" => is_daemon_set(name),
        "pods/portforward" => is_pod(name),
        _ => false,
    };
    for role in &manifest.roles {
        let of = named("Role", &role.metadata);
        for rule in role.rules.iter().flatten() {
            for name in rule.resource_names.iter().flatten() {
                let mut resources = rule.resources.iter().flatten();
                if !resources.all(|resource| is_there(resource, name)) {
                    faults.push(format!("{of}: there is no {name}"));
                }
            }
        }
    }
    for workload in manifest.workloads() {
        let volumes = || workload.pod().volumes.iter().flatten();
        let sources = volumes().filter_map(|volume| volume.projected.as_ref()?.sources.as_ref());
        let maps = sources
            .flatten()
            .filter_map(|source| source.config_map.as_ref());
        for map in maps.filter(|map| !is_map(&map.name)) {
            faults.push(format!("{}: no config map {}", workload.name(), map.name));
        }
        for container in workload.containers() {
            for mount in container.volume_mounts.iter().flatten() {
                if !volumes().any(|volume| volume.name == mount.name) {
                    faults.push(format!("{}: no volume {}", workload.name(), mount.name));
                }
            }
        }
    }
    faults
}

/// The names that the server takes if nothing else is said: its Secret, `ConfigMap`, audience and port.
fn agents_and_server_agree(manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    for (kind, name, known) in [
        (
            "Secret",
            "kubezonnet-server-ca",
            manifest
                .secrets
                .iter()
                .any(|o| o.metadata.name.as_deref() == Some("kubezonnet-server-ca")),
        ),
        (
            "ConfigMap",
            "kubezonnet-ca",
            manifest
                .config_maps
                .iter()
                .any(|o| o.metadata.name.as_deref() == Some("kubezonnet-ca")),
        ),
    ] {
        if !known {
            faults.push(format!("there is no {kind} {name}"));
        }
    }
    for workload in manifest.workloads() {
        let volumes = workload.pod().volumes.iter().flatten();
        let sources = volumes.filter_map(|volume| volume.projected.as_ref()?.sources.as_ref());
        for token in sources
            .flatten()
            .filter_map(|source| source.service_account_token.as_ref())
        {
            if token.audience.as_deref() != Some("kubezonnet") {
                faults.push(format!(
                    "{}: its token is for {:?}",
                    workload.name(),
                    token.audience
                ));
            }
        }
    }
    faults
}

/// A directory given with `--data-dir` is on a claim that there is, of the same namespace.
fn data_are_kept_on_claims(manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    for workload in manifest.workloads() {
        for container in workload.containers() {
            let arguments = Workload::arguments(container).iter();
            for directory in arguments.filter_map(|given| given.strip_prefix("--data-dir=")) {
                let claim = claim_behind(&workload, container, directory);
                let is_there = manifest.volume_claims.iter().any(|known| {
                    known.metadata.name == claim
                        && known.metadata.namespace == workload.metadata.namespace
                });
                if claim.is_none() || !is_there {
                    let claim = claim.as_deref().unwrap_or("(none)");
                    let name = workload.name();
                    faults.push(format!("{name}: {directory} is on no known claim: {claim}"));
                }
            }
        }
    }
    faults
}

fn claim_behind(workload: &Workload<'_>, container: &Container, directory: &str) -> Option<String> {
    let mut mounts = container.volume_mounts.iter().flatten();
    let mount = mounts.find(|mount| mount.mount_path == directory)?;
    let mut volumes = workload.pod().volumes.iter().flatten();
    let volume = volumes.find(|volume| volume.name == mount.name)?;
    let claim = volume.persistent_volume_claim.as_ref()?;
    Some(claim.claim_name.clone())
}
