use std::fs;
use std::path::Path;

use kubezonnet_model::{Direction, FlowCounters, Locality, Service, Timestamp};
use kubezonnet_pricing::Overrides;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::history::plain::{Had, Plain};
use crate::history::{By, EdgePart, Filter, PartyPart, SidePart};
use crate::ledger::edges::{Class, EdgeKey, Towards};
use crate::ledger::{Place, Side, Who};
use crate::names::{Id, Key};

mod retention;
mod trouble;

const MINUTE: u64 = 60_000;
/// A day's first minute.
const BEGIN: u64 = 20_000 * 24 * 60 * MINUTE;

fn side(number: u8) -> Side {
    let name = |text: String| kubezonnet_model::Name::new(text).unwrap();
    Side {
        who: Who::Workload(
            kubezonnet_model::Namespace::new(format!("n{}", number % 2)).unwrap(),
            name("Deployment".to_owned()),
            name(format!("w{number}")),
        ),
        place: Place {
            zone: kubezonnet_model::Zone::new(format!("z{}", number % 3)).ok(),
            ..Place::default()
        },
        labels: kubezonnet_model::Labels(Some([Some(name(format!("t{number}")))].into())),
    }
}

fn book(price: &str) -> PriceBook {
    let text =
        format!("currency: EUR\nunit: GB\nbetweenZones: {{ price: {price}, paidBy: both }}\n");
    PriceBook::new(None, &Overrides::parse(&text).unwrap(), false).unwrap()
}

/// The past, with the list that it is compared with.
struct Both {
    past: Embedded,
    plain: Plain,
    names: Arc<Names>,
    row: u64,
    book: Option<PriceBook>,
}

impl Both {
    fn open(options: Options) -> Self {
        let options = Options {
            clock: Clock::new(|| Timestamp(BEGIN)),
            ..options
        };
        Self::open_by(options)
    }

    /// By the clock of the options.
    fn open_by(options: Options) -> Self {
        let names = Arc::<Names>::default();
        Self {
            past: Embedded::open(options, Arc::clone(&names)).unwrap(),
            plain: Plain::default(),
            names,
            row: 0,
            book: None,
        }
    }

    fn price(&mut self, book: PriceBook) {
        self.past.price(Some(&book));
        self.plain.books.currency = Some(book.currency());
        self.plain.books.books.insert(book.version(), book.clone());
        self.book = Some(book);
    }

    /// A window with an edge for each of source, destination, bytes.
    fn window(&mut self, window: Window, edges: &[(u8, u8, u64)]) {
        self.row += 1;
        let service = |number: u8| Service {
            namespace: kubezonnet_model::Namespace::new("n0").unwrap(),
            name: kubezonnet_model::Name::new(format!("s{number}")).unwrap(),
        };
        let id = |key: Key| self.names.id(&key);
        let mut list = Vec::new();
        for (from, to, bytes) in edges {
            let (source, destination) = (side(*from), side(*to));
            let locality = if source.place == destination.place {
                Locality::SameZone
            } else {
                Locality::CrossZone
            };
            let class = Class::of(Direction::Egress, locality);
            let service = to.is_multiple_of(2).then(|| service(*to));
            let counters = FlowCounters {
                bytes: *bytes,
                packets: bytes / 2,
            };
            let key = EdgeKey {
                source: id(Key::Side(source.clone())),
                towards: Towards {
                    destination: id(Key::Side(destination.clone())),
                    class,
                    service: service.clone().map(|service| id(Key::Service(service))),
                    origin: None,
                },
            };
            list.push((key, counters));
            for (at, counters) in kubezonnet_history::spread(window, counters) {
                self.plain.had.push(Had {
                    at,
                    source: source.clone(),
                    destination: destination.clone(),
                    class,
                    service: service.clone(),
                    prices: self.book.as_ref().map(PriceBook::version),
                    counters,
                });
            }
        }
        let parted = list.split_off(list.len() / 2);
        self.past.feed(Counted {
            row: self.row,
            window,
            edges: [EdgeList(list), EdgeList(parted)],
            lease: self.names.lease(),
        });
    }

