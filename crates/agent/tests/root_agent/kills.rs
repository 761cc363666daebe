//! Agents that are killed: at every point between two steps, and at any instant.

use std::time::{Duration, Instant};

use kubezonnet_capture::fault::POINTS;
use kubezonnet_testkit::{Process, wait_for};

use super::DEADLINE;
use super::pins::Bench;

/// Points on the way to hooks that were never there before.
const AT_FIRST_START: [&str; 7] = [
    "set-half-pinned:3",
    "set-pinned",
    "programs-pinned",
    "slots-half-filled:2",
    "slots-filled",
    "first-link-pinned:3",
    "links-pinned",
];

/// Points that an agent comes to which takes the place of another.
const AT_TAKING_OVER: [&str; 12] = [
    "slots-half-filled:2",
    "slots-filled",
    "links-pinned",
    "closing-written",
    "switched",
    "read",
    "closed-written",
    "sent",
    "settled-written",
    "half-cleared:2",
    "cleared",
    "collecting-written",
];

/// Points that an agent comes to which makes new maps beside old ones.
const AT_MAKING_NEW_MAPS: [&str; 7] = [
    "set-half-pinned:3",
    "set-pinned",
    "slots-half-filled:2",
    "slots-filled",
    "closed-written",
    "sent",
    "state-removed",
];

/// Points of `detach`.
const AT_DETACH: [&str; 5] = [
    "links-removed",
    "closing-written",
    "closed-written",
    "programs-removed",
    "state-removed",
];

fn wait_for_death(mut agent: Process, point: &str) {
    let exit = wait_for(&format!("death at {point}"), DEADLINE, || agent.ended());
    let exit = exit.unwrap_or_else(|error| panic!("{error}:\n{}", agent.output()));
    assert!(!exit.success(), "{point}: {}", agent.output());
}

#[test]
fn every_point_is_died_at_somewhere_below() {
    let all = [
        &AT_FIRST_START[..],
        &AT_TAKING_OVER,
        &AT_MAKING_NEW_MAPS,
        &AT_DETACH,
    ]
    .concat();

    for point in POINTS {
        let is_hit = all.iter().any(|each| each.split(':').next() == Some(point));
        assert!(is_hit, "{point}");
    }
}

#[test]
fn who_dies_while_setting_up_leaves_nothing_that_the_next_one_cannot_use() {
    for point in AT_FIRST_START {
        let bench = Bench::new();
        wait_for_death(bench.start_to_die(point, &[]), point);

        let agent = bench.start();
        bench.wait_for_windows(1);
        bench.send(500_000);
        bench.end(agent);

        bench.assert_exact();
        bench.detach();
        assert!(!bench.pin_dir.exists(), "{point}");
    }
}

#[test]
fn who_dies_between_any_two_steps_loses_nothing_and_doubles_nothing() {
    let bench = Bench::new();
    let agent = bench.start();
    bench.wait_for_windows(1);
    bench.end(agent);

    bench.under_traffic(|| {
        for point in AT_TAKING_OVER {
            wait_for_death(bench.start_to_die(point, &[]), point);
        }
    });
    let last = bench.start();
    bench.wait_for_windows(2);
    bench.end(last);

    bench.assert_exact();
    assert!(bench.ledger.duplicates() >= 1, "windows came again");
}

#[test]
fn who_dies_while_new_maps_take_over_loses_nothing_and_doubles_nothing() {
    let bench = Bench::new();
    let agent = bench.start();
    bench.wait_for_windows(1);
    bench.end(agent);

    bench.under_traffic(|| {
        for (number, point) in AT_MAKING_NEW_MAPS.iter().enumerate() {
            let size = format!("--max-flows={}", 1_000 + number);
            wait_for_death(bench.start_to_die(point, &[&size]), point);
        }
    });
    let last = bench.start();
    bench.wait_for_one_set();
    bench.wait_for_windows(1);
    bench.end(last);

    bench.assert_exact();
}

#[test]
fn who_dies_while_taking_off_is_finished_by_the_next_one() {
    for point in AT_DETACH {
        let bench = Bench::new();
        let agent = bench.start();
        bench.wait_for_windows(1);
        bench.end(agent);
        bench.send(500_000);
        let sent = bench.sent();

        wait_for_death(bench.start_to_die(point, &["detach"]), point);
        bench.detach();

        assert!(!bench.pin_dir.exists(), "{point}");
        assert_eq!(bench.ledger.sent_by_uplinks(), sent, "{point}");
        bench.ledger.assert_is_gapless();
    }
}

/// Ten kills, or as many as `TEST_KILLS` says: `make test-long` has a hundred.
fn kills() -> u32 {
    let asked = std::env::var("TEST_KILLS").ok();
    asked.map_or(10, |number| number.parse().expect("TEST_KILLS is a number"))
}

#[test]
fn agents_that_are_killed_at_any_instant_lose_nothing_and_double_nothing() {
    let bench = Bench::new();
    let agent = bench.start();
    bench.wait_for_windows(1);
    bench.end(agent);

    bench.under_traffic(|| {
        // A different time each, from before the start is through until after several windows.
        for number in 0..kills() {
            let life = Duration::from_millis(u64::from(number) * 197 % 2_500);
            let mut agent = bench.start();
            let end = Instant::now() + life;
            let _ = agent.wait_for::<()>("its time", DEADLINE, |_| {
                (Instant::now() >= end).then_some(())
            });
            agent.kill();
        }
    });
    let last = bench.start();
    bench.wait_for_windows(2);
    bench.end(last);

    bench.assert_exact();
}
