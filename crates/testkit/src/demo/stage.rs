//! What is shown: kubezonnet on a cluster, and whether what it counts is what the wire carried.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::signals::Signals;
use super::story::{
    self, CLOUD, DATABASE, DATABASE_NODE, FAR_NODE, MANAGED, REGIONS, SHIPPER, SHIPPER_NODE,
};
use super::{CROSS_ZONE_BYTES, TOP_PODS_QUERY, TOTAL_QUERY};
use crate::wait::wait_for;
use crate::{Cluster, ControlGroup, Deployment, DeploymentOptions, Error, Scrape, Security};

/// How long it may take until a program that does not answer any more is seen to have ended.
const ENDING: Duration = Duration::from_millis(500);

/// How long the programs may take to end: agents send their last windows, which takes a moment.
const GRACE: Duration = Duration::from_secs(10);

/// All that runs.
#[derive(Debug)]
pub(super) struct Stage {
    deployment: Deployment,
}

/// What the server says, beside what a link carried by the kernel's own count of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comparison {
    /// What went over the link.
    pub(super) what: &'static str,
    pub(super) link_bytes: u64,
    pub(super) counted_bytes: f64,
}

impl Comparison {
    fn is_settled(&self) -> bool {
        self.counted_bytes >= as_float(self.link_bytes)
    }
}

impl Stage {
    /// Starts server and agents, and waits until all are ready.
    pub(super) fn start(
        cluster: Cluster,
        port: u16,
        interval: Duration,
        signals: &Signals,
    ) -> Result<Self, Error> {
        let networks = cluster.run().dir().join("networks.yaml");
        std::fs::write(&networks, story::networks(&cluster))
            .map_err(Error::io(format!("write {}", networks.display())))?;
        // So that it is there when the agents look, whatever else there is on this machine.
        story::shipper(&cluster)?;
        let groups = ControlGroup::root_of(cluster.run())?;
        let options = DeploymentOptions {
            port,
            server_arguments: vec![
                "--flow-log=cross-zone".to_owned(),
                format!("--networks={}", networks.display()),
                format!("--cloud={CLOUD}"),
            ],
            agent_arguments: vec![
                format!("--interval={}s", interval.as_secs()),
                format!("--cgroup-root={}", groups.display()),
            ],
            security: Security::MutualTls,
            is_pinned: true,
            ..DeploymentOptions::default()
        };
        let deployment = Deployment::start(cluster, &options, || signals.came())?;
        Ok(Self { deployment })
    }

    /// The cluster.
    pub(super) fn cluster(&self) -> &Cluster {
        self.deployment.cluster()
    }

