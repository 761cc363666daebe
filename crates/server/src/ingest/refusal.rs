//! Why a batch is not taken, and what the sender is told.

use std::net::IpAddr;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kubezonnet_wire::{AGE_HEADER, CONTENT_TYPE, DecodeError, INGEST_PATH};

use super::json;
use super::legacy::Malformed;
use crate::authenticate::Denied;
use crate::pipeline::Rejection;

/// After how many seconds to come again: less than a window, so that it is not late by much.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Why a batch is not taken.
///
/// What will pass is answered with 503 or 429 (the same window is welcome later), what a newer server may
/// take with 415, what broke on the way with 408, what lacks a header that a proxy may have taken off
/// with 428, what may be right on another way (path, method) with 404 or 405. With 400, 413 and 422 the body itself is judged:
/// it is never taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nothing is at that path.
    #[error(
        "nothing is here: batches go to POST {INGEST_PATH}; check the path of the agent's --server"
    )]
    Path,
    /// Another method.
    #[error("batches are sent with POST")]
    Method,
    /// Another media type.
    #[error("the content type must be {CONTENT_TYPE}")]
    ContentType,
    /// Compressed, or otherwise wrapped.
    #[error("content encodings are not supported: send the body as it is, not compressed")]
    ContentEncoding,
    /// No age, two, or one that is no number.
    #[error(
        "the header {AGE_HEADER} must be there once, in decimal milliseconds: check that no proxy in \
         between takes it off"
    )]
    Age,
    /// Longer than the limit; at most that much of it was read.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection broke, or the body is not in HTTP's form.
    #[error("the body ended before its end")]
    Interrupted,
    /// The body took too long to arrive.
    #[error("the body took too long to arrive")]
    Slow,
    /// The body is not a batch.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// The batch cannot be applied.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// There is no memory for another body, or others needed the share of this one, which was slow.
    #[error("too many batches at once")]
    Busy,
    /// The node reported enough of late.
    #[error("the node sends more batches than an agent does: check that it has one agent only")]
    TooOften {
        /// When the next one is welcome.
        seconds: u64,
    },
    /// Its sender may not report it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A report of an agent of the Go system that is none.
    #[error(transparent)]
    LegacyMalformed(#[from] Malformed),
    /// A report of an agent of the Go system from an address that is no node's.
    #[error(
        "no node has the address {0} that this report came from: agents of the Go system are known \
         by it, so nothing may translate it on the way"
    )]
    LegacyPeer(IpAddr),
    /// Enough reports of agents of the Go system came from that node of late.
    #[error(
        "more reports of the Go system come from this node and its pods than its agent sends: check \
         that the node has one such agent only, and what else on it posts to this path"
    )]
    LegacyTooOften {
        /// When the next one is welcome.
        seconds: u64,
    },
    /// The server failed; nothing is known of the batch.
    #[error("the server failed on this batch")]
    Fault,
}

/// Gives every variant its reason, and lists the reasons, from the same lines: none is forgotten.
macro_rules! reasons {
    ($($variants:pat => $reason:literal,)*) => {
        /// Every reason there is but those of [`DecodeError`].
        const OWN_REASONS: &'static [&'static str] = &[$($reason),*];

        /// The reason in metrics and answers.
        pub const fn reason(&self) -> &'static str {
            match self {
                Self::Undecodable(error) => error.reason(),
                $($variants => $reason,)*
            }
        }
    };
}

