//! The past as a plain list, for tests: what every other source is compared with.

use kubezonnet_history::Resolution;
use kubezonnet_model::{FlowCounters, Service, Timestamp};
use kubezonnet_pricing::Version;

use std::time::Duration;

use super::{Answer, AskError, Books, Fold, Past, Question, Series, Status};
use crate::ledger::Side;
use crate::ledger::edges::Class;

/// The past as a plain list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plain {
    pub(crate) books: Books,
    pub(crate) had: Vec<Had>,
}

/// What a series had at a time.
#[derive(Debug, Clone)]
pub(crate) struct Had {
    pub(crate) at: Timestamp,
    pub(crate) source: Side,
    pub(crate) destination: Side,
    pub(crate) class: Class,
    pub(crate) service: Option<Service>,
    pub(crate) prices: Option<Version>,
    pub(crate) counters: FlowCounters,
}

impl Had {
    pub(crate) fn series(&self) -> Series<'_> {
        Series {
            source: &self.source,
            destination: &self.destination,
            class: self.class,
            service: self.service.as_ref(),
            prices: self.prices,
        }
    }
}

impl Past for Plain {
    fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let resolution = question.resolution.unwrap_or(Resolution::Minute);
        let mut fold = Fold::new(question, &self.books, resolution);
        for had in &self.had {
            if let Some(position) = fold.position(had.at)
                && let Some(row) = fold.row(&had.series())
            {
                fold.add(row, position, had.counters);
            }
        }
        let since = self.had.iter().map(|had| had.at).min();
        Ok(fold.answer([since; Resolution::ALL.len()]))
    }

    fn status(&self) -> Status {
        Status {
            source: "embedded",
            since: self.had.iter().map(|had| had.at).min(),
            behind: Duration::ZERO,
            bytes: 0,
            failing: None,
            lacking: None,
            lost_changes: 0,
            damaged: 0,
        }
    }
}
