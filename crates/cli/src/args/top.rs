//! Flags of `top`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use kubezonnet_api::{Of, Rank};

use super::Scope;
use super::asked::since;

/// Flags of `top`.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("since", |arg| arg.help(since("1h"))))]
#[command(mut_arg("output", |arg| arg.help("How it is printed; all but `table` print once")))]
#[command(after_long_help = "\
Keys: 1 to 8 or Tab choose what is shown, c b g sort by cost, bytes and growth, / filters, + and - \
choose the time, Space pauses, Enter tells all of a line, ? explains, q ends.")]
pub struct TopArgs {
    /// Of what.
    #[arg(value_enum, default_value = "pairs")]
    pub view: View,

    /// By what they are sorted.
    #[arg(long, value_enum, default_value = "cost", value_name = "WHAT")]
    pub sort: RankChoice,

    /// How often it is looked again, from 1s to 1h.
    #[arg(long, default_value = "5s", value_parser = interval, value_name = "DURATION")]
    pub interval: Duration,

    /// Print a table and end. So it is where there is no terminal.
    #[arg(long)]
    pub once: bool,

    /// So many lines at most, up to 10,000: 500 to scroll through, or 20 where it is printed once.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "COUNT")]
    pub limit: Option<u32>,

    /// Of when, by default 1h, of whom, and how.
    #[command(flatten)]
    pub scope: Scope,
}

/// Of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum View {
    /// Who sends to whom.
    Pairs,
    /// Workloads, nodes, networks and the internet.
    Workloads,
    /// Pods, of the last hour at most.
    Pods,
    /// Namespaces.
    Namespaces,
    /// Zones.
    Zones,
    /// Services by which it was reached.
    Services,
    /// Named networks and the internet.
    Networks,
    /// Teams, by the server's --team-label.
    Teams,
}

impl View {
    /// All, in the order of their keys.
    pub const ALL: [Self; 8] = [
        Self::Pairs,
        Self::Workloads,
        Self::Pods,
        Self::Namespaces,
        Self::Zones,
        Self::Services,
        Self::Networks,
        Self::Teams,
    ];

    /// Its name, as it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pairs => "pairs",
            Self::Workloads => "workloads",
            Self::Pods => "pods",
            Self::Namespaces => "namespaces",
            Self::Zones => "zones",
            Self::Services => "services",
            Self::Networks => "networks",
            Self::Teams => "teams",
        }
    }
}

impl From<View> for Of {
    fn from(view: View) -> Self {
        match view {
            View::Pairs => Self::Pairs,
            View::Workloads => Self::Workloads,
            View::Pods => Self::Pods,
            View::Namespaces => Self::Namespaces,
            View::Zones => Self::Zones,
            View::Services => Self::Services,
            View::Networks => Self::Networks,
            View::Teams => Self::Teams,
        }
    }
}

/// By what they are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RankChoice {
    /// By what they cost.
    Cost,
    /// By bytes.
    Bytes,
    /// By how much more it is than in the same time before.
    Growth,
}

impl RankChoice {
    /// Its name, as it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Bytes => "bytes",
            Self::Growth => "growth",
        }
    }
}

impl From<RankChoice> for Rank {
    fn from(rank: RankChoice) -> Self {
        match rank {
            RankChoice::Cost => Self::Cost,
            RankChoice::Bytes => Self::Bytes,
            RankChoice::Growth => Self::Growth,
        }
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it like 5s or 1m"))?;
    if !(Duration::from_secs(1)..=Duration::from_hours(1)).contains(&interval) {
        return Err("must be from 1s to 1h".to_owned());
    }
    Ok(interval)
}