    /// Looks whether all programs still run.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        self.deployment.check()
    }

    /// Asks the server for its metrics. If it does not answer because a program has ended, that is
    /// the error.
    pub(super) fn scrape(&mut self) -> Result<Scrape, Error> {
        self.deployment.scrape().map_err(|error| {
            // What is killed closes its sockets a moment before it has ended.
            let ended = wait_for("an end", ENDING, || self.check().err());
            ended.unwrap_or(error)
        })
    }

    /// Waits for the first line of the flow log.
    pub(super) fn first_flow(&mut self, signals: &Signals) -> Result<String, Error> {
        let path = self.flow_log();
        let what = "the first line of the flow log";
        let give_up = || signals.came();
        self.deployment.wait_while_all_run(what, give_up, |_| {
            let text = std::fs::read_to_string(&path).ok()?;
            text.split_once('\n').map(|(line, _)| line.to_owned())
        })
    }

    /// Compares what links have carried with what the server counted, once nothing is on its way.
    /// Nothing if `give_up` says so before.
    pub(super) fn compare(
        &mut self,
        deadline: Duration,
        give_up: impl Fn() -> bool,
    ) -> Result<Vec<Comparison>, Error> {
        // Settled once, all of them are.
        self.cluster().settled_uplink(DATABASE_NODE)?;
        let mut comparisons = Vec::new();
        let mut failed = None;
        let settled = wait_for("all bytes to be counted", deadline, || {
            if give_up() {
                return Some(false);
            }
            match self.scrape().and_then(|scrape| self.compared(&scrape)) {
                Ok(compared) => comparisons = compared,
                Err(error) => failed = Some(error),
            }
            (failed.is_some() || comparisons.iter().all(Comparison::is_settled)).then_some(true)
        });
        match (failed, settled) {
            (Some(error), _) => Err(error),
            (None, Ok(false)) => Ok(Vec::new()),
            // If they never meet, the figures say so.
            (None, _) => Ok(comparisons),
        }
    }

    /// What links have carried, each beside what a scrape says of it.
    fn compared(&self, scrape: &Scrape) -> Result<Vec<Comparison>, Error> {
        let link = |node: &str| self.cluster().node(node).uplink();
        let managed = link(MANAGED)?;
        let network = |direction| {
            let labels = [("network", MANAGED), ("direction", direction)];
            scrape.sum("kubezonnet_network_traffic_bytes_total", &labels)
        };
        let (near, far) = REGIONS;
        let regions = [("src_region", far), ("dst_region", near)];
        let (namespace, pod) = SHIPPER;
        let shipped = [
            ("namespace", namespace),
            ("pod", pod),
            ("direction", "egress"),
        ];
        Ok(vec![
            Comparison {
                what: "sent across zones by the pods of the database's node",
                link_bytes: link(DATABASE_NODE)?.tx_ip_bytes(),
                counted_bytes: self.counted(scrape),
            },
            Comparison {
                what: "from the managed database, in another zone",
                link_bytes: managed.tx_ip_bytes(),
                counted_bytes: network("from"),
            },
            Comparison {
                what: "to the managed database",
                link_bytes: managed.rx_ip_bytes(),
                counted_bytes: network("to"),
            },
            Comparison {
                what: "from the other region",
                link_bytes: link(FAR_NODE)?.tx_ip_bytes(),
                counted_bytes: scrape.sum("kubezonnet_region_traffic_bytes_total", &regions),
            },
            Comparison {
                what: "sent by the pod on its node's own network",
                link_bytes: link(SHIPPER_NODE)?.tx_ip_bytes(),
                counted_bytes: scrape.sum("kubezonnet_pod_traffic_bytes_total", &shipped),
            },
        ])
    }

    /// What the server counted as sent across zones by the pods of the database's node.
    fn counted(&self, scrape: &Scrape) -> f64 {
        let pods = self
            .cluster()
            .pods()
            .iter()
            .filter(|pod| pod.node() == DATABASE_NODE);
        pods.map(|pod| {
            let labels = [("namespace", pod.namespace()), ("pod", pod.name())];
            scrape.sum(CROSS_ZONE_BYTES, &labels)
        })
        .sum()
    }

    /// Ends all of it, at once if `give_up` says so.
    pub(super) fn end(self, give_up: impl Fn() -> bool) -> Result<(), Error> {
        self.deployment.end(GRACE, give_up)
    }

    /// Where to find what.
    pub(super) fn endpoints(&self) -> Value {
        json!({
            "server_url": self.server_url(),
            "metrics_url": self.metrics_url(),
            "flow_log": self.flow_log(),
            "run": self.cluster().run().id(),
            "database": { "namespace": DATABASE.0, "pod": DATABASE.1 },
            "queries": { "top_pods": TOP_PODS_QUERY, "total": TOTAL_QUERY },
        })
    }

    /// Where the server is looked at.
    pub(super) fn server_url(&self) -> String {
        format!("http://{}", self.deployment.address())
    }

    /// Where the metrics are.
    pub(super) fn metrics_url(&self) -> String {
        format!("{}/metrics", self.server_url())
    }

    /// Where the flow log is.
    pub(super) fn flow_log(&self) -> PathBuf {
        self.deployment.flow_log()
    }
}

/// Counters are exact in a float up to 2^53, nine petabytes.
#[expect(
    clippy::cast_precision_loss,
    reason = "a demo moves less than nine petabytes"
)]
fn as_float(bytes: u64) -> f64 {
    bytes as f64
}
