//! The configuration: flags, each also an environment variable.

mod history;
mod labels;
mod limits;
mod metrics;
mod prices;
mod prometheus;
mod security;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser};

pub use self::history::HistoryFlags;
pub use self::labels::LabelFlags;
pub use self::limits::LimitFlags;
pub use self::metrics::MetricsFlags;
pub use self::prices::{CloudChoice, PriceFlags};
pub use self::prometheus::PrometheusFlags;
pub use self::security::{Security, ServiceAccount};
use crate::export::flow_log;
use crate::store::DataDir;

/// The longest that anything is kept: more than this is a mistake in the unit.
const MAX_DURATION: Duration = Duration::from_hours(30 * 24);

const ABOUT: &str = "Says whose bytes the agents counted, and shows them as metrics and flow logs";

const LONG_ABOUT: &str = "\
Says whose bytes the agents counted, and shows them as metrics and flow logs.

kubezonnet-server takes the windows that kubezonnet-agent sends from every node, finds out which \
pod, node, zone and region each address belonged to during the window, and counts every byte once. \
It serves

  /          a dashboard
  /api/v1    what it shows, as JSON and CSV; /api/v1/openapi.json tells all of it
  /metrics   for Prometheus, as OpenMetrics where that is asked for
  /healthz   200 while the process serves
  /readyz    200 once all nodes and pods are known, 503 before

at --listen, and at --ingest-listen, by HTTPS and for agents that prove who they are only,

  /api/v1/flow-batches   where agents send their windows

The flow log goes to standard output, the server's own log to standard error. A window is acknowledged \
once it is on disk, in --data-dir: counters go on where they were when the server starts again.

Every flag can be given as an environment variable too: KUBEZONNET_ and the flag's name in capital \
letters, with _ for -. Flags win. Durations are written like 90s, 15m or 1h 30m.";

const EXAMPLES: &str = "\
Examples:
  In a cluster, with the rights of its service account:
    kubezonnet-server

  To try it, without Kubernetes and in clear, logging every flow for people to read:
    kubezonnet-server --insecure --topology-file topology.yaml --data-dir none \\
        --flow-log all --flow-log-format text

  Without Kubernetes, for agents that have certificates:
    kubezonnet-server --topology-file topology.yaml --tls-cert tls.crt --tls-key tls.key \\
        --client-ca agents.crt

Signals:
  SIGTERM and SIGINT end the server: it answers what it has begun, writes what is left of the
  flow log, and closes its database.

Exit status:
  0   ended by a signal
  1   something failed; the last line says what
  64  a flag, a variable, or a file that one names is wrong";

