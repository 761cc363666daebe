//! Flags of `cost`.

use clap::{Args, ValueEnum};
use kubezonnet_api::Of;

use super::Scope;
use super::asked::since;

/// Flags of `cost`.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("since", |arg| arg.help(since("7d"))))]
#[command(after_long_help = "\
Bytes and money are those of the server's history. What somebody costs is what they pay themselves: of \
each edge their own side. Pairs and services have what both sides pay. The lines below the table say \
what no amount has in it.")]
pub struct CostArgs {
    /// Line by line of what.
    #[arg(long, value_enum, default_value = "namespace", value_name = "WHAT")]
    pub by: CostBy,

    /// Tell pairs apart by the zones of both ends, with --by pair.
    #[arg(long)]
    pub zones: bool,

    /// So many lines at most, the most expensive; 0 is all.
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    pub limit: u32,

    /// Of when, by default 7d, of whom, and how.
    #[command(flatten)]
    pub scope: Scope,
}

/// Line by line of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CostBy {
    /// Namespaces.
    Namespace,
    /// Workloads, nodes, networks and the internet.
    Workload,
    /// Teams, by the server's --team-label.
    Team,
    /// Who sends to whom.
    Pair,
    /// Zones.
    Zone,
    /// Services by which it was reached.
    Service,
    /// Named networks and the internet.
    Network,
}

impl From<CostBy> for Of {
    fn from(by: CostBy) -> Self {
        match by {
            CostBy::Namespace => Self::Namespaces,
            CostBy::Workload => Self::Workloads,
            CostBy::Team => Self::Teams,
            CostBy::Pair => Self::Pairs,
            CostBy::Zone => Self::Zones,
            CostBy::Service => Self::Services,
            CostBy::Network => Self::Networks,
        }
    }
}
