//! Flags of `check`.

use clap::Args;

use super::Form;

/// Flags of `check`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Exit status is 1 if there is a problem, and with --strict if there is anything to look at.")]
pub struct CheckArgs {
    /// What is only to be looked at counts as a problem.
    #[arg(long)]
    pub strict: bool,

    /// Name what is in order too, one by one.
    #[arg(long)]
    pub all: bool,

    /// How it is printed.
    #[arg(
        short,
        long,
        value_enum,
        default_value = "table",
        value_name = "FORMAT"
    )]
    pub output: Form,
}
