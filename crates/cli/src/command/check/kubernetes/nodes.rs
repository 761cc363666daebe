//! Whether each node can run the agent: by its system, kernel and processor, and by whether the DaemonSet
//! puts one there. What no node tells, as whether its kernel has BTF, only its agent can say.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, PodSpec};
use kube::Api;
use kube::api::ListParams;

use super::placement::{Hindrance, hindrance};
use super::{AGENT, each};
use crate::client::Cluster;
use crate::command::check::{Finding, names, some_of};
use crate::failure::Failure;
use crate::text;

/// The first kernel that can do all that the agent needs.
const KERNEL: (u32, u32) = (6, 4);

/// Labels by which it is told where a node is.
const ZONE: [&str; 2] = [
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/zone",
];

/// Labels and taints of what only looks like a node: there is no kernel of its own to count in.
const VIRTUAL: [(&str, &str); 3] = [
    ("eks.amazonaws.com/compute-type", "fargate"),
    ("type", "virtual-kubelet"),
    ("kubernetes.io/role", "virtual-kubelet"),
];
const VIRTUAL_TAINT: &str = "virtual-kubelet.io/provider";

/// All nodes, by what can be said of them.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// Those that can run the agent, and are to.
    pub(super) fit: Vec<String>,
    /// Those that cannot, though they are to.
    unfit: Vec<Finding>,
    virtual_: Vec<String>,
    windows: Vec<String>,
    /// Those that the DaemonSet is not for, as it is written.
    left_out: Vec<Finding>,
    unready: Vec<Finding>,
    pub(super) without_agent: BTreeSet<String>,
    pub(super) explained: BTreeSet<String>,
    pub(super) without_zone: BTreeSet<String>,
}

/// Looks at every node; at where the agents go only with a template of theirs.
pub(super) async fn look(cluster: &Cluster, agent: Option<&PodSpec>) -> Result<Nodes, Failure> {
    let api: Api<Node> = Api::all(cluster.client());
    let mut nodes = Nodes::default();
    let add = |node: &Node| nodes.add(node, agent);
    each(cluster, &api, "list nodes", ListParams::default(), add).await?;
    Ok(nodes)
}

impl Nodes {
    fn add(&mut self, node: &Node, agent: Option<&PodSpec>) {
        let name = node.metadata.name.clone().unwrap_or_default();
        let subject = format!("node {name}");
        let labels = node.metadata.labels.clone().unwrap_or_default();
        if !ZONE.iter().any(|zone| labels.contains_key(*zone)) {
            self.without_zone.insert(name.clone());
        }
        if is_virtual(node) {
            self.without_agent.insert(name.clone());
            return self.virtual_.push(name);
        }
        if system(node).is_some_and(|system| system == "windows") {
            self.without_agent.insert(name.clone());
            return self.windows.push(name);
        }
        if let Some(why) = unfit(node) {
            self.unfit
                .push(Finding::problem(subject, why.0).advise(why.1));
            self.explained.insert(name);
            return;
        }
        match agent.and_then(|agent| hindrance(agent, node)) {
            Some(Hindrance::Taint(taint)) => {
                let found = format!("gets no agent: nothing tolerates its taint {taint}");
                let advice =
                    format!("give {AGENT} a toleration: `operator: Exists` is for every taint");
                self.unfit
                    .push(Finding::problem(subject, found).advise(advice));
                self.explained.insert(name);
                return;
            }
            Some(Hindrance::Selector(label)) => {
                let found = format!("gets no agent: it has not the label {label}");
                return self.leave_out(name, found, "nodeSelector");
            }
            Some(Hindrance::Affinity) => {
                let found = "gets no agent, by the affinity of the DaemonSet".to_owned();
                return self.leave_out(name, found, "affinity");
            }
            None => {}
        }
        if let Some(why) = unready(node) {
            let advice = format!("no agent can report from there: kubectl describe node {name}");
            self.unready
                .push(Finding::look(subject, why).advise(advice));
            self.explained.insert(name.clone());
        }
        self.fit.push(name);
    }

    fn leave_out(&mut self, name: String, found: String, by: &str) {
        let advice = format!(
            "what it sends is counted by who receives it; if that is not meant, change the {by} of {AGENT}"
        );
        self.left_out
            .push(Finding::look(format!("node {name}"), found).advise(advice));
        self.without_agent.insert(name);
    }

    /// What is said of all of them.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let all = self.fit.len() + self.unfit.len();
        let mut findings = vec![match (self.unfit.len(), all) {
            (0, 0) => Finding::problem("nodes", "there is none that could run the agent"),
            (0, all) => Finding::good("nodes", format!("all {all} can run the agent")),
            (unfit, all) => {
                Finding::problem("nodes", format!("{unfit} of {all} cannot run the agent"))
            }
        }];
        findings.extend(some_of(self.unfit.clone(), "nodes", "cannot run it"));
        findings.extend(some_of(self.left_out.clone(), "nodes", "get no agent"));
        for (nodes, what) in [
            (&self.virtual_, "virtual (Fargate, virtual kubelets)"),
            (&self.windows, "Windows"),
        ] {
            if !nodes.is_empty() {
                let found = format!("{} without an agent, {what}: {}", nodes.len(), names(nodes));
                let advice = "what they send is counted by who receives it, and by nobody between two of them";
                findings.push(Finding::look("nodes", found).advise(advice));
            }
        }
        findings.extend(some_of(self.unready.clone(), "nodes", "are not ready"));
        findings
    }
}

