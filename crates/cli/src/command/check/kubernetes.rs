//! What Kubernetes tells: nodes that can run the agent, and how far the agents are rolled out. What may
//! not be looked at is said, and is no problem.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use kube::api::ListParams;

use super::Finding;
use crate::client::Cluster;
use crate::command::version::OWN;
use crate::failure::Failure;

/// Name of the DaemonSet, and the label of its pods.
const AGENT: &str = "kubezonnet-agent";

/// The first kernel that can do all that the agent needs.
const KERNEL: (u32, u32) = (6, 4);

/// How many nodes or pods are named one by one.
const NAMED: usize = 20;

/// How many come with one page of a list.
const PAGE: u32 = 500;

/// Looks at nodes and the DaemonSet.
///
/// # Errors
///
/// If Kubernetes cannot be reached.
pub(super) async fn look(cluster: &Cluster) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    match nodes(cluster).await {
        Ok(found) => findings.extend(found),
        Err(Failure::Permission(_)) => findings.push(not_allowed("nodes", "list nodes")),
        Err(failure) => return Err(failure),
    }
    match daemon_set(cluster).await {
        Ok(found) => findings.extend(found),
        Err(Failure::Permission(_)) => {
            findings.push(not_allowed("DaemonSet", "get daemonsets"));
        }
        Err(failure) => return Err(failure),
    }
    Ok(findings)
}

fn not_allowed(subject: &str, what: &str) -> Finding {
    Finding::look(subject, format!("not looked at: you may not {what}"))
}

async fn nodes(cluster: &Cluster) -> Result<Vec<Finding>, Failure> {
    let api: Api<Node> = Api::all(cluster.client());
    let mut page = ListParams::default().limit(PAGE);
    let (mut unfit, mut all) = (Vec::new(), 0);
    loop {
        let list = api.list(&page).await;
        let list = list.map_err(|error| cluster.failure("list nodes", &error))?;
        all += list.items.len();
        unfit.extend(list.items.iter().filter_map(unfit_for));
        match list.metadata.continue_ {
            Some(next) if !next.is_empty() => page = page.continue_token(&next),
            _ => break,
        }
    }
    if unfit.is_empty() {
        let found = format!("all {all} can run the agent, by their kernels");
        return Ok(vec![Finding::good("nodes", found)]);
    }
    let found = format!("{} of {all} cannot run the agent", unfit.len());
    let mut findings = vec![Finding::problem("nodes", found)];
    let left = unfit.len().saturating_sub(NAMED);
    findings.extend(unfit.into_iter().take(NAMED));
    if left > 0 {
        findings.push(Finding::problem("nodes", format!("and {left} more")));
    }
    Ok(findings)
}

/// Why a node cannot run the agent, if it cannot. Those that the DaemonSet leaves out are no matter.
fn unfit_for(node: &Node) -> Option<Finding> {
    let labels = node.metadata.labels.clone().unwrap_or_default();
    let is = |key: &str, value: &str| labels.get(key).is_some_and(|found| found == value);
    if is("eks.amazonaws.com/compute-type", "fargate") || is("type", "virtual-kubelet") {
        return None;
    }
    let subject = format!("node {}", node.metadata.name.as_deref().unwrap_or_default());
    let system = node.status.as_ref()?.node_info.as_ref()?;
    if system.operating_system != "linux" {
        let found = format!("runs {}: the agent needs Linux", system.operating_system);
        return Some(
            Finding::look(subject, found).advise("what it sends is counted by who receives it"),
        );
    }
    if !matches!(&*system.architecture, "amd64" | "arm64") {
        let found = format!(
            "is {}: there are images for amd64 and arm64",
            system.architecture
        );
        return Some(Finding::problem(subject, found));
    }
    if kernel(&system.kernel_version).is_none_or(|version| version >= KERNEL) {
        return None;
    }
    let (major, minor) = KERNEL;
    let found = format!("has kernel {}", system.kernel_version);
    let advice = format!("the agent needs {major}.{minor}: choose a newer image for the node");
    Some(Finding::problem(subject, found).advise(advice))
}

