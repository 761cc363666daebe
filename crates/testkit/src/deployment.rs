//! kubezonnet on a cluster: one server, and in every node an agent with a way to it.

mod launch;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use self::launch::{AGENT_METRICS, Launch};
use crate::scrape::get;
use crate::wait::wait_for;
use crate::{Cluster, ClusterNode, Error, Netns, Place, Process, Relay, Scrape};

/// Where an agent finds the server, inside its node's namespace.
const RELAY_PORT: u16 = 9779;

/// How long a program may take to be ready.
const READY: Duration = Duration::from_mins(1);

/// Lines of each program that are told if all of them took too long together.
const TAIL_LINES: usize = 5;

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
        all.wait_while_all_run("readiness of the server", &give_up, |all| {
            ready(all.address())
        })?;
        for node in all.cluster.members() {
            let relay = Relay::start(node.netns(), RELAY_PORT, all.launch.ingest())?;
            let agent = all.launch.agent(&all.cluster, node, relay.address())?;
            all.relays.push(relay);
            all.agents.push(agent);
        }
        // What holds up several of them is seldom their own.
        all.wait_while_all_run("readiness of all agents", &give_up, |all| {
            let mut nodes = all.cluster.members();
            nodes
                .all(|node| agent_ready(node.netns()).is_some())
                .then_some(())
        })?;
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
        let address = self.launch.address();
        patiently(&mut self.server, "readiness of the server", || {
            ready(address)
        })
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
        let agent = &mut self.agents[position];
        patiently(agent, "readiness of the agent", || agent_ready(netns))
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
    /// [`Error::Ended`] with what the one that ended has said.
    pub fn check(&mut self) -> Result<(), Error> {
        // The server first: agents may go because it has gone.
        self.processes().try_for_each(Process::check)
    }

    fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        [&mut self.server].into_iter().chain(&mut self.agents)
    }

    /// Ends the agents, which deliver their last windows, and leaves the server running.
    ///
    /// # Errors
    ///
    /// If one does not end in time, or not well.
    pub fn end_agents(&mut self) -> Result<(), Error> {
        self.end_agents_within(GRACE, &|| false)
    }

    fn end_agents_within(
        &mut self,
        grace: Duration,
        give_up: &impl Fn() -> bool,
    ) -> Result<(), Error> {
        let end = Instant::now() + grace;
        // All at once, so that they share the time.
        for agent in &mut self.agents {
            agent.signal(Signal::SIGTERM)?;
        }
        for agent in &mut self.agents {
            let left = end.saturating_duration_since(Instant::now());
            let status = agent.wait_for_end(left, give_up)?;
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

    /// Ends all of it: agents first, so that their last windows arrive. What has not ended in time,
    /// or when `give_up` says so, is killed.
    ///
    /// # Errors
    ///
    /// If one does not end in time, or an agent not well; [`Error::Interrupted`] if it was given up.
    pub fn end(mut self, grace: Duration, give_up: impl Fn() -> bool) -> Result<(), Error> {
        self.end_agents_within(grace, &give_up)?;
        self.server.signal(Signal::SIGTERM)?;
        self.server.wait_for_end(grace, give_up).map(drop)
    }

    /// Waits for something as long as the server and all agents run, and nobody asks to end.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] with what each wrote last, [`Error::Interrupted`], or [`Error::Ended`] with
    /// the name of the one that has.
    pub fn wait_while_all_run<T>(
        &mut self,
        what: &str,
        give_up: impl Fn() -> bool,
        look: impl Fn(&Self) -> Option<T>,
    ) -> Result<T, Error> {
        let found = wait_for(what, READY, || {
            if give_up() {
                return Some(Err(Error::Interrupted));
            }
            let found = look(self).map(Ok);
            found.or_else(|| self.check().err().map(Err))
        });
        found.unwrap_or_else(|timeout| Err(self.with_tails(timeout)))
    }

    /// An error of time with what everybody wrote last, for nobody knows who is to blame.
    fn with_tails(&mut self, error: Error) -> Error {
        let Error::Timeout { what, deadline } = error else {
            return error;
        };
        let tail =
            |process: &mut Process| format!("{}:\n{}", process.name(), process.tail(TAIL_LINES));
        let tails: String = self.processes().map(tail).collect();
        let what = format!("{what} (what each wrote last:\n{tails})");
        Error::Timeout { what, deadline }
    }
}

impl Drop for Deployment {
    /// What was not ended has nothing to deliver any more: nobody waits for it.
    fn drop(&mut self) {
        self.processes().for_each(Process::kill);
    }
}

/// Waits for a program as long as it runs.
fn patiently(
    process: &mut Process,
    what: &str,
    look: impl Fn() -> Option<()>,
) -> Result<(), Error> {
    process.wait_for(what, READY, |_| look())
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
