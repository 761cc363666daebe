//! When.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How fine the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResolutionName {
    /// By minute.
    Minute,
    /// By hour.
    Hour,
    /// By day (UTC).
    Day,
}

/// The time that an answer is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Range {
    /// When it begins: what was asked for, at the begin of its minute, hour or day.
    #[schema(format = DateTime)]
    pub from: String,
    /// When it ends, without that moment itself.
    #[schema(format = DateTime)]
    pub to: String,
    /// How fine what it was made of is. It is coarser the longer ago it was: `from` and `to` are of it.
    pub resolution: ResolutionName,
    /// Since when there is any history; a range that begins before is not whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub history_since: Option<String>,
    /// How many seconds history is behind what was counted, which the answer lacks: some, mostly; more while
    /// its disk fails.
    pub behind_seconds: u64,
}
