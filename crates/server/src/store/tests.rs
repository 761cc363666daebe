use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rusqlite::Connection;

use super::*;
use crate::ingest::legacy::LegacyFlow;
use crate::ledger::{Snapshot, Subject};
use crate::pipeline::Pipeline;
use crate::testing::{IN, NOW, OUT, Report, cluster, crashed, durable, durable_at, node_name};

pub(super) fn open(directory: &Path) -> Result<(Store, State), OpenError> {
    let state = State::with_room(100, 100);
    let store = Store::open(directory, &state, Pace::default())?;
    Ok((store, state))
}

pub(super) fn refused(directory: &Path) -> String {
    open(directory).map(drop).unwrap_err().to_string()
}

/// A directory in which a server counted a thousand bytes, and ended in order.
pub(super) fn used() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = durable(&cluster(), directory.path());
    count(&pipeline, 1);
    pipeline.close();
    directory
}

fn count(pipeline: &Pipeline, sequence: u64) {
    let report = Report::of("n1", sequence)
        .declares("10.66.9.9")
        .record("10.67.1.1", "10.67.2.1", OUT, 1000)
        .record("10.67.3.1", "10.67.1.2", IN, 10)
        .record("10.67.1.1", "10.67.9.9", OUT, 1);
    pipeline
        .apply(&report.decoded(), Duration::ZERO, NOW)
        .unwrap();
}

pub(super) fn database(directory: &Path) -> PathBuf {
    directory.join("kubezonnet.db")
}

/// Everything a state has, to be compared.
pub(super) type All = (Snapshot, Vec<(String, String)>, usize);

pub(super) fn all(state: &State) -> All {
    let snapshot = state.snapshot();
    let mut agents: Vec<_> = state.agents().states();
    agents.sort_by(|one, other| one.0.cmp(&other.0));
    let agents = agents.into_iter();
    let agents = agents.map(|(node, agent)| (node.to_string(), format!("{agent:?}")));
    (snapshot, agents.collect(), state.pending().len())
}