    fn assert_same(&self, question: &Question) {
        let told = sorted(wait_for(&self.past, question));
        let expected = sorted(self.plain.ask(question).unwrap());
        assert_eq!(told.groups, expected.groups, "{question:?}");
        assert_eq!(told.times, expected.times);
    }
}

/// What it answers once all that was fed is written.
fn wait_for(past: &Embedded, question: &Question) -> Answer {
    past.flush();
    past.ask(question).unwrap()
}

fn sorted(mut answer: Answer) -> Answer {
    answer.groups.sort_by(|one, other| one.key.cmp(&other.key));
    answer
}

fn minutes(from: u64, to: u64) -> Window {
    Window {
        start: Timestamp(BEGIN + from * MINUTE),
        end: Timestamp(BEGIN + to * MINUTE),
    }
}

fn question(range: Window, by: By) -> Question {
    Question {
        range,
        resolution: None,
        step: None,
        by,
        only: None,
        filter: Filter::default(),
    }
}

fn pairs() -> By {
    By::Edges(vec![
        EdgePart::Source(SidePart::Who),
        EdgePart::Destination(SidePart::Who),
        EdgePart::Locality,
    ])
}

fn in_directory(directory: &Path) -> Options {
    Options {
        directory: Some(directory.to_owned()),
        labels: vec!["team".to_owned()],
        clock: Clock::new(|| Timestamp(BEGIN)),
        ..Options::default()
    }
}

fn total(past: &Embedded, range: Window) -> u64 {
    let answer = wait_for(past, &question(range, By::Edges(vec![])));
    let cells = answer.groups.iter().flat_map(|group| &group.cells);
    cells.map(crate::history::Measure::bytes).sum()
}

type AnyWindow = (u64, u64, Vec<(u8, u8, u64)>);

