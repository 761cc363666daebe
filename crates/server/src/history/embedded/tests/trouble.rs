//! A disk that fails, a file that is damaged, and prices that go.

use std::time::Instant;

use rusqlite::Connection;

use super::*;

/// How long anything here may take.
const DEADLINE: Duration = Duration::from_mins(1);

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(
            begun.elapsed() < DEADLINE,
            "it never came to be that {what}"
        );
        std::thread::yield_now();
    }
}

/// One in memory that cannot be written until it is told so.
fn unwritable() -> Both {
    let mut both = Both::open(Options::default());
    set_writable(&both, false);
    both.window(minutes(0, 1), &[(1, 2, 1)]);
    both.past.flush();
    wait_until("it fails", || both.past.counts().is_failing());
    both
}

fn set_writable(both: &Both, is_so: bool) {
    let connection = both.past.reader.connection.lock();
    connection
        .pragma_update(None, "query_only", !is_so)
        .unwrap();
}

#[test]
fn while_it_cannot_be_written_nobody_waits_and_what_has_no_room_is_counted() {
    let windows = room::WINDOWS as u64;
    let mut both = unwritable();
    let failures = both.past.counts().failures();
    let begun = Instant::now();

    for _ in 1..windows + 100 {
        both.window(minutes(0, 1), &[(1, 2, 1)]);
    }
    let took = begun.elapsed();
    let tried = both.past.counts().failures() - failures;
    set_writable(&both, true);

    assert_eq!(both.past.counts().lost_rows(), 100);
    assert!(took < Duration::from_secs(20), "{took:?}");
    // Each two seconds, and not with each window.
    assert!(tried <= took.as_secs() + 2, "{tried} times in {took:?}");
    wait_until("what had room is in it", || {
        total(&both.past, minutes(0, 1)) == windows
    });
    assert!(!both.past.counts().is_failing());
    assert_eq!(both.past.counts().behind(), Duration::ZERO);
}

#[test]
fn what_could_get_no_number_for_a_while_is_there_after_it() {
    let mut both = unwritable();
    both.price(book("0.02"));
    both.window(minutes(1, 2), &[(1, 2, 1_000_000_000), (3, 4, 500)]);
    both.price(book("0.05"));
    both.window(minutes(2, 3), &[(1, 2, 1_000_000_000)]);

    set_writable(&both, true);
    wait_until("it does not fail", || !both.past.counts().is_failing());

    both.assert_same(&question(minutes(0, 3), pairs()));
    assert_eq!(both.past.counts().lost_rows(), 0);
}

#[test]
fn without_prices_nothing_costs_what_it_did_before() {
    let directory = tempfile::tempdir().unwrap();
    let mut both = Both::open(in_directory(directory.path()));
    both.price(book("0.02"));
    both.window(minutes(0, 1), &[(1, 2, 1_000_000_000)]);
    total(&both.past, minutes(0, 60));
    both.past.close();

    let mut both = Both::open(in_directory(directory.path()));
    both.past.price(None);
    both.window(minutes(1, 2), &[(1, 2, 1_000_000_000)]);
    let question = question(minutes(0, 60), By::Edges(vec![]));
    let without = wait_for(&both.past, &question);
    both.past.price(Some(&book("0.02")));
    let with = wait_for(&both.past, &question);

    let cost = |answer: &Answer| answer.groups[0].cells[0].cost.total().round(2);
    assert_eq!((without.currency, cost(&without)), (None, 0));
    // Of the first window only.
    assert_eq!(cost(&with), 4);
}