impl Refusal {
    reasons! {
        Self::Path => "path",
        Self::Method => "method",
        Self::ContentType => "content_type",
        Self::ContentEncoding => "content_encoding",
        Self::Age => "age",
        Self::TooLarge { .. } => "too_large",
        Self::Interrupted => "interrupted",
        Self::Slow => "slow",
        Self::Rejected(Rejection::NotSynced) => "not_synced",
        Self::Rejected(Rejection::TooManyAgents(_)) => "too_many_agents",
        Self::Rejected(Rejection::Implausible(_)) => "implausible",
        Self::Rejected(Rejection::Full) => "full",
        Self::Rejected(Rejection::Storage(_)) => "storage",
        Self::Busy => "busy",
        Self::TooOften { .. } => "too_often",
        Self::Denied(Denied::NoToken) => "no_token",
        Self::Denied(Denied::InvalidToken) => "invalid_token",
        Self::Denied(Denied::ExpiredToken) => "expired_token",
        Self::Denied(Denied::WrongAudience { .. }) => "wrong_audience",
        Self::Denied(Denied::NotAnAgent { .. }) => "not_an_agent",
        Self::Denied(Denied::NoNode) => "no_node",
        Self::Denied(Denied::NoCertificate) => "no_certificate",
        Self::Denied(Denied::InvalidCertificate { .. }) => "invalid_certificate",
        Self::Denied(Denied::WrongNode { .. }) => "wrong_node",
        Self::Denied(Denied::Unreviewed) => "unreviewed",
        Self::LegacyMalformed(_) => "legacy_malformed",
        Self::LegacyPeer(_) => "legacy_peer",
        Self::LegacyTooOften { .. } => "legacy_too_often",
        Self::Fault => "fault",
    }

    /// How many reasons there are.
    pub const REASON_COUNT: usize = Self::OWN_REASONS.len() + DecodeError::REASONS.len();

    /// Every reason there is, for metrics that begin at zero.
    pub fn reasons() -> impl Iterator<Item = &'static str> {
        let lists = [Self::OWN_REASONS, DecodeError::REASONS];
        lists.into_iter().flatten().copied()
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            // The last two are good bodies for a newer server: an agent keeps its window.
            Self::ContentType
            | Self::ContentEncoding
            | Self::Undecodable(
                DecodeError::UnsupportedVersion { .. } | DecodeError::UnknownCode { .. },
            ) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. }
            | Self::Undecodable(
                DecodeError::TooManyRecords { .. } | DecodeError::DictionaryTooLarge { .. },
            ) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Undecodable(_) | Self::LegacyMalformed(_) => StatusCode::BAD_REQUEST,
            // The header is not the body's: a proxy may have taken it off.
            Self::Age => StatusCode::PRECONDITION_REQUIRED,
            // Neither judges the body: an agent keeps its window until it is let in.
            Self::Denied(
                Denied::NoToken
                | Denied::InvalidToken
                | Denied::ExpiredToken
                | Denied::WrongAudience { .. }
                | Denied::NoCertificate
                | Denied::InvalidCertificate { .. },
            ) => StatusCode::UNAUTHORIZED,
            Self::LegacyPeer(_)
            | Self::Denied(Denied::NotAnAgent { .. } | Denied::NoNode | Denied::WrongNode { .. }) => {
                StatusCode::FORBIDDEN
            }
            Self::Interrupted | Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::TooOften { .. } | Self::LegacyTooOften { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Rejected(Rejection::Implausible(_)) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Rejected(
                Rejection::NotSynced
                | Rejection::TooManyAgents(_)
                | Rejection::Full
                | Rejection::Storage(_),
            )
            | Self::Busy
            | Self::Denied(Denied::Unreviewed)
            | Self::Fault => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// What a sender is told.
#[derive(serde::Serialize)]
struct Explanation {
    reason: &'static str,
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let explanation = Explanation {
            reason: self.reason(),
            message: self.to_string(),
        };
        let mut response = json(status, &explanation);
        let retry_after = match self {
            Self::TooOften { seconds } | Self::LegacyTooOften { seconds } => Some(seconds.into()),
            _ if status == StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_AFTER),
            _ => None,
        };
        if let Some(retry_after) = retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, retry_after);
        }
        if matches!(self, Self::Denied(_)) && status == StatusCode::UNAUTHORIZED {
            let ask = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
        }
        response
    }
}
