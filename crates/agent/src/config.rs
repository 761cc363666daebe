//! What the agent is to do: flags and environment variables, checked as far as that is possible
//! without the kernel.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, FromArgMatches as _, ValueEnum};
use ipnet::IpNet;
use kubezonnet_capture::{FlowDetail, Tunnel};
use kubezonnet_model::NodeName;
use reqwest::Url;

use crate::send::Credentials;

mod duration;
mod flags;

use flags::{Command, Detail, Flags, Listen, PinDir};

/// Where `/metrics` is served if nothing else is said. The agent shares the network of its node,
/// so any other address would open a port of the node to the network without having been asked.
const METRICS_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9780);

/// How much of a wrong value is shown, in characters.
const MAX_SHOWN: usize = 100;

/// What the agent is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What is to be done.
    pub task: Task,
    /// The node's name.
    pub node: NodeName,
    /// Where windows go.
    pub target: Target,
    /// How often a window is closed.
    pub interval: Duration,
    /// How long the last windows may take.
    pub grace: Duration,
    /// Whom to trust, and who we are.
    pub credentials: Credentials,
    /// Which ports of a flow are kept.
    pub flow_detail: FlowDetail,
    /// Flows that fit in one window.
    pub max_flows: u32,
    /// Count only what has an end in one of these, unless there are none.
    pub networks: Vec<IpNet>,
    /// Where hooks and counts outlive the agent, if they do.
    pub pin_dir: Option<PathBuf>,
    /// Where control groups are to be seen; found if it is not given.
    pub cgroup_root: Option<PathBuf>,
    /// Names of the interfaces that are uplinks; found if there are none.
    pub uplinks: Vec<String>,
    /// UDP ports of overlays, besides those that are known and found.
    pub tunnel_ports: BTreeMap<u16, Tunnel>,
    /// Where `/metrics` is served, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Count and report until a signal comes.
    Report,
    /// Deliver what is pinned, and take it off.
    Detach,
}

/// Where windows go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To this server.
    Server(Url),
    /// To standard output.
    Table,
}

/// Why there is no [`Config`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Help or version was asked for: this text.
    Asked(String),
    /// A flag or variable is wrong: what and where, in one line.
    Wrong(String),
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads arguments (the program's name first) and the environment.
    ///
    /// # Errors
    ///
    /// [`Stop`], which says what to print instead of running.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let flags = Flags::command()
            .try_get_matches_from(&arguments)
            .and_then(|matches| Flags::from_arg_matches(&matches))
            .map_err(|error| stop(&error, &arguments))?;
        Self::from_flags(flags)
    }

    fn from_flags(flags: Flags) -> Result<Self, Stop> {
        let Some(node) = flags
            .node
            .map_or_else(node_name_variable, |node| Ok(Some(node)))?
        else {
            return Err(wrong(
                "--node is missing: give the node's name, or set KUBEZONNET_NODE",
            ));
        };
        let target = match flags.server {
            _ if flags.dry_run => Target::Table,
            Some(server) => Target::Server(server),
            None => {
                return Err(wrong(
                    "--server is missing: give the server's URL, or --dry-run to print windows",
                ));
            }
        };
        let task = match flags.command {
            None => Task::Report,
            Some(Command::Detach) if target == Target::Table => {
                return Err(wrong(
                    "detach delivers what was counted and then removes it: it takes no --dry-run",
                ));
            }
            Some(Command::Detach) => Task::Detach,
        };
        let pin_dir = match flags.pin_dir {
            PinDir::At(path) if target != Target::Table => Some(path),
            PinDir::At(_) | PinDir::None => None,
        };
        let metrics_listen = match flags.metrics_listen {
            Some(Listen::At(address)) => Some(address),
            Some(Listen::Off) => None,
            // A look beside an agent that runs must not fail for its port.
            None if flags.dry_run || task == Task::Detach => None,
            None => Some(METRICS_LISTEN),
        };
        let credentials = Credentials {
            ca_file: flags.ca_file,
            token_file: flags.token_file,
            client: flags.client_cert.zip(flags.client_key),
        };
        if let Target::Server(server) = &target
            && server.scheme() == "http"
        {
            credentials.check_clear().map_err(wrong)?;
        }
        Ok(Self {
            task,
            node,
            target,
            interval: flags.interval,
            grace: flags.grace,
            credentials,
            flow_detail: match flags.flow_detail {
                Detail::Service => FlowDetail::Service,
                Detail::Connection => FlowDetail::Connection,
            },
            max_flows: flags.max_flows,
            networks: flags.networks,
            pin_dir,
            cgroup_root: flags.cgroup_root,
            uplinks: flags.uplinks,
            tunnel_ports: tunnel_ports(&flags.vxlan_ports, &flags.geneve_ports)?,
            metrics_listen,
            log_format: flags.log_format,
        })
    }
}