#[test]
fn a_new_directory_is_made_and_has_a_name_that_stays() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("deep/er");

    let first = open(&directory).unwrap().0.id();
    let second = open(&directory).unwrap().0.id();
    let other = open(&parent.path().join("other")).unwrap().0.id();

    assert_eq!(first, second);
    assert_ne!(first, other);
    assert_eq!(first.to_string().len(), 32);
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _first = open(directory.path()).unwrap();

    let message = refused(directory.path());

    assert!(
        message.contains("another kubezonnet-server uses"),
        "{message}"
    );
    assert!(
        message.contains(directory.path().to_str().unwrap()),
        "{message}"
    );
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = database(directory.path());
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (a)")
        .unwrap();
    let before = fs::read(&path).unwrap();

    let message = refused(directory.path());

    assert!(message.contains("of another program"), "{message}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_schema_of_a_later_version_is_refused_and_left_as_it_is() {
    let directory = used();
    let path = database(directory.path());
    let connection = Connection::open(&path).unwrap();
    let later = schema::CURRENT + 1;
    connection
        .pragma_update(None, "user_version", i64::try_from(later).unwrap())
        .unwrap();
    connection.close().unwrap();
    let before = fs::read(&path).unwrap();

    let message = refused(directory.path());

    assert!(
        message.contains("has schema 4, and this server knows schemas up to 3"),
        "{message}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_database_of_no_schema_or_without_a_table_is_damaged_and_said_to_be_so_once() {
    type Damage = fn(&Connection);
    let cases: [(&str, Damage); 3] = [
        ("it has schema 0, ", |db| {
            db.pragma_update(None, "user_version", 0).unwrap();
        }),
        ("it has schema -1, ", |db| {
            db.pragma_update(None, "user_version", -1).unwrap();
        }),
        ("no such table: meta", |db| {
            db.execute_batch("DROP TABLE meta").unwrap();
        }),
    ];
    for (words, damage) in cases {
        let directory = used();
        let connection = Connection::open(database(directory.path())).unwrap();
        damage(&connection);
        connection.close().unwrap();

        let message = refused(directory.path());

        assert!(message.contains("is damaged ("), "{message}");
        assert_eq!(message.matches(words).count(), 1, "{message}");
        assert!(!message.contains("CREATE"), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn a_file_in_the_place_of_the_directory_is_named_as_what_it_is() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("data");
    fs::write(&file, "mine").unwrap();

    let message = refused(&file);

    assert!(
        message.contains("a file is where a directory is to be"),
        "{message}"
    );
    assert_eq!(message.matches("os error").count(), 1, "{message}");
}

#[test]
fn another_program_that_reads_the_database_is_not_called_a_server() {
    let directory = used();
    let reader = Connection::open(database(directory.path())).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM meta;")
        .unwrap();

    let message = refused(directory.path());

    assert!(message.contains("in use by another program"), "{message}");
}

#[test]
fn a_damaged_file_is_refused_with_its_name_and_what_to_do() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage); 4] = [
        ("emptied", |path| fs::write(path, []).unwrap()),
        ("text", |path| {
            fs::write(path, "not a database, whatever its name is. ".repeat(99)).unwrap();
        }),
        ("cut", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("overwritten", |path| {
            let mut bytes = fs::read(path).unwrap();
            for byte in bytes.iter_mut().skip(4096) {
                *byte = 0xa5;
            }
            fs::write(path, bytes).unwrap();
        }),
    ];
    for (what, damage) in cases {
        let directory = used();
        let path = database(directory.path());
        damage(&path);
        let before = fs::read(&path).unwrap();

        let message = refused(directory.path());

        assert!(
            message.contains(path.to_str().unwrap()),
            "{what}: {message}"
        );
        assert!(message.contains("is damaged"), "{what}: {message}");
        assert!(
            message.contains("restore a backup of it, or move it away"),
            "{what}: {message}"
        );
        assert_eq!(fs::read(&path).unwrap(), before, "{what}: it was touched");
    }
}

#[test]
fn a_blob_that_is_damaged_is_refused() {
    for (bytes, expected) in [
        (vec![blob::VERSION, 0xff], "damaged"),
        (vec![1, 0], "version 1,"),
        (vec![], "empty"),
    ] {
        let directory = used();
        change(directory.path(), "UPDATE agents SET state = ?1", &bytes);

        let message = refused(directory.path());

        assert!(
            message.contains("agents: ") && message.contains(expected),
            "{message}"
        );
    }
}

#[test]
fn a_blob_of_a_later_version_is_refused_and_nobody_is_told_to_throw_it_away() {
    let later = [blob::VERSION + 1, 0];
    for (part, sql) in [
        ("names", "UPDATE names SET key = ?1"),
        ("series", "UPDATE series SET traffic = ?1"),
        ("agents", "UPDATE agents SET state = ?1"),
        ("waiting", "UPDATE waiting SET state = ?1"),
        (
            "of the journal",
            "INSERT INTO journal (id, change) SELECT value + 1, ?1 FROM meta WHERE key = 'folded'",
        ),
    ] {
        let directory = used();
        change(directory.path(), sql, &later);
        let before = fs::read(database(directory.path())).unwrap();

        let message = refused(directory.path());

        assert!(message.contains(part), "{part}: {message}");
        assert!(
            message.contains("written by a later version of the server"),
            "{part}: {message}"
        );
        assert!(message.contains("run that version"), "{part}: {message}");
        assert!(!message.contains("move it away"), "{part}: {message}");
        let after = fs::read(database(directory.path())).unwrap();
        assert_eq!(after, before, "{part}: it was touched");
    }
}

/// Puts bytes where they do not belong.
fn change(directory: &Path, sql: &str, bytes: &[u8]) {
    let connection = Connection::open(database(directory)).unwrap();
    let rows = connection.execute(sql, [bytes]).unwrap();
    assert!(rows > 0, "nothing is changed");
    connection.close().unwrap();
}

/// A directory of a server that was killed: what it acknowledged last is in the log only.
fn killed() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = durable_at(Pace::default(), &cluster(), directory.path());
    for sequence in 1..=8 {
        count(&pipeline, sequence);
    }
    let left = crashed(directory.path());
    let note = "kubezonnet.last";
    fs::copy(directory.path().join(note), left.path().join(note)).unwrap();
    left
}

