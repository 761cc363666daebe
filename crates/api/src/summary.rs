//! What it is, all together.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Gap, LocalityName, Measure, Money, Range};

/// What went in a range, what it costs, and how that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    /// The time it is of.
    pub range: Range,
    /// Three letters (ISO 4217); none without prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// All of it.
    pub total: Measure,
    /// All of the range of the same length before; none where history does not reach back so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Measure>,
    /// By locality: each there is, the nearest first. They sum to the total.
    pub localities: Vec<LocalityShare>,
    /// How fast it is now.
    pub rate: RateNow,
    /// The calendar month (UTC) that it is now; none where history is asked of another server, which would take
    /// too long to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month: Option<Month>,
    /// What is unknown, by why.
    pub unknown: Vec<UnknownShare>,
    /// Bytes that have no price, by why; they are in the total, and nothing of them in its cost.
    pub unpriced: Vec<Unpriced>,
    /// What no cost here has in it, in words, such as hours of NAT gateways.
    pub left_out: Vec<String>,
}

/// What went across one boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LocalityShare {
    /// Which.
    pub locality: LocalityName,
    /// How much.
    #[serde(flatten)]
    pub measure: Measure,
    /// The same of the range of the same length before; none where history does not reach so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Measure>,
}

/// How fast it is now: over the last five whole minutes, or since there is any history.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct RateNow {
    /// Bytes a second, rounded down.
    pub bytes_per_second: u64,
    /// Of these, what crossed zones, regions or the cluster's edge.
    pub crossing_bytes_per_second: u64,
    /// What an hour of that costs; none without prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_per_hour: Option<Money>,
}

/// A calendar month (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Month {
    /// Its first moment, or that of history if that is later.
    #[schema(format = DateTime)]
    pub from: String,
    /// Its end.
    #[schema(format = DateTime)]
    pub to: String,
    /// How much until now.
    pub so_far: Measure,
    /// How much it comes to at its end if the rest is as the last seven days were (or as many as there
    /// are): none with less than an hour of history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projected: Option<Measure>,
    /// The month before, if there is history of all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Measure>,
}

/// What is unknown for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnknownShare {
    /// Why, as in metrics.
    pub reason: String,
    /// How much.
    #[serde(flatten)]
    pub measure: Measure,
}

/// Bytes that have no price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unpriced {
    /// Why.
    pub reason: Gap,
    /// How many.
    pub bytes: u64,
}
