//! Reading a body without taking more memory than it may have.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt;
use kubezonnet_wire::CONTENT_TYPE;
use tokio::time::Instant;

use super::memory::Share;
use super::{BodyLimits, Refusal};

/// How long a body has until its rate is looked at: a retransmission takes a second or two.
const GRACE: Duration = Duration::from_secs(5);

/// The first memory that a body takes. More is taken in steps as large as what it has.
const FIRST: usize = 16 * 1024;

/// Refuses by the headers alone what cannot be taken.
pub(super) fn check_head(headers: &HeaderMap, limit: usize) -> Result<(), Refusal> {
    if !is_protobuf(headers) {
        return Err(Refusal::ContentType);
    }
    check_form(headers, limit)
}

/// The same, of any media type.
pub(super) fn check_form(headers: &HeaderMap, limit: usize) -> Result<(), Refusal> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Refusal::ContentEncoding);
    }
    let announced = headers.get(header::CONTENT_LENGTH).and_then(length);
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(Refusal::TooLarge { limit });
    }
    Ok(())
}

/// A body that was read whole, and the memory it holds.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    /// Given back once the window is on disk: what is made of the bytes takes memory too.
    pub(super) share: Share,
}

/// Reads up to the limit. Memory is taken as bytes come, not as they are announced; who is too slow
/// gives it up.
pub(super) async fn read(
    mut body: Body,
    limits: &BodyLimits,
    mut share: Share,
) -> Result<Whole, Refusal> {
    let begun = Instant::now();
    let mut bytes = Vec::new();
    loop {
        let deadline = begun + time_for(bytes.len(), limits);
        let frame = tokio::select! {
            frame = tokio::time::timeout_at(deadline, body.frame()) => frame,
            _ = &mut share.lost => return Err(Refusal::Busy),
        };
        let Some(frame) = frame.map_err(|_| Refusal::Slow)? else {
            share.keep();
            return Ok(Whole { bytes, share });
        };
        let frame = frame.map_err(|_| Refusal::Interrupted)?;
        // Trailers are nothing to us.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let limit = limits.bytes;
        if data.len() > limit - bytes.len() {
            return Err(Refusal::TooLarge { limit });
        }
        let needed = bytes.len() + data.len();
        if needed > bytes.capacity() {
            let capacity = needed.max(FIRST).max(2 * bytes.capacity()).min(limit);
            let more = capacity - bytes.capacity();
            share.grow(more).await.map_err(|_| Refusal::Busy)?;
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
}

/// How long after its begin a body may have got no further than this.
fn time_for(bytes: usize, limits: &BodyLimits) -> Duration {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let rate = u64::try_from(limits.rate).unwrap_or(u64::MAX).max(1);
    let at_least = Duration::from_secs(bytes / rate).saturating_add(GRACE);
    at_least.min(limits.timeout)
}

fn is_protobuf(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let Some(Ok(text)) = value.map(std::str::from_utf8) else {
        return false;
    };
    // Parameters after a semicolon change nothing.
    let media_type = text.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case(CONTENT_TYPE)
}

fn length(value: &HeaderValue) -> Option<u64> {
    // More digits than 64 bits hold are too many bytes all the same.
    let text = value.to_str().ok()?;
    Some(text.parse().unwrap_or(u64::MAX))
}