fn wrong(text: impl Into<String>) -> Stop {
    Stop::Wrong(text.into())
}

fn tunnel_ports(vxlan: &[u16], geneve: &[u16]) -> Result<BTreeMap<u16, Tunnel>, Stop> {
    if let Some(port) = vxlan.iter().find(|port| geneve.contains(port)) {
        return Err(wrong(format!(
            "--vxlan-port {port} and --geneve-port {port}: a port holds one kind of tunnel only"
        )));
    }
    let of = |ports: &[u16], tunnel| ports.iter().map(|port| (*port, tunnel)).collect::<Vec<_>>();
    let all = [of(vxlan, Tunnel::Vxlan), of(geneve, Tunnel::Geneve)].concat();
    Ok(all.into_iter().collect())
}

fn node_name_variable() -> Result<Option<NodeName>, Stop> {
    match std::env::var("NODE_NAME") {
        Ok(text) => NodeName::new(&text).map(Some).map_err(|_| {
            let value = shown(&text);
            wrong(format!(
                "NODE_NAME is '{value}': expected 1 to 253 bytes without control characters"
            ))
        }),
        Err(_) => Ok(None),
    }
}

/// What clap says, on one line, and naming the variable if the value came from there.
fn stop(error: &clap::Error, arguments: &[OsString]) -> Stop {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};

    let mut text = error.render().to_string();
    if matches!(error.kind(), DisplayHelp | DisplayVersion) {
        return Stop::Asked(text);
    }
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg] {
        if let Some(ContextValue::String(value)) = error.get(kind) {
            text = text.replace(value, &shown(value));
        }
    }
    let first_paragraph = text.split("\n\n").next().unwrap_or_default();
    let mut line = first_paragraph
        .trim_start_matches("error: ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    if let Some(variable) = variable_of(error, arguments) {
        line = format!("{line} (from the environment variable {variable})");
    }
    Stop::Wrong(line)
}

/// A value as it may be shown: cut if it is long, and without what a URL holds of user and password,
/// for the line goes to logs.
fn shown(value: &str) -> String {
    let mut text = value.to_owned();
    if let (Some(scheme), Some(at)) = (text.find("://"), text.rfind('@'))
        && scheme + 3 <= at
    {
        text.replace_range(scheme + 3..at, "…");
    }
    if text.chars().count() <= MAX_SHOWN {
        return text;
    }
    let mut cut: String = text.chars().take(MAX_SHOWN).collect();
    cut.push('…');
    cut
}

/// The environment variable a wrong value came from: that of its flag, if that is not among the
/// arguments.
fn variable_of(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = argument.split([' ', '=']).next()?.trim_end_matches("...");
    let is_given = arguments.iter().any(|argument| {
        let argument = argument.to_string_lossy();
        argument == flag || argument.starts_with(&format!("{flag}="))
    });
    let name = flag.strip_prefix("--")?.replace('-', "_").to_uppercase();
    let variable = format!("KUBEZONNET_{name}");
    (!is_given && std::env::var_os(&variable).is_some()).then_some(variable)
}

#[cfg(test)]
mod tests;
