//! A question on its way: of which time, of whom, and to whom it is put.

use std::sync::Arc;
use std::time::Duration;

use kubezonnet_api::Asked;
use kubezonnet_model::{Timestamp, Window};
use kubezonnet_topology::KeptLabels;

use super::query::Query;
use super::refusal::Refusal;
use super::{Api, filter, when};
use crate::history::{Answer, By, Filter, Past, Question, Value};

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
        self.ask(range, by, None, None)
    }

    /// Asks for a step at a time, and for some groups only.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if there is no answer.
    pub(super) fn ask(
        &self,
        range: Window,
        by: By,
        step: Option<Duration>,
        only: Option<Vec<Vec<Value>>>,
    ) -> Result<Answer, Refusal> {
        let question = Question {
            range,
            step,
            by,
            only: only.map(|only| only.into_iter().collect()),
            filter: self.filter.clone(),
        };
        let past = self
            .past
            .ok_or_else(|| Refusal::unavailable(super::NO_HISTORY))?;
        Ok(past.ask(&question)?)
    }

    /// Since when there is any history; now, where there is none.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if there is no answer.
    pub(super) fn since(&self) -> Result<Timestamp, Refusal> {
        let end = self.range.end;
        let nothing = Window { start: end, end };
        let answer = self.all(nothing, By::Edges(Vec::new()))?;
        Ok(answer.since.unwrap_or(end))
    }

    /// How far the past is behind what was counted.
    pub(super) fn behind(&self) -> Duration {
        self.past
            .map(|past| past.status().behind)
            .unwrap_or_default()
    }

    /// The range of the same length before, if there is history of all of it.
    pub(super) fn before(answer: &Answer) -> Option<Window> {
        let before = when::before(answer.range)?;
        let since = answer.since?;
        (since <= before.start).then_some(before)
    }
}
