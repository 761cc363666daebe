//! The way through Kubernetes: the Service, a pod of it that is ready, and a port-forward to it.

use std::net::TcpListener;

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
        "metadata": { "name": name },
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
            "is ready (kubezonnet-server-0: Pending): look at kubectl -n kubezonnet",
        ),
        (gone, 69, "is ready (there is none)"),
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
    let agent = json!({
        "metadata": {
            "name": "kubezonnet-agent-x2x9z",
            "namespace": "kubezonnet",
            "labels": { "app.kubernetes.io/name": "kubezonnet-agent" },
        },
        "spec": { "nodeName": "node-b", "containers": [] },
        "status": { "phase": "Running", "containerStatuses": [{
            "name": "agent", "ready": false, "restartCount": 7, "image": "", "imageID": "",
            "state": { "waiting": { "reason": "CrashLoopBackOff" } },
        }] },
    });
    cluster.kube.upsert(Kind::Pod, agent);

    let ended = cluster.run(&["check"]);

    assert_eq!(ended.status, 1, "{}", ended.err);
    for expected in [
        "1 of 2 cannot run the agent",
        "has kernel 5.15.0-1070-aws",
        "1 of 2 agents are ready",
        "is not ready on node-b: CrashLoopBackOff",
        "kubectl -n kubezonnet logs kubezonnet-agent-x2x9z --previous",
        "4 problems",
    ] {
        assert!(ended.out.contains(expected), "{expected}: {}", ended.out);
    }
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
