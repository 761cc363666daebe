//! Reads every manifest under `deploy/` as strictly as an API server would, and more.
//!
//! `kubectl apply --dry-run=client` needs a cluster and lets unknown fields pass. Here each document
//! is decoded into the Kubernetes type it names, an unknown field is an error, and what one object
//! says of another is looked up. Each rule has a test that breaks a manifest and sees
//! the rule speak.

mod decode;
mod privileges;
mod references;
mod uninstall;
mod workload;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::decode::{DecodeError, Manifest};
use crate::workload::Workload;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// Every manifest under `deploy/`, by file name.
fn manifests() -> BTreeMap<String, String> {
    let found: BTreeMap<_, _> = std::fs::read_dir(deploy())
        .expect("deploy/ is there")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|path| {
            let name = path
                .file_name()
                .expect("a file")
                .to_string_lossy()
                .into_owned();
            (
                name,
                std::fs::read_to_string(path).expect("a readable manifest"),
            )
        })
        .collect();
    assert!(
        found.contains_key("kubezonnet.yaml"),
        "found only {:?}",
        found.keys()
    );
    found
}

/// All manifests as one, as they stand in a cluster after all have been applied: what is installed first,
/// and then what goes with it.
fn all() -> String {
    let mut others = manifests();
    let installed = others.remove("kubezonnet.yaml").expect("it is there");
    let texts = std::iter::once(installed).chain(others.into_values());
    texts.collect::<Vec<_>>().join("\n---\n")
}

/// Everything that is wrong with the objects of `manifest`; no rule stops at its first fault.
fn faults(manifest: &Manifest) -> Vec<String> {
    let rules = references::RULES.iter().chain(privileges::RULES);
    rules.flat_map(|rule| rule(manifest)).collect()
}

/// The manifests with one piece of text replaced, to see that a rule notices.
fn broken(old: &str, new: &str) -> Vec<String> {
    let text = all();
    assert!(text.contains(old), "the manifests do not contain {old:?}");
    faults(&Manifest::decode(&text.replacen(old, new, 1)).expect("still decodes"))
}

#[test]
fn every_document_of_every_manifest_decodes_strictly() {
    for (name, text) in manifests() {
        let manifest = Manifest::decode(&text).unwrap_or_else(|error| panic!("{name}: {error}"));

        assert!(manifest.len() > 0, "{name} holds nothing");
    }
}

#[test]
fn what_objects_say_of_each_other_is_true() {
    let manifest = Manifest::decode(&all()).unwrap();

    assert_eq!(faults(&manifest), Vec::<String>::new());
}

#[test]
fn an_unknown_field_is_refused_by_its_path() {
    let text = all().replacen("hostNetwork: true", "hostNetworks: true", 1);

    let error = Manifest::decode(&text).unwrap_err();

    let DecodeError::UnknownFields { object, fields } = error else {
        panic!("{error}")
    };
    assert_eq!(object, "DaemonSet kubezonnet-agent");
    assert_eq!(fields, ["spec.template.spec.hostNetworks"]);
}

#[test]
fn a_wrong_type_a_doubled_key_and_a_strange_kind_are_refused() {
    for (old, new) in [
        ("replicas: 1", "replicas: one"),
        (
            "hostNetwork: true",
            "hostNetwork: true\n      hostNetwork: true",
        ),
        ("kind: DaemonSet", "kind: DaemonSets"),
        (
            "- port: http\n      path: /metrics",
            "- port: http\n      paths: /metrics",
        ),
    ] {
        let text = all();
        assert!(text.contains(old), "the manifests do not contain {old:?}");

        assert!(
            Manifest::decode(&text.replacen(old, new, 1)).is_err(),
            "{new:?} passed"
        );
    }
}