#[test]
fn a_log_that_was_damaged_or_taken_away_after_a_kill_is_noticed() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage); 4] = [
        ("taken away", |path| fs::remove_file(path).unwrap()),
        ("emptied", |path| fs::write(path, []).unwrap()),
        ("cut", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("overwritten", |path| {
            let mut bytes = fs::read(path).unwrap();
            let half = bytes.len() / 2;
            bytes[half..].fill(0xa5);
            fs::write(path, bytes).unwrap();
        }),
    ];
    for (what, damage) in cases {
        let directory = killed();
        damage(&directory.path().join("kubezonnet.db-wal"));

        let message = refused(directory.path());
        let again = refused(directory.path());

        assert!(message.contains("was acknowledged"), "{what}: {message}");
        assert!(message.contains("kubezonnet.last"), "{what}: {message}");
        assert_eq!(again, message, "{what}: it stays refused");
        fs::remove_file(directory.path().join("kubezonnet.last")).unwrap();
        open(directory.path()).unwrap();
    }
}

#[test]
fn a_log_that_is_whole_is_taken_after_a_kill_and_so_is_one_without_a_note() {
    let directory = killed();
    let (store, _) = open(directory.path()).unwrap();
    let next = store.next;
    drop(store);
    fs::remove_file(directory.path().join("kubezonnet.last")).unwrap();

    let (store, _) = open(directory.path()).unwrap();

    assert_eq!(store.next, next);
    assert_eq!(next, 9);
}

#[test]
fn a_server_that_is_killed_before_its_first_change_is_taken_though_its_log_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    let wal = directory.path().join("kubezonnet.db-wal");
    fs::write(&wal, []).unwrap();

    open(directory.path()).unwrap();
}

#[test]
fn the_log_of_sqlite_is_brought_into_the_database_when_it_has_grown() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, state) = open(directory.path()).unwrap();
    let wal = directory.path().join("kubezonnet.db-wal");
    let large = Record(vec![0; 1 << 20]);

    for _ in 0..64 {
        store
            .commit(state.names(), std::slice::from_ref(&large))
            .unwrap();
    }

    let length = fs::metadata(wal).unwrap().len();
    assert!(length < 40 << 20, "{length}");
    assert_eq!(store.sizes().log_failures, 0);
}

#[test]
fn a_log_without_its_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("kubezonnet.db-wal"), "left").unwrap();

    let message = refused(directory.path());

    assert!(
        message.contains("kubezonnet.db-wal is left of it"),
        "{message}"
    );
}

#[test]
fn a_directory_that_cannot_be_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();

    let message = refused(&file.join("data"));

    assert!(message.contains("cannot make the directory"), "{message}");
    assert!(message.contains("give another one, or none"), "{message}");
}

#[test]
fn a_server_that_died_while_it_made_its_database_makes_it_anew() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("kubezonnet.db-new"), "half").unwrap();

    open(directory.path()).unwrap();

    assert!(!directory.path().join("kubezonnet.db-new").exists());
}

#[test]
fn counters_of_the_largest_size_come_back_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, state) = open(directory.path()).unwrap();
    let mut traffic = crate::ledger::Traffic::default();
    let most = kubezonnet_model::FlowCounters {
        bytes: u64::MAX,
        packets: (3 << 62) + 1,
    };
    traffic.add(
        kubezonnet_model::Direction::Egress,
        kubezonnet_model::Locality::CrossZone,
        most,
    );
    let subject = Subject::Node(crate::testing::node_name("n1"));
    let mut entry = crate::ledger::Entry::default();
    entry.books.add(crate::books::Disposition::CrossZone, most);
    entry
        .subjects
        .push((state.names().id(&Key::Subject(subject)), traffic));
    let forgotten = Change::Forgotten(crate::change::Forgotten::default());
    store
        .commit(state.names(), &[Record::of(&forgotten)])
        .unwrap();
    state.ledger().note_changes();
    state.ledger().record(entry, NOW);
    fold(&mut store, &state);
    let before = all(&state);
    store.close().unwrap();

    let (_, restored) = open(directory.path()).unwrap();

    assert_eq!(all(&restored), before);
    assert_eq!(restored.snapshot().totals.books.sum(), most);
}

