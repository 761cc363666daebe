//! The tables: rows to state and back.
//!
//! Totals are kept by the names that metrics have, so that another order or a further name in the
//! code changes nothing here.

use kubezonnet_model::{FlowCounters, InterfaceClass, NodeName, Timestamp, UnknownReason};
use rusqlite::{Connection, Row, Transaction, params};
use serde::de::DeserializeOwned;

use super::blob::{self, Unreadable};
use crate::agents::Agent;
use crate::books::Disposition;
use crate::costs::KeptMonth;
use crate::ledger::edges::Fan;
use crate::ledger::{Folded, Host, SeenAt, SeenBy, Series, Totals};
use crate::names::{Id, Key};
use crate::pending::Waiting;

/// What a cell says that cannot be: which, and what.
#[derive(Debug, thiserror::Error)]
#[error("{table}: {what}")]
pub(super) struct Unknown {
    table: &'static str,
    what: String,
}

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Unknown(#[from] Unknown),
    #[error("{table}: {source}")]
    Unreadable {
        table: &'static str,
        source: Unreadable,
    },
}

type Loaded<T> = Result<T, LoadError>;

fn unknown(table: &'static str, what: &dyn ToString) -> LoadError {
    let what = what.to_string();
    Unknown { table, what }.into()
}

/// The value of bytes in a table.
fn read<T: DeserializeOwned>(table: &'static str, bytes: &[u8]) -> Loaded<T> {
    blob::read(bytes).map_err(|source| LoadError::Unreadable { table, source })
}

/// A value of meta.
pub(crate) fn meta<T: rusqlite::types::FromSql>(
    connection: &Connection,
    key: &str,
) -> rusqlite::Result<T> {
    let sql = "SELECT value FROM meta WHERE key = ?1";
    connection.query_row(sql, [key], |row| row.get(0))
}

/// Sets a value of meta.
pub(crate) fn set_meta(
    connection: &Connection,
    key: &str,
    value: impl rusqlite::ToSql,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2)
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    connection
        .prepare_cached(sql)?
        .execute(params![key, value])?;
    Ok(())
}

/// Every name.
pub(super) fn names(connection: &Connection) -> Loaded<Vec<(Id, Key)>> {
    let mut statement = connection.prepare("SELECT id, key FROM names ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let key = read("names", &row.get::<_, Vec<u8>>(1)?)?;
        all.push((id(row, "names")?, key));
    }
    Ok(all)
}

pub(super) fn put_name(connection: &Connection, id: Id, key: &Key) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO names (id, key) VALUES (?1, ?2)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![id.get().cast_signed(), blob::write(key)])?;
    Ok(())
}

pub(super) fn remove_name(connection: &Connection, id: Id) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("DELETE FROM names WHERE id = ?1")?;
    statement.execute([id.get().cast_signed()])?;
    Ok(())
}

/// The id in the first column.
fn id(row: &Row<'_>, table: &'static str) -> Loaded<Id> {
    Id::new(unsigned(row, 0)?).ok_or_else(|| unknown(table, &"an id of zero"))
}

/// Every series, with the row of the journal up to which it is whole.
pub(super) fn series(connection: &Connection) -> Loaded<Vec<(Id, Series, u64)>> {
    let mut statement = connection.prepare("SELECT id, changed, folded, traffic FROM series")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let traffic = read("series", &row.get::<_, Vec<u8>>(3)?)?;
        let series = Series::kept(traffic, Timestamp(unsigned(row, 1)?));
        all.push((id(row, "series")?, series, unsigned(row, 2)?));
    }
    Ok(all)
}

pub(super) fn put_series(
    transaction: &Transaction<'_>,
    id: Id,
    series: &Series,
    folded: u64,
) -> rusqlite::Result<()> {
    let sql =
        "INSERT OR REPLACE INTO series (id, changed, folded, traffic) VALUES (?1, ?2, ?3, ?4)";
    transaction.prepare_cached(sql)?.execute(params![
        id.get().cast_signed(),
        series.changed.0.cast_signed(),
        folded.cast_signed(),
        blob::write(&series.traffic),
    ])?;
    Ok(())
}

pub(super) fn remove_series(transaction: &Transaction<'_>, id: Id) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("DELETE FROM series WHERE id = ?1")?;
    statement.execute([id.get().cast_signed()])?;
    Ok(())
}

