//! The dashboard: files that the browser draws the answers of `/api/v1` with.
//!
//! They are part of the program, and there is nothing to build. They hold no data, so everybody may
//! have them: the answers are what is behind the gate. The browser is told to load nothing from
//! elsewhere, and to run nothing that is not one of these files.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ring::digest::{SHA256, digest};

mod files;

use self::files::{FILES, PAGE};

/// Nothing but what this server serves, nothing within the page's own text, and in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Asked for anew each time, and sent anew only when it changed: a page of one version never runs with
/// scripts of another.
const CACHE: &str = "no-cache";

/// The tags of the page and of all files, in their order.
static TAGS: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| {
    let all = std::iter::once(&PAGE).chain(FILES);
    all.map(|file| tag(file.content)).collect()
});

/// The page at `/`, and what it is made of below `/dashboard/`.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route(
            "/",
            get(|headers: HeaderMap| async move { send(0, &headers) }),
        )
        .route("/dashboard/{*name}", get(show))
}

async fn show(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match FILES.iter().position(|file| file.name == name) {
        Some(index) => send(index + 1, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Sends the page (0) or a file (its place in the list, and one), unless who asks has it already.
fn send(index: usize, asked: &HeaderMap) -> Response {
    let file = index.checked_sub(1).map_or(&PAGE, |index| &FILES[index]);
    let tag = TAGS[index].clone();
    let has_it = asked.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        let tags = value.to_str().unwrap_or_default().split(',');
        // A proxy that compresses makes a tag a weak one.
        tags.map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|one| one.as_bytes() == tag.as_bytes() || one == "*")
    });
    let mut response = if has_it {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, file.content_type())], file.content).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag);
    let fixed: [(HeaderName, &'static str); 5] = [
        (header::CACHE_CONTROL, CACHE),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What a file is told apart by: its content.
fn tag(content: &[u8]) -> HeaderValue {
    let text = format!("\"{}\"", hex(&digest(&SHA256, content).as_ref()[..16]));
    HeaderValue::from_str(&text).expect("quotes and hexadecimal digits go into a header")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
        text
    })
}

#[cfg(test)]
mod tests;
