//! From the file to the state: the tables, and the journal's changes made again.

use std::collections::HashMap;
use std::path::Path;

use kubezonnet_model::{NodeName, Window};
use rusqlite::Connection;

use super::checkpoint::WaitingChanges;
use super::tables::LoadError;
use super::{OpenError, StoreId, blob, tables};
use crate::change::{Added, Arrived, Change, Settled};
use crate::ledger::Entry;
use crate::names::Id;
use crate::state::State;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    /// The last row of the journal that is in the tables.
    pub(super) folded: u64,
    /// The first and the last row of the journal, if there are any.
    pub(super) rows: Option<(u64, u64)>,
    /// What the journal says of waiting records.
    pub(super) waiting: WaitingChanges,
}

/// Where rows of the tables are further than the tables as a whole.
#[derive(Debug, Default)]
struct Ahead {
    /// Series by their subject, edges by their source.
    ids: HashMap<Id, u64>,
    agents: HashMap<NodeName, u64>,
}

/// Brings a state that knows nothing to where the file is. It notes what changes from the journal on.
pub(super) fn replay(
    connection: &Connection,
    path: &Path,
    state: &State,
    store: StoreId,
) -> Result<Replayed, OpenError> {
    let of = |error: LoadError| match error {
        LoadError::Database(error) => OpenError::of(path.to_owned(), error),
        LoadError::Unknown(unknown) => OpenError::Damaged {
            path: path.to_owned(),
            what: unknown.to_string(),
        },
        LoadError::Unreadable { table, source } => {
            OpenError::unreadable(path.to_owned(), table, &source)
        }
    };
    let mut replayed = Replayed::default();
    let ahead = load(connection, state, &mut replayed).map_err(of)?;
    state.ledger().note_changes();
    state.names().note_unwritten();
    let of = |error| OpenError::of(path.to_owned(), error);
    let sql = "SELECT max(id) FROM journal";
    let last = connection.query_row(sql, [], |row| {
        Ok(row.get::<_, Option<i64>>(0)?.map(i64::cast_unsigned))
    });
    let last = last.map_err(of)?.unwrap_or(0).max(replayed.folded);
    if let Some(past) = state.past() {
        past.follow(store, replayed.folded, last);
    }
    let sql = "SELECT id, change FROM journal ORDER BY id";
    let mut statement = connection.prepare(sql).map_err(of)?;
    let mut rows = statement.query([]).map_err(of)?;
    while let Some(row) = rows.next().map_err(of)? {
        let id = tables::unsigned(row, 0).map_err(of)?;
        let (first, _) = replayed.rows.unwrap_or((id, id));
        replayed.rows = Some((first, id));
        if id <= replayed.folded {
            // In the tables, and not removed yet.
            continue;
        }
        let bytes: Vec<u8> = row.get(1).map_err(of)?;
        let change = blob::read(&bytes).map_err(|error| {
            OpenError::unreadable(path.to_owned(), &format!("row {id} of the journal"), &error)
        })?;
        make(state, &mut replayed.waiting, &ahead, id, change);
    }
    if let Some(past) = state.past() {
        past.have_told();
    }
    let used = state.ledger().used();
    let names = state.names().look_up();
    if let Some(id) = used.into_iter().find(|id| names.key(*id).is_none()) {
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            what: format!("names: there is none with id {}", id.get()),
        });
    }
    drop(names);
    Ok(replayed)
}

fn load(
    connection: &Connection,
    state: &State,
    replayed: &mut Replayed,
) -> Result<Ahead, LoadError> {
    let folded: i64 = tables::meta(connection, "folded")?;
    replayed.folded = folded.cast_unsigned();
    let mut ahead = Ahead::default();
    for (id, key) in tables::names(connection)? {
        state.names().restore(id, key);
    }
    let next_id: i64 = tables::meta(connection, "next_id")?;
    state.names().restore_next(next_id.cast_unsigned());
    let mut ledger = state.ledger();
    ledger.restore_totals(tables::totals(connection)?);
    for (id, series, folded) in tables::series(connection)? {
        if folded > replayed.folded {
            ahead.ids.insert(id, folded);
        }
        ledger.restore_series(id, series);
    }
    for (source, fan, folded) in tables::edges(connection)? {
        if folded > replayed.folded {
            ahead.ids.insert(source, folded);
        }
        ledger.restore_edges(source, fan);
    }
    drop(ledger);
    for (node, agent, folded) in tables::agents(connection)? {
        if folded > replayed.folded {
            ahead.agents.insert(node.clone(), folded);
        }
        state.agents_mut().restore(node, agent);
    }
    state.costs().restore(tables::spent(connection)?);
    for waiting in tables::waiting(connection)? {
        state.pending().restore(waiting);
    }
    Ok(ahead)
}

/// Makes a change of the past again, but where a row is further already.
fn make(state: &State, noted: &mut WaitingChanges, ahead: &Ahead, id: u64, change: Change) {
    let is_ahead = |name: Id| {
        let folded = ahead.ids.get(&name);
        folded.is_some_and(|folded| *folded >= id)
    };
    let leave_out = |entry: &mut Entry, now| {
        // All of it: what was spent is in the tables up to one row, and nowhere further.
        let edges = [&entry.edges, &entry.unlisted];
        state.costs().recover(edges, now);
        entry.subjects.retain(|(subject, _)| !is_ahead(*subject));
        for list in [&mut entry.edges, &mut entry.folded] {
            list.0.retain(|(key, _)| !is_ahead(key.source));
        }
    };
    let agent_is_ahead = |node: &NodeName| {
        let folded = ahead.agents.get(node);
        folded.is_some_and(|folded| *folded >= id)
    };
    match change {
        Change::Window(arrived) => {
            let Arrived {
                header,
                declared,
                window,
                now,
                mut entry,
                waiting,
            } = *arrived;
            state.tell(&entry, window, id);
            leave_out(&mut entry, now);
            state.ledger().record(entry, now);
            keep(state, noted, waiting);
            if !agent_is_ahead(&header.node) {
                let mut agents = state.agents_mut();
                // There was room for it, and whether it is new was decided before it was written.
                agents.admit(&header, &declared, window, now).ok();
                agents.applied(&header, window);
            }
        }
        Change::Settled(settled) => {
            let Settled {
                id: group,
                now,
                mut entry,
                waiting,
            } = *settled;
            let window = state.pending().remove(group);
            state.tell(&entry, window.unwrap_or(Window::moment(now)), id);
            leave_out(&mut entry, now);
            state.ledger().record(entry, now);
            noted.remove(group);
            keep(state, noted, waiting);
        }
        Change::Added(added) => {
            let Added { now, mut entry } = *added;
            state.tell(&entry, Window::moment(now), id);
            leave_out(&mut entry, now);
            state.ledger().record(entry, now);
        }
        Change::Forgotten(mut forgotten) => {
            state.tell(&Entry::default(), Window::moment(forgotten.now), id);
            state.ledger().forget(&forgotten, is_ahead);
            forgotten.agents.retain(|node| !agent_is_ahead(node));
            state.agents_mut().remove(&forgotten.agents);
        }
    }
}

fn keep(state: &State, noted: &mut WaitingChanges, groups: Vec<crate::pending::Waiting>) {
    for waiting in groups {
        noted.put(&waiting);
        // A checkpoint that was not ended may have written it already.
        state.pending().remove(waiting.id);
        state.pending().restore(waiting);
    }
}
