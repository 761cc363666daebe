//! Whether Kubernetes puts a pod of a DaemonSet on a node: its selector, affinity and tolerations against
//! the node's labels and taints. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Node, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Taint, Toleration,
};

/// What keeps a pod away from a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// A label that the pods want, and the node has not.
    Selector(String),
    /// The pods' affinity.
    Affinity,
    /// A taint that the pods do not tolerate.
    Taint(String),
}

/// Taints that the controller of a `DaemonSet` has every pod of it tolerate; that of the network for those on
/// the node's, as the agent is.
const ALWAYS_TOLERATED: [&str; 7] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
    "node.kubernetes.io/network-unavailable",
];

/// What keeps pods of this template away from a node, if anything does.
pub(super) fn hindrance(pod: &PodSpec, node: &Node) -> Option<Hindrance> {
    let unlabelled = BTreeMap::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&unlabelled);
    let wanted = pod.node_selector.iter().flatten();
    for (key, value) in wanted {
        if labels.get(key) != Some(value) {
            return Some(Hindrance::Selector(format!("{key}={value}")));
        }
    }
    let affinity = pod.affinity.as_ref().and_then(|all| {
        let node = all.node_affinity.as_ref()?;
        node.required_during_scheduling_ignored_during_execution
            .as_ref()
    });
    let name = node.metadata.name.as_deref().unwrap_or_default();
    if let Some(selector) = affinity
        && !selector
            .node_selector_terms
            .iter()
            .any(|term| has_term(term, labels, name))
    {
        return Some(Hindrance::Affinity);
    }
    let tolerations = pod.tolerations.as_deref().unwrap_or_default();
    let mut taints = node
        .spec
        .iter()
        .flat_map(|spec| spec.taints.iter().flatten());
    let taint = taints.find(|taint| keeps_away(taint, tolerations))?;
    let value = taint.value.as_deref().unwrap_or_default();
    let equals = if value.is_empty() { "" } else { "=" };
    let (key, effect) = (&taint.key, &taint.effect);
    Some(Hindrance::Taint(format!("{key}{equals}{value}:{effect}")))
}

/// A term without anything in it is had by no node.
fn has_term(term: &NodeSelectorTerm, labels: &BTreeMap<String, String>, name: &str) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let of_label = |wanted: &NodeSelectorRequirement| {
        fulfils(wanted, labels.get(&wanted.key).map(String::as_str))
    };
    // The name is the only field there is.
    let of_field = |wanted: &NodeSelectorRequirement| fulfils(wanted, Some(name));
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(of_label)
        && fields.iter().all(of_field)
}

fn fulfils(wanted: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = wanted.values.as_deref().unwrap_or_default();
    let is_listed = value.is_some_and(|value| values.iter().any(|known| known == value));
    let number = |text: &str| text.parse::<i64>().ok();
    let compared = value
        .and_then(number)
        .zip(values.first().and_then(|v| number(v)));
    match &*wanted.operator {
        "In" => is_listed,
        "NotIn" => !is_listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compared.is_some_and(|(value, bound)| value > bound),
        "Lt" => compared.is_some_and(|(value, bound)| value < bound),
        // One of a later Kubernetes: nothing is said of it.
        _ => true,
    }
}

