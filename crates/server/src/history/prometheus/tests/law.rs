//! Whatever happens to servers between two scrapes, each byte is counted once.

use kubezonnet_model::{Name, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::history::Value;
use crate::history::prometheus::reply::{Sample, Sampled};

const MINUTE: u64 = 60_000;
const FIRST: u64 = 1_000_000 * MINUTE;

/// How many workloads a server counts.
const WORKLOADS: usize = 4;

/// Points in time, a minute apart.
fn minutes(count: u64) -> Vec<Timestamp> {
    (0..count)
        .map(|minute| Timestamp(FIRST + minute * MINUTE))
        .collect()
}

/// A series with one sample.
fn sampled(name: &str, labels: &[(&str, &str)], at: Timestamp, value: u64) -> Sampled {
    let named = ("__name__", name);
    let labels = labels.iter().chain([&named]);
    #[expect(
        clippy::cast_precision_loss,
        reason = "what is counted here is below 2^53"
    )]
    let value = value as f64;
    Sampled {
        metric: labels.copied().collect(),
        values: vec![Sample { at, value }],
    }
}

/// A server, or who goes on with its counters.
#[derive(Debug, Clone)]
struct Counting {
    store: String,
    instance: String,
    created: Timestamp,
    shown: [Option<u64>; WORKLOADS],
    others: u64,
    folds: u64,
}

impl Counting {
    fn new(store: &str, created: Timestamp) -> Self {
        Self {
            store: store.to_owned(),
            instance: "first".to_owned(),
            created,
            shown: [None; WORKLOADS],
            others: 0,
            folds: 0,
        }
    }

    /// Its page, as a replica of who scrapes gets it.
    fn page(&self, at: Timestamp, replica: &str) -> Vec<Sampled> {
        let place = [("instance", self.instance.as_str()), ("replica", replica)];
        let with = |more: &[(&'static str, &str)], name, value| {
            let labels: Vec<_> = place.iter().chain(more).copied().collect();
            sampled(name, &labels, at, value)
        };
        let created = self.created.0 / 1000;
        let mut page = vec![
            with(&[("store", &self.store)], CREATED, created),
            with(&[("group", "workloads")], FOLDED, self.folds),
            with(&[("group", "pods")], FOLDED, self.folds * 3),
        ];
        let pair = |[namespace, kind, name]: [&str; 3], bytes| {
            let labels = [
                ("src_namespace", namespace),
                ("src_kind", kind),
                ("src_workload", name),
                ("src_zone", "a"),
                ("dst_kind", "Internet"),
                ("locality", "internet"),
            ];
            let labels = labels.iter().filter(|(_, value)| !value.is_empty());
            let labels: Vec<_> = place.iter().chain(labels).copied().collect();
            sampled(BYTES, &labels, at, bytes)
        };
        for (number, bytes) in self.shown.iter().enumerate() {
            if let Some(bytes) = bytes {
                page.push(pair(["shop", "Deployment", &format!("w{number}")], *bytes));
            }
        }
        if self.others > 0 {
            page.push(pair(["", "other", "other"], self.others));
        }
        page
    }

    /// The smallest pair.
    fn smallest(&self) -> Option<usize> {
        let shown = self.shown.iter().enumerate();
        let shown = shown.filter_map(|(number, bytes)| Some((bytes.as_ref()?, number)));
        shown.min().map(|(_, number)| number)
    }

    /// Folds a pair into others; says what it had.
    fn fold(&mut self, number: usize) -> Option<u64> {
        let bytes = self.shown[number].take()?;
        self.others += bytes;
        self.folds += 1;
        Some(bytes)
    }
}

/// Bytes by the name of who sent them, looked at so many points at once.
fn counted_by(
    times: &[Timestamp],
    pages: &[Vec<Sampled>],
    at_once: usize,
) -> BTreeMap<String, u64> {
    let question = Question {
        range: Window {
            start: times[0],
            end: *times.last().unwrap(),
        },
        by: By::Edges(vec![EdgePart::Source(SidePart::Who)]),
        ..question()
    };
    let books = Books::default();
    let mut fold = Fold::new(&question, &books, Resolution::Minute);
    let mut gathered = Gathered::default();
    let mut nobodys = 0;
    for points in times.chunks(at_once) {
        gathered.begin(Grid {
            first: points[0],
            last: *points.last().unwrap(),
            step: MINUTE,
        });
        for page in pages {
            if points.contains(&page[0].values[0].at) {
                gathered.add(page.clone()).unwrap();
            }
        }
        nobodys += settle(&mut gathered, &Known::default(), None, &mut fold);
    }
    assert_eq!((nobodys, gathered.strays), (0, 0));
    let groups = fold.answer([None; 3]).groups.into_iter().map(|group| {
        let [Value::Who(who)] = &group.key[..] else {
            panic!("{:?}", group.key);
        };
        (who.labels()[2].to_owned(), group.cells[0].sent.bytes)
    });
    groups.filter(|(_, bytes)| *bytes > 0).collect()
}

/// The same, at once and point by point.
fn counted(times: &[Timestamp], pages: &[Vec<Sampled>]) -> BTreeMap<String, u64> {
    let counted = counted_by(times, pages, times.len());
    assert_eq!(counted_by(times, pages, 1), counted);
    counted
}

/// What happens after a scrape.
#[derive(Debug, Clone)]
enum Event {
    Nothing,
    /// It cannot be scraped the next time.
    Away,
    /// It goes on elsewhere.
    Moves,
    /// It begins anew.
    LosesData,
    /// The smallest pair is folded into others.
    Folds,
    /// The same, after a pair was gone that is larger.
    GoesAndFolds(usize),
    /// A pair is gone.
    Goes(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Nothing),
        1 => Just(Event::Away),
        1 => Just(Event::Moves),
        1 => Just(Event::LosesData),
        1 => Just(Event::Folds),
        1 => (0..WORKLOADS).prop_map(Event::GoesAndFolds),
        1 => (0..WORKLOADS).prop_map(Event::Goes),
    ]
}

