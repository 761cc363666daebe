//! The schemas that the database has had, and the step from each to the next.
//!
//! A database says by its number (`user_version`) which one it has: what its tables are, and of which
//! version the bytes in them. A new one takes every step from nothing on, an older one those that it
//! lacks. A step is one transaction, so a database is never between two schemas.
//!
//! Whoever changes a table, or a type that is kept as bytes, adds a step here.

#[cfg(test)]
mod tests;

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params};

use super::blob::{self, Unreadable};

/// The schema of today: as many steps as there are.
pub(super) const CURRENT: usize = STEPS.len();

/// Every step, from nothing on.
const STEPS: [Step; 3] = [
    Step {
        blobs: 2,
        make: first,
    },
    Step {
        blobs: 3,
        make: told_apart,
    },
    Step {
        blobs: 3,
        make: with_spent,
    },
];

const _: () = assert!(
    STEPS[CURRENT - 1].blobs == blob::VERSION,
    "who gives bytes another version adds a step which rewrites those of before"
);

/// What makes a schema of the one before.
struct Step {
    /// The version of all bytes that [`blob`] writes, afterwards.
    blobs: u8,
    make: fn(&Transaction<'_>) -> Result<(), Stop>,
}

/// Columns that had what [`blob`] writes up to schema 2, by their tables and keys, but for the journal.
/// Since schema 3 there is `state` of `spent` too.
const BLOBS: [[&str; 3]; 4] = [
    ["names", "id", "key"],
    ["series", "id", "traffic"],
    ["agents", "node", "state"],
    ["waiting", "id", "state"],
];

/// Why a step is not made. The database is as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Old(#[from] TooOld),
    #[error("{table}: {source}")]
    Unreadable {
        table: &'static str,
        source: Unreadable,
    },
}

/// What is in an older database that this server does not know any more, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooOld {
    /// The layout before names had numbers.
    #[error(
        "its series have no numbers, as no release has written them; move it away together with the \
         -wal file beside it: all counters begin again at zero then"
    )]
    Unnumbered,
    /// Changes in bytes that only their own version reads.
    #[error(
        "{0} changes in its journal are not in its tables yet; start the version that wrote it once \
         more and end it in order (SIGTERM), which brings them there"
    )]
    Journal(u64),
    /// Rows of a version that no release has written.
    #[error(
        "{table} has bytes of version {version}, which no release has written; move it away together \
         with the -wal file beside it: all counters begin again at zero then"
    )]
    Bytes {
        /// The table.
        table: &'static str,
        /// The version.
        version: u8,
    },
}

/// Makes the steps that are missing.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Stop> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let from = usize::try_from(version).unwrap_or(0);
    take(connection, from, CURRENT)?;
    if (1..CURRENT).contains(&from) {
        tracing::info!(
            from,
            to = CURRENT,
            "the database is brought to a later schema: earlier servers do not know it"
        );
    }
    Ok(())
}

/// Takes the steps that lead from one schema to another.
fn take(connection: &mut Connection, from: usize, to: usize) -> Result<(), Stop> {
    for (number, step) in STEPS[..to].iter().enumerate().skip(from) {
        let transaction = connection.transaction()?;
        (step.make)(&transaction)?;
        transaction.pragma_update(None, "application_id", super::database::APPLICATION)?;
        let version = i64::try_from(number + 1).expect("there are few steps");
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// From nothing to schema 1.
fn first(transaction: &Transaction<'_>) -> Result<(), Stop> {
    Ok(transaction.execute_batch(include_str!("schema/schema-1.sql"))?)
}

/// To schema 2: what files of schema 1 are is found out. Bytes of version 3 differ from those of
/// version 2 in the journal alone, where a window can have one column more of sockets' owners.
fn told_apart(transaction: &Transaction<'_>) -> Result<(), Stop> {
    let has_names = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'names'";
    if transaction.query_row(has_names, [], |row| row.get::<_, i64>(0))? == 0 {
        return Err(TooOld::Unnumbered.into());
    }
    transaction.execute_batch(include_str!("schema/schema-2.sql"))?;
    let left = transaction.query_row("SELECT count(*) FROM journal", [], |row| {
        Ok(row.get::<_, i64>(0)?.cast_unsigned())
    })?;
    if left > 0 {
        return Err(TooOld::Journal(left).into());
    }
    rewrite(transaction, |bytes| blob::renumber(bytes, 2, 3))
}

/// To schema 3: what is spent in a month is kept, from now on.
fn with_spent(transaction: &Transaction<'_>) -> Result<(), Stop> {
    Ok(transaction.execute_batch(include_str!("schema/schema-3.sql"))?)
}

/// Gives every row other bytes.
fn rewrite(
    transaction: &Transaction<'_>,
    mut other: impl FnMut(Vec<u8>) -> Result<Vec<u8>, Unreadable>,
) -> Result<(), Stop> {
    for [table, key, column] in BLOBS {
        // Keys alone: they are small, and nothing is read that is written meanwhile.
        let mut keys = transaction.prepare(&format!("SELECT {key} FROM {table}"))?;
        let keys = keys.query_map([], |row| row.get(0))?;
        let keys: Vec<Value> = keys.collect::<Result<_, _>>()?;
        let one = format!("SELECT {column} FROM {table} WHERE {key} = ?1");
        let mut one = transaction.prepare(&one)?;
        let update = format!("UPDATE {table} SET {column} = ?2 WHERE {key} = ?1");
        let mut update = transaction.prepare(&update)?;
        for key in keys {
            let bytes = one.query_row([&key], |row| row.get(0))?;
            let bytes = other(bytes).map_err(|source| match source {
                Unreadable::Version(version) => TooOld::Bytes { table, version }.into(),
                source => Stop::Unreadable { table, source },
            })?;
            update.execute(params![key, bytes])?;
        }
    }
    Ok(())
}