#[test]
fn whose_journal_it_follows_and_up_to_where_is_written_together() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Both::open(in_directory(directory.path()));
    let (first, second) = (StoreId::random(), StoreId::random());
    let mut both = open();
    both.past.follow(first, 0, 0);
    both.window(minutes(0, 1), &[(1, 2, 1)]);
    both.window(minutes(0, 1), &[(1, 2, 1)]);
    total(&both.past, minutes(0, 1));
    both.past.close();
    let connection = Connection::open(directory.path().join("history.db")).unwrap();
    connection
        .execute_batch(
            "CREATE TRIGGER fails BEFORE INSERT ON meta WHEN NEW.key = 'through'
             BEGIN SELECT RAISE(ABORT, 'it cannot be written'); END;",
        )
        .unwrap();

    let both = open();
    both.past.follow(second, 0, 2);
    wait_until("it fails", || both.past.counts().is_failing());
    both.past.close();
    connection.execute_batch("DROP TRIGGER fails").unwrap();
    drop(connection);
    let mut both = open();
    both.past.follow(second, 0, 2);
    both.window(minutes(0, 1), &[(1, 2, 10)]);
    both.window(minutes(0, 1), &[(1, 2, 10)]);

    assert_eq!(total(&both.past, minutes(0, 1)), 22);
    assert_eq!(both.past.counts().lost_rows(), 0);
}

fn aside(directory: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(directory).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let is_aside = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("history.db.damaged-")
    };
    files.filter(is_aside).collect()
}

#[test]
fn a_file_that_is_none_is_put_aside_and_the_past_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("history.db"), [7; 10_000]).unwrap();

    let past = Embedded::open(in_directory(directory.path()), Arc::default()).unwrap();

    assert_eq!(total(&past, minutes(0, 60)), 0);
    let aside = aside(directory.path());
    assert_eq!(aside.len(), 1);
    assert_eq!(fs::read(&aside[0]).unwrap(), [7; 10_000]);
}

/// A file of which the root page of a table or an index is damaged.
fn damaged(directory: &Path, name: &str) {
    let mut both = Both::open(in_directory(directory));
    both.past.follow(StoreId::random(), 0, 0);
    both.price(book("0.02"));
    both.window(minutes(0, 1), &[(1, 2, 1_000)]);
    total(&both.past, minutes(0, 1));
    both.past.close();
    let path = directory.join("history.db");
    let connection = Connection::open(&path).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let page: usize = connection
        .query_row(sql, [name], |row| row.get::<_, i64>(0))
        .map(|page| page.try_into().unwrap())
        .unwrap();
    let size: usize = connection
        .pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))
        .map(|size| size.try_into().unwrap())
        .unwrap();
    drop(connection);
    let mut bytes = fs::read(&path).unwrap();
    bytes[(page - 1) * size..page * size].fill(0xff);
    fs::write(&path, bytes).unwrap();
}

#[test]
fn a_page_that_is_damaged_is_noticed_by_who_comes_upon_it_and_the_past_begins_anew() {
    for name in ["chunks", "sqlite_autoindex_chunks_1", "series", "sides"] {
        let directory = tempfile::tempdir().unwrap();
        damaged(directory.path(), name);

        let mut both = Both::open(in_directory(directory.path()));
        both.past.follow(StoreId::random(), 0, 0);
        both.past.price(Some(&book("0.02")));
        let everything = question(minutes(0, 60), By::Edges(vec![]));
        wait_until("it is put aside", || {
            both.past.flush();
            both.past.ask(&everything).ok();
            both.past.counts().damaged() == 1
        });
        wait_until("it is read", || both.past.ask(&everything).is_ok());
        both.window(minutes(1, 2), &[(1, 2, 1_000_000_000)]);

        let answer = wait_for(&both.past, &everything);
        assert_eq!(answer.groups[0].cells[0].bytes(), 1_000_000_000, "{name}");
        assert_eq!(answer.groups[0].cells[0].cost.total().round(2), 4, "{name}");
        assert_eq!(aside(directory.path()).len(), 1, "{name}");
        assert!(both.past.counts().is_up(), "{name}");
        both.past.close();
        let again = Embedded::open(in_directory(directory.path()), Arc::default()).unwrap();
        assert_eq!(total(&again, minutes(0, 60)), 1_000_000_000, "{name}");
    }
}

