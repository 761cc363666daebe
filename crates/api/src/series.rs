//! The same over time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::measure::known;
use crate::{Key, Measure, Money, Range};

/// Lines over time, the largest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// The time it is of.
    pub range: Range,
    /// Three letters (ISO 4217); none without prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// How long each point stands for, in seconds.
    pub step_seconds: u64,
    /// When each point begins: as many as each line has points.
    pub times: Vec<String>,
    /// The lines, the largest first; where not all are shown, `rest` is the last.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// Of whom.
    pub key: Key,
    /// All points together.
    pub total: Measure,
    /// One for each time.
    pub points: Vec<Point>,
}

/// How much there was from one time to the next. A party's line has what it sent and received.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// IP bytes on the wire.
    pub bytes: u64,
    /// What it costs; none without prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// Bytes of it that have no price, where there are some: nothing of them is in `cost`. If that is nothing
    /// then, it is no price of it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unpriced_bytes: u64,
}

impl Point {
    /// What it costs, as far as that is known: not if there is something without a price, and the rest costs
    /// nothing.
    pub fn known_cost(&self) -> Option<&Money> {
        known(self.cost.as_ref(), self.unpriced_bytes)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_none(bytes: &u64) -> bool {
    *bytes == 0
}
