//! Reading a body without taking more memory than it may have.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt;
use kubezonnet_wire::CONTENT_TYPE;

use super::Refusal;

/// How long a body may take to arrive: 16 MiB at 5 Mbit/s. Who is slower holds memory for nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Refuses by the headers alone what cannot be taken.
pub(super) fn check_head(headers: &HeaderMap, limit: usize) -> Result<(), Refusal> {
    if !is_protobuf(headers) {
        return Err(Refusal::ContentType);
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Refusal::ContentEncoding);
    }
    let announced = headers.get(header::CONTENT_LENGTH).and_then(length);
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(Refusal::TooLarge { limit });
    }
    Ok(())
}

/// Reads up to the limit. Memory is taken as bytes come, not as they are announced.
pub(super) async fn read(body: Body, limit: usize) -> Result<Vec<u8>, Refusal> {
    tokio::time::timeout(PATIENCE, collect(body, limit))
        .await
        .map_err(|_| Refusal::Slow)?
}

async fn collect(mut body: Body, limit: usize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Interrupted)?;
        // Trailers are nothing to us.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > limit - bytes.len() {
            return Err(Refusal::TooLarge { limit });
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
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