fn any_window() -> impl Strategy<Value = AnyWindow> {
    let edge = (0..6_u8, 0..6_u8, 0..1_u64 << 40);
    (
        0..180 * MINUTE,
        0..5 * MINUTE,
        proptest::collection::vec(edge, 0..6),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn it_answers_as_a_plain_list_does(
        windows in proptest::collection::vec(any_window(), 1..12),
        more in proptest::collection::vec(any_window(), 1..12),
        from in 0..100_u64,
        length in 1..200_u64,
        step in 1..50_u64,
    ) {
        let mut both = Both::open(Options {
            labels: vec!["team".to_owned()],
            ..Options::default()
        });
        let take = |both: &mut Both, windows: &[AnyWindow]| {
            for (start, length, edges) in windows {
                let start = Timestamp(BEGIN + start);
                let window = Window { start, end: Timestamp(start.0 + length) };
                both.window(window, edges);
            }
        };
        take(&mut both, &windows);
        both.price(book("0.02"));
        take(&mut both, &more);

        let range = minutes(from, from + length);
        for by in [
            By::Edges(vec![]),
            pairs(),
            By::Edges(vec![EdgePart::Service, EdgePart::Source(SidePart::Zone)]),
            By::Parties(vec![PartyPart::Side(SidePart::Label(0))]),
            By::Parties(vec![PartyPart::Side(SidePart::Namespace), PartyPart::Locality]),
        ] {
            let steps = Question {
                step: Some(Duration::from_mins(step)),
                ..question(range, by)
            };
            both.assert_same(&steps);
            both.assert_same(&Question { step: None, ..steps });
        }
    }
}

#[test]
fn hours_and_days_sum_to_their_minutes() {
    let mut both = Both::open(Options {
        retention: [3, 90, 400].map(|days| Duration::from_hours(24 * days)),
        ..Options::default()
    });
    for minute in 0..50 * 60 {
        let start = BEGIN + minute * MINUTE;
        let window = Window {
            start: Timestamp(start),
            end: Timestamp(start + 10_000),
        };
        both.window(window, &[(1, 2, 1_000 + minute), (2, 1, 1)]);
    }
    // A range of so many hours is answered by hours, and one of years by days.
    let range = minutes(0, 50 * 60);
    let years = minutes(0, 200 * 24 * 60);
    let expected = 50 * 60 * 1_001 + (0..50 * 60).sum::<u64>();

    for (range, resolution) in [
        (minutes(0, 48 * 60), Resolution::Minute),
        (range, Resolution::Hour),
        (years, Resolution::Day),
    ] {
        let answer = wait_for(&both.past, &question(range, pairs()));

        assert_eq!(answer.resolution, resolution);
    }
    assert_eq!(total(&both.past, range), expected);
    assert_eq!(total(&both.past, years), expected);
    let by_minute = total(&both.past, minutes(0, 48 * 60));
    assert_eq!(
        by_minute + total(&both.past, minutes(48 * 60, 50 * 60)),
        expected
    );
}

#[test]
fn it_goes_on_where_it_was_and_takes_nothing_twice() {
    let directory = tempfile::tempdir().unwrap();
    let store = StoreId::random();
    let feed = |past: &Embedded, names: &Names, rows: std::ops::RangeInclusive<u64>| {
        let id = |number| names.id(&Key::Side(side(number)));
        for row in rows {
            let (source, destination): (Id, Id) = (id(1), id(2));
            let key = EdgeKey {
                source,
                towards: Towards {
                    destination,
                    class: Class::of(Direction::Egress, Locality::CrossZone),
                    service: None,
                    origin: None,
                },
            };
            past.feed(Counted {
                row,
                window: minutes(row, row + 1),
                edges: [
                    EdgeList(vec![(
                        key,
                        FlowCounters {
                            bytes: 1 << row,
                            packets: 1,
                        },
                    )]),
                    EdgeList::default(),
                ],
                lease: names.lease(),
            });
        }
    };
    let names = Arc::<Names>::default();
    let first = Embedded::open(in_directory(directory.path()), Arc::clone(&names)).unwrap();
    first.follow(store, 0, 0);
    feed(&first, &names, 1..=5);
    let before = total(&first, minutes(0, 60));
    first.close();

    let names = Arc::<Names>::default();
    let second = Embedded::open(in_directory(directory.path()), Arc::clone(&names)).unwrap();
    second.follow(store, 3, 7);
    feed(&second, &names, 4..=7);
    let after = total(&second, minutes(0, 60));

    assert_eq!(before, 0b11_1110);
    assert_eq!(after, 0b1111_1110);
    assert_eq!(second.counts().lost_rows(), 0);
    assert!(second.is_through(7) && !second.is_through(8));
    second.close();
    // The counters went on without it.
    let third = Embedded::open(in_directory(directory.path()), names).unwrap();
    third.follow(store, 9, 9);
    assert_eq!(total(&third, minutes(0, 60)), 0b1111_1110);
    assert_eq!(third.counts().lost_rows(), 2);
}

#[test]
fn labels_are_told_by_their_names_whatever_their_places() {
    let directory: TempDir = tempfile::tempdir().unwrap();
    let mut both = Both::open(in_directory(directory.path()));
    both.window(minutes(0, 1), &[(1, 2, 1_000)]);
    total(&both.past, minutes(0, 60));
    both.past.close();

    let options = Options {
        labels: vec!["app".to_owned(), "team".to_owned()],
        ..in_directory(directory.path())
    };
    let past = Embedded::open(options, Arc::default()).unwrap();
    let of = |place| {
        let by = By::Edges(vec![EdgePart::Source(SidePart::Label(place))]);
        let answer = wait_for(&past, &question(minutes(0, 60), by));
        answer.groups[0].key.clone()
    };

    let text = |text: &str| vec![crate::history::Value::Text(text.to_owned())];
    assert_eq!((of(0), of(1)), (text(""), text("t1")));
}

#[test]
fn prices_of_before_are_those_of_before_after_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let mut both = Both::open(in_directory(directory.path()));
    both.price(book("0.02"));
    both.window(minutes(0, 1), &[(1, 2, 1_000_000_000)]);
    total(&both.past, minutes(0, 60));
    both.past.close();

    let past = Embedded::open(in_directory(directory.path()), Arc::default()).unwrap();
    past.price(Some(&book("0.05")));
    let answer = wait_for(&past, &question(minutes(0, 60), By::Edges(vec![])));

    assert_eq!(answer.groups[0].cells[0].cost.total().round(2), 4);
    assert_eq!(answer.currency, Some(book("0.05").currency()));
}
