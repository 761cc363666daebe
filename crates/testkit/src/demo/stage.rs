//! What is shown: kubezonnet on a cluster, and whether what it counts is what the wire carried.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::signals::Signals;
use super::story::{DATABASE, DATABASE_NODE};
use super::{CROSS_ZONE_BYTES, TOP_PODS_QUERY, TOTAL_QUERY};
use crate::wait::wait_for;
use crate::{Cluster, Deployment, DeploymentOptions, Error, Scrape, Security};

/// All that runs.
#[derive(Debug)]
pub(super) struct Stage {
    deployment: Deployment,
}

/// What the server says the database's node sent across zones, beside what its uplink carried.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comparison {
    pub(super) node: &'static str,
    pub(super) uplink_bytes: u64,
    pub(super) counted_bytes: f64,
}

impl Stage {
    /// Starts server and agents, and waits until all are ready.
    pub(super) fn start(
        cluster: Cluster,
        port: u16,
        interval: Duration,
        signals: &Signals,
    ) -> Result<Self, Error> {
        let options = DeploymentOptions {
            port,
            server_arguments: vec!["--flow-log=cross-zone".to_owned()],
            agent_arguments: vec![format!("--interval={}s", interval.as_secs())],
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

    /// Asks the server for its metrics.
    pub(super) fn scrape(&self) -> Result<Scrape, Error> {
        self.deployment.scrape()
    }

    /// Waits for the first line of the flow log.
    pub(super) fn first_flow(&mut self, signals: &Signals) -> Result<String, Error> {
        let path = self.flow_log();
        let what = "the first line of the flow log";
        self.deployment.wait_for_server(
            what,
            || signals.came(),
            || {
                let text = std::fs::read_to_string(&path).ok()?;
                text.split_once('\n').map(|(line, _)| line.to_owned())
            },
        )
    }

    /// Compares what the uplink of the database's node has carried with what the server counted,
    /// once nothing is on its way. Nothing if `give_up` says so before.
    pub(super) fn compare(
        &self,
        deadline: Duration,
        give_up: impl Fn() -> bool,
    ) -> Result<Option<Comparison>, Error> {
        let uplink_bytes = self.cluster().settled_uplink(DATABASE_NODE)?.tx_ip_bytes();
        let mut counted_bytes = 0.0;
        let mut failed = None;
        let settled = wait_for("all bytes to be counted", deadline, || {
            if give_up() {
                return Some(false);
            }
            match self.scrape() {
                Ok(scrape) => counted_bytes = self.counted(&scrape),
                Err(error) => failed = Some(error),
            }
            (failed.is_some() || counted_bytes >= as_float(uplink_bytes)).then_some(true)
        });
        match (failed, settled) {
            (Some(error), _) => Err(error),
            (None, Ok(false)) => Ok(None),
            // If they never meet, the figures say so.
            (None, _) => Ok(Some(Comparison {
                node: DATABASE_NODE,
                uplink_bytes,
                counted_bytes,
            })),
        }
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

    /// Ends all of it.
    pub(super) fn end(self) -> Result<(), Error> {
        self.deployment.end()
    }

    /// Where to find what.
    pub(super) fn endpoints(&self) -> Value {
        json!({
            "metrics_url": self.metrics_url(),
            "flow_log": self.flow_log(),
            "run": self.cluster().run().id(),
            "database": { "namespace": DATABASE.0, "pod": DATABASE.1 },
            "queries": { "top_pods": TOP_PODS_QUERY, "total": TOTAL_QUERY },
        })
    }

    /// Where the metrics are.
    pub(super) fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.deployment.address())
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
