//! The cluster with what is in it: one server, and in every node an agent with a way to it.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::signals::Signals;
use super::story::{DATABASE, DATABASE_NODE};
use super::{CROSS_ZONE_BYTES, TOP_PODS_QUERY, TOTAL_QUERY};
use crate::scrape::get;
use crate::wait::wait_for;
use crate::{Cluster, Error, Netns, Place, Process, Relay, Scrape, binary};

/// Where an agent serves its metrics, inside its node's namespace.
const AGENT_METRICS: &str = "127.0.0.1:9780";

/// Where an agent finds the server, inside its node's namespace.
const RELAY_PORT: u16 = 9779;

/// How long a program may take to be ready.
const READY: Duration = Duration::from_secs(20);

/// How long a program may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// The programs that are shown.
#[derive(Debug)]
pub(super) struct Programs {
    agent: PathBuf,
    server: PathBuf,
}

/// All that runs. The order of the fields is the order in which they go.
#[derive(Debug)]
pub(super) struct Stage {
    agents: Vec<Process>,
    relays: Vec<Relay>,
    server: Process,
    address: SocketAddr,
    pub(super) cluster: Cluster,
}

/// What the server says the database's node sent across zones, beside what its uplink carried.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comparison {
    pub(super) node: &'static str,
    pub(super) uplink_bytes: u64,
    pub(super) counted_bytes: f64,
}

impl Programs {
    /// Finds them, before anything is built in vain.
    pub(super) fn find() -> Result<Self, Error> {
        Ok(Self {
            agent: binary("kubezonnet-agent")?,
            server: binary("kubezonnet-server")?,
        })
    }
}

impl Stage {
    /// Starts server and agents, and waits until all are ready.
    pub(super) fn start(
        programs: &Programs,
        cluster: Cluster,
        port: u16,
        interval: Duration,
        signals: &Signals,
    ) -> Result<Self, Error> {
        let topology = cluster.run().dir().join("topology.yaml");
        cluster.write_topology(&topology)?;
        let address = free_address(port)?;
        let log = flow_log(&cluster);
        let log = File::create(&log).map_err(Error::io(format!("make {}", log.display())))?;
        let mut command = Command::new(&programs.server);
        command
            .arg(format!("--listen={address}"))
            .arg(format!("--topology-file={}", topology.display()))
            .arg("--flow-log=cross-zone");
        let server = Process::start_with_output(
            cluster.run(),
            "kubezonnet-server",
            plain(&mut command),
            log,
        )?;
        let mut stage = Self {
            agents: Vec::new(),
            relays: Vec::new(),
            server,
            address,
            cluster,
        };
        let server = &mut stage.server;
        patiently(server, "readiness of the server", READY, signals, || {
            ready(address)
        })?;
        for node in stage.cluster.nodes() {
            let relay = Relay::start(node.netns(), RELAY_PORT, address)?;
            let mut command = node.netns().command(&programs.agent);
            command
                .arg(format!("--node={}", node.name()))
                .arg(format!("--server=http://{}", relay.address()))
                .arg(format!("--interval={}s", interval.as_secs()))
                .arg(format!("--metrics-listen={AGENT_METRICS}"));
            let name = format!("kubezonnet-agent of {}", node.name());
            let agent = Process::start(stage.cluster.run(), name, plain(&mut command))?;
            stage.relays.push(relay);
            stage.agents.push(agent);
        }
        for (agent, node) in stage.agents.iter_mut().zip(stage.cluster.nodes()) {
            patiently(agent, "readiness of the agent", READY, signals, || {
                agent_ready(node.netns())
            })?;
        }
        Ok(stage)
    }

