use super::*;

const DAY: Duration = Duration::from_hours(24);

/// Some day after the first.
const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// Does all that is to be done at a time, as the keeper does, and publishes.
fn tend(mut kept: Kept, published: &mut String, now: Timestamp) -> (Kept, Vec<Step>) {
    let mut steps = Vec::new();
    loop {
        if let Some(step) = kept.step(published, now) {
            kept = kept.after(step, now).unwrap();
            steps.push(step);
        } else if *published == kept.bundle() {
            return (kept, steps);
        }
        *published = kept.bundle();
    }
}

#[test]
fn over_ten_years_all_that_signs_was_published_for_a_week_and_none_ends_in_office() {
    let mut kept = Kept::begin(NOW).unwrap();
    let mut published = kept.bundle();
    let mut past: Vec<String> = Vec::new();
    let mut successions = 0;

    for day in 0..3650 {
        let now = NOW.plus(DAY * day);
        let signer = kept.current.certificate().to_owned();
        (kept, _) = tend(kept, &mut published, now);
        if kept.current.certificate() != signer {
            successions += 1;
            let week = &past[past.len() - 7..];
            assert!(
                week.iter()
                    .all(|then| then.contains(kept.current.certificate())),
                "day {day}: agents that were away for a week do not know it"
            );
            assert!(published.contains(&signer), "day {day}: late ones lose it");
        }
        assert!(
            kept.current.end() > now.plus(DAY * 30),
            "day {day}: it is late"
        );
        assert!(published.contains(kept.current.certificate()));
        assert!(
            published.matches("BEGIN").count() <= 3,
            "day {day}: it grows"
        );
        past.push(published.clone());
    }

    assert!((9..=14).contains(&successions), "{successions}");
}

#[test]
fn a_quiet_day_asks_for_nothing() {
    let kept = Kept::begin(NOW).unwrap();
    let published = kept.bundle();

    assert_eq!(kept.step(&published, NOW.plus(DAY)), None);
}

#[test]
fn what_nobody_could_publish_signs_only_when_the_old_one_is_over() {
    let kept = Kept::begin(NOW).unwrap();
    let old = kept.bundle();
    let late = kept.current.end().minus(DAY * 60);
    let kept = kept.after(Step::Introduce, late).unwrap();

    assert_eq!(kept.step(&old, late.plus(DAY * 50)), None);
    let over = kept.current.end();
    assert_eq!(kept.step(&old, over), Some(Step::Promote));
}

#[test]
fn after_years_without_a_server_a_new_one_signs_at_once() {
    let kept = Kept::begin(NOW).unwrap();
    let mut published = kept.bundle();
    let with_next = kept.clone().after(Step::Introduce, NOW).unwrap();
    let much_later = NOW.plus(DAY * 1000);

    for kept in [kept, with_next] {
        let (kept, steps) = tend(kept, &mut published, much_later);

        assert!(steps.contains(&Step::Replace), "{steps:?}");
        assert!(kept.current.end() > much_later.plus(DAY * 300));
        assert!(kept.previous.is_empty(), "what has ended is forgotten");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let first = Kept::begin(NOW).unwrap();
    let with_next = first.clone().after(Step::Introduce, NOW).unwrap();
    let noted = with_next.clone().after(Step::Note, NOW).unwrap();
    let promoted = noted.clone().after(Step::Promote, NOW).unwrap();
    let again = promoted
        .clone()
        .after(Step::Introduce, NOW.plus(DAY))
        .unwrap();
    let twice = again.after(Step::Promote, NOW.plus(DAY)).unwrap();

    for kept in [first, with_next, noted, promoted, twice] {
        let read = Kept::read(&kept.write()).unwrap().unwrap();

        assert_eq!(read.write(), kept.write());
        assert_eq!(read.bundle(), kept.bundle());
        let since = |kept: &Kept| kept.next.as_ref().and_then(|next| next.published);
        assert_eq!(since(&read), since(&kept));
        let ends = |kept: &Kept| {
            kept.previous
                .iter()
                .map(|(_, end)| *end)
                .collect::<Vec<_>>()
        };
        assert_eq!(ends(&read), ends(&kept));
    }
}

#[test]
fn an_empty_secret_is_a_beginning_and_a_broken_one_is_named_by_its_key() {
    assert!(Kept::read(&BTreeMap::new()).unwrap().is_none());
    let good = Kept::begin(NOW).unwrap().write();
    let other = Kept::begin(NOW).unwrap().write();
    let cases = [
        ("ca.key", None, "ca.crt and ca.key one is missing"),
        ("ca.crt", Some("none"), "ca.crt is of no use"),
        ("ca.key", Some("none"), "ca.crt is of no use"),
        (
            "next.crt",
            Some("x"),
            "next.crt and next.key one is missing",
        ),
        ("previous.crt", Some("x"), "previous.crt cannot be read"),
    ];
    for (key, text, expected) in cases {
        let mut data = good.clone();
        data.remove(key);
        if let Some(text) = text {
            data.insert(key.to_owned(), ByteString(text.as_bytes().to_vec()));
        }

        let error = format!("{:#}", Kept::read(&data).unwrap_err());

        assert!(error.contains(expected), "{error}");
    }
    let mut mixed = good;
    mixed.insert("ca.key".to_owned(), other["ca.key"].clone());
    Kept::read(&mixed).expect_err("a key of another certificate");
}
