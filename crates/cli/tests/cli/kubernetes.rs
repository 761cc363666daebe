//! The way through Kubernetes: the Service, a pod of it that is ready, and a port-forward to it.

use std::net::TcpListener;

use kubezonnet_api::AgentState;
use kubezonnet_testkit::kube::{FakeKube, Kind};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::fake::Fake;
use crate::program::{Ended, run};

/// A cluster with a server in it that is a fake too.
pub(crate) struct Cluster {
    pub(crate) kube: FakeKube,
    pub(crate) server: Fake,
    // Both run in it.
    pub(crate) runtime: Runtime,
}

impl Cluster {
    /// One with nothing in it.
    fn empty() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        let kube = runtime.block_on(FakeKube::start()).unwrap();
        Self {
            kube,
            server: Fake::usual(),
            runtime,
        }
    }

    /// One with kubezonnet, as its manifest installs it.
    pub(crate) fn installed() -> Self {
        let cluster = Self::empty();
        cluster.kube.upsert(Kind::Service, service());
        cluster
            .kube
            .upsert(Kind::Pod, pod("kubezonnet-server-0", true));
        cluster.lead("kubezonnet-server-0");
        cluster.kube.upsert(Kind::DaemonSet, daemon_set(2));
        cluster.kube.upsert(Kind::Node, node("node-a", "6.12.31"));
        cluster
            .kube
            .upsert(Kind::Node, node("node-b", "6.4.0-1-cloud-amd64"));
        for node in ["node-a", "node-b"] {
            cluster.kube.upsert(Kind::Pod, agent(node, &running()));
        }
        cluster
    }

    /// The pod's port leads to the server.
    fn lead(&self, pod: &str) {
        let pod = format!("kubezonnet/{pod}");
        self.kube.forward(&pod, 8080, self.server.address());
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let kubeconfig = self.kube.kubeconfig();
        let mut all = vec!["--kubeconfig", kubeconfig.to_str().unwrap()];
        all.extend(arguments);
        run(&all)
    }

    pub(crate) fn forwards(&self) -> usize {
        let requests = self.kube.requests();
        requests
            .iter()
            .filter(|path| path.contains("/portforward"))
            .count()
    }
}

fn service() -> Value {
    json!({
        "metadata": { "name": "kubezonnet-server", "namespace": "kubezonnet" },
        "spec": {
            "selector": { "app.kubernetes.io/name": "kubezonnet-server" },
            "ports": [
                { "name": "http", "port": 80, "targetPort": "http" },
                { "name": "ingest", "port": 8443, "targetPort": "ingest" },
            ],
        },
    })
}

fn pod(name: &str, ready: bool) -> Value {
    json!({
        "metadata": {
            "name": name,
            "namespace": "kubezonnet",
            "labels": { "app.kubernetes.io/name": "kubezonnet-server", "more": "labels" },
        },
        "spec": { "containers": [{
            "name": "server",
            "ports": [
                { "name": "http", "containerPort": 8080 },
                { "name": "ingest", "containerPort": 8443 },
            ],
        }] },
        "status": {
            "phase": if ready { "Running" } else { "Pending" },
            "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }],
        },
    })
}

fn daemon_set(ready: u32) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "metadata": { "name": "kubezonnet-agent", "namespace": "kubezonnet", "generation": 3 },
        "spec": {
            "selector": { "matchLabels": { "app.kubernetes.io/name": "kubezonnet-agent" } },
            "template": { "spec": { "containers": [{
                "name": "agent",
                "image": format!("registry.example:5000/kubezonnet-agent:{version}"),
            }] } },
        },
        "status": {
            "desiredNumberScheduled": 2, "numberReady": ready, "currentNumberScheduled": 2,
            "numberMisscheduled": 0, "updatedNumberScheduled": 2, "observedGeneration": 3,
        },
    })
}

fn node(name: &str, kernel: &str) -> Value {
    json!({
        "metadata": { "name": name, "labels": { "topology.kubernetes.io/zone": "us-east-1a" } },
        "status": { "nodeInfo": {
            "kernelVersion": kernel, "operatingSystem": "linux", "architecture": "amd64",
            "bootID": "", "containerRuntimeVersion": "", "kubeProxyVersion": "",
            "kubeletVersion": "", "machineID": "", "osImage": "", "systemUUID": "",
        } },
    })
}

