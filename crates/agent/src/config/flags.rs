//! The flags: their names and help texts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Parser, ValueEnum};
use ipnet::IpNet;
use kubezonnet_model::NodeName;
use reqwest::Url;

use super::LogFormat;

mod parse;

use parse::{
    parse_grace, parse_interval, parse_listen, parse_max_flows, parse_network, parse_node,
    parse_pin_dir, parse_port, parse_server,
};

/// The most flows a window can hold. A window that is too large would be lost, so it has to fit into
/// what a server takes by default, 262,144 records: with the pairs that come on top (an eighth) and
/// 64 hot flows of each CPU this does, up to 600 CPUs.
pub(super) const MAX_FLOWS: u32 = 196_608;

/// The fewest flows a window can hold: less is no detail at all.
const MIN_FLOWS: u32 = 64;

const ABOUT: &str = "Counts a node's traffic with eBPF and reports it to the kubezonnet server";

const LONG_ABOUT: &str = "\
Counts a node's traffic with eBPF and reports it to the kubezonnet server.

kubezonnet-agent attaches programs to the netfilter hooks POSTROUTING and LOCAL_IN of the network \
namespace it runs in. They count the bytes and packets of every flow as they are on the wire, for \
IPv4 and IPv6, and never change, delay or drop a packet. Every interval the agent reads what was \
counted and sends it to the server as one window. A window is sent again, unchanged, until the \
server acknowledges it; meanwhile the kernel goes on counting in maps of fixed size, so a server \
that is away costs detail at worst, and no memory.

It needs Linux 6.4 or later with BTF, and the capabilities CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. \
It does not talk to Kubernetes.

Every flag can be given as an environment variable too: KUBEZONNET_ and the flag's name in capital \
letters, with _ for -. Flags win. Lists are separated by commas there.";

const EXAMPLES: &str = "\
Examples:
  See what the node sends and receives, without a server:
    kubezonnet-agent --node $(hostname) --dry-run

  Report to a server, with a certificate that names the node:
    kubezonnet-agent --node worker-1 --server https://kubezonnet.example:8443 \\
        --ca-file ca.crt --client-cert worker-1.crt --client-key worker-1.key

  Report in clear, to a server that runs with --insecure, every five seconds:
    kubezonnet-agent --node worker-1 --server http://kubezonnet-server:8080 --interval 5s

  Count only what has an end in the cluster's networks:
    kubezonnet-agent --node worker-1 --server https://kubezonnet.example:8443 \\
        --token-file token --cidr 10.0.0.0/8 --cidr fd00::/8

  Uninstall: deliver what the node has counted, then take everything off:
    kubezonnet-agent detach --node worker-1 --server http://kubezonnet-server:8080

Signals:
  SIGTERM and SIGINT end the agent: it delivers what is not acknowledged and one last window within
  --grace. What is pinned (--pin-dir) goes on counting for the next agent, and what was not delivered
  is kept for it; otherwise the hooks are taken off. A second signal ends it at once.

Logs go to standard error; RUST_LOG sets their level (error, warn, info, debug, trace).

Exit status:
  0   ended by a signal
  1   something failed; the last line says what
  64  a flag or variable is wrong
  69  this machine lacks something the agent needs; one line each says what, and what to do";

