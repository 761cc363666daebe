use std::fs;
use std::path::Path;

use super::*;
use crate::store::tests::{all, database, open, refused, used};

/// How a server keeps its file.
const AS_A_SERVER: &str = "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL;";

/// A file as servers wrote it whose schema was 1: the tables of that schema with what a server of today
/// counted, in bytes of version 2, and an empty journal.
fn of_schema_1() -> tempfile::TempDir {
    let now = used();
    let then = tempfile::tempdir().unwrap();
    let mut connection = Connection::open(database(then.path())).unwrap();
    connection.execute_batch(AS_A_SERVER).unwrap();
    take(&mut connection, 0, 1).unwrap();
    let path = database(now.path());
    let path = path.to_str().unwrap();
    connection.execute("ATTACH ?1 AS now", [path]).unwrap();
    for table in [
        "meta", "names", "series", "edges", "totals", "agents", "waiting",
    ] {
        let copy = format!("INSERT INTO {table} SELECT * FROM now.{table}");
        connection.execute(&copy, []).unwrap();
    }
    let transaction = connection.transaction().unwrap();
    rewrite(&transaction, |bytes| blob::renumber(bytes, 3, 2)).unwrap();
    transaction.commit().unwrap();
    then
}

/// The tables before names had numbers, as far as they differ.
fn without_names() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let connection = Connection::open(database(directory.path())).unwrap();
    let sql = "
        CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE journal (id INTEGER PRIMARY KEY, change BLOB NOT NULL);
        CREATE TABLE series (
            kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL,
            changed INTEGER NOT NULL, folded INTEGER NOT NULL, traffic BLOB NOT NULL,
            PRIMARY KEY (kind, namespace, name)
        ) WITHOUT ROWID;
        INSERT INTO meta (key, value) VALUES ('id', randomblob(16)), ('folded', 0);
        PRAGMA user_version = 1;";
    connection.execute_batch(AS_A_SERVER).unwrap();
    connection.execute_batch(sql).unwrap();
    let application = super::super::database::APPLICATION;
    connection
        .pragma_update(None, "application_id", application)
        .unwrap();
    directory
}

fn change(directory: &Path, sql: &str) {
    let connection = Connection::open(database(directory)).unwrap();
    connection.execute_batch(sql).unwrap();
}

fn number(directory: &Path, sql: &str) -> i64 {
    let connection = Connection::open(database(directory)).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// How many rows have bytes of a version.
fn rows_of_version(directory: &Path, version: u8) -> i64 {
    let count = |[table, _, column]: [&str; 3]| {
        let sql = format!(
            "SELECT count(*) FROM {table} WHERE hex(substr({column}, 1, 1)) = '{version:02X}'"
        );
        number(directory, &sql)
    };
    BLOBS.map(count).into_iter().sum()
}

#[test]
fn a_new_database_has_the_schema_of_today() {
    let directory = used();

    assert_eq!(number(directory.path(), "PRAGMA user_version"), 3);
    assert_eq!(CURRENT, 3);
    assert!(rows_of_version(directory.path(), blob::VERSION) > 0);
}

#[test]
fn a_database_of_schema_1_is_brought_to_todays_with_all_that_is_in_it() {
    let expected = all(&open(used().path()).unwrap().1);
    let directory = of_schema_1();
    let rows = rows_of_version(directory.path(), 2);
    assert!(rows > 5, "{rows}");

    let (store, state) = open(directory.path()).unwrap();
    let found = all(&state);
    store.close().unwrap();

    assert_eq!(found, expected);
    assert_eq!(number(directory.path(), "PRAGMA user_version"), 3);
    assert_eq!(rows_of_version(directory.path(), 2), 0);
    assert_eq!(rows_of_version(directory.path(), 3), rows);
    // And it stays so.
    assert_eq!(all(&open(directory.path()).unwrap().1), expected);
}

#[test]
fn a_database_of_schema_2_is_brought_to_todays_with_its_journal_and_begins_to_keep_what_is_spent() {
    let directory = used();
    let expected = all(&open(directory.path()).unwrap().1);
    change(
        directory.path(),
        "DROP TABLE spent; PRAGMA user_version = 2;",
    );

    let (store, state) = open(directory.path()).unwrap();
    let found = all(&state);
    store.close().unwrap();

    assert_eq!(found, expected);
    assert_eq!(number(directory.path(), "PRAGMA user_version"), 3);
    assert_eq!(number(directory.path(), "SELECT count(*) FROM spent"), 0);
}

#[test]
fn what_the_tables_have_of_an_older_journal_is_not_read_and_goes() {
    let directory = of_schema_1();
    change(
        directory.path(),
        "INSERT INTO journal (id, change) SELECT value, x'02ff' FROM meta WHERE key = 'folded'",
    );

    let (store, _) = open(directory.path()).unwrap();

    assert_eq!(store.sizes().journal_rows, 0);
}

#[test]
fn an_older_journal_that_is_not_in_the_tables_is_refused_and_left_as_it_is() {
    let directory = of_schema_1();
    let add =
        "INSERT INTO journal (id, change) SELECT value + 1, x'0200' FROM meta WHERE key = 'folded'";
    change(directory.path(), add);
    let before = fs::read(database(directory.path())).unwrap();

    let message = refused(directory.path());

    let path = database(directory.path());
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    assert!(message.contains("is too old for this server"), "{message}");
    assert!(
        message.contains("1 changes in its journal are not in its tables yet"),
        "{message}"
    );
    assert!(message.contains("end it in order"), "{message}");
    assert_eq!(fs::read(path).unwrap(), before);
    assert_eq!(number(directory.path(), "PRAGMA user_version"), 1);
}

#[test]
fn a_database_of_before_names_had_numbers_is_refused_and_left_as_it_is() {
    let directory = without_names();

    let message = refused(directory.path());

    assert!(message.contains("series have no numbers"), "{message}");
    assert!(message.contains("move it away"), "{message}");
    assert_eq!(number(directory.path(), "PRAGMA user_version"), 1);
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
    assert_eq!(number(directory.path(), tables), 3);
}

#[test]
fn a_step_that_fails_midway_changes_nothing() {
    let directory = of_schema_1();
    change(directory.path(), "UPDATE agents SET state = x'0100'");
    let rows = rows_of_version(directory.path(), 2);

    let message = refused(directory.path());

    assert!(
        message.contains("agents has bytes of version 1"),
        "{message}"
    );
    // Names and series come before agents.
    assert_eq!(rows_of_version(directory.path(), 2), rows);
    assert_eq!(rows_of_version(directory.path(), 3), 0);
    assert_eq!(number(directory.path(), "PRAGMA user_version"), 1);
}