#[test]
fn a_file_that_could_not_be_made_takes_the_place_of_none_that_was_put_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.db");
    for (bytes, kept) in [(10_000, "10000"), (100, "10000"), (20_000, "20000")] {
        fs::write(&path, vec![7; bytes]).unwrap();

        let past = Embedded::open(in_directory(directory.path()), Arc::default()).unwrap();
        // That it is new as it was damaged is not counted as if it had been taken away.
        past.follow(StoreId::random(), 5, 5);
        past.close();

        assert_eq!(past.counts().damaged(), 1, "{bytes}");
        assert_eq!(past.counts().lost_rows(), 0, "{bytes}");
        let files = aside(directory.path());
        let sizes = files
            .iter()
            .map(|file| fs::metadata(directory.path().join(file)).unwrap().len());
        assert_eq!(
            sizes.map(|size| size.to_string()).collect::<Vec<_>>(),
            [kept],
            "{bytes}"
        );
    }
}

#[test]
fn what_cannot_be_understood_is_left_out_and_told() {
    let mut both = Both::open(Options::default());
    both.price(book("0.02"));
    both.window(minutes(0, 1), &[(1, 2, 1_000)]);
    both.window(minutes(60, 61), &[(1, 2, 1), (3, 4, 10)]);
    both.past.flush();
    wait_until("it is written", || both.past.is_through(2));
    {
        let connection = both.past.reader.connection.lock();
        connection
            .execute_batch(&format!(
                "UPDATE chunks SET body = x'ffff' WHERE resolution = 0 AND start = {BEGIN};
                 UPDATE sides SET side = '{{}}' WHERE side LIKE '%w4%';
                 UPDATE books SET book = 'of another version';"
            ))
            .unwrap();
    }

    let answer = wait_for(&both.past, &question(minutes(0, 120), By::Edges(vec![])));

    assert_eq!(answer.groups[0].cells[0].bytes(), 1);
    assert_eq!(answer.currency, None);
    assert_eq!(both.past.counts().unreadable(), 3);
    let status = both.past.status();
    assert_eq!(status.failing, None);
    let lacking = status.lacking.unwrap();
    assert!(
        lacking.starts_with("3 parts of it cannot be read"),
        "{lacking}"
    );
    total(&both.past, minutes(0, 120));
    assert_eq!(both.past.counts().unreadable(), 3);
}

/// Takes from the past what it is written to, or gives it back: it fails for as long.
fn rename(directory: &Path, from: &str, to: &str) {
    let connection = rusqlite::Connection::open(directory.join("history.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(20)).unwrap();
    let sql = format!("ALTER TABLE {from} RENAME TO {to}");
    connection.execute(&sql, []).unwrap();
}

/// Waits until it has tried to write what it was fed.
fn try_to_write(past: &Embedded) {
    let (reply, written) = sync_channel(1);
    past.flush();
    past.send(Message::Flush(Some(reply)));
    written.recv().unwrap();
}

#[test]
fn what_cannot_be_written_waits_and_is_written_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut both = Both::open(in_directory(directory.path()));
    both.past.follow(StoreId::random(), 0, 0);
    both.window(minutes(0, 1), &[(1, 2, 1_000)]);
    assert_eq!(total(&both.past, minutes(0, 60)), 1_000);

    rename(directory.path(), "chunks", "gone");
    both.window(minutes(1, 2), &[(1, 2, 20), (3, 4, 300)]);
    try_to_write(&both.past);
    both.window(minutes(2, 3), &[(1, 2, 4)]);
    try_to_write(&both.past);

    let counts = both.past.counts();
    assert!(counts.is_failing() && counts.failures() >= 1);
    let failing = both.past.status().failing.unwrap();
    assert!(failing.starts_with("it cannot be written: "), "{failing}");
    assert!(both.past.is_through(3), "nobody waits for it");
    let asked = both.past.ask(&question(minutes(0, 60), By::Edges(vec![])));
    assert!(matches!(asked, Err(AskError::Unreadable(_))), "{asked:?}");
    rename(directory.path(), "gone", "chunks");
    wait_until("it does not fail", || !both.past.counts().is_failing());
    both.assert_same(&question(minutes(0, 60), pairs()));
    assert!(!both.past.counts().is_failing());
    assert_eq!(both.past.counts().lost_rows(), 0);
    both.past.close();
    let again = Embedded::open(in_directory(directory.path()), Arc::default()).unwrap();
    assert_eq!(total(&again, minutes(0, 60)), 1_324);
}