fn fold(store: &mut Store, state: &State) {
    store.begin_checkpoint(state);
    while store.is_checkpointing() {
        store.commit(state.names(), &[]).unwrap();
    }
}

/// Changes of every kind, as a server wrote them that was told of windows and by an agent of the Go
/// system, settled and forgot, and the names in them.
fn changes() -> (Vec<Key>, Vec<Change>) {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = durable_at(Pace::default(), &cluster(), directory.path());
    let later = |minutes| NOW.plus(Duration::from_mins(minutes));
    for sequence in 1..=3 {
        count(&pipeline, sequence);
    }
    pipeline.topology().write().delete_pod("pod-q1", NOW);
    pipeline.settle(later(2));
    count(&pipeline, 4);
    let flow = LegacyFlow {
        source: "10.67.2.1".parse().unwrap(),
        destination: "10.67.3.1".parse().unwrap(),
        bytes: 700,
    };
    let told = pipeline.take_legacy(&node_name("n2"), &[flow], later(3));
    told.unwrap().wait().unwrap();
    pipeline.forget(later(30));
    let left = crashed(directory.path());
    let connection = Connection::open(database(left.path())).unwrap();
    let mut statement = connection
        .prepare("SELECT change FROM journal ORDER BY id")
        .unwrap();
    let rows = statement
        .query_map([], |row| row.get::<_, Vec<u8>>(0))
        .unwrap();
    let changes = rows.map(|row| blob::read(&row.unwrap()).unwrap());
    let names = tables::names(&connection).unwrap().into_iter();
    let in_order = |(number, (id, key)): (u64, (Id, Key))| {
        assert_eq!(id.get(), number, "no name is missing");
        key
    };
    ((1..).zip(names).map(in_order).collect(), changes.collect())
}

#[test]
fn a_crash_between_any_two_steps_of_a_checkpoint_changes_nothing() {
    let (names, changes) = changes();
    let kinds: std::collections::BTreeSet<_> = changes.iter().map(kind).collect();
    assert_eq!(kinds.len(), 4, "there is one of each kind");
    // What the changes give, made one after the other without any checkpoint.
    let plain = tempfile::tempdir().unwrap();
    write(&mut open(plain.path()).unwrap().0, &names, &changes);
    let expected = all(&open(plain.path()).unwrap().1);

    // The checkpoint begins after any number of changes, and stops after any number of steps.
    for first in 1..=changes.len() {
        // Row by row from the middle; from elsewhere by larger steps, as each has its syncs.
        let (rows_a_step, least) = if first == changes.len() / 2 {
            (1, 10)
        } else {
            (4, 3)
        };
        let pace = Pace {
            rows_a_step,
            ..Pace::default()
        };
        let changes = changes.split_at(first);
        let mut steps = 0;
        while !crash_midway(&names, changes, pace, steps, &expected) {
            steps += 1;
        }
        assert!(steps >= least, "only {steps} steps");
    }
}

/// A checkpoint of the first changes that comes so far while the others are made, and the end of the
/// server: what is there then is as expected. Says whether the checkpoint came to its end.
fn crash_midway(
    names: &[Key],
    (before, after): (&[Change], &[Change]),
    pace: Pace,
    steps: usize,
    expected: &All,
) -> bool {
    let case = format!("{steps} steps after {} changes", before.len());
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path()).unwrap().0;
    write(&mut store, names, before);
    drop(store);
    let state = State::with_room(100, 100);
    let mut store = Store::open(directory.path(), &state, pace).unwrap();
    store.begin_checkpoint(&state);
    for _ in 0..steps {
        store.commit(state.names(), &[]).unwrap();
    }
    let ended = !store.is_checkpointing();
    write(&mut store, names, after);
    drop(store);

    let (mut store, state) = open(directory.path()).unwrap();
    assert_eq!(all(&state), *expected, "{case}");

    // And once more, from tables alone.
    fold(&mut store, &state);
    drop(store);
    let (store, state) = open(directory.path()).unwrap();
    assert_eq!(all(&state), *expected, "{case} and a whole checkpoint");
    assert_eq!(store.sizes().journal_rows, 0);
    ended
}

