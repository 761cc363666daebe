//! The rights that deploy/kubectl-zonnet.yaml gives are those that the program needs: what it asks of a
//! cluster is allowed by them, and each of them is asked for.

use std::collections::BTreeSet;
use std::path::Path;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use serde_json::Value;

use crate::kubernetes::Cluster;

/// One right: API group, resource, name (nothing for a list), verb.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    group: String,
    resource: String,
    name: String,
    verb: String,
    in_namespace: bool,
}

/// What a request needs. The program asks by GET alone: also for a port-forward, which is a web socket.
fn needed(target: &str) -> Right {
    let path = target.split('?').next().unwrap();
    let mut steps: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let group = if steps[0] == "api" { "" } else { steps[1] };
    steps.drain(..if group.is_empty() { 2 } else { 3 });
    let in_namespace = steps[0] == "namespaces";
    if in_namespace {
        assert_eq!(steps[1], "kubezonnet", "{target}");
        steps.drain(..2);
    }
    let (resource, name) = match *steps {
        [resource] => (resource.to_owned(), ""),
        [resource, name] => (resource.to_owned(), name),
        [resource, name, more] => (format!("{resource}/{more}"), name),
        _ => panic!("{target} is not understood"),
    };
    let verb = if name.is_empty() { "list" } else { "get" };
    Right {
        group: group.to_owned(),
        resource,
        name: name.to_owned(),
        verb: verb.to_owned(),
        in_namespace,
    }
}

fn given() -> BTreeSet<Right> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kubectl-zonnet.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let mut rights = BTreeSet::new();
    for object in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
        match object["kind"].as_str().unwrap() {
            "Role" => {
                let role: Role = serde_json::from_value(object).unwrap();
                rights.extend(role.rules.iter().flatten().flat_map(|rule| of(rule, true)));
            }
            "ClusterRole" => {
                let role: ClusterRole = serde_json::from_value(object).unwrap();
                rights.extend(role.rules.iter().flatten().flat_map(|rule| of(rule, false)));
            }
            _ => {}
        }
    }
    rights
}

/// Each right of a rule by itself.
fn of(rule: &PolicyRule, in_namespace: bool) -> Vec<Right> {
    let unnamed = vec![String::new()];
    let names = rule.resource_names.as_ref().unwrap_or(&unnamed);
    let mut rights = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            for (name, verb) in names
                .iter()
                .flat_map(|name| rule.verbs.iter().map(move |verb| (name, verb)))
            {
                rights.push(Right {
                    group: group.clone(),
                    resource: resource.clone(),
                    name: name.clone(),
                    verb: verb.clone(),
                    in_namespace,
                });
            }
        }
    }
    rights
}

#[test]
fn the_role_for_people_gives_what_the_program_asks_for_and_nothing_else() {
    let cluster = Cluster::installed();
    for command in [
        &["cost"][..],
        &["matrix"],
        &["top", "--once"],
        &["flows", "--no-follow"],
        &["check"],
        &["version"],
    ] {
        let ended = cluster.run(command);
        assert_eq!(ended.status, 0, "{command:?}: {}", ended.err);
    }

    let needed: BTreeSet<_> = cluster
        .kube
        .requests()
        .iter()
        .map(|path| needed(path))
        .collect();

    // Some API servers take the request for a port-forward for one that makes something.
    let mut given = given();
    given.retain(|right| (&*right.resource, &*right.verb) != ("pods/portforward", "create"));
    assert_eq!(needed, given);
}