/// What workloads send in a minute, and what happens then.
fn history() -> impl Strategy<Value = Vec<([u64; WORKLOADS], Event)>> {
    let bytes = prop_oneof![Just(0), 1..1_000_000_u64];
    let all = proptest::array::uniform4(bytes);
    proptest::collection::vec((all, event()), 1..40)
}

proptest! {
    #[test]
    fn what_servers_counted_is_counted_once_whatever_happens_to_them(
        histories in proptest::array::uniform2(history()),
        at_once in 1..45_usize,
    ) {
        let longest = histories.iter().map(Vec::len).max().unwrap_or(0);
        let times = minutes(longest as u64 + 2);
        let mut pages = Vec::new();
        let mut expected: BTreeMap<String, u64> = BTreeMap::new();
        let mut is_named = true;
        for (number, history) in histories.iter().enumerate() {
            let mut server = Counting::new(&format!("{number}-0"), Timestamp(FIRST / 2));
            server.instance = format!("{number}");
            // What was before is no part of it.
            server.shown = [Some(7), Some(1 << 40), None, Some(0)];
            pages.push(server.page(times[0], "a"));
            let mut is_away = false;
            // Who went is not back before it is seen that it went.
            let mut waits = [false; WORKLOADS];
            let mut folded = None;
            for (minute, (bytes, event)) in (1..).zip(history) {
                for (number, bytes) in bytes.iter().enumerate() {
                    if *bytes > 0 && !waits[number] {
                        *server.shown[number].get_or_insert(0) += bytes;
                        *expected.entry(format!("w{number}")).or_default() += bytes;
                    }
                }
                // One that was folded and has as much again looks as if it only rose: a part of what
                // it sent stands under others.
                if let Some((which, had)) = folded.take()
                    && server.shown[which] >= Some(had)
                {
                    is_named = false;
                }
                if !is_away {
                    pages.push(server.page(times[minute], "a"));
                    waits = [false; WORKLOADS];
                }
                // What is not seen before it ends nobody knows.
                let was_away = std::mem::take(&mut is_away);
                match event {
                    Event::Away => is_away = true,
                    Event::Moves => server.instance = format!("{number}-{minute}"),
                    Event::LosesData if !was_away => {
                        let instance = server.instance;
                        server = Counting::new(&format!("{number}-{minute}"), times[minute]);
                        server.instance = instance;
                        waits = [false; WORKLOADS];
                    }
                    Event::Folds if !was_away => {
                        let which = server.smallest();
                        folded = which.and_then(|which| Some((which, server.fold(which)?)));
                    }
                    Event::GoesAndFolds(gone) if !was_away => {
                        let which = server.smallest();
                        if which.is_some_and(|which| server.shown[*gone] > server.shown[which]) {
                            server.shown[*gone] = None;
                            waits[*gone] = true;
                        }
                        if let Some(which) = which {
                            server.fold(which);
                            // It would look as if it only rose, and the other as if it was folded.
                            waits[which] = true;
                        }
                    }
                    Event::Goes(which) if !was_away => {
                        server.shown[*which] = None;
                        waits[*which] = true;
                    }
                    _ => {}
                }
            }
            pages.push(server.page(times[history.len() + 1], "a"));
        }

        let counted = counted_by(&times, &pages, at_once);
        prop_assert_eq!(counted.values().sum::<u64>(), expected.values().sum::<u64>());
        if is_named {
            prop_assert_eq!(counted, expected);
        }
    }
}

