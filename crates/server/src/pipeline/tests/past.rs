//! The past has what was counted: once, and all of it, whatever happens between.

use std::path::Path;
use std::time::Duration;

use kubezonnet_model::Window;
use kubezonnet_pricing::{Account, Amount};

use super::*;
use crate::budgets::Month;
use crate::history::{By, EdgePart, Filter, Past as _, Question, Value};
use crate::prices::Prices;
use crate::testing::{crashed, crashed_with_past, durable, with_past};

/// An address that nobody holds until it is told of.
const LATE: &str = "10.67.2.9";

fn report(sequence: u64) -> Report {
    Report::of("n1", sequence)
        .record("10.67.1.1", "10.67.2.1", OUT, 1000 + sequence)
        .record("10.67.1.1", "10.67.1.2", OUT, 10)
        .record("10.67.1.1", "10.67.3.1", OUT, 7)
        .record("10.67.1.1", LATE, OUT, 100)
}

/// What the past has of each locality, by its name.
fn by_locality(pipeline: &Pipeline) -> Vec<(Disposition, u64)> {
    let question = Question {
        range: Window {
            start: NOW.minus(Duration::from_hours(1)),
            end: NOW.plus(Duration::from_hours(1)),
        },
        resolution: None,
        step: None,
        by: By::Edges(vec![EdgePart::Locality]),
        only: None,
        filter: Filter::default(),
    };
    let past = pipeline.past().unwrap();
    past.flush();
    let answer = past.ask(&question).unwrap();
    let mut had = Disposition::LOCALITIES.map(|disposition| (disposition, 0));
    for group in answer.groups {
        let [Value::Locality(locality)] = group.key[..] else {
            panic!("{:?} is no locality", group.key);
        };
        let locality = Disposition::from(locality);
        let place = had
            .iter_mut()
            .find(|(disposition, _)| *disposition == locality);
        place.unwrap().1 += group.cells[0].bytes();
    }
    had.into()
}

fn assert_equal(pipeline: &Pipeline) {
    let books = pipeline.snapshot().totals.books;
    let counted = Disposition::LOCALITIES;
    let counted = counted.map(|disposition| (disposition, books.get(disposition).bytes));
    assert_eq!(by_locality(pipeline), counted);
}

#[test]
fn the_past_has_what_was_counted() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = with_past(&cluster(), directory.path());

    for sequence in 1..=12 {
        apply(&pipeline, &report(sequence));
        apply(&pipeline, &report(sequence));
    }
    tell_of_pod(&pipeline, "late", 2, 9);
    settle_at(&pipeline, 1);

    assert_equal(&pipeline);
    assert_eq!(booked(&pipeline, Disposition::CrossZone), 12 * 1100 + 78);
}

#[test]
fn after_a_crash_at_any_moment_the_past_has_what_the_counters_have() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = with_past(&cluster(), directory.path());
    let mut left = Vec::new();

    for sequence in 1..=40 {
        apply(&pipeline, &report(sequence));
        if sequence == 20 {
            tell_of_pod(&pipeline, "late", 2, 9);
            settle_at(&pipeline, 1);
        }
        if sequence % 3 == 0 {
            // As who looks at it does: what is on disk is written in other steps then.
            by_locality(&pipeline);
        }
        if sequence % 2 == 0 {
            left.push(crashed_with_past(directory.path()));
        }
    }

    for left in left {
        let mut again = with_past(&cluster(), left.path());
        assert_equal(&again);
        apply(&again, &report(41));
        again.close();
        drop(again);
        again = with_past(&cluster(), left.path());
        assert_equal(&again);
        assert_eq!(again.past().unwrap().counts().lost_rows(), 0);
    }
}

#[test]
fn counters_that_were_kept_without_a_past_go_on_with_one() {
    let directory = tempfile::tempdir().unwrap();
    let before = durable(&cluster(), directory.path());
    apply(&before, &report(1));
    before.close();
    drop(before);

    let after = with_past(&cluster(), directory.path());
    apply(&after, &report(2));

    let crossed = |pipeline: &Pipeline| {
        let all = by_locality(pipeline);
        let crossed = all.iter().find(|(each, _)| *each == Disposition::CrossZone);
        crossed.unwrap().1
    };
    assert_eq!(crossed(&after), 1002);
    assert_eq!(after.past().unwrap().counts().lost_rows(), 1);
}

/// Takes the file of the past away, with what SQLite puts beside it.
fn take_past_away(directory: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let path = directory.join(format!("history.db{ending}"));
        std::fs::remove_file(path).or_else(not_there).unwrap();
    }
}

fn not_there(error: std::io::Error) -> std::io::Result<()> {
    match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}

#[test]
fn a_past_that_was_taken_away_is_counted_as_lost_once_and_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    let first = with_past(&cluster(), directory.path());
    assert_eq!(first.past().unwrap().counts().lost_rows(), 0);
    for sequence in 1..=3 {
        apply(&first, &report(sequence));
    }
    first.close();
    drop(first);

    take_past_away(directory.path());
    let second = with_past(&cluster(), directory.path());
    apply(&second, &report(4));
    let had: u64 = by_locality(&second).iter().map(|(_, bytes)| bytes).sum();
    let status = second.past().unwrap().status();
    second.close();
    drop(second);
    let third = with_past(&cluster(), directory.path());
    third.close();

    assert_eq!((status.lost_changes, status.damaged), (3, 0));
    assert_eq!(had, 1004 + 10 + 7);
    assert_eq!(third.past().unwrap().counts().lost_rows(), 0);
}