/// What the server is to do.
#[derive(Debug, Clone, Parser)]
#[command(name = "kubezonnet-server", version, about = ABOUT, long_about = LONG_ABOUT)]
#[command(after_long_help = EXAMPLES, max_term_width = 100)]
pub struct Config {
    /// Address and port for the dashboard, the API, /metrics, /healthz and /readyz.
    ///
    /// With --insecure agents report there too, unless --ingest-listen says otherwise. `[::]:8080`
    /// takes IPv4 and IPv6. Port 0 takes a free one; the log says which.
    #[arg(
        long,
        env = "KUBEZONNET_LISTEN",
        default_value = "0.0.0.0:8080",
        value_parser = listen,
        value_name = "ADDRESS:PORT"
    )]
    pub listen: SocketAddr,

    /// Who is let in, and how connections are kept secret.
    #[command(flatten)]
    pub security: Security,

    /// YAML file to read nodes and pods from, and again whenever it changes.
    ///
    /// Without it they come from Kubernetes: with the rights of the pod's service account, or of the
    /// kubeconfig outside of a cluster.
    #[arg(long, env = "KUBEZONNET_TOPOLOGY_FILE", value_name = "FILE")]
    pub topology_file: Option<PathBuf>,

    /// YAML file that names networks outside of the cluster, read again whenever it changes.
    ///
    /// What is in none of them is the internet if its address is public, and unknown otherwise.
    #[arg(long, env = "KUBEZONNET_NETWORKS", value_name = "FILE")]
    pub networks: Option<PathBuf>,

    /// Take reports of agents of the Go system too, at /write-network-statistics of --listen.
    ///
    /// For as long as a cluster changes over node by node. Such agents cannot prove who they are: they
    /// are known by the address they come from. What they report is less than the wire carried, and
    /// counts twice if it is sent twice.
    #[arg(long, env = "KUBEZONNET_LEGACY_INGEST")]
    pub legacy_ingest: bool,

    /// Kubeconfig to reach Kubernetes with, where it is not the usual one.
    #[arg(
        long,
        env = "KUBEZONNET_KUBECONFIG",
        value_name = "FILE",
        conflicts_with = "topology_file"
    )]
    pub kubeconfig: Option<PathBuf>,

    /// Which labels are kept for charge-back.
    #[command(flatten)]
    pub labels: LabelFlags,

    /// Directory of this server's own for what it has counted, or `none` to keep it in memory.
    ///
    /// With `none` all counters begin at zero whenever the server starts, records that wait are lost,
    /// and windows that were counted but not acknowledged count again.
    #[arg(
        long,
        env = "KUBEZONNET_DATA_DIR",
        default_value = "/var/lib/kubezonnet",
        value_name = "DIRECTORY"
    )]
    pub data_dir: DataDir,

    /// Which flows to log on standard output.
    #[arg(
        long,
        env = "KUBEZONNET_FLOW_LOG",
        value_enum,
        default_value = "cross-zone",
        value_name = "WHICH"
    )]
    pub flow_log: flow_log::Selection,

    /// How a flow is logged.
    #[arg(
        long,
        env = "KUBEZONNET_FLOW_LOG_FORMAT",
        value_enum,
        default_value = "json",
        value_name = "FORMAT"
    )]
    pub flow_log_format: flow_log::Format,

    /// How long the series of a deleted pod stays after its last change, so that it is scraped; at most
    /// 30 days.
    #[arg(long, env = "KUBEZONNET_SERIES_RETENTION", default_value = "15m", value_parser = duration, value_name = "DURATION")]
    pub series_retention: Duration,

    /// How long after its window a record waits for an address that nobody holds yet; at most 30 days.
    ///
    /// Packets of a new pod can be here before Kubernetes tells of it. When the time is over they
    /// are counted as unknown. With --topology-file nothing waits: the file is there before the
    /// packets.
    #[arg(long, env = "KUBEZONNET_PENDING_TIMEOUT", default_value = "60s", value_parser = duration, value_name = "DURATION")]
    pub pending_timeout: Duration,

    /// How much the server logs on standard error.
    #[arg(
        long,
        env = "KUBEZONNET_LOG_LEVEL",
        value_enum,
        default_value = "info",
        value_name = "LEVEL",
        ignore_case = true
    )]
    pub log_level: LogLevel,

    /// How the server's own log looks.
    #[arg(
        long,
        env = "KUBEZONNET_LOG_FORMAT",
        value_enum,
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,

    /// How much of the past is kept.
    #[command(flatten)]
    pub history: HistoryFlags,

    /// Of which Prometheus-compatible server the past is asked.
    #[command(flatten)]
    pub prometheus: PrometheusFlags,

    /// What is shown at /metrics.
    #[command(flatten)]
    pub metrics: MetricsFlags,

    /// What bytes cost.
    #[command(flatten)]
    pub prices: PriceFlags,

    /// What clients can cost.
    #[command(flatten)]
    pub limits: LimitFlags,
}

/// Why there is no [`Config`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Help or version was asked for: this text.
    Asked(String),
    /// A flag or variable is wrong: what and where, in one line.
    Wrong(String),
}

impl Config {
    /// Reads arguments (the program's name first) and the environment.
    ///
    /// # Errors
    ///
    /// [`Stop`], which says what to print instead of running.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        Self::try_parse_from(&arguments).map_err(|error| stop(&error, &arguments))
    }
}

/// What clap says, on one line, naming the variable if that is where the value came from.
fn stop(error: &clap::Error, arguments: &[OsString]) -> Stop {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return Stop::Asked(text);
    }
    let what = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = what
        .trim_start_matches("error: ")
        .split_whitespace()
        .collect();
    let mut line = words.join(" ");
    if let Some(variable) = variable_behind(error, arguments) {
        line = format!("{line} (from the environment variable {variable})");
    }
    Stop::Wrong(line)
}

