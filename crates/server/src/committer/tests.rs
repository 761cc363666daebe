use std::sync::Condvar;
use std::thread;

use kubezonnet_model::{FlowCounters, Window};
use kubezonnet_testkit::wait_for;

use super::room::Taken;
use super::*;
use crate::change::Added;
use crate::export::{ExportCounts, Exporter};
use crate::ledger::Entry;
use crate::resolve::{Reporter, ResolvedFlow};
use crate::store::Pace;
use crate::testing::{NOW, OUT, node_name};

const DEADLINE: Duration = Duration::from_secs(30);

/// An exporter that holds the committer up while it is shut, as a slow disk does.
#[derive(Debug, Default)]
struct Sluice {
    open: Mutex<bool>,
    opened: Condvar,
    passed: Mutex<u64>,
}

impl Sluice {
    fn set(&self, open: bool) {
        *self.open.lock().unwrap() = open;
        self.opened.notify_all();
    }
}

#[derive(Debug)]
struct Gate(Arc<Sluice>);

impl Exporter for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn offer(&self, _: &Arc<ResolvedBatch>) {
        let open = self.0.open.lock().unwrap();
        drop(self.0.opened.wait_while(open, |open| !*open).unwrap());
        *self.0.passed.lock().unwrap() += 1;
    }

    fn counts(&self) -> ExportCounts {
        ExportCounts {
            written: *self.0.passed.lock().unwrap(),
            dropped: 0,
        }
    }

    fn close(&self, _: Duration) {
        self.0.set(true);
    }
}

/// A batch of a hundred kilobytes or so.
fn resolved() -> ResolvedBatch {
    let flow = ResolvedFlow {
        source: 0,
        destination: 0,
        transport: None,
        point: OUT,
        socket: None,
        service: None,
        counters: FlowCounters {
            bytes: 100,
            packets: 1,
        },
        outcome: crate::resolve::Outcome::CountedBySender,
    };
    let window = Window {
        start: NOW,
        end: NOW,
    };
    ResolvedBatch {
        reporter: Reporter::new(&node_name("n1"), window, &crate::testing::cluster().read()),
        window,
        parties: Vec::new(),
        services: Vec::new(),
        flows: vec![flow; 100_000 / size_of::<ResolvedFlow>()],
        is_legacy: false,
    }
}

#[test]
fn changes_that_wait_for_the_disk_take_no_more_memory_than_they_may_and_all_are_made() {
    const CHANGES: usize = 50;
    const ROOM: usize = 1 << 20;
    let directory = tempfile::tempdir().unwrap();
    let state = Arc::new(State::with_room(10, 10));
    let store = Store::open(directory.path(), &state, Pace::default()).unwrap();
    let sluice = Arc::<Sluice>::default();
    let exporters = Arc::new(Exporters::of(vec![Box::new(Gate(Arc::clone(&sluice)))]));
    let room = Room::new(ROOM);
    let committer = Committer::with_room(
        Arc::clone(&state),
        Arc::clone(&exporters),
        Some(store),
        Arc::clone(&room),
    );
    let (_, lease) = state.names().ids(&[]);
    let submit = || {
        let entry = Entry::default();
        let added = Change::Added(Box::new(Added { now: NOW, entry }));
        let ticket = committer.submit(added, lease.clone(), None, Some(resolved()));
        ticket.wait()
    };

    let outcomes: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..CHANGES).map(|_| scope.spawn(submit)).collect();
        let full = wait_for("changes that wait for room", DEADLINE, || {
            let Taken { bytes, waiting } = room.now();
            // As many as there is room for, and not one more.
            let fit = ROOM / resolved().memory();
            assert!(bytes <= ROOM, "{bytes}");
            (waiting >= CHANGES - fit).then_some(())
        });
        // Before anything fails, so that the threads end.
        sluice.set(true);
        full.unwrap();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });

    let made = Ok(Outcome::Made(Applied::default()));
    assert_eq!(outcomes, vec![made; CHANGES]);
    assert_eq!(exporters.counts()[0].1.written, 50);
    assert_eq!(room.now(), Taken::default());
}

#[test]
fn what_is_larger_than_all_room_is_taken_when_nothing_else_has_any() {
    let room = Room::new(100);
    let small = room.take(1);

    thread::scope(|scope| {
        let large = scope.spawn(|| room.take(1000));
        let waits = wait_for("the large one to wait", DEADLINE, || {
            (room.now().waiting == 1).then_some(())
        });
        drop(small);
        waits.unwrap();
        let large = large.join().unwrap();
        assert_eq!(room.now().bytes, 1000);
        drop(large);
    });

    assert_eq!(room.now(), Taken::default());
}

/// An exporter that panics, as a fault of ours in the middle of a change does.
#[derive(Debug)]
struct Fault;

impl Exporter for Fault {
    fn name(&self) -> &'static str {
        "fault"
    }

    fn offer(&self, _: &Arc<ResolvedBatch>) {
        panic!("a fault");
    }

    fn counts(&self) -> ExportCounts {
        ExportCounts::default()
    }

    fn close(&self, _: Duration) {}
}

#[test]
fn who_panics_in_a_change_makes_no_further_one_with_a_store_or_without() {
    for durable in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let state = Arc::new(State::with_room(10, 10));
        let open = || Store::open(directory.path(), &state, Pace::default()).unwrap();
        let store = durable.then(open);
        let exporters = Arc::new(Exporters::of(vec![Box::new(Fault)]));
        let committer = Committer::new(Arc::clone(&state), exporters, store);
        let (_, lease) = state.names().ids(&[]);
        let submit = |resolved| {
            let entry = Entry::default();
            let added = Change::Added(Box::new(Added { now: NOW, entry }));
            committer.submit(added, lease.clone(), None, resolved)
        };
        assert!(submit(None).wait().is_ok());
        assert!(!committer.has_failed());

        let answer = submit(Some(resolved())).wait();

        assert_eq!(answer, Err(Failure::Other), "durable: {durable}");
        wait_for("the failure to be seen", DEADLINE, || {
            committer.has_failed().then_some(())
        })
        .unwrap();
        assert_eq!(submit(None).wait(), Err(Failure::Other));
    }
}
