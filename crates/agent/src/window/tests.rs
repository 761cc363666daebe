//! The machine is driven by hand: time is what the test says it is.

use kubezonnet_model::{
    Family, FlowKey, FlowRecord, Hook, InterfaceClass, ObservationPoint, SkipReason, Skipped,
};
use kubezonnet_wire::Limits;
use proptest::prelude::*;

use kubezonnet_capture::ClosedWindow;

use super::*;
use crate::sockets::Owners;

const INTERVAL: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(20);

/// A machine with a clock that is set by hand.
struct Bench {
    windows: Windows,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self::with(Plan::ALONE)
    }

    fn with(plan: Plan) -> Self {
        let now = Instant::now();
        Self::resuming(plan, &first(now), None, now)
    }

    fn resuming(plan: Plan, progress: &Progress, kept: Option<FlowBatch>, now: Instant) -> Self {
        let node = NodeName::new("n1").unwrap();
        let pace = Pace {
            interval: INTERVAL,
            phase: Duration::ZERO,
        };
        let windows = Windows::new(node, plan, pace, Backoff::new(1), progress, kept);
        Self { windows, now }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn next(&self) -> Step {
        self.windows.next(self.now)
    }

    /// Goes to the point in time the machine waits for, and returns what is next there.
    fn wait(&mut self) -> Step {
        while let Step::Wait(until) = self.next() {
            assert!(until > self.now, "waits for the past");
            self.now = until;
        }
        self.next()
    }

    fn close(&mut self, bytes: u64) {
        assert_eq!(self.next(), Step::Close);
        self.windows.close(self.now, contents(bytes));
        self.keep();
    }

    fn keep(&mut self) {
        assert_eq!(self.next(), Step::Keep);
        assert!(self.windows.note().is_some());
        self.windows.kept(self.now);
    }

    /// What a successor would find if this one was killed now, the window being unacknowledged.
    fn left_behind(&self, note: Option<Bytes>, opened: Instant, ended: Instant) -> Progress {
        Progress {
            sequence: self.outgoing().sequence,
            opened,
            closed: Some(ClosedWindow {
                ended,
                note: note.map(|note| note.to_vec()),
            }),
            ..first(opened)
        }
    }

    fn answer(&mut self, outcome: Outcome) -> Settlement {
        assert_eq!(self.next(), Step::Send);
        self.windows.answer(self.now, &Answer::none(outcome, ""))
    }

    fn clear(&mut self) {
        assert_eq!(self.next(), Step::Clear);
        self.windows.cleared(self.now);
    }

    fn outgoing(&self) -> Outgoing {
        self.windows
            .outgoing(self.now)
            .expect("a window is unacknowledged")
    }

    fn batch(&self) -> FlowBatch {
        let body = self.outgoing().body;
        kubezonnet_wire::decode(&body, &Limits::default())
            .unwrap()
            .into_batch()
    }

    fn shut_down(&mut self) {
        self.windows.shut_down(self.now, self.now + GRACE);
    }
}

/// Where the windows of maps stand that were made just now.
fn first(now: Instant) -> Progress {
    Progress {
        epoch: Epoch([7; 16]),
        sequence: 1,
        opened: now,
        server: None,
        closed: None,
    }
}

fn contents(bytes: u64) -> Contents {
    let counters = FlowCounters { bytes, packets: 1 };
    let point = ObservationPoint {
        hook: Hook::Postrouting,
        input: InterfaceClass::Pod,
        output: InterfaceClass::Uplink,
    };
    let key = FlowKey {
        source: "10.0.0.1".parse().unwrap(),
        destination: "10.0.0.2".parse().unwrap(),
        transport: None,
        point,
        socket: None,
    };
    Contents {
        records: vec![FlowRecord { key, counters }],
        totals: Vec::new(),
        skipped: vec![Skipped {
            reason: SkipReason::Looped,
            hook: Hook::LocalIn,
            counters,
        }],
        told: Owners::default(),
        coverage: Coverage::full(),
        node_addresses: vec!["10.0.0.9".parse().unwrap()],
    }
}