#[test]
fn a_past_that_was_taken_away_has_again_what_the_journal_has() {
    let directory = tempfile::tempdir().unwrap();
    let first = with_past(&cluster(), directory.path());
    for sequence in 1..=3 {
        apply(&first, &report(sequence));
    }

    let left = crashed_with_past(directory.path());
    take_past_away(left.path());
    let again = with_past(&cluster(), left.path());

    assert_equal(&again);
    assert_eq!(again.past().unwrap().counts().lost_rows(), 0);
}

#[test]
fn an_older_copy_of_the_counters_goes_on_with_the_past() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = with_past(&cluster(), directory.path());
    apply(&pipeline, &report(1));
    let older = crashed(directory.path());
    for sequence in 2..=9 {
        apply(&pipeline, &report(sequence));
    }
    by_locality(&pipeline);
    pipeline.close();
    drop(pipeline);
    std::fs::copy(
        directory.path().join("history.db"),
        older.path().join("history.db"),
    )
    .unwrap();

    let again = with_past(&cluster(), older.path());
    apply(&again, &report(10));

    // What was counted after the copy is in the past and in no counter: it did happen.
    let all = by_locality(&again);
    let crossed = all.iter().find(|(each, _)| *each == Disposition::CrossZone);
    assert_eq!(
        crossed.unwrap().1,
        (1..=10).map(|sequence| 1000 + sequence).sum::<u64>()
    );
}

#[test]
fn a_change_that_only_forgets_holds_up_no_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = with_past(&cluster(), directory.path());
    apply(&pipeline, &report(1));
    pipeline.topology().write().delete_pod("pod-p1", later(5));
    pipeline.forget(later(3600));
    assert_eq!(left_zone(&pipeline, "shop", "p1"), None);

    pipeline.close();
    drop(pipeline);

    let again = with_past(&cluster(), directory.path());
    let left = again.store().sizes().journal_rows;
    assert_eq!(left, 0, "all of the journal is in the tables");
}

#[test]
fn what_was_spent_before_a_crash_is_spent_after_it_with_a_past_too() {
    let open = |directory: &Path| {
        let text = "currency: EUR\nunit: GB\nbetweenZones: { price: 0.01, paidBy: both }\n";
        let prices = Prices::of_text(text, false).unwrap();
        with_past(&cluster(), directory).with_prices(prices)
    };
    let spent = |pipeline: &Pipeline| {
        let spent = pipeline
            .spending()
            .spent(Month::of(NOW), &[&Account::Cluster]);
        spent[0].amount
    };
    let directory = tempfile::tempdir().unwrap();
    let pipeline = open(directory.path());
    apply(&pipeline, &report(1));
    apply(&pipeline, &report(2));
    let expected = spent(&pipeline);
    assert_ne!(expected, Amount::default());

    let left = crashed_with_past(directory.path());
    let again = open(left.path());

    assert_eq!(spent(&again), expected);
}

#[test]
fn a_second_server_on_the_directory_leaves_the_history_of_the_first_alone() {
    let directory = tempfile::tempdir().unwrap();
    let first = with_past(&cluster(), directory.path());
    apply(&first, &report(1));
    let path = directory.path().join("history.db");
    // What a second one would put aside.
    std::fs::write(&path, [7; 10_000]).unwrap();

    let second = Pipeline::with_past(
        cluster(),
        Exporters::default(),
        crate::testing::settings(Timestamp(0)),
        Some((directory.path(), Pace::default())),
        Some(crate::history::embedded::Options {
            directory: Some(directory.path().to_owned()),
            ..crate::history::embedded::Options::default()
        }),
    );

    assert!(second.is_err());
    assert_eq!(std::fs::read(&path).unwrap(), [7; 10_000]);
}

#[test]
fn what_settled_before_a_crash_is_of_the_window_it_came_in() {
    const LATER: u64 = 3_000;
    let directory = tempfile::tempdir().unwrap();
    let pipeline = with_past(&cluster(), directory.path());
    for sequence in 1..=12 {
        apply(&pipeline, &report(sequence));
        by_locality(&pipeline);
    }
    // Those that wait are in the tables.
    let journal = || pipeline.store().sizes().journal_rows;
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while journal() >= 12 {
        assert!(std::time::Instant::now() < deadline, "{}", journal());
        std::thread::yield_now();
    }
    // While this lasts nothing is written to the past, and it does not fail yet.
    let connection = rusqlite::Connection::open(directory.path().join("history.db")).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    tell_of_pod(&pipeline, "late", 2, 9);
    settle_at(&pipeline, LATER);
    let mut left = Vec::new();
    for sequence in 13..=19 {
        apply_at(&pipeline, &report(sequence), LATER);
        left.push(crashed_with_past(directory.path()));
    }
    connection.execute_batch("ROLLBACK").unwrap();

    for left in left {
        let again = with_past(&cluster(), left.path());
        let early = Question {
            range: Window {
                start: NOW.minus(Duration::from_mins(10)),
                end: NOW.plus(Duration::from_mins(10)),
            },
            resolution: None,
            step: None,
            by: By::Edges(Vec::new()),
            only: None,
            filter: Filter::default(),
        };
        let past = again.past().unwrap();
        past.flush();
        let answer = past.ask(&early).unwrap();
        let expected: u64 = (1..=12)
            .map(|sequence| 1000 + sequence + 10 + 7 + 100)
            .sum();
        assert_eq!(answer.groups[0].cells[0].bytes(), expected);
    }
}
