//! What goes, and since when there is history then.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::store::Disk;

/// A clock that shows what it is set to.
fn hand() -> (Arc<AtomicU64>, Clock) {
    let now = Arc::new(AtomicU64::new(BEGIN));
    let shown = Arc::clone(&now);
    (
        now,
        Clock::new(move || Timestamp(shown.load(Ordering::Relaxed))),
    )
}

/// One that keeps minutes for an hour, at each of these hours with a window of one byte; the first has more.
fn of_hours(hours: u64) -> (Both, Arc<AtomicU64>) {
    let (now, clock) = hand();
    let mut both = Both::open_by(Options {
        retention: [1, 48, 24 * 60].map(Duration::from_hours),
        clock,
        ..Options::default()
    });
    for hour in 0..hours {
        now.store(BEGIN + (hour * 60 + 1) * MINUTE, Ordering::Relaxed);
        let bytes = if hour == 0 { 1_000 } else { 1 };
        both.window(minutes(hour * 60, hour * 60 + 1), &[(1, 2, bytes)]);
        total(&both.past, minutes(0, 60));
    }
    (both, now)
}

#[test]
fn what_is_older_than_it_is_kept_goes_from_the_finest_on() {
    let (both, _) = of_hours(5);

    let answer = wait_for(&both.past, &question(minutes(0, 60), By::Edges(vec![])));

    // Of the hour there is the hour only.
    assert_eq!(answer.resolution, Resolution::Hour);
    assert_eq!(answer.groups[0].cells[0].bytes(), 1_000);
    assert!(both.past.counts().deleted(Resolution::Minute, Lost::Age) > 0);
    assert_eq!(both.past.counts().deleted(Resolution::Hour, Lost::Age), 0);
}

#[test]
fn each_resolution_reaches_back_to_where_nothing_of_it_was_deleted() {
    let (both, _) = of_hours(5);
    let deleted = both.past.counts().deleted(Resolution::Minute, Lost::Age);

    let answer = wait_for(&both.past, &question(minutes(0, 60), By::Edges(vec![])));
    let minutes_of_it = Question {
        resolution: Some(Resolution::Minute),
        ..question(minutes(0, 60), By::Edges(vec![]))
    };
    let finer = wait_for(&both.past, &minutes_of_it);

    let begin = Some(Timestamp(BEGIN));
    let since = Some(Timestamp(BEGIN + deleted * 60 * MINUTE));
    assert!(deleted > 0);
    assert_eq!(answer.reaches, [since, begin, begin]);
    assert_eq!((answer.since, both.past.counts().since()), (begin, begin));
    assert_eq!(finer.since, since);
}

#[test]
fn what_comes_after_its_time_was_deleted_stays_out_of_that_and_is_told() {
    let (mut both, _) = of_hours(5);
    let reaches = wait_for(&both.past, &question(minutes(0, 1), By::Edges(vec![]))).reaches;

    both.window(minutes(2, 3), &[(1, 2, 50)]);

    let answer = wait_for(&both.past, &question(minutes(0, 60), By::Edges(vec![])));
    assert_eq!(answer.reaches, reaches);
    assert_eq!(answer.groups[0].cells[0].bytes(), 1_050);
    let counts = both.past.counts();
    assert_eq!(counts.deleted(Resolution::Minute, Lost::Late), 1);
    assert_eq!(counts.deleted(Resolution::Hour, Lost::Late), 0);
}

#[test]
fn minutes_that_are_all_gone_reach_no_further_than_they_did() {
    let (both, now) = of_hours(3);

    now.store(BEGIN + 20 * 60 * MINUTE, Ordering::Relaxed);
    for _ in 0..3 {
        wait_for(&both.past, &question(minutes(0, 1), By::Edges(vec![])));
    }

    let at = |from, to| wait_for(&both.past, &question(minutes(from, to), By::Edges(vec![])));
    let early = at(60, 120);
    assert_eq!(early.resolution, Resolution::Hour);
    assert_eq!(early.groups[0].cells[0].bytes(), 1);
    // Nothing went since, and minutes would have it.
    let late = at(600, 660);
    assert_eq!(
        (late.resolution, late.groups.len()),
        (Resolution::Minute, 0)
    );
}

#[test]
fn a_clock_that_leaps_ahead_and_comes_back_costs_little() {
    let (mut both, now) = of_hours(2);
    let leap = 400 * 24 * 60;

    now.store(BEGIN + leap * MINUTE, Ordering::Relaxed);
    both.window(minutes(leap, leap + 1), &[(1, 2, 1)]);
    total(&both.past, minutes(0, 60));
    now.store(BEGIN + 130 * MINUTE, Ordering::Relaxed);
    let before = both.past.counts().deleted(Resolution::Minute, Lost::Age);
    for minute in 125..135 {
        both.window(minutes(minute, minute + 1), &[(1, 2, 7)]);
        total(&both.past, minutes(0, 60));
    }

    let counts = both.past.counts();
    assert_eq!(counts.deleted(Resolution::Minute, Lost::Age), before);
    assert_eq!(total(&both.past, minutes(120, 180)), 70);
}