fn keeps_away(taint: &Taint, tolerations: &[Toleration]) -> bool {
    matches!(&*taint.effect, "NoSchedule" | "NoExecute")
        && !ALWAYS_TOLERATED.contains(&&*taint.key)
        && !tolerations
            .iter()
            .any(|toleration| tolerates(toleration, taint))
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let is_or_none = |given: &Option<String>, of: &str| {
        given
            .as_deref()
            .is_none_or(|given| given.is_empty() || given == of)
    };
    let value = |value: &Option<String>| value.clone().unwrap_or_default();
    is_or_none(&toleration.effect, &taint.effect)
        && is_or_none(&toleration.key, &taint.key)
        && match toleration.operator.as_deref() {
            None | Some("" | "Equal") => {
                toleration.key.is_some() && value(&toleration.value) == value(&taint.value)
            }
            // `Exists`, or one of a later Kubernetes, of which nothing can be said.
            Some(_) => true,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(labels: &Value, taints: &Value) -> Node {
        let node = json!({
            "metadata": { "name": "node-a", "labels": labels },
            "spec": { "taints": taints },
        });
        serde_json::from_value(node).unwrap()
    }

    fn pod(spec: &Value) -> PodSpec {
        let mut spec = spec.clone();
        spec["containers"] = json!([]);
        serde_json::from_value(spec).unwrap()
    }

    fn taint(key: &str, value: &str, effect: &str) -> Value {
        json!([{ "key": key, "value": value, "effect": effect }])
    }

    #[test]
    fn pods_without_wishes_go_to_nodes_without_taints_and_to_those_that_are_unwell() {
        let plain = pod(&json!({}));

        assert_eq!(hindrance(&plain, &node(&json!({}), &json!([]))), None);
        for (key, effect) in [
            ("node.kubernetes.io/unreachable", "NoExecute"),
            ("node.kubernetes.io/unschedulable", "NoSchedule"),
            ("better-not", "PreferNoSchedule"),
        ] {
            let unwell = node(&json!({}), &taint(key, "", effect));
            assert_eq!(hindrance(&plain, &unwell), None, "{key}");
        }
    }

    #[test]
    fn a_taint_keeps_pods_away_that_do_not_tolerate_it() {
        let tainted = node(&json!({}), &taint("dedicated", "gpu", "NoSchedule"));
        for (toleration, tolerated) in [
            (json!({ "operator": "Exists" }), true),
            (json!({ "key": "dedicated", "operator": "Exists" }), true),
            (json!({ "key": "dedicated", "value": "gpu" }), true),
            (
                json!({ "key": "dedicated", "value": "gpu", "effect": "NoSchedule" }),
                true,
            ),
            (
                json!({ "key": "dedicated", "value": "gpu", "effect": "NoExecute" }),
                false,
            ),
            (json!({ "key": "dedicated", "value": "cpu" }), false),
            (json!({ "key": "other", "operator": "Exists" }), false),
        ] {
            let found = hindrance(&pod(&json!({ "tolerations": [toleration] })), &tainted);

            let expected = Hindrance::Taint("dedicated=gpu:NoSchedule".to_owned());
            assert_eq!(found, (!tolerated).then_some(expected), "{toleration}");
        }
    }

    #[test]
    fn a_selector_wants_each_of_its_labels() {
        let linux = pod(&json!({ "nodeSelector": { "kubernetes.io/os": "linux", "pool": "a" } }));

        let found = hindrance(
            &linux,
            &node(&json!({ "kubernetes.io/os": "linux" }), &json!([])),
        );

        assert_eq!(found, Some(Hindrance::Selector("pool=a".to_owned())));
    }

    #[test]
    fn affinity_is_one_of_its_terms_and_all_that_is_in_it() {
        let labels = json!({ "type": "plain", "cpus": "16" });
        let has = |terms: Value| {
            let wanted = json!({ "affinity": { "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms },
            } } });
            hindrance(&pod(&wanted), &node(&labels, &json!([]))).is_none()
        };
        let of = |key: &str, operator: &str, values: &[&str]| json!({ "key": key, "operator": operator, "values": values });

        for (requirement, expected) in [
            (of("type", "In", &["odd", "plain"]), true),
            (of("type", "NotIn", &["virtual-kubelet"]), true),
            (of("absent", "NotIn", &["fargate"]), true),
            (of("type", "NotIn", &["plain"]), false),
            (of("type", "Exists", &[]), true),
            (of("type", "DoesNotExist", &[]), false),
            (of("cpus", "Gt", &["8"]), true),
            (of("cpus", "Lt", &["8"]), false),
            (of("type", "Gt", &["8"]), false),
        ] {
            assert_eq!(
                has(json!([{ "matchExpressions": [requirement] }])),
                expected,
                "{requirement}"
            );
        }
        let name = |name: &str| json!([{ "matchFields": [of("metadata.name", "In", &[name])] }]);
        assert!(has(name("node-a")) && !has(name("node-b")));
        let (yes, no) = (of("type", "Exists", &[]), of("absent", "Exists", &[]));
        assert!(has(
            json!([{ "matchExpressions": [no] }, { "matchExpressions": [yes] }])
        ));
        assert!(!has(json!([{ "matchExpressions": [yes, no] }])));
        assert!(!has(json!([{}])));
    }
}