/// The flags as they are given.
#[derive(Debug, Clone, Parser)]
#[command(name = "kubezonnet-agent", version, about = ABOUT, long_about = LONG_ABOUT)]
#[command(after_long_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Flags {
    /// What to do instead of counting.
    #[arg(value_name = "COMMAND")]
    pub(super) command: Option<Command>,

    /// Name of the node, as the server's topology has it.
    ///
    /// In Kubernetes, give it spec.nodeName by the downward API. The variable `NODE_NAME` will do
    /// too.
    #[arg(
        long,
        env = "KUBEZONNET_NODE",
        value_name = "NAME",
        value_parser = parse_node,
        help_heading = "Reporting"
    )]
    pub(super) node: Option<NodeName>,

    /// Address of the server, http or https.
    ///
    /// Windows are posted to /api/v1/flow-batches below it. Required unless --dry-run is given.
    #[arg(
        long,
        env = "KUBEZONNET_SERVER",
        // A password in it is refused, and must not be on the page of help either.
        hide_env_values = true,
        value_name = "URL",
        value_parser = parse_server,
        help_heading = "Reporting"
    )]
    pub(super) server: Option<Url>,

    /// How often a window is closed and sent, from 1s to 5m.
    #[arg(
        long,
        env = "KUBEZONNET_INTERVAL",
        value_name = "DURATION",
        default_value = "10s",
        value_parser = parse_interval,
        help_heading = "Reporting"
    )]
    pub(super) interval: Duration,

    /// PEM file with certificate authorities to trust besides the system's; read again when it changes.
    #[arg(
        long,
        env = "KUBEZONNET_CA_FILE",
        value_name = "PATH",
        help_heading = "Reporting"
    )]
    pub(super) ca_file: Option<PathBuf>,

    /// File with the token to send to the server, which must be https; read anew for each window.
    ///
    /// In Kubernetes, a projected token of the pod's service account, for the audience that the
    /// server wants.
    #[arg(
        long,
        env = "KUBEZONNET_TOKEN_FILE",
        value_name = "PATH",
        help_heading = "Reporting"
    )]
    pub(super) token_file: Option<PathBuf>,

    /// PEM file with a certificate to show the server, which must be https; read again when it changes.
    ///
    /// Its common name must be the node's name.
    #[arg(
        long,
        env = "KUBEZONNET_CLIENT_CERT",
        value_name = "PATH",
        requires = "client_key",
        help_heading = "Reporting"
    )]
    pub(super) client_cert: Option<PathBuf>,

    /// PEM file with the private key of --client-cert.
    #[arg(
        long,
        env = "KUBEZONNET_CLIENT_KEY",
        value_name = "PATH",
        requires = "client_cert",
        help_heading = "Reporting"
    )]
    pub(super) client_key: Option<PathBuf>,

    /// How long the last windows may take once the agent is asked to end, up to 10m.
    ///
    /// Keep it below the pod's terminationGracePeriodSeconds.
    #[arg(
        long,
        env = "KUBEZONNET_GRACE",
        value_name = "DURATION",
        default_value = "20s",
        value_parser = parse_grace,
        help_heading = "Reporting"
    )]
    pub(super) grace: Duration,

    /// Directory in a BPF file system in which hooks and counts outlive the agent, or `none`.
    ///
    /// What is pinned there goes on counting while the agent is stopped, killed or replaced, and the
    /// next agent delivers it. Where nothing can be pinned the agent says why, and hooks and counts
    /// end with it as with none. With --dry-run nothing is pinned.
    #[arg(
        long,
        env = "KUBEZONNET_PIN_DIR",
        value_name = "PATH",
        default_value = "/sys/fs/bpf/kubezonnet",
        value_parser = parse_pin_dir,
        help_heading = "Counting"
    )]
    pub(super) pin_dir: PinDir,

    /// Print each window as a table instead of sending it.
    #[arg(
        long,
        env = "KUBEZONNET_DRY_RUN",
        value_parser = BoolishValueParser::new(),
        help_heading = "Reporting"
    )]
    pub(super) dry_run: bool,

    /// Which ports of a flow are kept.
    #[arg(
        long,
        env = "KUBEZONNET_FLOW_DETAIL",
        value_name = "DETAIL",
        default_value = "service",
        help_heading = "Counting"
    )]
    pub(super) flow_detail: Detail,

    /// Flows that fit in one window, from 64 to 196608.
    ///
    /// The kernel's memory for them is taken at the start. Once they are used up, what is new is
    /// counted by pairs of addresses, and then by hook and interface class: detail is lost, bytes
    /// are not.
    #[arg(
        long,
        env = "KUBEZONNET_MAX_FLOWS",
        value_name = "COUNT",
        default_value_t = 65_536,
        value_parser = parse_max_flows,
        help_heading = "Counting"
    )]
    pub(super) max_flows: u32,

    /// Count only packets whose source or destination is in this network; repeatable.
    ///
    /// Everything is counted if none is given. What is left out is still summed up in the agent's
    /// own metrics.
    #[arg(
        long = "cidr",
        env = "KUBEZONNET_CIDR",
        value_name = "NETWORK",
        value_delimiter = ',',
        value_parser = parse_network,
        help_heading = "Counting"
    )]
    pub(super) networks: Vec<IpNet>,

    /// Interface that leads to the network the node is in; repeatable.
    ///
    /// By default these are found: hardware, and whatever carries a default route. Naming any
    /// replaces all that would be found.
    #[arg(
        long = "uplink",
        env = "KUBEZONNET_UPLINK",
        value_name = "INTERFACE",
        value_delimiter = ',',
        help_heading = "Counting"
    )]
    pub(super) uplinks: Vec<String>,

    /// UDP port of a VXLAN overlay; repeatable.
    ///
    /// Packets of an overlay are charged to the pods inside, so the agent has to know its ports.
    /// It always knows 4789 and 8472, and finds those of the node's VXLAN devices; name the port
    /// of a tunnel that is no network device, such as one of Open vSwitch.
    #[arg(
        long = "vxlan-port",
        env = "KUBEZONNET_VXLAN_PORT",
        value_name = "PORT",
        value_delimiter = ',',
        value_parser = parse_port,
        help_heading = "Counting"
    )]
    pub(super) vxlan_ports: Vec<u16>,

    /// UDP port of a Geneve overlay; repeatable.
    ///
    /// As --vxlan-port; 6081 is always known.
    #[arg(
        long = "geneve-port",
        env = "KUBEZONNET_GENEVE_PORT",
        value_name = "PORT",
        value_delimiter = ',',
        value_parser = parse_port,
        help_heading = "Counting"
    )]
    pub(super) geneve_ports: Vec<u16>,

    /// Where the node's control groups are to be seen; found by default.
    ///
    /// By their directories pods that share the node's network are told apart. In a container, name
    /// where the host's /sys/fs/cgroup is mounted (read-only will do).
    #[arg(
        long,
        env = "KUBEZONNET_CGROUP_ROOT",
        value_name = "PATH",
        help_heading = "Counting"
    )]
    pub(super) cgroup_root: Option<PathBuf>,

    /// Address for /metrics, /healthz and /readyz, or `off`.
    ///
    /// 127.0.0.1:9780 by default (off with --dry-run): the agent shares its node's network, so it
    /// opens no port to others unless it is told to.
    #[arg(
        long,
        env = "KUBEZONNET_METRICS_LISTEN",
        value_name = "ADDRESS:PORT",
        value_parser = parse_listen,
        help_heading = "Telling about itself"
    )]
    pub(super) metrics_listen: Option<Listen>,

    /// How log lines look.
    #[arg(
        long,
        env = "KUBEZONNET_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Telling about itself"
    )]
    pub(super) log_format: LogFormat,
}

/// Which ports of a flow are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Detail {
    /// The service's port only: ten to a hundred times fewer flows.
    Service,
    /// The client's port too, for debugging.
    Connection,
}

/// What the agent is started for, if not to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Command {
    /// Take off what is pinned: deliver what was counted, then remove hooks, programs and maps.
    Detach,
}

/// Where hooks and counts are to be pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PinDir {
    None,
    At(PathBuf),
}

/// Where `/metrics` is to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listen {
    Off,
    At(SocketAddr),
}