#[test]
fn a_question_is_answered_as_finely_as_it_asks() {
    let mut both = Both::open(Options::default());
    both.window(minutes(0, 1), &[(1, 2, 1_000)]);
    // Two days that end within a minute are a minute more in whole ones.
    let range = minutes(0, 2 * 24 * 60 + 1);

    let asked = |resolution| Question {
        resolution,
        ..question(range, By::Edges(vec![]))
    };

    assert_eq!(
        wait_for(&both.past, &asked(None)).resolution,
        Resolution::Hour
    );
    for resolution in Resolution::ALL {
        let answer = wait_for(&both.past, &asked(Some(resolution)));
        assert_eq!(answer.resolution, resolution);
        assert_eq!(answer.groups[0].cells[0].bytes(), 1_000);
    }
}

#[test]
fn past_its_bound_the_oldest_goes() {
    let max_bytes = 300 << 10;
    let mut both = Both::open(Options {
        max_bytes,
        ..Options::default()
    });
    let edges: Vec<_> = (0..250)
        .map(|number| (number, number / 2, 1 << 40))
        .collect();
    for hour in 0..72 {
        for minute in [0, 20, 40] {
            let at = hour * 60 + minute;
            both.window(minutes(at, at + 1), &edges);
        }
        wait_for(&both.past, &question(minutes(0, 1), By::Edges(vec![])));
    }

    let counts = both.past.counts();

    assert!(counts.bytes() <= max_bytes, "{}", counts.bytes());
    let deleted = Resolution::ALL.map(|resolution| counts.deleted(resolution, Lost::Size));
    assert!(deleted[0] > 0, "{deleted:?}");
    let last = total(&both.past, minutes(71 * 60, 72 * 60));
    assert_eq!(last, (3 * 250) << 40);
}

/// An edge between two that never went before.
fn stranger(names: &Names, number: u64) -> (EdgeKey, FlowCounters) {
    let name = |text: String| kubezonnet_model::Name::new(text).unwrap();
    let side = |what: &str| {
        let who = Who::Workload(
            kubezonnet_model::Namespace::new("jobs").unwrap(),
            name("Pod".to_owned()),
            name(format!(
                "{what}-{number:08}-of-a-job-with-a-name-of-its-own"
            )),
        );
        let place = Place::default();
        let labels = kubezonnet_model::Labels::default();
        names.id(&Key::Side(Side { who, place, labels }))
    };
    let key = EdgeKey {
        source: side("from"),
        towards: Towards {
            destination: side("to"),
            class: Class::of(Direction::Egress, Locality::CrossZone),
            service: None,
            origin: None,
        },
    };
    let counters = FlowCounters {
        bytes: 10,
        packets: 1,
    };
    (key, counters)
}

#[test]
fn pairs_that_come_and_go_take_bounded_room_and_the_newest_history_stays() {
    const EACH: u64 = 250;
    let max_bytes = 2 << 20;
    let (now, clock) = hand();
    let names = Arc::<Names>::default();
    let options = Options {
        max_bytes,
        clock,
        ..Options::default()
    };
    let past = Embedded::open(options, Arc::clone(&names)).unwrap();

    for hour in 0..96 {
        let edges = (0..EACH).map(|number| stranger(&names, hour * EACH + number));
        now.store(BEGIN + (hour * 60 + 1) * MINUTE, Ordering::Relaxed);
        past.feed(Counted {
            row: hour + 1,
            window: minutes(hour * 60, hour * 60 + 1),
            edges: [EdgeList(edges.collect()), EdgeList::default()],
            lease: names.lease(),
        });
        let newest = total(&past, minutes(hour * 60, hour * 60 + 1));

        assert_eq!(newest, EACH * 10, "hour {hour}");
        assert!(
            past.counts().bytes() <= max_bytes,
            "{}",
            past.counts().bytes()
        );
    }

    let counts = past.counts();
    assert!(counts.series() < 96 * EACH / 2, "{}", counts.series());
    assert_eq!(counts.lost_rows(), 0);
    assert!(counts.since().unwrap() > Timestamp(BEGIN));
}

#[test]
fn on_a_volume_that_is_nearly_full_it_does_not_grow_and_the_oldest_makes_room() {
    let directory = tempfile::tempdir().unwrap();
    let mut both = Both::open(Options {
        disk: |directory| {
            let is_full = directory.join("full").exists();
            Some(Disk {
                size_bytes: 1 << 30,
                free_bytes: if is_full { 50 << 20 } else { 60 << 20 },
            })
        },
        ..in_directory(directory.path())
    });
    let edges: Vec<_> = (0..250)
        .map(|number| (number, number / 2, 1 << 40))
        .collect();
    let fill = |both: &mut Both, hours: std::ops::Range<u64>| {
        for hour in hours {
            for minute in [0, 15, 30, 45] {
                let at = hour * 60 + minute;
                both.window(minutes(at, at + 1), &edges);
            }
            total(&both.past, minutes(hour * 60, hour * 60 + 60));
        }
    };
    let size = || {
        let kept = fs::metadata(directory.path().join("history.db")).unwrap();
        kept.len()
    };
    fill(&mut both, 0..72);
    let grown = both.past.counts().bytes();
    assert!(!both.past.counts().is_short());

    fs::write(directory.path().join("full"), "").unwrap();
    fill(&mut both, 72..144);

    let counts = both.past.counts();
    let status = both.past.status();
    assert!(counts.is_short() && status.failing.is_none());
    assert!(status.lacking.unwrap().contains("nearly full"));
    assert!(counts.deleted(Resolution::Minute, Lost::Volume) > 0);
    assert_eq!(
        total(&both.past, minutes(143 * 60, 144 * 60)),
        (4 * 250) << 40
    );
    both.past.close();
    assert!(size() <= grown + (256 << 10), "{} after {grown}", size());
}
