//! What is wrong with a question.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What is wrong, in words.
    pub error: String,
    /// The parameter that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}