    /// Looks whether all programs still run.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        for process in self.agents.iter_mut().chain([&mut self.server]) {
            if let Some(status) = process.ended() {
                let message = format!("it ended ({status}):\n{}", process.output());
                return Err(Error::Command {
                    command: process.name().to_owned(),
                    message,
                });
            }
        }
        Ok(())
    }

    /// Asks the server for its metrics.
    pub(super) fn scrape(&self) -> Result<Scrape, Error> {
        Scrape::fetch(self.address)
    }

    /// Waits for the first line of the flow log.
    pub(super) fn first_flow(
        &mut self,
        deadline: Duration,
        signals: &Signals,
    ) -> Result<String, Error> {
        let path = flow_log(&self.cluster);
        let what = "the first line of the flow log";
        patiently(&mut self.server, what, deadline, signals, || {
            let text = fs::read_to_string(&path).ok()?;
            text.split_once('\n').map(|(line, _)| line.to_owned())
        })
    }

    /// Compares what the uplink of the database's node has carried with what the server counted,
    /// once nothing is on its way. Nothing if `give_up` says so before.
    pub(super) fn compare(
        &self,
        deadline: Duration,
        give_up: impl Fn() -> bool,
    ) -> Result<Option<Comparison>, Error> {
        let uplink_bytes = self.cluster.settled_uplink(DATABASE_NODE)?.tx_ip_bytes();
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
            .cluster
            .pods()
            .iter()
            .filter(|pod| pod.node() == DATABASE_NODE);
        pods.map(|pod| {
            let labels = [("namespace", pod.namespace()), ("pod", pod.name())];
            scrape.sum(CROSS_ZONE_BYTES, &labels)
        })
        .sum()
    }

    /// Ends all of it: agents first, so that their last windows arrive.
    pub(super) fn end(mut self) -> Result<(), Error> {
        for agent in &mut self.agents {
            agent.terminate(GRACE)?;
        }
        self.server.terminate(GRACE)?;
        Ok(())
    }

    /// Where to find what.
    pub(super) fn endpoints(&self) -> Value {
        json!({
            "metrics_url": self.metrics_url(),
            "flow_log": flow_log(&self.cluster),
            "run": self.cluster.run().id(),
            "database": { "namespace": DATABASE.0, "pod": DATABASE.1 },
            "queries": { "top_pods": TOP_PODS_QUERY, "total": TOTAL_QUERY },
        })
    }

    /// Where the metrics are.
    pub(super) fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    /// Where the flow log is.
    pub(super) fn flow_log(&self) -> PathBuf {
        flow_log(&self.cluster)
    }
}

/// Waits for a program as long as it runs and nobody asks to end.
fn patiently<T>(
    process: &mut Process,
    what: &str,
    deadline: Duration,
    signals: &Signals,
    look: impl Fn() -> Option<T>,
) -> Result<T, Error> {
    process.wait_for(what, deadline, |_| {
        if signals.came() {
            Some(Err(Error::Interrupted))
        } else {
            look().map(Ok)
        }
    })?
}

fn flow_log(cluster: &Cluster) -> PathBuf {
    cluster.run().dir().join("flows.jsonl")
}

/// This port of the loopback, or a free one if it is taken.
fn free_address(port: u16) -> Result<SocketAddr, Error> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    bind(port)
        .or_else(|_| bind(0))
        .and_then(|listener| listener.local_addr())
        .map_err(Error::io("find a free port on 127.0.0.1"))
}

/// The command without the settings for other agents and servers that the environment may have.
fn plain(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KUBEZONNET_") {
            command.env_remove(name);
        }
    }
    command
}

fn ready(address: SocketAddr) -> Option<()> {
    matches!(get(address, "/readyz"), Ok((200, _))).then_some(())
}

fn agent_ready(netns: &Netns) -> Option<()> {
    let address = AGENT_METRICS.parse().expect("the constant is an address");
    netns.run(|| ready(address)).ok().flatten()
}

/// Counters are exact in a float up to 2^53, nine petabytes.
#[expect(
    clippy::cast_precision_loss,
    reason = "a demo moves less than nine petabytes"
)]
fn as_float(bytes: u64) -> f64 {
    bytes as f64
}
