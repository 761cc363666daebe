//! Why there is no answer, as HTTP says it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kubezonnet_api::Problem;

use crate::history::AskError;

/// So many characters are shown of a value that is wrong.
const MOST_SHOWN: usize = 40;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) problem: Problem,
}

impl Refusal {
    /// A parameter is wrong.
    pub(super) fn of(field: &str, error: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            problem: Problem {
                error: error.into(),
                field: Some(field.to_owned()),
            },
        }
    }

    /// A parameter has a value that is none of those it can have.
    pub(super) fn of_value(field: &str, value: &str, can_be: &str) -> Self {
        let shown: String = value.chars().take(MOST_SHOWN).collect();
        let more = if shown.len() < value.len() { "…" } else { "" };
        let message = format!("it is {shown:?}{more}, and can be {can_be}");
        Self::of(field, message)
    }

    /// Another reason.
    pub(super) fn with(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            problem: Problem {
                error: error.into(),
                field: None,
            },
        }
    }

    /// It cannot be answered now.
    pub(super) fn unavailable(error: impl Into<String>) -> Self {
        Self::with(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}

impl From<AskError> for Refusal {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Unreadable(_)
            | AskError::Unanswered(_)
            | AskError::TooLong
            | AskError::NobodyWaits => Self::unavailable(error.to_string()),
            AskError::Unsupported(_) => Self::with(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.problem);
        let body = body.expect("texts are JSON, and memory takes them");
        let content_type = HeaderValue::from_static("application/json");
        let headers = [(header::CONTENT_TYPE, content_type)];
        let mut response = (self.status, headers, body).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            let ask = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, ask);
        }
        response
    }
}