fn seen(bytes: u64) -> FlowCounters {
    FlowCounters {
        bytes: 2 * bytes,
        packets: 2,
    }
}

#[test]
fn the_first_window_goes_out_at_once_and_the_second_after_an_interval() {
    let mut bench = Bench::new();

    bench.close(100);
    assert_eq!(
        bench.answer(Outcome::Acknowledged),
        Settlement::Delivered(None)
    );
    bench.clear();

    assert_eq!(bench.next(), Step::Wait(bench.now + INTERVAL));
    bench.pass(10);
    assert_eq!(bench.next(), Step::Close);
}

#[test]
fn a_batch_says_who_reports_which_window() {
    let mut bench = Bench::new();
    bench.pass(3);

    bench.close(100);

    let batch = bench.batch();
    assert_eq!(batch.header.node.as_str(), "n1");
    assert_eq!(batch.header.epoch, Epoch([7; 16]));
    assert_eq!(batch.header.sequence, 1);
    assert_eq!(batch.header.window, Duration::from_secs(3));
    assert_eq!(batch.header.coverage, Coverage::full());
    assert_eq!(batch.seen(), seen(100));
    assert_eq!(batch.node_addresses, [IpAddr::from([10, 0, 0, 9])]);
    assert!(batch.header.coverage.has(Hook::LocalIn, Family::Ipv6));
}

#[test]
fn a_window_stays_the_same_until_it_is_acknowledged_and_only_its_age_grows() {
    let mut bench = Bench::new();
    bench.close(100);
    let first = bench.outgoing();
    let closed_at = bench.now;

    for outcome in [
        Outcome::Unreachable,
        Outcome::TimedOut,
        Outcome::Busy,
        Outcome::Unauthorized,
        Outcome::Unexpected,
    ] {
        assert!(matches!(bench.answer(outcome), Settlement::Retry(_)));
        assert!(matches!(bench.next(), Step::Wait(_)));
        assert_eq!(bench.wait(), Step::Send);

        let again = bench.outgoing();
        assert_eq!((again.epoch, again.sequence), (first.epoch, first.sequence));
        assert_eq!(again.body, first.body);
        assert_eq!(again.age, bench.now - closed_at);
        assert!(again.age > Duration::ZERO);
    }
}

#[test]
fn while_a_server_is_away_for_hours_nothing_is_closed_and_nothing_grows() {
    let mut bench = Bench::new();
    bench.close(100);
    let body = bench.outgoing().body;
    let began = bench.now;

    while bench.now - began < Duration::from_hours(3) {
        bench.answer(Outcome::Unreachable);
        assert_eq!(bench.wait(), Step::Send);
        let again = bench.outgoing().body;
        // The same bytes at the same place: nothing was encoded or copied again.
        assert_eq!((again.as_ptr(), again.len()), (body.as_ptr(), body.len()));
    }
    let away = bench.now - began;
    bench.answer(Outcome::Acknowledged);
    bench.clear();

    bench.close(5_000);
    assert_eq!(bench.outgoing().sequence, 2);
    assert_eq!(bench.batch().header.window, away);
}

#[test]
fn a_window_the_server_had_already_counts_as_delivered() {
    let mut bench = Bench::new();
    bench.close(100);
    bench.answer(Outcome::TimedOut);
    bench.wait();

    assert_eq!(
        bench.answer(Outcome::Duplicate),
        Settlement::Delivered(None)
    );
    assert_eq!(bench.next(), Step::Clear);
}

#[test]
fn a_refused_window_is_a_loss_and_leaves_a_gap_in_the_sequence() {
    let mut bench = Bench::new();
    bench.close(100);

    let settlement = bench.answer(Outcome::Refused);

    assert_eq!(
        settlement,
        Settlement::Lost(Loss {
            reason: LossReason::Refused,
            sequence: 1,
            counters: seen(100),
        })
    );
    bench.clear();
    bench.pass(10);
    bench.close(200);
    assert_eq!(bench.outgoing().sequence, 2);
    assert_eq!(bench.batch().seen(), seen(200));
}