#[test]
fn the_server_is_found_and_asked_through_one_port_forward() {
    let cluster = Cluster::installed();

    let ended = cluster.run(&["cost"]);

    assert_eq!((ended.status, &*ended.err), (0, ""));
    assert!(ended.out.contains("71.25 USD for 10.0 TB"), "{}", ended.out);
    let asked = cluster.server.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(cluster.forwards(), 1);
}

#[test]
fn a_large_answer_comes_through_the_port_forward_whole() {
    let cluster = Cluster::installed();
    let mut top = crate::answers::namespaces();
    let item = top.items[0].clone();
    top.items = vec![item; 9_000];
    cluster.server.tell("top", &top);

    let ended = cluster.run(&["cost", "-o", "csv", "--limit", "0"]);

    assert_eq!(
        (ended.status, ended.out.lines().count()),
        (0, 9_001),
        "{}",
        ended.err
    );
}

#[test]
fn the_pod_that_is_ready_is_asked() {
    let cluster = Cluster::installed();
    cluster
        .kube
        .upsert(Kind::Pod, pod("kubezonnet-server-0", false));
    cluster
        .kube
        .upsert(Kind::Pod, pod("kubezonnet-server-1", true));
    cluster.lead("kubezonnet-server-1");

    let ended = cluster.run(&["version"]);

    assert_eq!(ended.status, 0, "{}", ended.err);
    assert!(
        ended.out.contains("(kubezonnet/kubezonnet-server)"),
        "{}",
        ended.out
    );
    let requests = cluster.kube.requests();
    assert!(
        requests
            .iter()
            .any(|path| path.contains("pods/kubezonnet-server-1/portforward"))
    );
}