/// The variable of the flag that is wrong, if the flag itself is not among the arguments.
fn variable_behind(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = argument.split([' ', '=']).next()?;
    let is_given = arguments
        .iter()
        .any(|given| given.to_string_lossy().split('=').next() == Some(flag));
    let command = Config::command();
    let known = command
        .get_arguments()
        .find(|known| known.get_long() == flag.strip_prefix("--"))?;
    let variable = known.get_env()?.to_string_lossy().into_owned();
    (!is_given && std::env::var_os(&variable).is_some()).then_some(variable)
}

/// How the server's own log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line to be read by people.
    Text,
    /// A JSON object a line.
    Json,
}

/// The least severe that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// What the server cannot do.
    Error,
    /// What somebody should look at.
    Warn,
    /// What happens once in a while.
    Info,
    /// Every refused batch.
    Debug,
    /// Everything.
    Trace,
}

/// Names are not looked up: which of their addresses was meant would be anybody's guess.
fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected an address and a port, like 0.0.0.0:8080 or [::]:8080".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it like 90s, 15m or 1h30m"))?;
    if duration > MAX_DURATION {
        return Err("must be at most 30 days".to_owned());
    }
    Ok(duration)
}

fn positive(text: &str) -> Result<usize, String> {
    let number: Option<u32> = text.parse().ok().filter(|number| *number > 0);
    number
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| format!("expected a whole number from 1 to {}, in digits", u32::MAX))
}

#[cfg(test)]
mod tests {
    use kubezonnet_wire::Limits;

    use super::*;

    #[test]
    fn every_flag_is_an_environment_variable_of_the_same_name() {
        let command = Config::command();
        command.clone().debug_assert();
        for argument in command.get_arguments() {
            let Some(flag) = argument
                .get_long()
                .filter(|flag| !matches!(*flag, "help" | "version"))
            else {
                continue;
            };
            let expected = format!("KUBEZONNET_{}", flag.replace('-', "_").to_uppercase());
            let found = argument.get_env().and_then(|env| env.to_str());
            assert_eq!(found, Some(expected.as_str()), "--{flag}");
        }
    }

    #[test]
    fn as_many_records_are_taken_as_agents_may_send() {
        let config = Config::read([OsString::from("kubezonnet-server")]).unwrap();

        assert_eq!(config.limits.max_records, Limits::default().max_records);
    }

    #[test]
    fn a_wrong_value_is_named_with_its_flag() {
        for (flag, value) in [
            ("--listen", "nowhere"),
            ("--pending-timeout", "soon"),
            ("--max-records", "0"),
            ("--max-body-bytes", "-1"),
            ("--flow-log", "some"),
            ("--log-level", "loud"),
            ("--log-level", "5"),
        ] {
            let arguments = ["kubezonnet-server".to_owned(), format!("{flag}={value}")];

            let Err(Stop::Wrong(line)) = Config::read(arguments.map(OsString::from)) else {
                panic!("{flag}={value} was taken");
            };

            assert!(line.contains(flag) && line.contains(value), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }

    #[test]
    fn a_wrong_value_is_answered_with_what_is_taken() {
        let cases = [
            ("--listen=localhost:8080", "like 0.0.0.0:8080 or [::]:8080"),
            ("--max-body-bytes=-1", "from 1 to 4294967295"),
            ("--max-records=1e3", "from 1 to 4294967295"),
            ("--max-body-memory=4294967296", "from 1 to 4294967295"),
            ("--series-retention=31d", "at most 30 days"),
            ("--pending-timeout=2592001s", "at most 30 days"),
            ("--pending-timeout=5", "like 90s"),
            ("--log-level=off", "error, warn, info, debug, trace]"),
        ];
        for (argument, expected) in cases {
            let arguments = ["kubezonnet-server", argument].map(OsString::from);

            let Err(Stop::Wrong(line)) = Config::read(arguments) else {
                panic!("{argument} was taken");
            };

            assert!(line.contains(expected), "{line}");
        }
    }

    #[test]
    fn the_bounds_themselves_are_taken() {
        let arguments = [
            "kubezonnet-server",
            "--series-retention=30d",
            "--max-body-memory=1",
            "--max-records=4294967295",
            "--log-level=WARN",
        ];

        let config = Config::read(arguments.map(OsString::from)).unwrap();

        assert_eq!(config.series_retention, MAX_DURATION);
        assert_eq!(config.limits.max_records, 4_294_967_295);
        assert_eq!(config.log_level, LogLevel::Warn);
    }
}