fn is_virtual(node: &Node) -> bool {
    let labels = node.metadata.labels.iter().flatten();
    let mut labels = labels.map(|(key, value)| (&**key, &**value));
    let mut taints = node
        .spec
        .iter()
        .flat_map(|spec| spec.taints.iter().flatten());
    labels.any(|label| VIRTUAL.contains(&label)) || taints.any(|taint| taint.key == VIRTUAL_TAINT)
}

fn system(node: &Node) -> Option<&str> {
    let system = node.status.as_ref()?.node_info.as_ref()?;
    Some(&system.operating_system)
}

/// Why the agent cannot run there, and what to do.
fn unfit(node: &Node) -> Option<(String, String)> {
    let system = node.status.as_ref()?.node_info.as_ref()?;
    if !matches!(&*system.operating_system, "" | "linux") {
        let found = format!("runs {}: the agent needs Linux", system.operating_system);
        return Some((found, "leave it out by the DaemonSet's affinity".to_owned()));
    }
    if !matches!(&*system.architecture, "" | "amd64" | "arm64") {
        let found = format!(
            "is {}: the agent is for amd64 and arm64",
            system.architecture
        );
        return Some((found, "leave it out by the DaemonSet's affinity".to_owned()));
    }
    if kernel(&system.kernel_version).is_none_or(|version| version >= KERNEL) {
        return None;
    }
    let (major, minor) = KERNEL;
    let image = match &*system.os_image {
        "" => String::new(),
        image => format!(" ({image})"),
    };
    let found = format!("has kernel {}{image}", system.kernel_version);
    let advice = format!("the agent needs {major}.{minor}: choose a newer image for the node");
    Some((found, advice))
}

/// The first two numbers of `6.8.0-1018-aws`.
fn kernel(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Why a node is not ready, if it is not.
fn unready(node: &Node) -> Option<String> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions.iter().find(|each| each.type_ == "Ready")?;
    if ready.status == "True" {
        return None;
    }
    let why = ready.message.as_deref().or(ready.reason.as_deref());
    let why = why.map_or_else(String::new, |why| format!(": {}", text::one_line(why)));
    Some(format!("is not ready{why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::command::check::Level;

    fn node(kernel: &str, system: &str, labels: &Value) -> Node {
        let node = json!({
            "metadata": { "name": "n", "labels": labels },
            "status": { "nodeInfo": {
                "kernelVersion": kernel, "operatingSystem": system, "architecture": "arm64",
                "bootID": "", "containerRuntimeVersion": "", "kubeProxyVersion": "",
                "kubeletVersion": "", "machineID": "", "osImage": "Some Linux 22", "systemUUID": "",
            } },
        });
        serde_json::from_value(node).unwrap()
    }

    /// The level of the worst finding of a cluster with this node and one that is as it should be.
    fn level(node: &Node) -> Level {
        let agent = json!({ "containers": [], "nodeSelector": { "kubernetes.io/os": "linux" } });
        let agent: PodSpec = serde_json::from_value(agent).unwrap();
        let mut nodes = Nodes::default();
        nodes.add(
            &self::node("6.4.0", "linux", &json!({ "kubernetes.io/os": "linux" })),
            Some(&agent),
        );
        nodes.add(node, Some(&agent));
        let levels = nodes.findings().into_iter().map(|finding| finding.level);
        levels.max().unwrap()
    }

    #[test]
    fn a_node_is_unfit_by_its_kernel_or_system_and_only_where_the_agent_is_to_run() {
        let linux = json!({ "kubernetes.io/os": "linux" });
        for (kernel, system, labels, expected) in [
            ("6.4.0", "linux", linux.clone(), Level::Good),
            ("6.12.31-aws", "linux", linux.clone(), Level::Good),
            ("unheard-of", "linux", linux.clone(), Level::Good),
            ("6.3.13-talos", "linux", linux.clone(), Level::Problem),
            ("5.15.0-1070-gke", "linux", linux.clone(), Level::Problem),
            ("14.1", "freebsd", linux, Level::Problem),
            ("10.0.20348", "windows", json!({}), Level::Look),
            ("6.4.0", "linux", json!({}), Level::Look),
            (
                "5.10.2",
                "linux",
                json!({ "eks.amazonaws.com/compute-type": "fargate" }),
                Level::Look,
            ),
            (
                "",
                "linux",
                json!({ "type": "virtual-kubelet" }),
                Level::Look,
            ),
        ] {
            assert_eq!(
                level(&node(kernel, system, &labels)),
                expected,
                "{kernel} {labels}"
            );
        }
    }

    #[test]
    fn a_node_whose_pods_are_elsewhere_has_no_agent_and_is_no_problem() {
        let mut tainted = node("6.1.0", "linux", &json!({}));
        let spec = json!({ "taints": [{ "key": VIRTUAL_TAINT, "value": "azure", "effect": "NoSchedule" }] });
        tainted.spec = serde_json::from_value(spec).unwrap();
        let mut nodes = Nodes::default();

        nodes.add(&tainted, None);

        assert_eq!(nodes.without_agent.len(), 1);
        assert!(nodes.fit.is_empty() && nodes.unfit.is_empty());
    }
}