#[test]
fn what_is_missing_on_the_way_is_told_with_what_to_do() {
    let none = Cluster::empty();
    let unready = Cluster::installed();
    unready
        .kube
        .upsert(Kind::Pod, pod("kubezonnet-server-0", false));
    let gone = Cluster::installed();
    gone.kube
        .delete(Kind::Pod, "kubezonnet/kubezonnet-server-0");
    let closed = Cluster::installed();
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    closed
        .kube
        .forward("kubezonnet/kubezonnet-server-0", 8080, nobody);
    let forbidden = Cluster::installed();
    forbidden.kube.forbid_kind(Kind::Service, true);
    let no_pods = Cluster::installed();
    no_pods.kube.forbid_kind(Kind::Pod, true);
    let no_forward = Cluster::installed();
    no_forward.kube.forbid("pods/portforward", true);

    for (cluster, status, expected) in [
        (
            none,
            69,
            "there is no Service kubezonnet-server in namespace kubezonnet",
        ),
        (
            unready,
            69,
            "runs (kubezonnet-server-0: Pending): look at kubectl -n kubezonnet",
        ),
        (gone, 69, "runs (there is none)"),
        (closed, 69, "connection refused"),
        (
            forbidden,
            77,
            "does not let you get services in namespace kubezonnet",
        ),
        (no_pods, 77, "does not let you list pods"),
        (no_forward, 77, "does not let you forward a port to pods"),
    ] {
        let ended = cluster.run(&["cost"]);

        assert_eq!(ended.status, status, "{expected}: {}", ended.err);
        assert!(ended.err.contains(expected), "{expected}: {}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    }
}

#[test]
fn the_namespace_of_the_server_can_be_another() {
    let cluster = Cluster::installed();

    let ended = cluster.run(&["-N", "elsewhere", "cost"]);

    assert_eq!(ended.status, 69);
    assert!(
        ended.err.contains("in namespace elsewhere"),
        "{}",
        ended.err
    );
}

#[test]
fn a_stranger_and_a_cluster_that_is_away_are_told_apart() {
    let mut cluster = Cluster::installed();
    let stranger = cluster.kube.kubeconfig_of_a_stranger().unwrap();

    let refused = run(&["--kubeconfig", stranger.to_str().unwrap(), "cost"]);
    let checked = run(&["--kubeconfig", stranger.to_str().unwrap(), "check"]);
    let Cluster { kube, runtime, .. } = &mut cluster;
    runtime.block_on(kube.down());
    let away = cluster.run(&["cost"]);

    assert_eq!(
        (refused.status, away.status),
        (77, 69),
        "{} {}",
        refused.err,
        away.err
    );
    assert!(
        refused.err.contains("does not know who asks"),
        "{}",
        refused.err
    );
    assert!(away.err.contains("cannot get services"), "{}", away.err);
    assert_eq!(checked.status, 77, "{}", checked.out);
    assert!(
        checked.out.contains("does not know who asks") && !checked.out.contains("you may not"),
        "{}",
        checked.out
    );
}

#[test]
fn check_looks_at_kubernetes_too() {
    let cluster = Cluster::installed();

    let ended = cluster.run(&["check"]);

    assert_eq!(ended.status, 0, "{}\n{}", ended.out, ended.err);
    for expected in [
        "all 2 can run the agent",
        "2 of 2 agents are ready",
        "2 of 2 nodes report",
        "0.5% of the bytes of the last 1h",
    ] {
        assert!(ended.out.contains(expected), "{expected}: {}", ended.out);
    }
    assert_eq!(cluster.forwards(), 1);
}

#[test]
fn check_names_nodes_and_agents_that_are_not_as_they_should_be() {
    let cluster = Cluster::installed();
    cluster
        .kube
        .upsert(Kind::Node, node("node-b", "5.15.0-1070-aws"));
    cluster.kube.upsert(Kind::DaemonSet, daemon_set(1));
    let crashing = json!({
        "name": "agent", "ready": false, "restartCount": 7, "image": "", "imageID": "",
        "state": { "waiting": { "reason": "CrashLoopBackOff" } },
        "lastState": { "terminated": { "reason": "Error", "exitCode": 69 } },
    });
    cluster.kube.upsert(Kind::Pod, agent("node-b", &crashing));

    let ended = cluster.run(&["check"]);

    assert_eq!(ended.status, 1, "{}", ended.err);
    for expected in [
        "1 of 2 cannot run the agent",
        "has kernel 5.15.0-1070-aws",
        "1 of 2 agents are ready",
        "is not ready on node-b: CrashLoopBackOff; started again 7 times, last ended with Error (status 69)",
        "its node lacks what it needs: kubectl -n kubezonnet logs kubezonnet-agent-node-b --previous",
        "4 problems",
    ] {
        assert!(ended.out.contains(expected), "{expected}: {}", ended.out);
    }
}

/// A pod of the agents on a node, with what its one container says.
fn agent(node: &str, status: &Value) -> Value {
    json!({
        "metadata": {
            "name": format!("kubezonnet-agent-{node}"),
            "namespace": "kubezonnet",
            "labels": { "app.kubernetes.io/name": "kubezonnet-agent" },
        },
        "spec": { "nodeName": node, "containers": [] },
        "status": { "phase": "Running", "containerStatuses": [status] },
    })
}

fn running() -> Value {
    json!({
        "name": "agent", "ready": true, "restartCount": 0, "image": "", "imageID": "",
        "state": { "running": {} },
    })
}

#[test]
fn check_tells_apart_nodes_that_never_have_an_agent_and_those_that_should() {
    let cluster = Cluster::installed();
    let mut fargate = node("fargate-a", "5.10.2");
    fargate["metadata"]["labels"] = json!({ "eks.amazonaws.com/compute-type": "fargate" });
    let mut windows = node("windows-a", "10.0.20348");
    windows["status"]["nodeInfo"]["operatingSystem"] = json!("windows");
    let mut tainted = node("node-c", "6.12.31");
    tainted["spec"] = json!({ "taints": [
        { "key": "dedicated", "value": "gpu", "effect": "NoSchedule" },
    ] });
    let unlucky = node("node-d", "6.12.31");
    for node in [fargate, windows, tainted, unlucky] {
        cluster.kube.upsert(Kind::Node, node);
    }
    let names = [
        "node-a",
        "node-b",
        "node-c",
        "node-d",
        "fargate-a",
        "windows-a",
    ];
    let mut health = crate::answers::health();
    for name in &names[2..] {
        let agent = crate::answers::agent(name, AgentState::None);
        health.agents.push(agent);
    }
    cluster.server.tell("health", &health);

    let ended = cluster.run(&["check"]);

    assert_eq!(ended.status, 1, "{}", ended.err);
    for expected in [
        "problem  nodes",
        "1 of 4 cannot run the agent",
        "gets no agent: nothing tolerates its taint dedicated=gpu:NoSchedule",
        "1 without an agent, virtual (Fargate, virtual kubelets): fargate-a",
        "1 without an agent, Windows: windows-a",
        "problem  node node-d    there is no pod of an agent for it",
        "2 of 4 nodes report",
        "4 problems, 2 to look at",
    ] {
        assert!(ended.out.contains(expected), "{expected}: {}", ended.out);
    }
    // What Kubernetes explains is not told again by the server.
    assert!(!ended.out.contains("nobody counts there"), "{}", ended.out);
}

#[test]
fn check_names_nodes_without_a_zone_and_nodes_that_are_not_ready() {
    let cluster = Cluster::installed();
    let mut lost = node("node-b", "6.12.31");
    lost["metadata"]["labels"] = json!({ "other": "label" });
    lost["status"]["conditions"] = json!([{
        "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
    }]);
    cluster.kube.upsert(Kind::Node, lost);
    let mut health = crate::answers::health();
    health.topology.nodes_without_zone = 1;
    cluster.server.tell("health", &health);

    let ended = cluster.run(&["check"]);

    for expected in [
        "1 of 2 nodes have none: node-b",
        "look     node node-b    is not ready: Kubelet stopped posting node status.",
        "kubectl describe node node-b",
    ] {
        assert!(ended.out.contains(expected), "{expected}: {}", ended.out);
    }
    assert_eq!(ended.status, 0, "{}", ended.out);
}

#[test]
fn check_says_what_a_server_says_that_takes_no_windows() {
    let cluster = Cluster::installed();
    let mut full = pod("kubezonnet-server-0", false);
    full["status"]["phase"] = json!("Running");
    full["status"]["containerStatuses"] = json!([running()]);
    cluster.kube.upsert(Kind::Pod, full);
    let mut health = crate::answers::health();
    health.ready = false;
    health.not_ready = Some("the disk is full".to_owned());
    cluster.server.tell("health", &health);

    let ended = cluster.run(&["check"]);
    let cost = cluster.run(&["cost"]);

    assert_eq!(ended.status, 1, "{}", ended.err);
    assert_eq!(cost.status, 0, "{}", cost.err);
    assert!(
        cost.err
            .contains("note: pod kubezonnet-server-0 is not ready"),
        "{}",
        cost.err
    );
    for expected in [
        "kubezonnet-server leads to no pod that is ready",
        "is not ready on no node: Running",
        "are not taken: the disk is full",
    ] {
        assert!(ended.out.contains(expected), "{expected}: {}", ended.out);
    }
}

#[test]
fn check_looks_at_the_service_and_all_pods_of_the_server() {
    let cluster = Cluster::installed();
    let mut service = service();
    service["spec"]["ports"] = json!([{ "name": "http", "port": 80, "targetPort": "http" }]);
    cluster.kube.upsert(Kind::Service, service);
    let mut second = pod("kubezonnet-server-1", true);
    let mut container = running();
    container["restartCount"] = json!(7);
    second["status"]["containerStatuses"] = json!([container]);
    cluster.kube.upsert(Kind::Pod, second);

    let ended = cluster.run(&["check"]);

    for expected in [
        "leads to 2 pods: kubezonnet-server-0, kubezonnet-server-1",
        "has no port named ingest",
    ] {
        assert!(ended.out.contains(expected), "{expected}: {}", ended.out);
    }
    assert_eq!(ended.status, 0, "{}", ended.out);
}

#[test]
fn check_tells_of_kubernetes_even_if_the_server_is_away() {
    let cluster = Cluster::installed();
    cluster
        .kube
        .delete(Kind::Pod, "kubezonnet/kubezonnet-server-0");
    cluster.kube.forbid_kind(Kind::Node, true);

    let ended = cluster.run(&["check"]);

    assert_eq!(ended.status, 69);
    for expected in [
        "not looked at: you may not list nodes",
        "2 of 2 agents are ready",
        "problem  server",
    ] {
        assert!(ended.out.contains(expected), "{expected}: {}", ended.out);
    }
}

#[test]
fn json_names_all_that_a_screen_has_no_room_for() {
    let cluster = Cluster::installed();
    for number in 0..25 {
        let node = node(&format!("old-{number:02}"), "5.15.0");
        cluster.kube.upsert(Kind::Node, node);
    }

    let screen = cluster.run(&["check"]);
    let json = cluster.run(&["check", "-o", "json"]);

    assert!(
        screen.out.contains("5 more cannot run it") && !screen.out.contains("old-24"),
        "{}",
        screen.out
    );
    let answer: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let findings = answer["findings"].as_array().unwrap();
    let named = findings.iter().filter(|finding| {
        let subject = finding["subject"].as_str().unwrap();
        subject.starts_with("node old-")
    });
    assert_eq!(named.count(), 25, "{}", json.out);
    assert!(!json.out.contains("5 more"), "{}", json.out);
}
