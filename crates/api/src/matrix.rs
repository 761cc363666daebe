//! From where to where.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Measure, Places, Range};

/// What went between places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Matrix {
    /// The time it is of.
    pub range: Range,
    /// Three letters (ISO 4217); none without prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Between what.
    pub by: Places,
    /// All of it; the cells sum to it.
    pub total: Measure,
    /// Each that has something, by source and destination.
    pub cells: Vec<MatrixCell>,
}

/// What went from one place to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MatrixCell {
    /// From where: a zone or region; empty where that is not known, and `internet`.
    pub source: String,
    /// To where.
    pub destination: String,
    /// How much.
    #[serde(flatten)]
    pub measure: Measure,
}