/// The edges of every source, with the row of the journal up to which they are whole.
pub(super) fn edges(connection: &Connection) -> Loaded<Vec<(Id, Fan, u64)>> {
    let mut statement = connection.prepare("SELECT source, folded, fan FROM edges")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let fan = Fan::from_bytes(&row.get::<_, Vec<u8>>(2)?);
        let fan = fan.ok_or_else(|| unknown("edges", &"it is damaged"))?;
        all.push((id(row, "edges")?, fan, unsigned(row, 1)?));
    }
    Ok(all)
}

/// Puts the edges of a source, or removes them if none is left; says how many bytes they are.
pub(super) fn put_edges(
    transaction: &Transaction<'_>,
    source: Id,
    fan: &Fan,
    folded: u64,
) -> rusqlite::Result<usize> {
    let source = source.get().cast_signed();
    if fan.0.is_empty() {
        let mut statement = transaction.prepare_cached("DELETE FROM edges WHERE source = ?1")?;
        return statement.execute([source]).map(|_| 0);
    }
    let bytes = fan.to_bytes();
    let sql = "INSERT OR REPLACE INTO edges (source, folded, fan) VALUES (?1, ?2, ?3)";
    let mut statement = transaction.prepare_cached(sql)?;
    statement.execute(params![source, folded.cast_signed(), bytes])?;
    Ok(bytes.len())
}

/// The totals.
pub(super) fn totals(connection: &Connection) -> Loaded<Totals> {
    let mut statement = connection.prepare("SELECT family, a, b, c, bytes, packets FROM totals")?;
    let mut rows = statement.query([])?;
    let mut totals = Totals::default();
    while let Some(row) = rows.next()? {
        let texts: [String; 4] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        let counters = FlowCounters {
            bytes: unsigned(row, 4)?,
            packets: unsigned(row, 5)?,
        };
        let [family, a, b, c] = texts.each_ref().map(String::as_str);
        let wrong = || unknown("totals", &format!("{family} {a} {b} {c}"));
        match family {
            "seen" => {
                let interfaces = match (b, c) {
                    ("", "") => None,
                    _ => Some((
                        named(&InterfaceClass::ALL, InterfaceClass::as_str, b).ok_or_else(wrong)?,
                        named(&InterfaceClass::ALL, InterfaceClass::as_str, c).ok_or_else(wrong)?,
                    )),
                };
                let by = named(&SeenBy::ALL, SeenBy::as_str, a).ok_or_else(wrong)?;
                totals.seen.insert(SeenAt { by, interfaces }, counters);
            }
            "books" => {
                let disposition = named(&Disposition::ALL, Disposition::as_str, a);
                totals.books.add(disposition.ok_or_else(wrong)?, counters);
            }
            "unknown" => {
                let reason = named(&UnknownReason::ALL, UnknownReason::as_str, a);
                totals.unknown[reason.ok_or_else(wrong)? as usize] = counters;
            }
            "host" => {
                let column = Host::OWNERS.iter().position(|owner| *owner == a);
                totals.host.set(column.ok_or_else(wrong)?, counters);
            }
            "folded" => match a {
                "subjects" => totals.folded.subjects = counters.bytes,
                "edges" => totals.folded.edges = counters.bytes,
                _ => return Err(wrong()),
            },
            "pending" => totals.pending = counters,
            _ => return Err(wrong()),
        }
    }
    Ok(totals)
}

pub(super) fn put_totals(transaction: &Transaction<'_>, totals: &Totals) -> rusqlite::Result<()> {
    let sql = "INSERT INTO totals (family, a, b, c, bytes, packets) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (family, a, b, c) DO UPDATE SET bytes = excluded.bytes,
               packets = excluded.packets";
    let mut statement = transaction.prepare_cached(sql)?;
    let mut put = |family: &str, [a, b, c]: [&str; 3], counters: FlowCounters| {
        let bytes = counters.bytes.cast_signed();
        let packets = counters.packets.cast_signed();
        statement.execute(params![family, a, b, c, bytes, packets])
    };
    for (at, counters) in &totals.seen {
        let (input, output) = at.interfaces.map_or(("", ""), |(input, output)| {
            (input.as_str(), output.as_str())
        });
        put("seen", [at.by.as_str(), input, output], *counters)?;
    }
    for disposition in Disposition::ALL {
        let counters = totals.books.get(disposition);
        put("books", [disposition.as_str(), "", ""], counters)?;
    }
    for (reason, counters) in UnknownReason::ALL.into_iter().zip(totals.unknown) {
        put("unknown", [reason.as_str(), "", ""], counters)?;
    }
    for (owner, counters) in totals.host.columns() {
        put("host", [owner, "", ""], counters)?;
    }
    let Folded { subjects, edges } = totals.folded;
    for (what, bytes) in [("subjects", subjects), ("edges", edges)] {
        let count = FlowCounters { bytes, packets: 0 };
        put("folded", [what, "", ""], count)?;
    }
    put("pending", ["", "", ""], totals.pending)?;
    Ok(())
}

