//! The past: what went between whom, minute by minute, and what it cost.
//!
//! ```text
//! Series + counters by minute ─▶ a source ─▶ Question ─▶ fold ─▶ Answer
//! ```
//!
//! A [`Series`] is what the past is kept by. A [`Question`] says of which time, by what and for whom; its
//! [`Answer`] has groups with cells. Every source answers by the same [`Fold`], which is pure: prices of
//! the time, what counts for whom, and which cell it goes to are decided there and nowhere else.

mod answer;
pub mod embedded;
mod fold;
pub(crate) mod part;
mod patient;
#[cfg(test)]
pub(crate) mod plain;
pub mod prometheus;
mod question;
mod series;

use std::fmt;
use std::time::{Duration, Instant};

use kubezonnet_model::Timestamp;

pub use self::answer::{Answer, Group, Measure, Reaches, Unpriced, Value};
pub use self::fold::{Books, Fold, Row};
pub use self::patient::{Patient, Waiting};
pub use self::question::{By, EdgePart, Ends, Filter, PartyPart, Question, SidePart};
pub use self::series::Series;

/// Whoever can be asked of the past.
pub trait Past: fmt::Debug + Send + Sync {
    /// Answers a question; may take hundreds of milliseconds, in which it blocks.
    ///
    /// # Errors
    ///
    /// [`AskError`], which says why there is no answer.
    fn ask(&self, question: &Question) -> Result<Answer, AskError>;

    /// The same, by somebody who may go: whoever has long to do looks now and then.
    ///
    /// # Errors
    ///
    /// [`AskError`] likewise, and what is said of who waits.
    fn ask_while(&self, question: &Question, _until: &dyn Until) -> Result<Answer, AskError> {
        self.ask(question)
    }

    /// The shortest step by which it can tell a range of that length; `None` if it cannot tell one.
    fn shortest_step(&self, _length: Duration) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    /// How it is.
    fn status(&self) -> Status;
}

/// How long somebody waits for an answer.
pub trait Until {
    /// How much longer.
    ///
    /// # Errors
    ///
    /// [`AskError`] if that is over.
    fn left(&self) -> Result<Duration, AskError>;
}

/// Somebody who waits until then.
impl Until for Instant {
    fn left(&self) -> Result<Duration, AskError> {
        let left = self.checked_duration_since(Self::now());
        left.filter(|left| !left.is_zero()).ok_or(AskError::TooLong)
    }
}

/// How whoever is asked of the past is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// `embedded` or `prometheus`.
    pub source: &'static str,
    /// Since when there is any history.
    pub since: Option<Timestamp>,
    /// How far it is behind what was counted.
    pub behind: Duration,
    /// What it takes on disk, in bytes.
    pub bytes: u64,
    /// Why it fails: it cannot be written, or not be read.
    pub failing: Option<String>,
    /// What answers lack, or will, though it does not fail.
    pub lacking: Option<String>,
    /// Changes since the start, or found out at it, that are counted and that it does not have.
    pub lost_changes: u64,
    /// How often since the start its file was damaged, put aside and begun anew.
    pub damaged: u64,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It cannot be read.
    #[error("the past cannot be read ({0}): look at the server's log and at its volume")]
    Unreadable(String),
    /// Another server, which is asked, does not tell.
    #[error("the past cannot be asked: {0}")]
    Unanswered(String),
    /// This source cannot tell that.
    #[error("{0}")]
    Unsupported(String),
    /// Other questions of the same answer took too long before.
    #[error("it takes too long: ask for a shorter range")]
    TooLong,
    /// Who wanted the answer has gone.
    #[error("nobody waits for the answer")]
    NobodyWaits,
}
