//! How far the agents are rolled out, by the DaemonSet.

use k8s_openapi::api::apps::v1::DaemonSet;

use super::AGENT;
use crate::command::check::Finding;
use crate::command::version::OWN;

pub(super) fn look(set: Option<&DaemonSet>, namespace: &str) -> Vec<Finding> {
    let Some(set) = set else {
        let found = format!("there is no {AGENT} in namespace {namespace}");
        let advice = "apply deploy/kubezonnet.yaml, or say with --server-namespace where it is";
        return vec![Finding::problem("DaemonSet", found).advise(advice)];
    };
    let mut findings = vec![rolled_out(set)];
    findings.extend(versions(set));
    findings
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
