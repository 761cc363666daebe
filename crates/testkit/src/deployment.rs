//! kubezonnet on a cluster: one server, and in every node an agent with a way to it.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::scrape::get;
use crate::{Cluster, ClusterNode, Error, Netns, Place, Process, Relay, Scrape, binary};

/// Where an agent serves its metrics, inside its node's namespace.
const AGENT_METRICS: &str = "127.0.0.1:9780";

/// Where an agent finds the server, inside its node's namespace.
const RELAY_PORT: u16 = 9779;

/// How long a program may take to be ready.
const READY: Duration = Duration::from_secs(20);

/// How long a program may take to end.
const GRACE: Duration = Duration::from_secs(30);

/// How kubezonnet is started.
#[derive(Debug, Clone, Default)]
pub struct DeploymentOptions {
    /// The port the server is to have on 127.0.0.1; a free one if it is taken, or 0.
    pub port: u16,
    /// What the server is told besides where to listen and what the topology is.
    pub server_arguments: Vec<String>,
    /// What each agent is told besides its node and server.
    pub agent_arguments: Vec<String>,
    /// What each agent is started by, as a command line that its own follows: `setpriv …`.
    pub agent_wrapper: Vec<String>,
}

/// All that runs. The order of the fields is the order in which they go.
#[derive(Debug)]
pub struct Deployment {
    agents: Vec<Process>,
    relays: Vec<Relay>,
    server: Process,
    address: SocketAddr,
    cluster: Cluster,
}

impl Deployment {
    /// Starts server and agents on a cluster, and waits until all are ready. The topology is a file
    /// that matches the cluster, and the flow log is written to a file of the cluster's run.
    ///
    /// # Errors
    ///
    /// [`Error::MissingBinary`] if they are not built; [`Error::Timeout`] with what they said if
    /// they do not become ready; [`Error::Interrupted`] once `give_up` says so.
    pub fn start(
        cluster: Cluster,
        options: &DeploymentOptions,
        give_up: impl Fn() -> bool,
    ) -> Result<Self, Error> {
        let programs = [binary("kubezonnet-agent")?, binary("kubezonnet-server")?];
        let [agent, server] = &programs;
        let topology = cluster.run().dir().join("topology.yaml");
        cluster.write_topology(&topology)?;
        let address = free_address(options.port)?;
        let log = flow_log(&cluster);
        let log = File::create(&log).map_err(Error::io(format!("make {}", log.display())))?;
        let mut command = Command::new(server);
        command
            .arg(format!("--listen={address}"))
            .arg(format!("--topology-file={}", topology.display()))
            .args(&options.server_arguments);
        let command = plain(&mut command);
        let server = Process::start_with_output(cluster.run(), "kubezonnet-server", command, log)?;
        let mut all = Self {
            agents: vec![],
            relays: vec![],
            server,
            address,
            cluster,
        };
        patiently(&mut all.server, "readiness of the server", &give_up, || {
            ready(address)
        })?;
        for node in all.cluster.nodes() {
            let relay = Relay::start(node.netns(), RELAY_PORT, address)?;
            let words = options
                .agent_wrapper
                .iter()
                .map(PathBuf::from)
                .chain([agent.clone()]);
            let words: Vec<_> = words.collect();
            let mut command = node.netns().command(&words[0]);
            command
                .args(&words[1..])
                .arg(format!("--node={}", node.name()))
                .arg(format!("--server=http://{}", relay.address()))
                .arg(format!("--metrics-listen={AGENT_METRICS}"))
                .args(&options.agent_arguments);
            let name = format!("kubezonnet-agent of {}", node.name());
            let agent = Process::start(all.cluster.run(), name, plain(&mut command))?;
            all.relays.push(relay);
            all.agents.push(agent);
        }
        for (agent, node) in all.agents.iter_mut().zip(all.cluster.nodes()) {
            patiently(agent, "readiness of the agent", &give_up, || {
                agent_ready(node.netns())
            })?;
        }
        Ok(all)
    }

    /// The cluster it runs on.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the flow log is.
    pub fn flow_log(&self) -> PathBuf {
        flow_log(&self.cluster)
    }

    /// The lines of the flow log so far.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn flow_log_lines(&self) -> Result<Vec<String>, Error> {
        let path = self.flow_log();
        let text = fs::read_to_string(&path);
        let text = text.map_err(Error::io(format!("read {}", path.display())))?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        Ok(whole.lines().map(str::to_owned).collect())
    }

    /// The server.
    pub fn server(&mut self) -> &mut Process {
        &mut self.server
    }

    /// The way from a node's agent to the server.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub fn relay(&mut self, node: &str) -> &mut Relay {
        let position = self.position(node);
        &mut self.relays[position]
    }

    /// The agent of a node.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub fn agent(&mut self, node: &str) -> &mut Process {
        let position = self.position(node);
        &mut self.agents[position]
    }

    fn position(&self, node: &str) -> usize {
        let mut nodes = self.cluster.nodes().iter().map(ClusterNode::name);
        nodes
            .position(|name| name == node)
            .unwrap_or_else(|| panic!("there is no node {node}"))
    }

    /// Asks the server for its metrics.
    ///
    /// # Errors
    ///
    /// If it does not answer with metrics.
    pub fn scrape(&self) -> Result<Scrape, Error> {
        Scrape::fetch(self.address)
    }

    /// Asks a node's agent for its metrics.
    ///
    /// # Errors
    ///
    /// If it does not answer with metrics.
    pub fn scrape_agent(&self, node: &str) -> Result<Scrape, Error> {
        self.cluster
            .node(node)
            .netns()
            .run(|| Scrape::fetch(agent_address()))?
    }

    /// Looks whether all programs still run.
    ///
    /// # Errors
    ///
    /// [`Error::Command`] with what the one that ended has said.
    pub fn check(&mut self) -> Result<(), Error> {
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

    /// Ends the agents, which deliver their last windows, and leaves the server running.
    ///
    /// # Errors
    ///
    /// If one does not end in time, or not well.
    pub fn end_agents(&mut self) -> Result<(), Error> {
        for agent in &mut self.agents {
            let status = agent.terminate(GRACE)?;
            if !status.success() {
                let message = format!("it ended badly ({status}):\n{}", agent.output());
                return Err(Error::Command {
                    command: agent.name().to_owned(),
                    message,
                });
            }
        }
        self.agents.clear();
        Ok(())
    }

    /// Ends all of it: agents first, so that their last windows arrive.
    ///
    /// # Errors
    ///
    /// If one does not end in time, or an agent not well.
    pub fn end(mut self) -> Result<(), Error> {
        self.end_agents()?;
        self.server.terminate(GRACE).map(drop)
    }

    /// Waits for something of the server as long as it runs, and nobody asks to end.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`], [`Error::Interrupted`], or that the server has ended.
    pub fn wait_for_server<T>(
        &mut self,
        what: &str,
        give_up: impl Fn() -> bool,
        look: impl Fn() -> Option<T>,
    ) -> Result<T, Error> {
        patiently(&mut self.server, what, give_up, look)
    }
}

/// Waits for a program as long as it runs and nobody asks to end.
fn patiently<T>(
    process: &mut Process,
    what: &str,
    give_up: impl Fn() -> bool,
    look: impl Fn() -> Option<T>,
) -> Result<T, Error> {
    process.wait_for(what, READY, |_| {
        if give_up() {
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
    netns.run(|| ready(agent_address())).ok().flatten()
}

fn agent_address() -> SocketAddr {
    AGENT_METRICS.parse().expect("the constant is an address")
}