#[test]
fn a_server_that_asks_for_time_gets_it() {
    let mut bench = Bench::new();
    bench.close(100);
    let asked = bench.now;

    bench.windows.answer(
        bench.now,
        &Answer {
            retry_after: Some(Duration::from_mins(1)),
            ..Answer::none(Outcome::Busy, "")
        },
    );

    assert_eq!(bench.wait(), Step::Send);
    assert!(bench.now - asked >= Duration::from_mins(1));
}

#[test]
fn a_step_the_kernel_refuses_is_tried_again_after_a_wait() {
    let mut bench = Bench::new();
    assert_eq!(bench.next(), Step::Close);

    assert!(bench.windows.failed(bench.now).is_some());

    assert!(matches!(bench.next(), Step::Wait(_)));
    assert_eq!(bench.wait(), Step::Close);
    bench.close(100);
    bench.answer(Outcome::Acknowledged);
    assert_eq!(bench.next(), Step::Clear);
    assert!(bench.windows.failed(bench.now).is_some());
    assert_eq!(bench.wait(), Step::Clear);
}

#[test]
fn a_signal_closes_one_last_window_that_says_so() {
    let mut bench = Bench::new();
    bench.close(100);
    bench.answer(Outcome::Acknowledged);
    bench.clear();
    bench.pass(4);

    bench.shut_down();

    bench.close(200);
    let batch = bench.batch();
    assert!(batch.header.coverage.ends);
    assert_eq!(batch.header.window, Duration::from_secs(4));
    assert_eq!(
        bench.answer(Outcome::Acknowledged),
        Settlement::Delivered(None)
    );
    assert_eq!(bench.next(), Step::Done);
}

#[test]
fn a_signal_hurries_the_unacknowledged_window_which_stays_as_it_is() {
    let mut bench = Bench::new();
    bench.close(100);
    for _ in 0..20 {
        bench.answer(Outcome::Unreachable);
        bench.wait();
    }
    bench.answer(Outcome::Unreachable);
    assert!(matches!(bench.next(), Step::Wait(_)));

    bench.shut_down();

    assert!(!bench.batch().header.coverage.ends);
    assert_eq!(
        bench.answer(Outcome::Acknowledged),
        Settlement::Delivered(None)
    );
    bench.clear();
    bench.close(200);
    assert!(bench.batch().header.coverage.ends);
    bench.answer(Outcome::Acknowledged);
    assert_eq!(bench.next(), Step::Done);
}

#[test]
fn what_cannot_be_delivered_in_the_grace_period_is_told_to_the_byte() {
    let mut bench = Bench::new();
    bench.close(100);
    bench.answer(Outcome::Unreachable);
    let asked = bench.now;
    bench.shut_down();
    while bench.next() == Step::Send {
        bench.answer(Outcome::Unreachable);
        bench.wait();
    }

    assert_eq!(bench.now - asked, GRACE);
    assert_eq!(bench.next(), Step::Abandon);
    let first = bench.windows.abandon(bench.now);
    bench.clear();
    bench.close(200);
    assert_eq!(bench.next(), Step::Abandon);
    let last = bench.windows.abandon(bench.now);

    assert_eq!(bench.next(), Step::Done);
    assert_eq!((first.sequence, first.counters), (1, seen(100)));
    assert_eq!((last.sequence, last.counters), (2, seen(200)));
    assert_eq!(last.reason, LossReason::Undelivered);
}

#[test]
fn a_second_signal_ends_the_wait() {
    let mut bench = Bench::new();
    bench.close(100);
    bench.shut_down();
    bench.answer(Outcome::Unreachable);

    bench.windows.shut_down(bench.now, bench.now);

    assert_eq!(bench.next(), Step::Abandon);
}

#[test]
fn a_kernel_that_refuses_at_the_end_does_not_keep_the_agent_alive() {
    let mut bench = Bench::new();
    bench.shut_down();
    bench.pass(20);
    assert_eq!(bench.next(), Step::Close);

    assert_eq!(bench.windows.failed(bench.now), None);

    assert_eq!(bench.next(), Step::Done);
}

