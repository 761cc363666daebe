//! The tables: rows to state and back.
//!
//! Totals are kept by the names that metrics have, so that another order or a further name in the
//! code changes nothing here.

use std::net::IpAddr;

use kubezonnet_model::{
    FlowCounters, Hook, InterfaceClass, Name, Namespace, NodeName, Timestamp, UnknownReason, Zone,
};
use rusqlite::{Connection, Row, Transaction, params};

use super::blob;
use crate::agents::Agent;
use crate::books::Disposition;
use crate::ledger::{SeenAt, Series, Subject, Totals};
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
}

type Loaded<T> = Result<T, LoadError>;

fn unknown(table: &'static str, what: &dyn ToString) -> LoadError {
    let what = what.to_string();
    Unknown { table, what }.into()
}

/// A value of meta.
pub(super) fn meta<T: rusqlite::types::FromSql>(
    connection: &Connection,
    key: &str,
) -> rusqlite::Result<T> {
    let sql = "SELECT value FROM meta WHERE key = ?1";
    connection.query_row(sql, [key], |row| row.get(0))
}

/// Sets a value of meta.
pub(super) fn set_meta(
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

/// The parts of a subject in the table: kind, namespace, name.
fn parts(subject: &Subject) -> [&str; 3] {
    match subject {
        Subject::Pod(namespace, name) => ["pod", namespace.as_str(), name.as_str()],
        Subject::Node(name) => ["node", "", name.as_str()],
    }
}

/// Every series, with the row of the journal up to which it is whole.
pub(super) fn series(connection: &Connection) -> Loaded<Vec<(Subject, Series, u64)>> {
    let sql = "SELECT kind, namespace, name, address, changed, folded, traffic FROM series";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let wrong = |error: &dyn ToString| unknown("series", error);
        let kind: String = row.get(0)?;
        let name: String = row.get(2)?;
        let subject = match kind.as_str() {
            "pod" => Subject::Pod(
                Namespace::new(row.get::<_, String>(1)?).map_err(|error| wrong(&error))?,
                Name::new(name).map_err(|error| wrong(&error))?,
            ),
            "node" => Subject::Node(NodeName::new(name).map_err(|error| wrong(&error))?),
            other => return Err(unknown("series", &format!("kind {other:?}"))),
        };
        let address: String = row.get(3)?;
        let address: IpAddr = address.parse().map_err(|error| wrong(&error))?;
        let traffic = blob::read(&row.get::<_, Vec<u8>>(6)?).map_err(|error| wrong(&error))?;
        let series = Series::kept(traffic, address, Timestamp(unsigned(row, 4)?));
        all.push((subject, series, unsigned(row, 5)?));
    }
    Ok(all)
}

pub(super) fn put_series(
    transaction: &Transaction<'_>,
    subject: &Subject,
    series: &Series,
    folded: u64,
) -> rusqlite::Result<()> {
    let [kind, namespace, name] = parts(subject);
    let sql = "INSERT INTO series (kind, namespace, name, address, changed, folded, traffic)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT (kind, namespace, name) DO UPDATE SET address = excluded.address,
               changed = excluded.changed, folded = excluded.folded, traffic = excluded.traffic";
    transaction.prepare_cached(sql)?.execute(params![
        kind,
        namespace,
        name,
        series.address.to_string(),
        series.changed.0.cast_signed(),
        folded.cast_signed(),
        blob::write(&series.traffic),
    ])?;
    Ok(())
}

pub(super) fn remove_series(
    transaction: &Transaction<'_>,
    subject: &Subject,
) -> rusqlite::Result<()> {
    let sql = "DELETE FROM series WHERE kind = ?1 AND namespace = ?2 AND name = ?3";
    transaction.prepare_cached(sql)?.execute(parts(subject))?;
    Ok(())
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
                let hook = named(&Hook::ALL, Hook::as_str, a).ok_or_else(wrong)?;
                totals.seen.insert(SeenAt { hook, interfaces }, counters);
            }
            "books" => {
                let disposition = named(&Disposition::ALL, Disposition::as_str, a);
                totals.books.add(disposition.ok_or_else(wrong)?, counters);
            }
            "unknown" => {
                let reason = named(&UnknownReason::ALL, UnknownReason::as_str, a);
                totals.unknown[reason.ok_or_else(wrong)? as usize] = counters;
            }
            "zones" => {
                let zone = |text| Zone::new(text).map_err(|_| wrong());
                totals.zones.insert((zone(a)?, zone(b)?), counters);
            }
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
        put("seen", [at.hook.as_str(), input, output], *counters)?;
    }
    for disposition in Disposition::ALL {
        let counters = totals.books.get(disposition);
        put("books", [disposition.as_str(), "", ""], counters)?;
    }
    for (reason, counters) in UnknownReason::ALL.into_iter().zip(totals.unknown) {
        put("unknown", [reason.as_str(), "", ""], counters)?;
    }
    for ((from, to), counters) in &totals.zones {
        put("zones", [from.as_str(), to.as_str(), ""], *counters)?;
    }
    put("pending", ["", "", ""], totals.pending)?;
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
        let agent = blob::read(&row.get::<_, Vec<u8>>(2)?).map_err(|error| wrong(&error))?;
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
        let waiting = blob::read(&row.get::<_, Vec<u8>>(0)?);
        all.push(waiting.map_err(|error| unknown("waiting", &error))?);
    }
    Ok(all)
}

pub(super) fn put_waiting(
    transaction: &Transaction<'_>,
    waiting: &Waiting,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO waiting (id, state) VALUES (?1, ?2)";
    let mut statement = transaction.prepare_cached(sql)?;
    statement.execute(params![waiting.id.cast_signed(), blob::write(waiting)])?;
    Ok(())
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
