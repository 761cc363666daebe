//! Uninstalling: what docs/troubleshooting.md tells an operator to do has every agent take off its hooks,
//! and nothing in the manifests does so by itself.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::path::Path;

use k8s_openapi::api::apps::v1::DaemonSet;
use kubezonnet_agent::config::{Config, Task};
use serde_json::Value;

use crate::all;
use crate::decode::Manifest;

fn agents() -> DaemonSet {
    let mut sets = Manifest::decode(&all()).unwrap().daemon_sets;
    sets.retain(|set| set.metadata.name.as_deref() == Some("kubezonnet-agent"));
    sets.pop().expect("the agents are a DaemonSet")
}

/// What the agent of a node makes of the arguments that its container gets.
fn read(set: &DaemonSet) -> Config {
    let pod = set.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
    let arguments = pod.containers[0].args.as_deref().unwrap();
    let given = arguments
        .iter()
        .map(|one| one.replace("$(NODE_NAME)", "n1"));
    let given = given.map(Into::into);
    Config::read(std::iter::once("kubezonnet-agent".into()).chain(given)).unwrap()
}

/// The JSON patch between `-p '` and `'` in the page.
fn documented_patch() -> Vec<Value> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/troubleshooting.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("### Uninstalling").unwrap();
    let command = "kubectl -n kubezonnet patch daemonset kubezonnet-agent --type=json -p '";
    let (_, patch) = section.split_once(command).unwrap();
    serde_json::from_str(patch.split_once('\'').unwrap().0).unwrap()
}

/// Does what an API server does with a patch (RFC 6902), as far as this one needs it.
fn apply(object: &mut Value, step: &Value) {
    let path = step["path"].as_str().unwrap();
    let (parent, last) = path.rsplit_once('/').unwrap();
    let parent = object
        .pointer_mut(parent)
        .expect("what is patched is there");
    match (step["op"].as_str().unwrap(), parent) {
        ("replace", Value::Object(map)) => {
            let replaced = map.insert(last.to_owned(), step["value"].clone());
            assert!(replaced.is_some(), "{path} is not there");
        }
        ("add", Value::Array(items)) => items.insert(last.parse().unwrap(), step["value"].clone()),
        (other, parent) => panic!("{other} at {path} of {parent}"),
    }
}

#[test]
fn what_is_documented_has_every_agent_take_off_its_hooks() {
    let before = agents();
    let mut object = serde_json::to_value(&before).unwrap();

    for step in documented_patch() {
        apply(&mut object, &step);
    }

    let after: DaemonSet = serde_json::from_value(object).unwrap();
    let expected = Config {
        task: Task::Detach,
        ..read(&before)
    };
    assert_eq!(
        read(&after),
        expected,
        "it detaches, and all else is the same"
    );
    assert!(expected.pin_dir.is_some());
    let strategy = after.spec.unwrap().update_strategy.unwrap();
    let most = strategy.rolling_update.unwrap().max_unavailable.unwrap();
    // Agents that have nothing more to do end, so none of them is ever ready.
    assert_eq!(serde_json::to_value(most).unwrap(), "100%");
}

#[test]
fn an_agent_that_is_merely_stopped_takes_nothing_off() {
    let set = agents();

    let pod = set.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
    let hooks = pod.containers.iter().map(|each| each.lifecycle.clone());
    assert_eq!(hooks.flatten().collect::<Vec<_>>(), []);
    assert_eq!(read(&set).task, Task::Report);
}