#[test]
fn the_oldest_unacknowledged_byte_is_as_old_as_its_windows_begin() {
    let mut bench = Bench::new();
    let attached = bench.now;
    bench.pass(2);
    bench.close(100);
    let closed = bench.now;

    bench.pass(30);
    assert_eq!(bench.windows.unacknowledged_since(), attached);
    bench.answer(Outcome::Acknowledged);
    assert_eq!(bench.windows.unacknowledged_since(), closed);
}

/// Anything that can happen to a window.
fn any_outcome() -> impl Strategy<Value = Outcome> {
    proptest::sample::select(&Outcome::ALL[..])
}

proptest! {
    /// Whatever the server answers: every byte that was closed is delivered or lost, once, in the
    /// order of the sequence, and windows cover all the time there was.
    #[test]
    fn every_byte_is_settled_once(
        outcomes in proptest::collection::vec(any_outcome(), 1..60),
        signal_at in 0_usize..60,
    ) {
        let mut bench = Bench::new();
        let began = bench.now;
        let (mut closed, mut settled, mut covered) = (0, 0, Duration::ZERO);
        let mut last_sequence = 0;
        let mut outcomes = outcomes.into_iter().enumerate();
        loop {
            match bench.wait() {
                Step::Close => {
                    bench.close(100);
                    closed += 200;
                    covered += bench.batch().header.window;
                    let sequence = bench.outgoing().sequence;
                    prop_assert_eq!(sequence, last_sequence + 1);
                    last_sequence = sequence;
                }
                Step::Send => {
                    let Some((number, outcome)) = outcomes.next() else {
                        bench.windows.shut_down(bench.now, bench.now);
                        continue;
                    };
                    if number == signal_at {
                        bench.shut_down();
                    }
                    match bench.windows.answer(bench.now, &Answer::none(outcome, "")) {
                        Settlement::Delivered(_) => settled += 200,
                        Settlement::Lost(loss) => settled += loss.counters.bytes,
                        Settlement::Retry(_) => {}
                    }
                }
                Step::Abandon => settled += bench.windows.abandon(bench.now).counters.bytes,
                Step::Keep => unreachable!("close() keeps"),
                Step::Clear => bench.windows.cleared(bench.now),
                Step::Wait(_) => unreachable!("wait() passes these"),
                Step::Done => break,
            }
        }
        prop_assert_eq!(closed, settled);
        prop_assert_eq!(covered, bench.windows.opened - began);
    }
}

#[test]
fn a_successor_sends_the_same_window_again_to_the_byte() {
    let mut bench = Bench::new();
    let opened = bench.now;
    bench.pass(3);
    assert_eq!(bench.next(), Step::Close);
    bench.windows.close(bench.now, contents(100));
    let note = bench.windows.note();
    bench.keep();
    let (sent, ended) = (bench.outgoing(), bench.now);
    let progress = bench.left_behind(note.clone(), opened, ended);
    let kept = kubezonnet_wire::decode(&note.unwrap(), &Limits::default());

    let mut successor = Bench::resuming(
        Plan::PINNED,
        &progress,
        Some(kept.unwrap().into_batch()),
        ended,
    );
    successor.pass(60);
    assert_eq!(successor.next(), Step::Close);
    // Its own addresses and coverage are others by now.
    let mut now_different = contents(100);
    now_different.coverage = Coverage::default();
    now_different.node_addresses.clear();
    successor.windows.close(ended, now_different);

    assert_eq!(successor.next(), Step::Send);
    let again = successor.outgoing();
    assert_eq!((again.epoch, again.sequence), (sent.epoch, sent.sequence));
    assert_eq!(again.body, sent.body);
    assert_eq!(again.age, Duration::from_mins(1));
}

#[test]
fn a_window_that_was_closed_and_not_kept_is_kept_before_it_is_sent() {
    let mut bench = Bench::new();
    let opened = bench.now;
    bench.pass(3);
    bench.close(100);
    let ended = bench.now;
    let progress = bench.left_behind(None, opened, ended);

    let mut successor = Bench::resuming(Plan::PINNED, &progress, None, ended);
    successor.pass(60);
    successor.windows.close(ended, contents(100));

    assert_eq!(successor.next(), Step::Keep);
    successor.keep();
    assert_eq!(successor.batch().header.window, Duration::from_secs(3));
    assert_eq!(successor.outgoing().sequence, 1);
    successor.answer(Outcome::Acknowledged);
    successor.clear();
    successor.wait();
    successor.close(200);
    assert_eq!(successor.batch().header.window, successor.now - ended);
}