fn write(store: &mut Store, keys: &[Key], changes: &[Change]) {
    let names = Names::default();
    names.note_unwritten();
    names.ids(keys);
    for change in changes {
        store.commit(&names, &[Record::of(change)]).unwrap();
    }
}

fn kind(change: &Change) -> &'static str {
    match change {
        Change::Window(_) => "window",
        Change::Settled(_) => "settled",
        Change::Forgotten(_) => "forgotten",
        Change::Added(_) => "added",
    }
}

#[test]
fn rows_of_the_journal_never_have_a_number_twice() {
    let directory = used();
    let (mut store, state) = open(directory.path()).unwrap();
    let change = [Record::of(&Change::Forgotten(
        crate::change::Forgotten::default(),
    ))];
    store.commit(state.names(), &change).unwrap();
    let next = store.next;
    fold(&mut store, &state);
    store.close().unwrap();

    let (store, _) = open(directory.path()).unwrap();

    assert_eq!(store.sizes().journal_rows, 0);
    assert_eq!(store.next, next);
}

#[test]
fn changes_that_failed_are_looked_for_when_the_database_opens_again() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, state) = open(directory.path()).unwrap();
    let changes = [Record::of(&Change::Forgotten(
        crate::change::Forgotten::default(),
    ))];

    // The sync failed, and the row is not there.
    store.connection = None;
    assert_eq!(store.commit(state.names(), &changes), Err(Failure::Io));
    assert!(!store.reopen(&changes).unwrap());
    // It failed, and the row is there.
    let next = store.next;
    store.commit(state.names(), &changes).unwrap();
    store.next = next;
    store.connection = None;
    assert!(store.reopen(&changes).unwrap());

    assert_eq!(store.next, next + 1);
    store.commit(state.names(), &changes).unwrap();
    let sizes = store.sizes();
    assert_eq!(sizes.journal_rows, 2);
}

#[test]
fn a_database_that_was_replaced_while_it_was_closed_is_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = open(directory.path()).unwrap();
    store.connection = None;
    let other = used();
    fs::copy(database(other.path()), database(directory.path())).unwrap();

    let error = store.reopen(&[]).unwrap_err().to_string();

    assert!(
        error.contains("another database has taken its place"),
        "{error}"
    );
}

#[test]
fn only_its_owner_reads_the_database() {
    let directory = used();

    let mode = fs::metadata(database(directory.path()))
        .unwrap()
        .permissions()
        .mode();

    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

/// The bytes of the journal as they are on disk. They change with the types; then it is another
/// version, with files of its own: those of a version that was released never change.
#[test]
fn the_bytes_of_a_change_are_as_they_were() {
    let mut arrived = None;
    let (names, changes) = changes();
    for change in changes {
        if let Change::Window(window) = change {
            arrived = Some(window);
            break;
        }
    }
    let mut arrived = arrived.expect("a window is among them");
    // A hash map has no order: one is left.
    let entry = &mut arrived.entry;
    entry
        .seen
        .retain(|at, _| *at == crate::ledger::SeenAt::point(OUT));
    assert_eq!(entry.seen.len(), 1);
    assert!(entry.subjects.len() > 1 && entry.edges.0.len() > 1);
    let bytes = Record::of(&Change::Window(arrived)).0;

    let seed = "../../fuzz/corpus/journal/seed-window";
    let seed = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(seed)).unwrap();
    assert_eq!(seed, bytes, "the fuzz target begins with today's");
    let lines: Vec<_> = bytes
        .chunks(16)
        .map(|line| format!("{line:02x?}"))
        .collect();
    let of_version = |what| format!("{what}-of-version-{}", blob::VERSION);
    insta::assert_snapshot!(of_version("window"), lines.join("\n"));
    let names = names
        .iter()
        .map(|key| format!("{:02x?} {key:?}", blob::write(key)));
    insta::assert_snapshot!(of_version("names"), names.collect::<Vec<_>>().join("\n"));
}
