//! Flags of `matrix`.

use clap::{Args, ValueEnum};
use kubezonnet_api::Places;

use super::Scope;
use super::asked::since;

/// Flags of `matrix`.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("since", |arg| arg.help(since("1h"))))]
#[command(mut_arg("output", |arg| arg.help("How it is printed; `wide` has a line for each cell")))]
pub struct MatrixArgs {
    /// Between what.
    #[arg(long, value_enum, default_value = "zone", value_name = "WHAT")]
    pub by: PlacesChoice,

    /// Which of both is shown, in a table.
    #[arg(long, value_enum, default_value = "both", value_name = "WHAT")]
    pub show: Shown,

    /// Of when, by default 1h, of whom, and how.
    #[command(flatten)]
    pub scope: Scope,
}

/// Between what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlacesChoice {
    /// Zone by zone.
    Zone,
    /// Region by region.
    Region,
}

impl From<PlacesChoice> for Places {
    fn from(choice: PlacesChoice) -> Self {
        match choice {
            PlacesChoice::Zone => Self::Zone,
            PlacesChoice::Region => Self::Region,
        }
    }
}

/// What a matrix shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shown {
    /// Bytes.
    Bytes,
    /// Money.
    Cost,
    /// One below the other.
    Both,
}