#[test]
fn what_is_pinned_stays_when_time_is_over_and_nothing_is_lost() {
    let mut bench = Bench::with(Plan::PINNED);
    bench.close(100);
    bench.shut_down();
    bench.answer(Outcome::Unreachable);

    while bench.wait() == Step::Send {
        bench.answer(Outcome::Unreachable);
    }

    assert_eq!(bench.next(), Step::Done);
    assert!(!bench.batch().header.coverage.ends);
}

#[test]
fn a_last_window_of_what_is_pinned_ends_no_coverage_and_leaves_empty_maps() {
    let mut bench = Bench::with(Plan::PINNED);
    bench.close(100);
    bench.answer(Outcome::Acknowledged);
    bench.clear();

    bench.shut_down();

    assert!(!bench.windows.takes_hooks_off());
    bench.close(200);
    assert!(!bench.batch().header.coverage.ends);
    bench.answer(Outcome::Acknowledged);
    bench.clear();
    assert_eq!(bench.next(), Step::Done);
}

#[test]
fn leftovers_go_out_at_once_the_unacknowledged_window_first_and_then_the_rest() {
    for (plan, ends) in [(Plan::LEFTOVER, false), (Plan::removal(true), true)] {
        let mut bench = Bench::new();
        let opened = bench.now;
        bench.close(100);
        let progress = bench.left_behind(None, opened, bench.now);

        let mut drain = Bench::resuming(plan, &progress, None, bench.now);
        drain.close(100);
        assert_eq!(drain.outgoing().sequence, 1);
        assert!(!drain.batch().header.coverage.ends);
        drain.answer(Outcome::Acknowledged);
        drain.clear();
        drain.close(200);
        assert_eq!(drain.outgoing().sequence, 2);
        assert_eq!(drain.batch().header.coverage.ends, ends);
        drain.answer(Outcome::Acknowledged);

        assert_eq!(drain.next(), Step::Done);
    }
}

#[test]
fn a_window_that_was_open_for_longer_than_servers_take_is_told_as_that_long() {
    let mut bench = Bench::with(Plan::PINNED);

    bench.pass(31 * 24 * 3600);
    bench.close(100);

    assert_eq!(bench.batch().header.window, LONGEST);
}

const HERE: ServerId = ServerId([1; 16]);
const THERE: ServerId = ServerId([2; 16]);

/// Delivers a window to `server` after an attempt at another one that ended so.
fn change_after(attempt: Option<Answer>, server: ServerId) -> Option<ServerChange> {
    let mut bench = Bench::new();
    let by = |server| Answer {
        server: Some(server),
        ..Answer::none(Outcome::Acknowledged, "")
    };
    bench.close(100);
    bench.windows.answer(bench.now, &by(HERE));
    bench.clear();
    bench.wait();
    bench.close(200);
    if let Some(attempt) = attempt {
        bench.windows.answer(bench.now, &attempt);
    }
    match bench.windows.answer(bench.now, &by(server)) {
        Settlement::Delivered(change) => change,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_window_that_may_be_on_two_servers_is_told_with_both() {
    let change = |is_maybe_twice| {
        Some(ServerChange {
            from: HERE,
            to: THERE,
            is_maybe_twice,
        })
    };
    let timed_out = Answer::none(Outcome::TimedOut, "");
    let not_reached = Answer::none(Outcome::Unreachable, "");

    assert_eq!(change_after(None, HERE), None);
    assert_eq!(change_after(Some(timed_out.clone()), HERE), None);
    assert_eq!(change_after(None, THERE), change(false));
    assert_eq!(change_after(Some(not_reached), THERE), change(false));
    assert_eq!(change_after(Some(timed_out), THERE), change(true));
}
