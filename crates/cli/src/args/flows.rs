//! Flags of `flows`.

use clap::Args;

use super::{Filter, Form};

/// Flags of `flows`.
#[derive(Debug, Clone, Args)]
pub struct FlowsArgs {
    /// Begin with so many of the last flows, up to 10,000.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "COUNT")]
    pub limit: u32,

    /// End with what there is, instead of waiting for more.
    #[arg(long)]
    pub no_follow: bool,

    /// How a flow is printed; with `json`, an object a line.
    #[arg(
        short,
        long,
        value_enum,
        default_value = "table",
        value_name = "FORMAT"
    )]
    pub output: Form,

    /// Pod: name or namespace/name.
    #[arg(
        short,
        long,
        value_name = "NAME",
        help_heading = "Of whom (repeatable; at either end)"
    )]
    pub pod: Vec<String>,

    /// Node.
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Of whom (repeatable; at either end)"
    )]
    pub node: Vec<String>,

    /// Of whom.
    #[command(flatten)]
    pub filter: Filter,
}
