//! The server's Service: whether it has the ports that agents and people need, and which pods it leads to.
//! Its endpoints are those pods, so no more rights are needed than to find the server.

use std::time::SystemTime;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::Api;
use kube::api::ListParams;

use super::pods;
use crate::client::{Cluster, SERVICE};
use crate::command::check::{Finding, names};
use crate::failure::Failure;

/// The port that agents report to.
const INGEST: &str = "ingest";

/// Looks at it. That there is none is said by who looks for the server.
pub(super) async fn look(cluster: &Cluster, now: SystemTime) -> Result<Vec<Finding>, Failure> {
    let namespace = cluster.namespace();
    let services: Api<Service> = Api::namespaced(cluster.client(), namespace);
    let service = services.get_opt(SERVICE).await;
    let service = service.map_err(|error| cluster.failure("get services", &error))?;
    let Some(spec) = service.and_then(|service| service.spec) else {
        return Ok(Vec::new());
    };
    let mut findings = Vec::new();
    let mut ports = spec.ports.iter().flatten();
    if !ports.any(|port| port.name.as_deref() == Some(INGEST)) {
        let found = format!("{SERVICE} has no port named {INGEST}, to which agents report");
        findings.push(Finding::look("Service", found).advise(
            "the manifest's has 8443; look at --server of the agents, if they report elsewhere",
        ));
    }
    let selector = spec.selector.unwrap_or_default();
    if selector.is_empty() {
        return Ok(findings);
    }
    let labels = selector.iter().map(|(key, value)| format!("{key}={value}"));
    let labels = labels.collect::<Vec<_>>().join(",");
    let api: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let list = api.list(&ListParams::default().labels(&labels)).await;
    let list = list.map_err(|error| cluster.failure("list pods", &error))?;
    let owner = format!("StatefulSet {SERVICE}");
    let wrong = list.items.iter();
    findings.extend(wrong.filter_map(|pod| pods::trouble(pod, &owner, now)));
    let ready = list.items.iter().filter(|pod| pods::is_ready(pod));
    let ready: Vec<_> = ready.map(pods::named).collect();
    let leads = match &*ready {
        [] if list.items.is_empty() => {
            Finding::problem("Service", format!("{SERVICE} leads to no pod")).advise(format!(
                "kubectl -n {namespace} describe statefulset {SERVICE}"
            ))
        }
        [] => Finding::problem(
            "Service",
            format!("{SERVICE} leads to no pod that is ready"),
        ),
        [only] => Finding::good("Service", format!("{SERVICE} leads to {only}")),
        several => {
            let found = format!(
                "{SERVICE} leads to {} pods: {}",
                several.len(),
                names(several)
            );
            Finding::look("Service", found).advise(
                "each counts a part of the windows and shows no more: one server for a Service",
            )
        }
    };
    findings.insert(0, leads);
    Ok(findings)
}
