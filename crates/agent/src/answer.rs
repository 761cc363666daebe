//! What the server's answer to a window means.
//!
//! An answer is an acknowledgement only if it names the window: a web server that says 200 to
//! everything is not a kubezonnet server. An answer refuses the window for good only if it judges the
//! body and says why, as that server does. Everything else (wrong path, missing rights, a proxy in
//! between, a server that is busy or broken) can pass, so the same window is sent again.

use std::fmt;
use std::time::Duration;

use kubezonnet_model::Epoch;
use serde::Deserialize;

/// How much of an answer is kept for the log, in characters.
const DETAIL: usize = 300;

/// What came of one attempt to deliver a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it means.
    pub outcome: Outcome,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// For the log: the server's words, or why there are none.
    pub detail: String,
    /// Who acknowledged the window, where the server says so.
    pub server: Option<ServerId>,
    /// The server may have the window all the same.
    pub is_doubtful: bool,
}

/// What a server calls itself: 128 random bits that belong to its store, and so to what it has
/// applied.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(pub [u8; 16]);

impl ServerId {
    /// Reads 32 hexadecimal digits. All zeros are nobody.
    fn parse(text: &str) -> Option<Self> {
        let is_plain = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_plain)?;
        (number != 0).then_some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for ServerId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerId({self})")
    }
}

/// The ways an attempt can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The server has the window now.
    Acknowledged,
    /// The server had the window already.
    Duplicate,
    /// The server will never take this window.
    Refused,
    /// The server does not let this agent report (401, 403).
    Unauthorized,
    /// The server asks to come later (429, 503).
    Busy,
    /// Anything else: another status, a 200 that does not name the window, a refusal that does not
    /// say why.
    Unexpected,
    /// No answer in time.
    TimedOut,
    /// No connection, or it broke.
    Unreachable,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 8] = [
        Self::Acknowledged,
        Self::Duplicate,
        Self::Refused,
        Self::Unauthorized,
        Self::Busy,
        Self::Unexpected,
        Self::TimedOut,
        Self::Unreachable,
    ];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
            Self::Unauthorized => "unauthorized",
            Self::Busy => "busy",
            Self::Unexpected => "unexpected",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
        }
    }
}

/// The body of an acknowledgement.
#[derive(Deserialize)]
struct Acknowledgement {
    epoch: String,
    sequence: u64,
    outcome: String,
    #[serde(default)]
    server: Option<String>,
}

/// The body of a refusal.
#[derive(Deserialize)]
struct Refusal {
    reason: String,
    message: String,
}

impl Answer {
    /// An attempt that brought no answer.
    pub fn none(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self {
            outcome,
            retry_after: None,
            detail: detail.into(),
            server: None,
            is_doubtful: outcome == Outcome::TimedOut,
        }
    }

    /// The same, where the server may have the window although nobody says so.
    pub fn doubtful(mut self, is_doubtful: bool) -> Self {
        self.is_doubtful |= is_doubtful;
        self
    }

    /// Reads an HTTP answer to the window `sequence` of `epoch`.
    ///
    /// `retry_after` is the header's text; only seconds are understood, a date is left to the
    /// agent's own backoff.
    pub fn read(
        epoch: Epoch,
        sequence: u64,
        status: u16,
        retry_after: Option<&str>,
        body: &[u8],
    ) -> Self {
        let acknowledgement = acknowledgement(epoch, sequence, body);
        let outcome = match status {
            200 => acknowledgement
                .as_ref()
                .map_or(Outcome::Unexpected, |(outcome, _)| *outcome),
            // These judge the body, which never changes.
            400 | 413 | 422 if refusal(body).is_some() => Outcome::Refused,
            401 | 403 => Outcome::Unauthorized,
            429 | 503 => Outcome::Busy,
            _ => Outcome::Unexpected,
        };
        let retry_after = retry_after
            .and_then(|text| text.trim().parse().ok())
            .map(Duration::from_secs);
        Self {
            outcome,
            retry_after,
            detail: format!("status {status}: {}", words(body)),
            server: acknowledgement.and_then(|(_, server)| server),
            // Somebody between the agent and the server may have lost the server's answer.
            is_doubtful: outcome == Outcome::Unexpected && (status == 200 || status >= 500),
        }
    }
}

fn acknowledgement(
    epoch: Epoch,
    sequence: u64,
    body: &[u8],
) -> Option<(Outcome, Option<ServerId>)> {
    let read: Acknowledgement = serde_json::from_slice(body).ok()?;
    if read.epoch != epoch.to_string() || read.sequence != sequence {
        return None;
    }
    let outcome = match read.outcome.as_str() {
        "applied" => Outcome::Acknowledged,
        "duplicate" => Outcome::Duplicate,
        _ => return None,
    };
    Some((outcome, read.server.as_deref().and_then(ServerId::parse)))
}

fn refusal(body: &[u8]) -> Option<Refusal> {
    serde_json::from_slice(body).ok()
}