#[test]
fn no_plain_scalar_is_a_boolean_to_older_yaml_only() {
    for (name, text) in manifests() {
        assert_eq!(decode::old_booleans(&text), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn old_booleans_are_found_in_maps_and_lists() {
    let text = "a: off\nb: \"off\"\nc:\n  - yes\n  - offer\n  - [n, 1]\n# d: no\n";

    assert_eq!(
        decode::old_booleans(text),
        ["line 1: off", "line 4: yes", "line 6: n"]
    );
}

/// What is changed in the manifests, into what, and what is said of it.
const BROKEN: [(&str, &str, &str); 13] = [
    (
        "serviceAccountName: kubezonnet-agent",
        "serviceAccountName: kubezonnet",
        "DaemonSet kubezonnet-agent: no service account kubezonnet",
    ),
    (
        "matchLabels:\n      app.kubernetes.io/name: kubezonnet-agent",
        "matchLabels:\n      app.kubernetes.io/name: agent",
        "DaemonSet kubezonnet-agent: its selector does not match its own pods",
    ),
    (
        "claimName: kubezonnet-server",
        "claimName: kubezonnet",
        "StatefulSet kubezonnet-server: /var/lib/kubezonnet is on no known claim: kubezonnet",
    ),
    (
        "mountPath: /var/lib/kubezonnet",
        "mountPath: /var/lib/elsewhere",
        "StatefulSet kubezonnet-server: /var/lib/kubezonnet is on no known claim: (none)",
    ),
    (
        "priorityClassName: kubezonnet-agent",
        "priorityClassName: system-node-critical",
        "DaemonSet kubezonnet-agent: no priority class system-node-critical",
    ),
    (
        "path: /readyz\n              port: metrics",
        "path: /readyz\n              port: http",
        "DaemonSet kubezonnet-agent: container agent has no port http for a probe",
    ),
    (
        "targetPort: metrics",
        "targetPort: metric",
        "Service kubezonnet-agent: its pods have no port metric",
    ),
    (
        "clusterIP: None\n  selector:\n    app.kubernetes.io/name: kubezonnet-agent",
        "clusterIP: None\n  selector:\n    app.kubernetes.io/name: nobody",
        "Service kubezonnet-agent: selects the pods of 0 workloads",
    ),
    (
        "kind: ClusterRole\n  name: kubezonnet-server",
        "kind: ClusterRole\n  name: cluster-admin",
        "ClusterRoleBinding kubezonnet-server: no cluster role cluster-admin",
    ),
    (
        "serviceName: kubezonnet-server",
        "serviceName: server",
        "StatefulSet kubezonnet-server: no service server",
    ),
    (
        "- port: http\n      path: /metrics",
        "- port: web\n      path: /metrics",
        "ServiceMonitor kubezonnet-server: no service it selects has a port web",
    ),
    (
        "https://kubezonnet-server.kubezonnet.svc:",
        "https://kubezonnet-server.default.svc:",
        "DaemonSet kubezonnet-agent: no service answers at kubezonnet-server.default.svc:8443",
    ),
    (
        "namespace: kubezonnet\n",
        "namespace: elsewhere\n",
        "ServiceAccount kubezonnet-agent: no namespace elsewhere",
    ),
];

#[test]
fn a_broken_reference_is_found() {
    for (old, new, fault) in BROKEN {
        let found = broken(old, new);

        assert!(
            found.iter().any(|found| found == fault),
            "{new:?} gave {found:#?}"
        );
    }
}

#[test]
fn a_broken_reference_to_what_agents_and_server_know_each_other_by_is_found() {
    for (old, new, fault) in [
        (
            "kind: Role\n  name: kubezonnet-server",
            "kind: Role\n  name: admin",
            "RoleBinding kubezonnet-server: no role admin",
        ),
        (
            r#"resourceNames: ["kubezonnet-server-ca"]"#,
            r#"resourceNames: ["kubezonnet-server-c"]"#,
            "Role kubezonnet-server: there is no kubezonnet-server-c",
        ),
        (
            "- configMap:\n                  name: kubezonnet-ca",
            "- configMap:\n                  name: kubezonnet",
            "DaemonSet kubezonnet-agent: no config map kubezonnet",
        ),
        (
            "volumeMounts:\n            - name: server",
            "volumeMounts:\n            - name: servers",
            "DaemonSet kubezonnet-agent: no volume servers",
        ),
        (
            "audience: kubezonnet",
            "audience: kube",
            "DaemonSet kubezonnet-agent: its token is for Some(\"kube\")",
        ),
        (
            "kind: ConfigMap\nmetadata:\n  name: kubezonnet-ca",
            "kind: ConfigMap\nmetadata:\n  name: ca",
            "there is no ConfigMap kubezonnet-ca",
        ),
    ] {
        let found = broken(old, new);

        assert!(
            found.iter().any(|found| found == fault),
            "{new:?} gave {found:#?}"
        );
    }
}

#[test]
fn more_privilege_than_needed_is_found() {
    for (old, new, fault) in [
        (
            "allowPrivilegeEscalation: false",
            "privileged: true",
            "DaemonSet kubezonnet-agent: container agent is privileged",
        ),
        (
            "allowPrivilegeEscalation: false",
            "allowPrivilegeEscalation: true",
            "DaemonSet kubezonnet-agent: container agent may gain privileges",
        ),
        (
            "readOnlyRootFilesystem: true",
            "readOnlyRootFilesystem: false",
            "DaemonSet kubezonnet-agent: container agent can write its root file system",
        ),
        (
            r#"add: ["BPF", "NET_ADMIN", "PERFMON"]"#,
            r#"add: ["BPF", "NET_ADMIN", "PERFMON", "SYS_ADMIN"]"#,
            "DaemonSet kubezonnet-agent: container agent adds capability SYS_ADMIN",
        ),
        (
            r#"drop: ["ALL"]"#,
            r#"drop: ["NET_RAW"]"#,
            "DaemonSet kubezonnet-agent: container agent does not drop all capabilities",
        ),
        (
            "          type: RuntimeDefault",
            "          type: Unconfined",
            "DaemonSet kubezonnet-agent: no seccomp profile RuntimeDefault",
        ),
        (
            "runAsNonRoot: true",
            "runAsNonRoot: false",
            "StatefulSet kubezonnet-server: may run as root",
        ),
        (
            r#"verbs: ["get", "list", "watch"]"#,
            r#"verbs: ["get", "list", "watch", "patch"]"#,
            "ClusterRole kubezonnet-server: allows patch on nodes",
        ),
        (
            r#"resources: ["pods", "nodes"]"#,
            r#"resources: ["pods", "nodes", "secrets"]"#,
            "ClusterRole kubezonnet-server: allows get on secrets",
        ),
        (
            r#"verbs: ["get", "update"]"#,
            r#"verbs: ["get", "update", "delete"]"#,
            "Role kubezonnet-server: allows delete on secrets",
        ),
        (
            r#"    resourceNames: ["kubezonnet-server-ca"]"#,
            "    resourceNames: []",
            "Role kubezonnet-server: names no secrets",
        ),
        (
            "  - kind: ServiceAccount\n    name: kubezonnet-server",
            "  - kind: ServiceAccount\n    name: kubezonnet-agent",
            "DaemonSet kubezonnet-agent: has access to Kubernetes",
        ),
    ] {
        let found = broken(old, new);

        assert!(
            found.iter().any(|found| found == fault),
            "{new:?} gave {found:#?}"
        );
    }
}

#[test]
fn more_rights_of_people_than_needed_are_found() {
    for (old, new, fault) in [
        (
            r#"    resources: ["nodes"]
    verbs: ["list"]"#,
            r#"    resources: ["nodes"]
    verbs: ["list", "watch"]"#,
            "ClusterRole kubectl-zonnet: allows watch on nodes",
        ),
        (
            r#"resources: ["pods/portforward"]"#,
            r#"resources: ["pods/exec"]"#,
            "Role kubectl-zonnet: allows create on pods/exec",
        ),
        (
            r#"    resourceNames: ["kubezonnet-server-0"]"#,
            "    resourceNames: []",
            "Role kubectl-zonnet: names no pods/portforward",
        ),
        (
            r#"    resourceNames: ["kubezonnet-server-0"]"#,
            r#"    resourceNames: ["kubezonnet-agent-0"]"#,
            "Role kubectl-zonnet: there is no kubezonnet-agent-0",
        ),
        (
            "kind: Role\n  name: kubectl-zonnet",
            "kind: Role\n  name: zonnet",
            "RoleBinding kubectl-zonnet: no role zonnet",
        ),
    ] {
        let found = broken(old, new);

        assert!(
            found.iter().any(|found| found == fault),
            "{new:?} gave {found:#?}"
        );
    }
}

#[test]
fn what_is_offered_in_comments_is_taken_and_lies_where_it_is_said_to() {
    let offered = all().replace("# - --", "- --");

    let manifest = Manifest::decode(&offered).unwrap();

    assert_eq!(faults(&manifest), Vec::<String>::new());
    let workloads = manifest.workloads();
    let server = workloads.iter().find(|set| set.kind == "StatefulSet");
    let container = &server.expect("a server").containers()[0];
    let arguments = Workload::arguments(container);
    parses("kubezonnet-server", arguments).unwrap();
    let mounts = container.volume_mounts.iter().flatten();
    let mounts: Vec<_> = mounts
        .map(|mount| format!("={}/", mount.mount_path))
        .collect();
    for flag in ["--pricing=", "--budgets=", "--networks="] {
        let given = arguments.iter().find(|given| given.starts_with(flag));
        let given = given.unwrap_or_else(|| panic!("{flag} is not offered"));
        assert!(mounts.iter().any(|mount| given.contains(mount)), "{given}");
    }
}

#[test]
fn missing_probes_and_limits_are_found() {
    for (old, new, fault) in [
        (
            "limits:\n              memory: 256Mi",
            "limits: {}",
            "DaemonSet kubezonnet-agent: container agent has no memory limit",
        ),
        (
            "livenessProbe:",
            "startupProbe:",
            "DaemonSet kubezonnet-agent: container agent has no liveness probe",
        ),
        (
            "replicas: 1",
            "replicas: 2",
            "StatefulSet kubezonnet-server: runs 2 servers",
        ),
    ] {
        let found = broken(old, new);

        assert!(
            found.iter().any(|found| found == fault),
            "{new:?} gave {found:#?}"
        );
    }
}

/// Runs a container's binary with its arguments and `--version` behind them: the arguments before
/// it are parsed, with their values, and nothing is started.
fn parses(binary: &str, arguments: &[String]) -> Result<(), String> {
    let path = kubezonnet_testkit::binary(binary).unwrap_or_else(|error| panic!("{error}"));
    let output = Command::new(&path)
        .args(arguments)
        .arg("--version")
        .env_clear()
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_container_gets_arguments_its_binary_takes() {
    let manifest = Manifest::decode(&all()).unwrap();

    for workload in manifest.workloads() {
        for container in workload.containers() {
            let binary = Workload::binary(container);
            let arguments: Vec<_> = Workload::arguments(container)
                .iter()
                .map(|argument| argument.replace("$(NODE_NAME)", "node-1"))
                .collect();

            parses(&binary, &arguments).unwrap_or_else(|error| panic!("{binary}: {error}"));
        }
    }
}

#[test]
fn an_argument_that_no_binary_takes_is_refused() {
    for binary in ["kubezonnet-agent", "kubezonnet-server"] {
        let error = parses(binary, &["--no-such-flag".to_owned()]).unwrap_err();

        assert!(error.contains("--no-such-flag"), "{error}");
    }
}
