//! A question on its way: of which time, of whom, and to whom it is put.

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashSet;
use kubezonnet_api::Asked;
use kubezonnet_history::Resolution;
use kubezonnet_model::{Timestamp, Window};
use kubezonnet_topology::KeptLabels;

use super::query::Query;
use super::refusal::Refusal;
use super::{Api, filter, when};
use crate::history::{Answer, AskError, By, Filter, Past, Question, Value};

/// A question on its way.
pub(super) struct Asking<'a> {
    past: Option<&'a Arc<dyn Past>>,
    pub(super) labels: &'a KeptLabels,
    pub(super) now: Timestamp,
    /// Which parameter says when the range begins.
    pub(super) begins_by: &'static str,
    /// Of which time.
    pub(super) range: Window,
    /// Of whom.
    pub(super) filter: Filter,
}

impl<'a> Asking<'a> {
    /// Reads which time and whom it is of.
    ///
    /// # Errors
    ///
    /// [`Refusal`] that says what is wrong.
    pub(super) fn of(api: &'a Api, query: &Query) -> Result<Self, Refusal> {
        let asked: Asked = query.get()?;
        let labels = api.pipeline.topology().labels();
        let now = api.clock.now();
        let begins_by = if asked.from.is_some() {
            "from"
        } else {
            "since"
        };
        let range = when::asked(&asked, now)?;
        let filter = filter::of(&asked, labels)?;
        Ok(Self {
            past: api.past.as_ref(),
            begins_by,
            labels,
            now,
            range,
            filter,
        })
    }

    /// Asks for all of a range, told apart so.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if there is no answer.
    pub(super) fn all(&self, range: Window, by: By) -> Result<Answer, Refusal> {
        self.ask(Part::of(range), by, None)
    }

    /// Asks for a part of the time, and for some groups only.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if there is no answer.
    pub(super) fn ask(
        &self,
        which: Part,
        by: By,
        only: Option<Vec<Vec<Value>>>,
    ) -> Result<Answer, Refusal> {
        let only = only.map(|only| only.into_iter().collect());
        let question = self.question(which, by, only);
        Ok(self.past()?.ask(&question)?)
    }

    /// Asks for what an answer can be without: none where another server that is asked takes too long for it,
    /// or cannot tell it.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if there is no answer for another reason.
    pub(super) fn ask_beside(&self, which: Part, by: By) -> Result<Option<Answer>, Refusal> {
        match self.past()?.ask(&self.question(which, by, None)) {
            Ok(answer) => Ok(Some(answer)),
            Err(AskError::Unanswered(_) | AskError::Unsupported(_) | AskError::TooLong) => Ok(None),
            Err(error @ (AskError::Unreadable(_) | AskError::NobodyWaits)) => Err(error.into()),
        }
    }

    fn past(&self) -> Result<&Arc<dyn Past>, Refusal> {
        let past = self.past;
        past.ok_or_else(|| Refusal::unavailable(super::NO_HISTORY))
    }

    fn question(&self, which: Part, by: By, only: Option<HashSet<Vec<Value>>>) -> Question {
        Question {
            range: which.range,
            resolution: which.resolution,
            step: which.step,
            by,
            only,
            filter: self.filter.clone(),
        }
    }

    /// Where the part of a range ends that the past can tell at once: so many steps, or fewer, one at least.
    pub(super) fn tellable(&self, range: Window, step: Duration, most: u32) -> Timestamp {
        let mut steps = most.max(1);
        loop {
            let end = range.start.plus(step * steps).min(range.end);
            let length = end.since(range.start);
            let shortest = self.past.map(|past| past.shortest_step(length));
            let is_told = shortest.is_none_or(|shortest| shortest.is_some_and(|each| each <= step));
            if is_told || steps == 1 {
                return end;
            }
            steps /= 2;
        }
    }

    /// Since when there is any history, where that is known.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.past.and_then(|past| past.status().since)
    }

    /// How far the past is behind what was counted.
    pub(super) fn behind(&self) -> Duration {
        self.past
            .map(|past| past.status().behind)
            .unwrap_or_default()
    }

    /// The range of the same length before, if there is history of all of it: as fine as the answer if that
    /// goes back so far, or of whole slots of what does, the last of which ends before the range begins.
    pub(super) fn before(answer: &Answer) -> Option<Part> {
        let before = when::before(answer.range)?;
        let coarse = Resolution::ALL.into_iter();
        let mut coarse = coarse.filter(|resolution| *resolution >= answer.resolution);
        coarse.find_map(|resolution| {
            let slot = u64::try_from(resolution.slot().as_millis()).ok()?;
            let range = Window {
                start: Timestamp(before.start.0 / slot * slot),
                end: Timestamp(before.end.0 / slot * slot),
            };
            let reaches = answer.reaches[resolution as usize]? <= range.start;
            (reaches && range.start < range.end).then_some(Part {
                range,
                resolution: Some(resolution),
                step: None,
            })
        })
    }
}

/// A part of the time, and how finely it is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    range: Window,
    resolution: Option<Resolution>,
    step: Option<Duration>,
}

impl Part {
    /// All of a range, as finely as there is.
    pub(super) fn of(range: Window) -> Self {
        Self {
            range,
            resolution: None,
            step: None,
        }
    }

    /// What was answered, a step at a time: as finely, so that it sums to it.
    pub(super) fn steps(answer: &Answer, step: Duration) -> Self {
        Self {
            range: answer.range,
            resolution: Some(answer.resolution),
            step: Some(step),
        }
    }

    /// The same, a step at a time.
    pub(super) fn by(self, step: Duration) -> Self {
        Self {
            step: Some(step),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    fn answer(resolution: Resolution, range: (u64, u64), reaches: [u64; 3]) -> Answer {
        Answer {
            range: Window {
                start: Timestamp(range.0),
                end: Timestamp(range.1),
            },
            resolution,
            since: None,
            reaches: reaches.map(|since| Some(Timestamp(since))),
            currency: None,
            times: Vec::new(),
            groups: Vec::new(),
        }
    }

    fn before(answer: &Answer) -> Option<(Resolution, u64, u64)> {
        let part = Asking::before(answer)?;
        let range = part.range;
        Some((part.resolution?, range.start.0, range.end.0))
    }

    #[test]
    fn before_ends_where_the_range_begins_and_is_as_fine_if_that_reaches_so_far() {
        let (start, end) = (100 * DAY + 60_000, 102 * DAY + 60_000);
        let fine = answer(Resolution::Minute, (start, end), [90 * DAY, DAY, DAY]);
        let coarse = answer(Resolution::Minute, (start, end), [99 * DAY, 99 * DAY, DAY]);
        let none = answer(Resolution::Minute, (start, end), [99 * DAY; 3]);

        let length = end - start;
        assert_eq!(
            before(&fine),
            Some((Resolution::Minute, start - length, start))
        );
        assert_eq!(
            before(&coarse),
            Some((Resolution::Day, 98 * DAY, 100 * DAY))
        );
        assert_eq!(before(&none), None);
    }
}
