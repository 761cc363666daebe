//! A past that is asked for as long as somebody waits, and no longer than that.
//!
//! Most answers of the API are made of several questions, and another server may take long for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Answer, AskError, Past, Question, Status, Until};

/// How long all questions of one answer may take until the last is put: people wait for it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Says that somebody waits, until it is dropped.
#[derive(Debug, Default)]
pub struct Waiting(Arc<AtomicBool>);

/// A past that is asked no more once nobody waits.
#[derive(Debug)]
pub struct Patient {
    past: Arc<dyn Past>,
    has_gone: Arc<AtomicBool>,
    until: Instant,
}

impl Waiting {
    /// The past for who waits here, from now on.
    pub fn on(&self, past: Arc<dyn Past>) -> Patient {
        Patient {
            past,
            has_gone: Arc::clone(&self.0),
            until: Instant::now() + PATIENCE,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Until for Patient {
    fn left(&self) -> Result<Duration, AskError> {
        if self.has_gone.load(Ordering::Relaxed) {
            return Err(AskError::NobodyWaits);
        }
        self.until.left()
    }
}

impl Past for Patient {
    fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        self.left()?;
        self.past.ask_while(question, self)
    }

    fn shortest_step(&self, length: Duration) -> Option<Duration> {
        self.past.shortest_step(length)
    }

    fn status(&self) -> Status {
        self.past.status()
    }
}
