//! Flags that most commands have: of when, and of whom.

use clap::{Args, ValueEnum};
use kubezonnet_api::{Asked, LocalityName};

use super::Format;

/// What is told of a time: when, of whom, and how.
#[derive(Debug, Clone, Args)]
pub struct Scope {
    /// How it is printed.
    #[arg(
        short,
        long,
        value_enum,
        default_value = "table",
        value_name = "FORMAT"
    )]
    pub output: Format,

    /// Of when.
    #[command(flatten)]
    pub when: When,

    /// Of whom.
    #[command(flatten)]
    pub filter: Filter,
}

impl Scope {
    /// The question about it, of the `usual` time if nothing is said.
    pub fn asked(&self, usual: &str) -> Asked {
        let mut asked = Asked::default();
        self.when.ask(usual, &mut asked);
        self.filter.ask(&mut asked);
        asked
    }
}

/// Of when.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "When")]
pub struct When {
    /// How far back.
    #[arg(long, value_name = "DURATION", conflicts_with = "from")]
    pub since: Option<String>,

    /// Begin, as 2026-11-01T00:00:00Z or 2026-11-01.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,

    /// End, as --from; without it, now.
    #[arg(long, value_name = "TIME", requires = "from")]
    pub to: Option<String>,
}

impl When {
    /// The question's time; `usual` if nothing is said.
    pub fn ask(&self, usual: &str, asked: &mut Asked) {
        asked.from = self.from.as_deref().map(moment);
        asked.to = self.to.as_deref().map(moment);
        asked.since = match &self.from {
            Some(_) => None,
            None => Some(self.since.clone().unwrap_or_else(|| usual.to_owned())),
        };
    }
}

/// What `--since` is, with the time that a command takes `usual`ly.
pub(super) fn since(usual: &str) -> String {
    format!("How far back: 90m, 24h, 7d, 4w, or `month` for this month (UTC); without it, {usual}")
}

/// A day is its first moment.
fn moment(text: &str) -> String {
    let is_day = text.len() == "2026-11-01".len() && !text.contains('T');
    if is_day {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    }
}

/// Of whom. Each is repeatable and takes what has it at either end; several together narrow.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Of whom (repeatable; at either end)")]
pub struct Filter {
    /// Namespace.
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Vec<String>,

    /// Workload: name, namespace/name or namespace/kind/name.
    #[arg(short, long, value_name = "NAME")]
    pub workload: Vec<String>,

    /// Team, by the server's --team-label.
    #[arg(long, value_name = "NAME")]
    pub team: Vec<String>,

    /// Zone.
    #[arg(long, value_name = "NAME")]
    pub zone: Vec<String>,

    /// Region.
    #[arg(long, value_name = "NAME")]
    pub region: Vec<String>,

    /// Named network.
    #[arg(long, value_name = "NAME")]
    pub network: Vec<String>,

    /// Service by which it was reached: namespace/name.
    #[arg(long, value_name = "NAME")]
    pub service: Vec<String>,

    /// Across which boundary.
    #[arg(short, long, value_enum, value_name = "LOCALITY")]
    pub locality: Vec<LocalityChoice>,
}

impl Filter {
    /// Narrows the question.
    pub fn ask(&self, asked: &mut Asked) {
        asked.namespace.clone_from(&self.namespace);
        asked.workload.clone_from(&self.workload);
        asked.team.clone_from(&self.team);
        asked.zone.clone_from(&self.zone);
        asked.region.clone_from(&self.region);
        asked.network.clone_from(&self.network);
        asked.service.clone_from(&self.service);
        asked.locality = self.locality.iter().copied().map(Into::into).collect();
    }
}

/// Across which boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LocalityChoice {
    /// Within a node.
    SameNode,
    /// Between nodes of a zone.
    SameZone,
    /// Between zones of a region.
    CrossZone,
    /// Between regions.
    CrossRegion,
    /// To or from the internet.
    Internet,
    /// It cannot be said.
    Unknown,
}

impl From<LocalityChoice> for LocalityName {
    fn from(choice: LocalityChoice) -> Self {
        match choice {
            LocalityChoice::SameNode => Self::SameNode,
            LocalityChoice::SameZone => Self::SameZone,
            LocalityChoice::CrossZone => Self::CrossZone,
            LocalityChoice::CrossRegion => Self::CrossRegion,
            LocalityChoice::Internet => Self::Internet,
            LocalityChoice::Unknown => Self::Unknown,
        }
    }
}