/// What was spent, by month and currency.
pub(super) fn spent(connection: &Connection) -> Loaded<Vec<KeptMonth>> {
    let mut statement = connection.prepare("SELECT state FROM spent ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read("spent", &row.get::<_, Vec<u8>>(0)?)?);
    }
    Ok(all)
}

/// Puts what was spent in these months, and removes what is of earlier ones.
pub(super) fn put_spent(
    transaction: &Transaction<'_>,
    months: &[KeptMonth],
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO spent (id, state) VALUES (?1, ?2)";
    let mut statement = transaction.prepare_cached(sql)?;
    for kept in months {
        let id = format!("{} {}", kept.month, kept.currency);
        statement.execute(params![id, blob::write(kept)])?;
    }
    if let Some(first) = months.iter().map(|kept| kept.month).min() {
        let sql = "DELETE FROM spent WHERE id < ?1";
        transaction.execute(sql, [first.to_string()])?;
    }
    Ok(())
}

/// Every agent, with the row of the journal up to which it is whole.
pub(super) fn agents(connection: &Connection) -> Loaded<Vec<(NodeName, Agent, u64)>> {
    let mut statement = connection.prepare("SELECT node, folded, state FROM agents")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let wrong = |error: &dyn ToString| unknown("agents", error);
        let node = NodeName::new(row.get::<_, String>(0)?).map_err(|error| wrong(&error))?;
        let agent = read("agents", &row.get::<_, Vec<u8>>(2)?)?;
        all.push((node, agent, unsigned(row, 1)?));
    }
    Ok(all)
}

pub(super) fn put_agent(
    transaction: &Transaction<'_>,
    node: &NodeName,
    agent: &Agent,
    folded: u64,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO agents (node, folded, state) VALUES (?1, ?2, ?3)
               ON CONFLICT (node) DO UPDATE SET folded = excluded.folded, state = excluded.state";
    let mut statement = transaction.prepare_cached(sql)?;
    statement.execute(params![
        node.as_str(),
        folded.cast_signed(),
        blob::write(agent)
    ])?;
    Ok(())
}

/// Removes the agents that were not among those written last.
pub(super) fn remove_agents_before(
    transaction: &Transaction<'_>,
    folded: u64,
) -> rusqlite::Result<()> {
    let sql = "DELETE FROM agents WHERE folded < ?1";
    transaction.execute(sql, [folded.cast_signed()])?;
    Ok(())
}

/// Every group that waits.
pub(super) fn waiting(connection: &Connection) -> Loaded<Vec<Waiting>> {
    let mut statement = connection.prepare("SELECT state FROM waiting ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read("waiting", &row.get::<_, Vec<u8>>(0)?)?);
    }
    Ok(all)
}

/// Puts a group that waits; says how many bytes it is.
pub(super) fn put_waiting(
    transaction: &Transaction<'_>,
    waiting: &Waiting,
) -> rusqlite::Result<usize> {
    let bytes = blob::write(waiting);
    let sql = "INSERT OR REPLACE INTO waiting (id, state) VALUES (?1, ?2)";
    let mut statement = transaction.prepare_cached(sql)?;
    statement.execute(params![waiting.id.cast_signed(), bytes])?;
    Ok(bytes.len())
}

pub(super) fn remove_waiting(transaction: &Transaction<'_>, id: u64) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("DELETE FROM waiting WHERE id = ?1")?;
    statement.execute([id.cast_signed()])?;
    Ok(())
}

/// A column of 64 bits without sign.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// What has that name.
fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, text: &str) -> Option<T> {
    all.iter().copied().find(|each| name(*each) == text)
}
