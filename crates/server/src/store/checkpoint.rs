//! What brings the changes of the journal into the tables, in steps, each as short as a batch.
//!
//! A checkpoint is of one instant: its values are all changes up to a row of the journal, made. As
//! its steps are transactions of their own, a crash can part them: until the step that says so in
//! meta, each row of a series or an agent says itself up to where it is whole. Every step writes
//! what is, not what is added, so that it can be made again.

use std::collections::BTreeMap;

use kubezonnet_model::NodeName;
use rusqlite::Transaction;

use super::tables;
use crate::agents::Agent;
use crate::ledger::Unsaved;
use crate::pending::Waiting;
use crate::state::State;

/// Rows of the journal that one step removes; each is tens of kilobytes.
const JOURNAL_ROWS_A_STEP: u64 = 128;

/// Groups that came and went since the last checkpoint.
#[derive(Debug, Default)]
pub(super) struct WaitingChanges {
    put: BTreeMap<u64, Waiting>,
    removed: Vec<u64>,
}

impl WaitingChanges {
    pub(super) fn put(&mut self, waiting: &Waiting) {
        self.put.insert(waiting.id, waiting.clone());
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.put.remove(&id);
        // Even if it was put just now: a checkpoint that was not ended may have written it.
        self.removed.push(id);
    }
}

/// The state at one instant, and how much of it is in the tables.
#[derive(Debug)]
pub(super) struct Checkpoint {
    /// The last row of the journal that is in it.
    at: u64,
    ledger: Unsaved,
    agents: Vec<(NodeName, Agent)>,
    put: Vec<Waiting>,
    removed: Vec<u64>,
    done: Position,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Position {
    /// Of the rows of tables, taken one kind after the other.
    rows: usize,
    /// Totals are written, and meta says where the tables are.
    folded: bool,
    /// Up to there the journal is removed.
    removed: u64,
}

impl Checkpoint {
    /// Of the state as it is after that row of the journal. `first` is the first one there is.
    pub(super) fn of(state: &State, at: u64, first: u64, waiting: WaitingChanges) -> Self {
        Self {
            at,
            ledger: state.ledger().unsaved(),
            agents: state.agents().states(),
            put: waiting.put.into_values().collect(),
            removed: waiting.removed,
            done: Position {
                removed: first.saturating_sub(1),
                ..Position::default()
            },
        }
    }

    /// The last row of the journal that is in it.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Writes the next step. It is made once the transaction is: then comes [`Self::advance`].
    pub(super) fn write(
        &self,
        transaction: &Transaction<'_>,
        rows_a_step: usize,
    ) -> rusqlite::Result<Position> {
        let mut next = self.done;
        let rows = self.rows();
        if next.rows < rows {
            next.rows = rows.min(next.rows + rows_a_step);
            for row in self.done.rows..next.rows {
                self.write_row(transaction, row)?;
            }
        } else if !next.folded {
            tables::put_totals(transaction, &self.ledger.totals)?;
            tables::remove_agents_before(transaction, self.at)?;
            tables::set_meta(transaction, "folded", self.at.cast_signed())?;
            next.folded = true;
        } else {
            next.removed = self.at.min(next.removed + JOURNAL_ROWS_A_STEP);
            let sql = "DELETE FROM journal WHERE id <= ?1";
            transaction.execute(sql, [next.removed.cast_signed()])?;
        }
        Ok(next)
    }

    /// The step is on disk; says whether it was the last.
    pub(super) fn advance(&mut self, to: Position) -> bool {
        self.done = to;
        to.folded && to.removed >= self.at
    }

    fn rows(&self) -> usize {
        self.ledger.forgotten.len()
            + self.ledger.series.len()
            + self.agents.len()
            + self.removed.len()
            + self.put.len()
    }

    fn write_row(&self, transaction: &Transaction<'_>, mut row: usize) -> rusqlite::Result<()> {
        // Series that were forgotten come first: they can have come back.
        if let Some(subject) = self.ledger.forgotten.get(row) {
            return tables::remove_series(transaction, subject);
        }
        row -= self.ledger.forgotten.len();
        if let Some((subject, series)) = self.ledger.series.get(row) {
            return tables::put_series(transaction, subject, series, self.at);
        }
        row -= self.ledger.series.len();
        if let Some((node, agent)) = self.agents.get(row) {
            return tables::put_agent(transaction, node, agent, self.at);
        }
        row -= self.agents.len();
        if let Some(id) = self.removed.get(row) {
            return tables::remove_waiting(transaction, *id);
        }
        row -= self.removed.len();
        tables::put_waiting(transaction, &self.put[row])
    }
}
