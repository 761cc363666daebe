//! Which server answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// Its version: `0.1.0`.
    pub version: String,
    /// Names of the labels that it keeps for charge-back; the filter `team` is there with `team` only.
    pub labels: Vec<String>,
}
