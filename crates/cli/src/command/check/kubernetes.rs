//! What Kubernetes tells: which nodes can run the agent, how far the agents are rolled out, and whether the
//! Service leads to a server. What may not be looked at is said, and is no problem.

use std::collections::BTreeSet;
use std::time::SystemTime;

use k8s_openapi::api::apps::v1::DaemonSet;
use kube::Api;
use kube::api::ListParams;
use serde::de::DeserializeOwned;

use super::Finding;
use crate::client::Cluster;
use crate::failure::Failure;

mod agents;
mod nodes;
mod placement;
mod pods;
mod rollout;
mod service;

/// Name of the DaemonSet, and the label of its pods.
const AGENT: &str = "kubezonnet-agent";

/// How many come with one page of a list.
const PAGE: u32 = 500;

/// What Kubernetes tells of nodes, for who tells of the same ones.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Nodes that have no agent, and are to have none: virtual ones, Windows, those that the DaemonSet is
    /// not for.
    pub(super) without_agent: BTreeSet<String>,
    /// Nodes of which it was said why nobody counts there.
    pub(super) explained: BTreeSet<String>,
    /// Nodes without the label of a zone.
    pub(super) without_zone: BTreeSet<String>,
}

/// Looks at nodes, the DaemonSet and its pods, and the Service and its pods.
///
/// # Errors
///
/// If Kubernetes cannot be reached.
pub(super) async fn look(cluster: &Cluster, findings: &mut Vec<Finding>) -> Result<Seen, Failure> {
    let now = SystemTime::now();
    let set = match daemon_set(cluster).await {
        Err(Failure::Permission(_)) => None,
        set => Some(set?),
    };
    let template = set.as_ref().and_then(Option::as_ref);
    let template = template.and_then(|set| set.spec.as_ref()?.template.spec.as_ref());
    let nodes = match nodes::look(cluster, template).await {
        Err(Failure::Permission(_)) => {
            findings.push(not_allowed("nodes", "list nodes"));
            None
        }
        nodes => Some(nodes?),
    };
    if let Some(nodes) = &nodes {
        findings.extend(nodes.findings());
    }
    match &set {
        None => findings.push(not_allowed("DaemonSet", "get daemonsets")),
        Some(set) => findings.extend(rollout::look(set.as_ref(), cluster.namespace())),
    }
    let mut seen = Seen::default();
    if let Some(nodes) = nodes {
        // Where there is no DaemonSet, that is why no node has an agent.
        let wanted = set.is_some_and(|set| set.is_some());
        match agents::look(cluster, if wanted { &nodes.fit } else { &[] }, now).await {
            Err(Failure::Permission(_)) => findings.push(not_allowed("agents", "list pods")),
            agents => {
                let agents = agents?;
                seen.explained.extend(agents.explained);
                findings.extend(agents.findings);
            }
        }
        seen.explained.extend(nodes.explained);
        seen.without_agent = nodes.without_agent;
        seen.without_zone = nodes.without_zone;
    } else {
        match agents::look(cluster, &[], now).await {
            Err(Failure::Permission(_)) => {}
            agents => findings.extend(agents?.findings),
        }
    }
    match service::look(cluster, now).await {
        // Without it the server is not found, which is said then.
        Err(Failure::Permission(_)) => {}
        found => findings.extend(found?),
    }
    Ok(seen)
}

async fn daemon_set(cluster: &Cluster) -> Result<Option<DaemonSet>, Failure> {
    let api: Api<DaemonSet> = Api::namespaced(cluster.client(), cluster.namespace());
    let found = api.get_opt(AGENT).await;
    found.map_err(|error| cluster.failure("get daemonsets", &error))
}

fn not_allowed(subject: &str, what: &str) -> Finding {
    Finding::look(subject, format!("not looked at: you may not {what}"))
        .advise("deploy/kubectl-zonnet.yaml has the role for it")
}

/// Shows each of a list, which may be longer than memory should hold.
async fn each<K>(
    cluster: &Cluster,
    api: &Api<K>,
    what: &str,
    list: ListParams,
    mut look: impl FnMut(&K),
) -> Result<(), Failure>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut page = list.limit(PAGE);
    loop {
        let list = api.list(&page).await;
        let list = list.map_err(|error| cluster.failure(what, &error))?;
        list.items.iter().for_each(&mut look);
        match list.metadata.continue_ {
            Some(next) if !next.is_empty() => page = page.continue_token(&next),
            _ => return Ok(()),
        }
    }
}