#[test]
fn others_have_what_came_to_them_beside_what_was_folded() {
    let times = minutes(3);
    let mut server = Counting::new("s", Timestamp(0));
    server.shown = [Some(1_000), Some(50_000), None, None];
    let first = server.page(times[0], "a");
    // What it had since the last scrape goes to others with the rest.
    server.shown[0] = Some(1_010);
    server.fold(0);
    server.others += 300;
    let second = server.page(times[1], "a");
    server.others += 4;
    let third = server.page(times[2], "a");

    let counted = counted(&times, &[first, second, third]);

    assert_eq!(counted, [("other".to_owned(), 314)].into());
}

#[test]
fn a_pair_that_is_folded_and_listed_again_before_it_is_looked_is_counted_once() {
    for again in [1, 900] {
        let times = minutes(2);
        let mut server = Counting::new("s", Timestamp(0));
        server.shown[0] = Some(1_000);
        server.others = 10;
        let first = server.page(times[0], "a");
        server.fold(0);
        server.shown[0] = Some(again);
        let second = server.page(times[1], "a");

        let counted = counted(&times, &[first, second]);

        assert_eq!(counted, [("w0".to_owned(), again)].into());
    }
}

#[test]
fn others_lose_nothing_to_a_pair_that_is_gone_while_nothing_is_folded() {
    let times = minutes(2);
    let mut server = Counting::new("s", Timestamp(0));
    server.shown[0] = Some(1_000);
    server.others = 10;
    let first = server.page(times[0], "a");
    server.shown[0] = None;
    server.others = 2_000;
    let second = server.page(times[1], "a");

    let counted = counted(&times, &[first, second]);

    assert_eq!(counted, [("other".to_owned(), 1_990)].into());
}

#[test]
fn two_who_scrape_the_same_count_once_and_one_that_stops_takes_nothing_back() {
    let times = minutes(4);
    let mut server = Counting::new("s", Timestamp(0));
    let mut pages = Vec::new();
    let mut shows = |minute: usize, bytes, replica| {
        server.shown[0] = Some(bytes);
        pages.push(server.page(times[minute], replica));
    };
    shows(0, 1_000, "a");
    shows(0, 1_010, "b");
    shows(1, 1_100, "a");
    shows(1, 1_120, "b");
    // The other is gone, and this one was there somewhat earlier.
    shows(2, 1_119, "a");
    shows(3, 1_200, "a");

    let counted = counted(&times, &pages);

    assert_eq!(counted, [("w0".to_owned(), 190)].into());
}

#[test]
fn labels_that_are_named_as_ours_are_told_from_ours() {
    let times = minutes(1);
    let at = times[0];
    let place = [("region", "eu"), ("zone", "office"), ("store", "thanos")];
    let with = |more: &[(&'static str, &'static str)], name, value| {
        let labels: Vec<_> = place.iter().chain(more).copied().collect();
        sampled(name, &labels, at, value)
    };
    let page = vec![
        with(&[("exported_store", "s")], CREATED, 1),
        with(
            &[
                ("exported_zone", "a"),
                ("exported_region", "r1"),
                ("zone_id", "id"),
            ],
            ZONES,
            1,
        ),
        with(
            &[
                ("src_kind", "Internet"),
                ("dst_kind", "Internet"),
                ("locality", "internet"),
            ],
            BYTES,
            5,
        ),
    ];
    let mut gathered = Gathered::default();
    gathered.begin(Grid::at(times[0]));

    gathered.add(page).unwrap();

    assert_eq!(gathered.strays, 0);
    assert_eq!(gathered.stores.len(), 1);
    let zones = &gathered.stores[0].zones;
    assert_eq!(zones["a"], ["id".to_owned(), "r1".to_owned()]);
    assert_eq!(gathered.counters.len(), 1);
}

