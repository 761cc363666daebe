//! The agents' pods: those that are not as they should be, and nodes on which there is none.

use std::collections::BTreeSet;
use std::time::SystemTime;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;

use super::{AGENT, each, pods};
use crate::client::Cluster;
use crate::command::check::{Finding, some_of};
use crate::failure::Failure;

/// What the agents' pods tell.
#[derive(Debug, Default)]
pub(super) struct Agents {
    pub(super) findings: Vec<Finding>,
    /// Nodes of which it is said why their agent is not ready.
    pub(super) explained: BTreeSet<String>,
}

/// Looks at them, and for one on each of these nodes.
pub(super) async fn look(
    cluster: &Cluster,
    wanted_on: &[String],
    now: SystemTime,
) -> Result<Agents, Failure> {
    let namespace = cluster.namespace();
    let api: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let labels = ListParams::default().labels(&format!("app.kubernetes.io/name={AGENT}"));
    let mut explained = BTreeSet::new();
    let mut with_pod = BTreeSet::new();
    let mut wrong = Vec::new();
    let look = |pod: &Pod| {
        let node = pods::node(pod).map(str::to_owned);
        with_pod.extend(node.clone());
        if let Some(finding) = pods::trouble(pod, &format!("DaemonSet {AGENT}"), now) {
            wrong.push(finding);
            if !pods::is_ready(pod) {
                explained.extend(node);
            }
        }
    };
    each(cluster, &api, "list pods", labels, look).await?;
    let mut findings = some_of(wrong, "agents", "are not as they should be");
    let without = wanted_on.iter().filter(|node| !with_pod.contains(*node));
    let without: Vec<_> = without.cloned().collect();
    let missing = without.iter().map(|node| {
        Finding::problem(format!("node {node}"), "there is no pod of an agent for it").advise(format!(
            "a quota or a policy may refuse it: kubectl -n {namespace} describe daemonset {AGENT}"
        ))
    });
    findings.extend(some_of(
        missing.collect(),
        "nodes",
        "have no pod of an agent",
    ));
    explained.extend(without);
    Ok(Agents {
        findings,
        explained,
    })
}
