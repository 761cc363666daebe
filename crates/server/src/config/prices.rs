//! The flags that say what bytes cost.

use std::path::PathBuf;
use std::str::FromStr;

use kubezonnet_pricing::Cloud;

/// What bytes cost.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Prices")]
pub struct PriceFlags {
    /// Whose list prices hold: `aws`, `gcp`, `azure`, `oci`, `alibaba`, `none`, or `auto` for the cloud
    /// that the nodes tell.
    ///
    /// With `none`, or where nodes tell no cloud, only the prices of --pricing hold.
    #[arg(
        long,
        env = "KUBEZONNET_CLOUD",
        default_value = "auto",
        value_name = "CLOUD"
    )]
    pub cloud: CloudChoice,

    /// YAML file with your own prices, discounts and what is free; they go before the cloud's.
    #[arg(long, env = "KUBEZONNET_PRICING", value_name = "FILE")]
    pub pricing: Option<PathBuf>,

    /// YAML file that says how much the cluster, namespaces and teams may spend in a month.
    #[arg(long, env = "KUBEZONNET_BUDGETS", value_name = "FILE")]
    pub budgets: Option<PathBuf>,

    /// Charge bytes to the internet too.
    #[arg(long, env = "KUBEZONNET_INTERNET_COST")]
    pub internet_cost: bool,
}

/// Whose list prices hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudChoice {
    /// The cloud's that the nodes tell.
    Auto,
    /// Nobody's.
    None,
    /// That cloud's.
    Of(Cloud),
}

impl FromStr for CloudChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            name => name.parse().map(Self::Of).map_err(|_| {
                let clouds = Cloud::ALL.map(Cloud::as_str).join(", ");
                format!("there is no price table of it: give {clouds}, none or auto")
            }),
        }
    }
}
