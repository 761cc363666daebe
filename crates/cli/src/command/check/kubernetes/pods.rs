//! Why a pod is not as it should be, in its own words as far as it has some. Pure.

use std::time::{Duration, SystemTime};

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::command::check::{Finding, Level};
use crate::text;

/// A pod that is younger than this may still be about to start.
const YOUNG: Duration = Duration::from_mins(1);

/// That a container has ended is worth a word for so long.
const RECENT: Duration = Duration::from_hours(1);

/// The status of a program of ours whose flags, or a file they name, are wrong.
const WRONG_FLAGS: i32 = 64;

/// The status of an agent whose node lacks what it needs.
const UNFIT: i32 = 69;

/// What is wrong with a pod of that owner, if anything is.
pub(super) fn trouble(pod: &Pod, owner: &str, now: SystemTime) -> Option<Finding> {
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let container = container(pod);
    if is_ready(pod) {
        return restarted(pod, container?, owner, now);
    }
    let (name, namespace) = (named(pod), namespace(pod));
    let reason = reason(pod, container);
    let place = node(pod).map_or_else(|| "on no node".to_owned(), |node| format!("on {node}"));
    let mut found = format!("is not ready {place}: {reason}");
    let ended = container.and_then(last_end);
    if let Some(container) = container.filter(|container| container.restart_count > 0) {
        found = format!("{found}; {}", restarts(container, ended, now));
    }
    let ended = ended.filter(|_| !reason.starts_with("ImagePull"));
    let advice = match (&*reason, ended) {
        (_, Some(ended)) => after(ended, owner, &namespace, &name),
        (reason, _) if reason.contains("ImagePull") || reason.starts_with("InvalidImage") => {
            format!("is the image in your registry? kubectl -n {namespace} describe pod {name}")
        }
        (reason, _) if reason.starts_with("CrashLoopBackOff") || reason.starts_with("Error") => {
            format!("kubectl -n {namespace} logs {name} --previous")
        }
        ("Running", _) => format!("kubectl -n {namespace} logs {name}"),
        _ => format!("kubectl -n {namespace} describe pod {name}"),
    };
    let is_young =
        age(pod.metadata.creation_timestamp.as_ref(), now).is_some_and(|age| age < YOUNG);
    let level = if is_young && ended.is_none() {
        Level::Look
    } else {
        Level::Problem
    };
    Some(Finding::new(level, format!("pod {name}"), found).advise(advice))
}

/// Whether it says so; where it says nothing, whether its containers do.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let Some(status) = &pod.status else {
        return false;
    };
    let mut conditions = status.conditions.iter().flatten();
    if let Some(ready) = conditions.find(|condition| condition.type_ == "Ready") {
        return ready.status == "True";
    }
    let containers = status.container_statuses.as_deref().unwrap_or_default();
    !containers.is_empty() && containers.iter().all(|container| container.ready)
}

/// The node it is on, or is to be on: a pod of a DaemonSet is for one before it is there.
pub(super) fn node(pod: &Pod) -> Option<&str> {
    let spec = pod.spec.as_ref()?;
    if let Some(node) = spec.node_name.as_deref().filter(|node| !node.is_empty()) {
        return Some(node);
    }
    let affinity = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let terms = affinity
        .required_during_scheduling_ignored_during_execution
        .as_ref()?;
    let mut fields = terms
        .node_selector_terms
        .iter()
        .flat_map(|term| term.match_fields.iter().flatten());
    let name = fields.find(|field| field.key == "metadata.name" && field.operator == "In")?;
    name.values.as_ref()?.first().map(String::as_str)
}

pub(super) fn named(pod: &Pod) -> String {
    pod.metadata.name.clone().unwrap_or_default()
}

fn namespace(pod: &Pod) -> String {
    pod.metadata.namespace.clone().unwrap_or_default()
}

/// The container that is not ready, or the first.
fn container(pod: &Pod) -> Option<&ContainerStatus> {
    let all = pod.status.as_ref()?.container_statuses.as_deref()?;
    all.iter()
        .find(|container| !container.ready)
        .or(all.first())
}

