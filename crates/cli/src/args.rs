//! The command line: commands and flags.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod asked;
mod check;
mod cost;
mod flows;
mod matrix;
mod top;

pub use self::asked::{Filter, LocalityChoice, Scope, When};
pub use self::check::CheckArgs;
pub use self::cost::{CostArgs, CostBy};
pub use self::flows::FlowsArgs;
pub use self::matrix::{MatrixArgs, PlacesChoice, Shown};
pub use self::top::{RankChoice, TopArgs, View};

const ABOUT: &str = "Shows which pods and workloads send across zones, and what that costs";

const LONG_ABOUT: &str = "\
Shows which pods and workloads send across zones, and what that costs.

kubectl-zonnet asks a kubezonnet-server. It finds it by itself, as kubectl finds the cluster, and goes \
to it by a port-forward; --server names one that is reached without Kubernetes. As it is in PATH, \
`kubectl zonnet` runs it too.";

const AFTER: &str = "\
Examples:
  kubectl zonnet top                          live, like top
  kubectl zonnet cost --since 7d --by team    what a week cost, team by team
  kubectl zonnet flows -n shop -l cross-zone  what leaves its zone, as it comes
  kubectl zonnet matrix --since 24h           who sends to whom, zone by zone
  kubectl zonnet check                        whether to believe it

What is needed in Kubernetes: to get services, list pods, and get and create pods/portforward in the \
server's namespace. `check` looks at nodes and the DaemonSet too, as far as that is allowed.

Exit status:
  0   it was shown
  1   `check` has found a problem, or something failed; the last line says what
  64  a flag, a variable, or a file that one names is wrong
  69  the server cannot be reached, or does not answer
  77  not allowed: by Kubernetes, or by the server without --token-file";

/// What is asked for.
#[derive(Debug, Clone, Parser)]
#[command(name = "kubectl-zonnet", version, about = ABOUT, long_about = LONG_ABOUT)]
#[command(after_long_help = AFTER, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// Whether with colours; `auto` is on a terminal, unless `NO_COLOR` is set.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "KUBEZONNET_COLOR",
        value_enum,
        default_value = "auto",
        value_name = "WHEN"
    )]
    pub color: Color,

    /// How the server is found.
    #[command(flatten)]
    pub way: Way,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How the server is found.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Where the server is")]
pub struct Way {
    /// Ask the server at this URL, without Kubernetes: that of its --listen.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "KUBEZONNET_SERVER",
        value_name = "URL"
    )]
    pub server: Option<reqwest::Url>,

    /// File with the token that the server wants: its --bearer-token-file.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "KUBEZONNET_TOKEN_FILE",
        value_name = "FILE"
    )]
    pub token_file: Option<PathBuf>,

    /// PEM file with authorities to trust besides the system's.
    ///
    /// Without --server it says too that the server is reached by HTTPS.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "KUBEZONNET_CA_FILE",
        value_name = "FILE"
    )]
    pub ca_file: Option<PathBuf>,

    /// Kubeconfig to find the cluster by, where it is not the usual one.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "KUBEZONNET_KUBECONFIG",
        value_name = "FILE"
    )]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig, where it is not the current one.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "KUBEZONNET_CONTEXT",
        value_name = "NAME"
    )]
    pub context: Option<String>,

    /// Namespace of the server.
    #[arg(
        short = 'N',
        long,
        global = true,
        hide_short_help = true,
        env = "KUBEZONNET_SERVER_NAMESPACE",
        default_value = "kubezonnet",
        value_name = "NAME"
    )]
    pub server_namespace: String,
}

/// Whether with colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Shows who sends most now, live
    Top(TopArgs),
    /// Shows what a time cost
    Cost(CostArgs),
    /// Shows flow by flow what was counted, and goes on
    Flows(FlowsArgs),
    /// Shows what went from zone to zone
    Matrix(MatrixArgs),
    /// Looks whether all is counted, and says what to do where it is not
    Check(CheckArgs),
    /// Prints what a shell needs to complete commands and flags
    Completion {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Shows the versions of this program and of the server
    Version {
        /// This program's only, without asking the server.
        #[arg(long)]
        client: bool,
        /// How it is printed.
        #[arg(
            short,
            long,
            value_enum,
            default_value = "table",
            value_name = "FORMAT"
        )]
        output: Form,
    },
    /// Writes the pages of the manual
    #[command(hide = true)]
    Man {
        /// Into this directory.
        directory: PathBuf,
    },
}

/// How it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table in the width of the terminal, with rounded numbers.
    Table,
    /// A table with all there is, in exact numbers.
    Wide,
    /// As the server answers, whole.
    Json,
    /// Values separated by commas, exact.
    Csv,
}

/// How it is printed, where there is less to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    Table,
    /// For programs.
    Json,
}