/// The first two numbers of `6.8.0-1018-aws`.
fn kernel(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

async fn daemon_set(cluster: &Cluster) -> Result<Vec<Finding>, Failure> {
    let namespace = cluster.namespace();
    let api: Api<DaemonSet> = Api::namespaced(cluster.client(), namespace);
    let found = api.get_opt(AGENT).await;
    let found = found.map_err(|error| cluster.failure("get daemonsets", &error))?;
    let Some(set) = found else {
        let found = format!("there is no {AGENT} in namespace {namespace}");
        let advice = "apply deploy/kubezonnet.yaml, or say with --server-namespace where it is";
        return Ok(vec![Finding::problem("DaemonSet", found).advise(advice)]);
    };
    let mut findings = vec![rolled_out(&set)];
    findings.extend(versions(&set));
    let status = set.status.unwrap_or_default();
    if status.number_ready < status.desired_number_scheduled {
        findings.extend(pods(cluster).await?);
    }
    Ok(findings)
}

fn rolled_out(set: &DaemonSet) -> Finding {
    let status = set.status.clone().unwrap_or_default();
    let (wanted, ready) = (status.desired_number_scheduled, status.number_ready);
    let is_seen = status.observed_generation >= set.metadata.generation;
    let updated = status.updated_number_scheduled.unwrap_or_default();
    if wanted == 0 {
        return Finding::problem("DaemonSet", "is wanted on no node")
            .advise("look at the nodeSelector and affinity of kubezonnet-agent");
    }
    let found = format!("{ready} of {wanted} agents are ready");
    if ready < wanted {
        return Finding::problem("DaemonSet", found);
    }
    if !is_seen || updated < wanted {
        let found = format!("{found}, {updated} of them as it says now");
        return Finding::look("DaemonSet", found).advise(
            "a new version is being rolled out: kubectl rollout status says when it is over",
        );
    }
    Finding::good("DaemonSet", found)
}

/// The version of the agents' image, if its tag says one.
fn versions(set: &DaemonSet) -> Option<Finding> {
    let containers = &set.spec.as_ref()?.template.spec.as_ref()?.containers;
    let image = containers
        .iter()
        .find_map(|container| container.image.as_deref())?;
    let (_, tag) = image.rsplit('/').next()?.split_once(':')?;
    let tag = tag.split('@').next()?.trim_start_matches('v');
    let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    if minor(tag)? == minor(OWN)? {
        return Some(Finding::good("agents' image", tag));
    }
    let found = format!("{tag}; this program is {OWN}");
    Some(Finding::look("agents' image", found).advise("neighbouring versions work together"))
}

/// The agents that are not ready, and why.
async fn pods(cluster: &Cluster) -> Result<Vec<Finding>, Failure> {
    let namespace = cluster.namespace();
    let api: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let labels = format!("app.kubernetes.io/name={AGENT}");
    let list = api.list(&ListParams::default().labels(&labels)).await;
    let list = list.map_err(|error| cluster.failure("list pods", &error))?;
    let mut findings: Vec<_> = list
        .items
        .iter()
        .filter_map(|pod| unready(pod, namespace))
        .collect();
    let left = findings.len().saturating_sub(NAMED);
    findings.truncate(NAMED);
    if left > 0 {
        findings.push(Finding::problem(
            "agents",
            format!("and {left} more are not ready"),
        ));
    }
    Ok(findings)
}

fn unready(pod: &Pod, namespace: &str) -> Option<Finding> {
    let status = pod.status.clone().unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default();
    if containers.iter().any(|container| container.ready) {
        return None;
    }
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let state = containers
        .first()
        .and_then(|container| container.state.as_ref());
    let waiting = state.and_then(|state| state.waiting.as_ref()?.reason.clone());
    let ended = state.and_then(|state| state.terminated.as_ref()?.reason.clone());
    let unscheduled = status.conditions.unwrap_or_default().into_iter();
    let mut unscheduled = unscheduled
        .filter(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    let reason = waiting
        .or(ended)
        .or_else(|| unscheduled.next()?.message)
        .or(status.phase)
        .unwrap_or_else(|| "it does not say why".to_owned());
    let place = node.map_or_else(|| "on no node".to_owned(), |node| format!("on {node}"));
    let found = format!("is not ready {place}: {reason}");
    let advice = match &*reason {
        "ImagePullBackOff" | "ErrImagePull" => {
            format!("is the image in your registry? kubectl -n {namespace} describe pod {name}")
        }
        "CrashLoopBackOff" | "Error" => format!("kubectl -n {namespace} logs {name} --previous"),
        _ => format!("kubectl -n {namespace} describe pod {name}"),
    };
    Some(Finding::problem(format!("pod {name}"), found).advise(advice))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::command::check::Level;

    fn node(kernel: &str, system: &str, labels: &serde_json::Value) -> Node {
        let node = json!({
            "metadata": { "name": "n", "labels": labels },
            "status": { "nodeInfo": {
                "kernelVersion": kernel, "operatingSystem": system, "architecture": "arm64",
                "bootID": "", "containerRuntimeVersion": "", "kubeProxyVersion": "",
                "kubeletVersion": "", "machineID": "", "osImage": "", "systemUUID": "",
            } },
        });
        serde_json::from_value(node).unwrap()
    }

    #[test]
    fn a_node_is_unfit_by_its_kernel_or_system_and_only_where_the_agent_is_to_run() {
        let none = json!({});
        let level = |node: &Node| unfit_for(node).map(|finding| finding.level);

        assert_eq!(level(&node("6.4.0", "linux", &none)), None);
        assert_eq!(level(&node("6.12.31-aws", "linux", &none)), None);
        assert_eq!(
            level(&node("6.3.13-talos", "linux", &none)),
            Some(Level::Problem)
        );
        assert_eq!(
            level(&node("5.15.0-1070-gke", "linux", &none)),
            Some(Level::Problem)
        );
        assert_eq!(
            level(&node("10.0.20348", "windows", &none)),
            Some(Level::Look)
        );
        let fargate = json!({ "eks.amazonaws.com/compute-type": "fargate" });
        assert_eq!(level(&node("5.10.2", "linux", &fargate)), None);
    }
}