#[test]
fn a_label_of_ours_that_is_empty_is_not_taken_from_where_it_was_scraped() {
    let times = minutes(1);
    let place = [("region", "eu"), ("zone", "office")];
    let with = |more: &[(&'static str, &'static str)], name| {
        let labels: Vec<_> = place.iter().chain(more).copied().collect();
        sampled(name, &labels, times[0], 1)
    };
    let page = vec![
        with(&[("store", "s")], CREATED),
        with(&[("exported_zone", "a"), ("zone_id", "id")], ZONES),
    ];
    let mut gathered = Gathered::default();
    gathered.begin(Grid::at(times[0]));

    gathered.add(page).unwrap();

    let zones = &gathered.stores[0].zones;
    assert_eq!(zones["a"], ["id".to_owned(), String::new()]);
}

#[test]
fn a_name_that_no_server_has_is_nobodys_and_is_counted_as_such() {
    let times = minutes(2);
    let mut server = Counting::new("s", Timestamp(0));
    server.shown[0] = Some(5);
    let mut page = server.page(times[0], "a");
    let name = "x".repeat(300);
    assert!(Name::new(&name).is_err());
    for series in &mut page {
        if series.metric.get("src_workload").is_some() {
            series.metric.insert("src_workload", &name);
        }
    }
    let mut gathered = Gathered::default();
    gathered.begin(Grid::at(times[0]));
    gathered.add(page).unwrap();
    let question = question();
    let books = Books::default();
    let mut fold = Fold::new(&question, &books, Resolution::Minute);

    let nobodys = settle(&mut gathered, &Known::default(), None, &mut fold);

    assert_eq!(nobodys, 1);
    assert_eq!(fold.answer([None; 3]).groups, []);
}

#[test]
fn what_came_to_others_is_not_taken_for_what_is_gone_while_pairs_are_folded() {
    const ENDED: u64 = 1_000_000;
    let times = minutes(4);
    let mut server = Counting::new("s", Timestamp(0));
    let mut pages = Vec::new();
    // A job that is gone each time, one that rests, and a small one that is folded each time.
    for two in times.chunks(2) {
        server.shown = [Some(ENDED), Some(500), Some(3), None];
        pages.push(server.page(two[0], "a"));
        server.shown[0] = None;
        server.fold(2);
        server.others += 700;
        pages.push(server.page(two[1], "a"));
    }

    let counted = counted(&times, &pages);

    let expected = [("other", 2 * 700), ("w0", ENDED), ("w2", 3)];
    assert_eq!(
        counted,
        expected
            .map(|(name, bytes)| (name.to_owned(), bytes))
            .into()
    );
}

#[test]
fn no_more_pairs_are_taken_for_folded_than_were_folded() {
    let times = minutes(2);
    let mut server = Counting::new("s", Timestamp(0));
    server.shown = [Some(5), Some(20), Some(70), Some(900)];
    let first = server.page(times[0], "a");
    server.fold(0);
    server.shown[1] = None;
    server.shown[2] = None;
    server.others += 300;
    let second = server.page(times[1], "a");

    let counted = counted(&times, &[first, second]);

    assert_eq!(counted, [("other".to_owned(), 300)].into());
}

#[test]
fn pairs_that_had_more_than_can_be_summed_take_no_more_off_others_than_these_have() {
    let times = minutes(2);
    let mut server = Counting::new("s", Timestamp(0));
    server.shown = [Some(1 << 63), Some(1 << 63), None, None];
    let first = server.page(times[0], "a");
    server.shown = [None; WORKLOADS];
    server.folds = 2;
    server.others = 5;
    let second = server.page(times[1], "a");

    let counted = counted(&times, &[first, second]);

    assert_eq!(counted, BTreeMap::new());
}