fn words(body: &[u8]) -> String {
    let text = match refusal(body) {
        Some(refusal) => format!("{} ({})", refusal.message, refusal.reason),
        None => String::from_utf8_lossy(body).into_owned(),
    };
    let mut text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(DETAIL)
        .collect();
    if text.trim().is_empty() {
        "no words".clone_into(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Epoch = Epoch([0xab; 16]);

    fn read(status: u16, body: &str) -> Answer {
        Answer::read(EPOCH, 7, status, None, body.as_bytes())
    }

    fn acknowledgement(epoch: Epoch, sequence: u64, outcome: &str) -> String {
        format!(r#"{{"epoch":"{epoch}","sequence":{sequence},"outcome":"{outcome}"}}"#)
    }

    #[test]
    fn only_an_answer_that_names_the_window_acknowledges_it() {
        let cases = [
            (acknowledgement(EPOCH, 7, "applied"), Outcome::Acknowledged),
            (acknowledgement(EPOCH, 7, "duplicate"), Outcome::Duplicate),
            (acknowledgement(EPOCH, 8, "applied"), Outcome::Unexpected),
            (
                acknowledgement(Epoch([1; 16]), 7, "applied"),
                Outcome::Unexpected,
            ),
            (acknowledgement(EPOCH, 7, "deferred"), Outcome::Unexpected),
            ("<html>It works!</html>".to_owned(), Outcome::Unexpected),
            (String::new(), Outcome::Unexpected),
        ];
        for (body, outcome) in cases {
            assert_eq!(read(200, &body).outcome, outcome, "{body}");
        }
    }

    #[test]
    fn a_server_that_names_itself_is_known_and_one_that_does_not_is_not() {
        let server = |name: &str| {
            let body = format!(r#"{{"epoch":"{EPOCH}","sequence":7,"outcome":"applied"{name}}}"#);
            read(200, &body).server
        };

        let named = server(r#","server":"000000000000000000000000000000ff""#);

        assert_eq!(
            named.unwrap().to_string(),
            "000000000000000000000000000000ff"
        );
        for nobody in [
            "",
            r#","server":null"#,
            r#","server":"ff""#,
            r#","server":"+00000000000000000000000000000ff""#,
            r#","server":"00000000000000000000000000000000""#,
        ] {
            assert_eq!(server(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn an_answer_that_is_not_the_servers_leaves_doubt_and_a_clear_no_does_not() {
        for (status, is_doubtful) in [(200, true), (502, true), (404, false), (503, false)] {
            assert_eq!(read(status, "").is_doubtful, is_doubtful, "{status}");
        }
        assert!(Answer::none(Outcome::TimedOut, "").is_doubtful);
        assert!(!Answer::none(Outcome::Unreachable, "").is_doubtful);
    }

    #[test]
    fn only_a_server_that_says_why_refuses_a_window_for_good() {
        let words = r#"{"reason":"malformed","message":"field 3 is no varint"}"#;
        // A proxy's, or that of a port that speaks TLS: the window is not to blame.
        let others = [
            "",
            "<html>The plain HTTP request was sent to HTTPS port</html>",
            "{}",
            r#"{"reason":"malformed"}"#,
        ];
        for status in [400, 413, 422] {
            assert_eq!(read(status, words).outcome, Outcome::Refused, "{status}");
            for other in others {
                let outcome = read(status, other).outcome;
                assert_eq!(outcome, Outcome::Unexpected, "{status} {other}");
            }
        }
        assert_eq!(read(404, words).outcome, Outcome::Unexpected);
    }

    #[test]
    fn what_does_not_judge_the_body_can_pass() {
        let cases = [
            (401, Outcome::Unauthorized),
            (403, Outcome::Unauthorized),
            (429, Outcome::Busy),
            (503, Outcome::Busy),
            (204, Outcome::Unexpected),
            (307, Outcome::Unexpected),
            (404, Outcome::Unexpected),
            (405, Outcome::Unexpected),
            (408, Outcome::Unexpected),
            (415, Outcome::Unexpected),
            (500, Outcome::Unexpected),
            (502, Outcome::Unexpected),
        ];
        for (status, outcome) in cases {
            assert_eq!(read(status, "").outcome, outcome, "{status}");
        }
    }

    #[test]
    fn the_servers_wish_to_be_asked_later_is_read_in_seconds() {
        let after = |text| Answer::read(EPOCH, 7, 503, Some(text), b"").retry_after;

        assert_eq!(after("12"), Some(Duration::from_secs(12)));
        assert_eq!(after("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(after("-1"), None);
    }

    #[test]
    fn the_log_gets_the_servers_own_words_on_one_line_and_not_too_many() {
        assert_eq!(
            read(
                422,
                r#"{"reason":"bad_node","message":"node a is not yours"}"#
            )
            .detail,
            "status 422: node a is not yours (bad_node)"
        );
        assert_eq!(read(500, "").detail, "status 500: no words");
        let long = read(500, &"x\n".repeat(10_000)).detail;
        assert!(long.len() < 400 && !long.contains('\n'), "{long}");
    }
}
