//! What brings the changes of the journal into the tables, in steps, each as short as a batch.
//!
//! A checkpoint is of one instant: its values are all changes up to a row of the journal, made. As
//! its steps are transactions of their own, a crash can part them: until the step that says so in
//! meta, each row of a series or an agent says itself up to where it is whole. Every step writes
//! what is, not what is added, so that it can be made again.

use std::collections::BTreeMap;

use kubezonnet_model::NodeName;
use rusqlite::{Transaction, params};

use super::tables;
use crate::agents::Agent;
use crate::costs::KeptMonth;
use crate::ledger::Unsaved;
use crate::names::Id;
use crate::pending::Waiting;
use crate::state::State;

/// Rows of the journal that one step removes at most, and bytes after which it removes no more.
const JOURNAL_ROWS_A_STEP: i64 = 512;
const JOURNAL_BYTES_A_STEP: i64 = 2 << 20;

/// Bytes of edges after which a step writes no more rows: one source can have very many.
const BYTES_A_STEP: usize = 256 << 10;

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
    spent: Vec<KeptMonth>,
    agents: Vec<(NodeName, Agent)>,
    put: Vec<Waiting>,
    removed: Vec<u64>,
    /// Names that nothing has which comes after, and the number of the next.
    unused: Vec<Id>,
    next_id: u64,
    done: Position,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Position {
    /// Of the rows of tables, taken one kind after the other.
    rows: usize,
    /// Totals are written, and meta says where the tables are.
    folded: bool,
    /// Of the unused names.
    names: usize,
    /// Up to there the journal is removed.
    removed: u64,
}

impl Checkpoint {
    /// Of the state as it is after that row of the journal. `first` is the first one there is, `spent`
    /// what was spent up to then.
    pub(super) fn of(
        state: &State,
        at: u64,
        first: u64,
        waiting: WaitingChanges,
        spent: Vec<KeptMonth>,
    ) -> Self {
        // One lock after the other: in one expression they would be held together.
        let unused = state.names().take_unused();
        let next_id = state.names().next();
        let ledger = state.ledger().unsaved();
        let agents = state.agents().states();
        Self {
            at,
            ledger,
            spent,
            agents,
            put: waiting.put.into_values().collect(),
            removed: waiting.removed,
            unused,
            next_id,
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

    /// Whether the next step is the one that says so in meta: all that is in it has to be elsewhere too by
    /// then.
    pub(super) fn is_to_fold(&self) -> bool {
        self.done.rows >= self.rows() && !self.done.folded
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
            let mut bytes = 0;
            let last = rows.min(next.rows + rows_a_step);
            while next.rows < last && bytes < BYTES_A_STEP {
                bytes += self.write_row(transaction, next.rows)?;
                next.rows += 1;
            }
        } else if !next.folded {
            tables::put_totals(transaction, &self.ledger.totals)?;
            tables::put_spent(transaction, &self.spent)?;
            tables::remove_agents_before(transaction, self.at)?;
            tables::set_meta(transaction, "next_id", self.next_id.cast_signed())?;
            // Until here the past may have to be told once more what they settled to, and of which window.
            for id in &self.removed {
                tables::remove_waiting(transaction, *id)?;
            }
            tables::set_meta(transaction, "folded", self.at.cast_signed())?;
            next.folded = true;
        } else if next.names < self.unused.len() {
            // Now that no row of the journal is made again which has them.
            next.names = self.unused.len().min(next.names + rows_a_step);
            for id in &self.unused[self.done.names..next.names] {
                tables::remove_name(transaction, *id)?;
            }
        } else {
            next.removed = self
                .at
                .min(last_to_remove(transaction, next.removed)?.unwrap_or(self.at));
            let sql = "DELETE FROM journal WHERE id <= ?1";
            transaction.execute(sql, [next.removed.cast_signed()])?;
        }
        Ok(next)
    }

    /// The step is on disk; says whether it was the last.
    pub(super) fn advance(&mut self, to: Position) -> bool {
        self.done = to;
        to.folded && to.names >= self.unused.len() && to.removed >= self.at
    }

    fn rows(&self) -> usize {
        self.ledger.removed.len()
            + self.ledger.series.len()
            + self.ledger.edges.len()
            + self.agents.len()
            + self.put.len()
    }

    /// Says how many bytes it was, where they are many.
    fn write_row(&self, transaction: &Transaction<'_>, mut row: usize) -> rusqlite::Result<usize> {
        let ledger = &self.ledger;
        // Series that went come first: they can have come back.
        if let Some(id) = ledger.removed.get(row) {
            return tables::remove_series(transaction, *id).map(|()| 0);
        }
        row -= ledger.removed.len();
        if let Some((id, series)) = ledger.series.get(row) {
            return tables::put_series(transaction, *id, series, self.at).map(|()| 0);
        }
        row -= ledger.series.len();
        if let Some((source, fan)) = ledger.edges.get(row) {
            return tables::put_edges(transaction, *source, fan, self.at);
        }
        row -= ledger.edges.len();
        if let Some((node, agent)) = self.agents.get(row) {
            return tables::put_agent(transaction, node, agent, self.at).map(|()| 0);
        }
        row -= self.agents.len();
        tables::put_waiting(transaction, &self.put[row])
    }
}

/// The last row of the journal that a step removes which begins after that one: as many as there are
/// bytes for. `None` if there is none after it.
fn last_to_remove(transaction: &Transaction<'_>, after: u64) -> rusqlite::Result<Option<u64>> {
    // The length of a row is known without reading it.
    let sql = "SELECT id, length(change) FROM journal WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut statement = transaction.prepare_cached(sql)?;
    let mut rows = statement.query(params![after.cast_signed(), JOURNAL_ROWS_A_STEP])?;
    let (mut last, mut bytes) = (None, 0);
    while let Some(row) = rows.next()? {
        last = Some(tables::unsigned(row, 0)?);
        bytes += row.get::<_, i64>(1)?;
        if bytes >= JOURNAL_BYTES_A_STEP {
            break;
        }
    }
    Ok(last)
}
