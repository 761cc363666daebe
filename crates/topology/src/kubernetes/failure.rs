//! What went wrong with the API server, by reason, and how often that is said.

use std::time::{Duration, Instant};

use kube::core::Status;
use kube::runtime::watcher;

use super::followed::Followed;
use crate::{FailureReason, Source};

/// How long a failure for the same reason is not logged again.
const SILENCE: Duration = Duration::from_mins(1);

/// Why the watch failed.
pub(super) fn reason(error: &watcher::Error) -> FailureReason {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => match error {
            kube::Error::Api(status) => of_status(status),
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => FailureReason::Malformed,
            kube::Error::Auth(_) => FailureReason::Unauthorized,
            _ => FailureReason::Connection,
        },
        watcher::Error::WatchError(status) => of_status(status),
        watcher::Error::NoResourceVersion => FailureReason::Malformed,
    }
}

fn of_status(status: &Status) -> FailureReason {
    match status.code {
        401 => FailureReason::Unauthorized,
        403 => FailureReason::Forbidden,
        410 => FailureReason::Expired,
        _ => FailureReason::Refused,
    }
}

/// Whether a watch was refused because its list is too old. The watcher would ask for the same
/// version for ever; within a watch it lists anew by itself.
pub(super) fn is_expired_start(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410
    )
}

/// Says what is wrong once, and what is right again.
#[derive(Debug)]
pub(super) struct Complaints {
    source: Source,
    /// The right that is needed, as a rule of a `ClusterRole` has it.
    rule: String,
    /// What is so without.
    without: Option<&'static str>,
    last: Option<(FailureReason, Instant)>,
    /// Failures that were not logged since the last that was.
    unsaid: u64,
}

impl Complaints {
    pub(super) fn about<K: Followed>() -> Self {
        Self {
            source: K::SOURCE,
            rule: format!(
                "apiGroups: [{:?}], resources: [{:?}], verbs: [\"list\", \"watch\"]",
                K::group(&()),
                K::plural(&())
            ),
            without: K::WITHOUT,
            last: None,
            unsaid: 0,
        }
    }

    pub(super) fn failed(&mut self, reason: FailureReason, error: &dyn std::error::Error) {
        let silent =
            |(last, at): &(FailureReason, Instant)| *last == reason && at.elapsed() < SILENCE;
        if self.last.as_ref().is_some_and(silent) {
            self.unsaid += 1;
            return;
        }
        let is_right = reason == FailureReason::Forbidden;
        tracing::warn!(
            source = self.source.as_str(),
            reason = reason.as_str(),
            unsaid = self.unsaid,
            error = chain(error),
            missing_rule = is_right.then_some(self.rule.as_str()),
            until_then = self.without,
            "watch of Kubernetes failed, will try again"
        );
        self.last = Some((reason, Instant::now()));
        self.unsaid = 0;
    }

    pub(super) fn listed(&mut self, objects: u64) {
        let source = self.source.as_str();
        tracing::info!(source, objects, "listed from Kubernetes");
        self.last = None;
        self.unsaid = 0;
    }
}

/// The error with its causes, in one line; kube repeats some of them in its own.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> Box<Status> {
        Box::new(Status::failure("no", "No").with_code(code))
    }

    #[test]
    fn each_answer_has_its_reason() {
        let cases = [
            (401, FailureReason::Unauthorized),
            (403, FailureReason::Forbidden),
            (410, FailureReason::Expired),
            (500, FailureReason::Refused),
        ];
        for (code, expected) in cases {
            let listed = watcher::Error::InitialListFailed(kube::Error::Api(status(code)));
            assert_eq!(reason(&listed), expected);
            let watched = watcher::Error::WatchError(status(code));
            assert_eq!(reason(&watched), expected);
        }
    }

    #[test]
    fn only_a_watch_refused_at_its_start_must_be_begun_anew() {
        let refused = |code| kube::Error::Api(status(code));

        assert!(is_expired_start(&watcher::Error::WatchStartFailed(
            refused(410)
        )));
        assert!(!is_expired_start(&watcher::Error::WatchStartFailed(
            refused(500)
        )));
        assert!(!is_expired_start(&watcher::Error::WatchError(status(410))));
    }
}
