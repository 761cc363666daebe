//! kubezonnet on a cluster: one server, and in every node an agent with a way to it.

mod launch;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use self::launch::{AGENT_METRICS, Launch};
use crate::scrape::get;
use crate::{Cluster, ClusterNode, Error, Netns, Place, Process, Relay, Scrape};

/// Where an agent finds the server, inside its node's namespace.
const RELAY_PORT: u16 = 9779;

/// How long a program may take to be ready.
const READY: Duration = Duration::from_mins(1);

/// How long a program may take to end.
const GRACE: Duration = Duration::from_secs(30);

/// How kubezonnet is started.
#[derive(Debug, Clone, Default)]
pub struct DeploymentOptions {
    /// The port the server is to have on 127.0.0.1; a free one if it is taken, or 0.
    pub port: u16,
    /// What the server is told besides where to listen and what the topology is. Without a
    /// `--data-dir` here its data are kept in the cluster's run, over restarts.
    pub server_arguments: Vec<String>,
    /// What each agent is told besides its node and server.
    pub agent_arguments: Vec<String>,
    /// How agents and server know each other.
    pub security: Security,
    /// Whether hooks and counts outlive the agents, until the cluster goes.
    pub is_pinned: bool,
    /// What each agent is started by, as a command line that its own follows: `setpriv …`.
    pub agent_wrapper: Vec<String>,
}

/// How agents and server know each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Security {
    /// Not at all, and in clear.
    #[default]
    Insecure,
    /// By certificates of an authority of the run.
    MutualTls,
}

/// All that runs. The order of the fields is the order in which they go.
#[derive(Debug)]
pub struct Deployment {
    agents: Vec<Process>,
    relays: Vec<Relay>,
    server: Process,
    launch: Launch,
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
        let launch = Launch::new(&cluster, options)?;
        let server = launch.server(&cluster)?;
        let mut all = Self {
            agents: vec![],
            relays: vec![],
            server,
            launch,
            cluster,
        };
        all.wait_for_ready_server(&give_up)?;
        for node in all.cluster.members() {
            let relay = Relay::start(node.netns(), RELAY_PORT, all.launch.ingest())?;
            let agent = all.launch.agent(&all.cluster, node, relay.address())?;
            all.relays.push(relay);
            all.agents.push(agent);
        }
        for (agent, node) in all.agents.iter_mut().zip(all.cluster.members()) {
            patiently(agent, "readiness of the agent", &give_up, || {
                agent_ready(node.netns())
            })?;
        }
        Ok(all)
    }

    /// Starts the server again after its end, on the same address, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// As [`Self::start`]; if it still runs, it is ended first.
    pub fn start_server(&mut self) -> Result<(), Error> {
        self.server.terminate(GRACE)?;
        self.server = self.launch.server(&self.cluster)?;
        self.wait_for_ready_server(&|| false)
    }

    /// Starts a node's agent again after its end. It does not wait: an agent is ready once a window
    /// has arrived.
    ///
    /// # Errors
    ///
    /// As [`Self::start`]; if it still runs, it is ended first.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub fn start_agent(&mut self, node: &str) -> Result<(), Error> {
        let position = self.position(node);
        self.agents[position].terminate(GRACE)?;
        let node = self.cluster.node(node);
        let server = self.relays[position].address();
        self.agents[position] = self.launch.agent(&self.cluster, node, server)?;
        Ok(())
    }

    /// Waits until a node's agent says that a window of its has arrived since it was started.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] with what it said, or that it has ended.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub fn wait_for_agent(&mut self, node: &str) -> Result<(), Error> {
        let position = self.position(node);
        let netns = self.cluster.node(node).netns();
        patiently(
            &mut self.agents[position],
            "readiness of the agent",
            || false,
            || agent_ready(netns),
        )
    }

    fn wait_for_ready_server(&mut self, give_up: &impl Fn() -> bool) -> Result<(), Error> {
        let address = self.launch.address();
        let what = "readiness of the server";
        patiently(&mut self.server, what, give_up, || ready(address))
    }

    /// The cluster it runs on.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.launch.address()
    }

    /// Where the flow log is.
    pub fn flow_log(&self) -> PathBuf {
        launch::flow_log(&self.cluster)
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
        let mut nodes = self.cluster.members().map(ClusterNode::name);
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
        Scrape::fetch(self.address())
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

fn ready(address: SocketAddr) -> Option<()> {
    matches!(get(address, "/readyz"), Ok((200, _))).then_some(())
}

fn agent_ready(netns: &Netns) -> Option<()> {
    netns.run(|| ready(agent_address())).ok().flatten()
}

fn agent_address() -> SocketAddr {
    AGENT_METRICS.parse().expect("the constant is an address")
}
