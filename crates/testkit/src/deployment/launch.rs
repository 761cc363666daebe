//! How server and agents are started, the first time and again.

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;

use super::{DeploymentOptions, Security};
use crate::pki::{self, Authority};
use crate::{Cluster, ClusterNode, Error, Place, Process, binary};

/// Where an agent serves its metrics, inside its node's namespace.
pub(super) const AGENT_METRICS: &str = "127.0.0.1:9780";

/// What it takes to start each program as it was started before.
#[derive(Debug)]
pub(super) struct Launch {
    agent: PathBuf,
    server: PathBuf,
    topology: PathBuf,
    address: SocketAddr,
    ingest: SocketAddr,
    /// There with [`Security::MutualTls`].
    authority: Option<Authority>,
    options: DeploymentOptions,
}

impl Launch {
    /// Finds the programs and a port for the server, and writes the topology.
    pub(super) fn new(cluster: &Cluster, options: &DeploymentOptions) -> Result<Self, Error> {
        let topology = cluster.run().dir().join("topology.yaml");
        cluster.write_topology(&topology)?;
        let address = free_address(options.port)?;
        let (ingest, authority) = match options.security {
            Security::Insecure => (address, None),
            Security::MutualTls => (free_address(0)?, Some(certificates(cluster)?)),
        };
        Ok(Self {
            agent: binary("kubezonnet-agent")?,
            server: binary("kubezonnet-server")?,
            topology,
            address,
            ingest,
            authority,
            options: options.clone(),
        })
    }

    /// Where the server listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where agents report to it.
    pub(super) fn ingest(&self) -> SocketAddr {
        self.ingest
    }

    /// Starts the server; its flow log goes on where it was.
    pub(super) fn server(&self, cluster: &Cluster) -> Result<Process, Error> {
        let log = flow_log(cluster);
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(Error::io(format!("make {}", log.display())))?;
        let mut command = Command::new(&self.server);
        command
            .arg(format!("--listen={}", self.address))
            .arg(format!("--topology-file={}", self.topology.display()))
            .args(self.server_security(cluster))
            .args(&self.options.server_arguments);
        let given = |argument: &String| argument.starts_with("--data-dir");
        if !self.options.server_arguments.iter().any(given) {
            let data = cluster.run().dir().join("data");
            command.arg(format!("--data-dir={}", data.display()));
        }
        let command = plain(&mut command);
        Process::start_with_output(cluster.run(), "kubezonnet-server", command, log)
    }

    /// Starts the agent of a node, with the way to the server that it has there.
    pub(super) fn agent(
        &self,
        cluster: &Cluster,
        node: &ClusterNode,
        server: SocketAddr,
    ) -> Result<Process, Error> {
        let words = self.options.agent_wrapper.iter().map(PathBuf::from);
        let words: Vec<_> = words.chain([self.agent.clone()]).collect();
        let pin_dir = if self.options.is_pinned {
            cluster.run().bpf_fs()?.join(node.name())
        } else {
            PathBuf::from("none")
        };
        let mut command = node.netns().command(&words[0]);
        command
            .args(&words[1..])
            .arg(format!("--node={}", node.name()))
            .args(self.agent_security(cluster, node, server)?)
            .arg(format!("--metrics-listen={AGENT_METRICS}"))
            .arg(format!("--pin-dir={}", pin_dir.display()))
            .args(&self.options.agent_arguments);
        let name = format!("kubezonnet-agent of {}", node.name());
        Process::start(cluster.run(), name, plain(&mut command))
    }
}

impl Launch {
    fn server_security(&self, cluster: &Cluster) -> Vec<String> {
        if self.authority.is_none() {
            return vec!["--insecure".to_owned()];
        }
        let file = |flag: &str, name: &str| format!("--{flag}={}", in_run(cluster, name).display());
        vec![
            format!("--ingest-listen={}", self.ingest),
            file("tls-cert", "server.crt"),
            file("tls-key", "server.key"),
            file("client-ca", "ca.crt"),
        ]
    }

    fn agent_security(
        &self,
        cluster: &Cluster,
        node: &ClusterNode,
        server: SocketAddr,
    ) -> Result<Vec<String>, Error> {
        let Some(authority) = &self.authority else {
            return Ok(vec![format!("--server=http://{server}")]);
        };
        let name = format!("agent-{}", node.name());
        let issued = authority.client(node.name())?;
        let (certificate, key) = issued.write(&cluster.run().dir(), &name)?;
        let file = |flag: &str, path: PathBuf| format!("--{flag}={}", path.display());
        Ok(vec![
            format!("--server=https://{server}"),
            file("ca-file", in_run(cluster, "ca.crt")),
            file("client-cert", certificate),
            file("client-key", key),
        ])
    }
}

/// Makes an authority, and the server's certificate, into files of the run.
fn certificates(cluster: &Cluster) -> Result<Authority, Error> {
    let authority = Authority::make("kubezonnet testkit")?;
    pki::write(&in_run(cluster, "ca.crt"), authority.certificate())?;
    let server = authority.server(&["127.0.0.1", "localhost"])?;
    server.write(&cluster.run().dir(), "server")?;
    Ok(authority)
}

fn in_run(cluster: &Cluster, name: &str) -> PathBuf {
    cluster.run().dir().join(name)
}

/// Where the server's flow log goes.
pub(super) fn flow_log(cluster: &Cluster) -> PathBuf {
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