/// Why it is not ready: what its container waits for, or why there is none.
fn reason(pod: &Pod, container: Option<&ContainerStatus>) -> String {
    let state = container.and_then(|container| container.state.as_ref());
    if let Some(waiting) = state.and_then(|state| state.waiting.as_ref()) {
        let reason = waiting.reason.as_deref().unwrap_or("waits");
        // That it backs off is what the reason says.
        let message = waiting
            .message
            .as_deref()
            .filter(|_| reason != "CrashLoopBackOff");
        return with(reason, message);
    }
    if let Some(ended) = state.and_then(|state| state.terminated.as_ref()) {
        return with(&end(ended), ended.message.as_deref());
    }
    let status = pod.status.clone().unwrap_or_default();
    let unscheduled = status.conditions.unwrap_or_default().into_iter();
    let mut unscheduled = unscheduled
        .filter(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = unscheduled.next() {
        let reason = condition.reason.as_deref().unwrap_or("not scheduled");
        return with(reason, condition.message.as_deref());
    }
    let reason = status.reason.or(status.phase);
    let reason = reason.unwrap_or_else(|| "it does not say why".to_owned());
    with(&reason, status.message.as_deref())
}

fn with(reason: &str, message: Option<&str>) -> String {
    match message
        .map(text::one_line)
        .filter(|message| !message.is_empty())
    {
        Some(message) => format!("{reason}: {message}"),
        None => reason.to_owned(),
    }
}

/// How a container ended.
fn end(ended: &ContainerStateTerminated) -> String {
    match ended.reason.as_deref() {
        Some(reason @ "OOMKilled") => reason.to_owned(),
        Some(reason) => format!("{reason} (status {})", ended.exit_code),
        None => format!("status {}", ended.exit_code),
    }
}

fn last_end(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let of = |state: &Option<k8s_openapi::api::core::v1::ContainerState>| {
        state
            .as_ref()
            .is_some_and(|state| state.terminated.is_some())
    };
    let state = if of(&container.state) {
        &container.state
    } else {
        &container.last_state
    };
    state.as_ref()?.terminated.as_ref()
}

fn restarts(
    container: &ContainerStatus,
    ended: Option<&ContainerStateTerminated>,
    now: SystemTime,
) -> String {
    let times = match container.restart_count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    let mut text = format!("started again {times}");
    if let Some(ended) = ended {
        text = format!("{text}, last ended with {}", end(ended));
        if let Some(age) = age(ended.finished_at.as_ref(), now) {
            text = format!("{text} {} ago", text::span(age.as_secs()));
        }
    }
    text
}

/// What is to be said of a pod that runs, and did not all of the last hour.
fn restarted(
    pod: &Pod,
    container: &ContainerStatus,
    owner: &str,
    now: SystemTime,
) -> Option<Finding> {
    let ended = last_end(container)?;
    let is_recent = age(ended.finished_at.as_ref(), now).is_some_and(|age| age < RECENT);
    if container.restart_count == 0 || !is_recent {
        return None;
    }
    let (name, namespace) = (named(pod), namespace(pod));
    let place = node(pod).map_or_else(String::new, |node| format!(" on {node}"));
    let found = format!("runs{place}, {}", restarts(container, Some(ended), now));
    let advice = after(ended, owner, &namespace, &name);
    Some(Finding::look(format!("pod {name}"), found).advise(advice))
}

/// What helps against such an end.
fn after(ended: &ContainerStateTerminated, owner: &str, namespace: &str, name: &str) -> String {
    let logs = format!("kubectl -n {namespace} logs {name} --previous");
    if ended.reason.as_deref() == Some("OOMKilled") {
        return format!("give {owner} more memory: resources.limits.memory");
    }
    match ended.exit_code {
        WRONG_FLAGS => format!("a flag or a file of it is wrong: {logs}"),
        UNFIT => format!("its node lacks what it needs: {logs}"),
        _ => logs,
    }
}

/// How long ago that was; nothing, if it is not yet.
fn age(time: Option<&Time>, now: SystemTime) -> Option<Duration> {
    let at = Duration::from_secs(u64::try_from(time?.0.as_second()).ok()?);
    now.duration_since(SystemTime::UNIX_EPOCH + at).ok()
}

#[cfg(test)]
mod tests;
