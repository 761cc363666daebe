//! Pods in the shapes that the kubelet and the scheduler leave them in.

use serde_json::{Value, json};

use super::*;

/// 2026-11-21T12:00:00Z.
const NOW: u64 = 1_795_262_400;

fn pod(status: &Value) -> Pod {
    let pod = json!({
        "metadata": {
            "name": "p", "namespace": "kubezonnet", "creationTimestamp": "2026-11-20T00:00:00Z",
        },
        "spec": { "nodeName": "node-a", "containers": [] },
        "status": status,
    });
    serde_json::from_value(pod).unwrap()
}

/// A pod with one container.
fn with(ready: bool, restarts: u32, state: &Value, last: &Value) -> Pod {
    pod(&json!({ "phase": "Running", "containerStatuses": [{
        "name": "agent", "image": "", "imageID": "", "ready": ready, "restartCount": restarts,
        "state": state, "lastState": last,
    }] }))
}

fn ended(reason: &str, status: i32, at: &str) -> Value {
    json!({ "terminated": { "reason": reason, "exitCode": status, "finishedAt": at } })
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({ "waiting": { "reason": reason, "message": message } })
}

fn said(pod: &Pod) -> Option<(Level, String, String)> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    let finding = trouble(pod, "DaemonSet kubezonnet-agent", now)?;
    Some((
        finding.level,
        finding.found,
        finding.advice.unwrap_or_default(),
    ))
}

#[test]
fn the_moment_of_these_tests_is_the_one_they_write() {
    let time: Time = serde_json::from_value(json!("2026-11-21T12:00:00Z")).unwrap();

    assert_eq!(time.0.as_second(), i64::try_from(NOW).unwrap());
}

#[test]
fn a_pod_that_is_not_ready_is_told_with_its_reason_and_what_to_do() {
    let running = json!({ "running": {} });
    let crashing = waiting(
        "CrashLoopBackOff",
        "back-off 5m0s restarting failed container",
    );
    let recently = "2026-11-21T11:58:00Z";
    for (pod, found, advice) in [
        (
            with(false, 7, &crashing, &ended("Error", 69, recently)),
            "is not ready on node-a: CrashLoopBackOff; started again 7 times, last ended with Error (status \
             69) 2m ago",
            "its node lacks what it needs: kubectl -n kubezonnet logs p --previous",
        ),
        (
            with(false, 1, &crashing, &ended("Error", 64, recently)),
            "is not ready on node-a: CrashLoopBackOff; started again once, last ended with Error (status \
             64) 2m ago",
            "a flag or a file of it is wrong: kubectl -n kubezonnet logs p --previous",
        ),
        (
            with(false, 2, &running, &ended("OOMKilled", 137, recently)),
            "is not ready on node-a: Running; started again 2 times, last ended with OOMKilled 2m ago",
            "give DaemonSet kubezonnet-agent more memory: resources.limits.memory",
        ),
        (
            with(
                false,
                0,
                &waiting("ImagePullBackOff", "Back-off pulling image \"x\""),
                &json!({}),
            ),
            "is not ready on node-a: ImagePullBackOff: Back-off pulling image \"x\"",
            "is the image in your registry? kubectl -n kubezonnet describe pod p",
        ),
        (
            with(
                false,
                0,
                &waiting("CreateContainerConfigError", "secret \"a\"\nnot found"),
                &json!({}),
            ),
            "is not ready on node-a: CreateContainerConfigError: secret \"a\" not found",
            "kubectl -n kubezonnet describe pod p",
        ),
        (
            with(false, 0, &running, &json!({})),
            "is not ready on node-a: Running",
            "kubectl -n kubezonnet logs p",
        ),
        (
            pod(&json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" })),
            "is not ready on node-a: Evicted: low on memory",
            "kubectl -n kubezonnet describe pod p",
        ),
    ] {
        let expected = (Level::Problem, found.to_owned(), advice.to_owned());

        assert_eq!(said(&pod), Some(expected));
    }
}

#[test]
fn a_pod_that_finds_no_room_is_told_by_the_scheduler_and_the_node_it_is_for() {
    let mut pod = pod(&json!({ "phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available: 1 Insufficient cpu.",
    }] }));
    let spec = json!({ "containers": [], "affinity": { "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [{
            "matchFields": [{ "key": "metadata.name", "operator": "In", "values": ["node-b"] }],
        }] },
    } } });
    pod.spec = serde_json::from_value(spec).unwrap();

    let (level, found, _) = said(&pod).unwrap();

    assert_eq!(level, Level::Problem);
    let expected =
        "is not ready on node-b: Unschedulable: 0/3 nodes are available: 1 Insufficient cpu.";
    assert_eq!(found, expected);
}

#[test]
fn a_pod_that_begins_is_only_to_be_looked_at_unless_it_has_ended_already() {
    let now = json!("2026-11-21T11:59:40Z");
    let mut begins = with(false, 0, &waiting("ContainerCreating", ""), &json!({}));
    begins.metadata.creation_timestamp = serde_json::from_value(now.clone()).unwrap();
    let mut crashes = with(
        false,
        1,
        &json!({}),
        &ended("Error", 1, "2026-11-21T11:59:50Z"),
    );
    crashes.metadata.creation_timestamp = serde_json::from_value(now).unwrap();

    let levels = [begins, crashes].map(|pod| said(&pod).unwrap().0);

    assert_eq!(levels, [Level::Look, Level::Problem]);
}

#[test]
fn a_pod_that_runs_is_told_of_if_it_ended_within_the_hour() {
    let running = json!({ "running": {} });
    let ended = |at| ended("OOMKilled", 137, at);
    let recently = with(true, 3, &running, &ended("2026-11-21T11:30:00Z"));
    let long_ago = with(true, 3, &running, &ended("2026-11-20T11:30:00Z"));
    let mut leaving = with(false, 0, &running, &json!({}));
    leaving.metadata.deletion_timestamp =
        serde_json::from_value(json!("2026-11-21T12:00:00Z")).unwrap();

    let (level, found, advice) = said(&recently).unwrap();

    assert_eq!(level, Level::Look);
    assert_eq!(
        found,
        "runs on node-a, started again 3 times, last ended with OOMKilled 30m ago"
    );
    assert!(advice.contains("more memory"), "{advice}");
    assert_eq!((said(&long_ago), said(&leaving)), (None, None));
}
