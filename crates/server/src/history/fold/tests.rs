use kubezonnet_model::{Direction, Labels, Name, Namespace, NodeName, Region, Zone};
use kubezonnet_pricing::{Amount, Overrides};

use super::*;
use crate::history::plain::{Had, Plain};
use crate::history::{Ends, Filter, Past as _};
use crate::ledger::edges::Class;
use crate::ledger::{Place, Who};

const MINUTE: u64 = 60_000;

fn book(price: &str) -> PriceBook {
    let text =
        format!("currency: EUR\nunit: GB\nbetweenZones: {{ price: {price}, paidBy: both }}\n");
    PriceBook::new(None, &Overrides::parse(&text).unwrap(), false).unwrap()
}

fn books(all: &[&PriceBook]) -> Books {
    Books {
        books: all
            .iter()
            .map(|book| (book.version(), (*book).clone()))
            .collect(),
        currency: Some(all[0].currency()),
    }
}

fn workload(namespace: &str, name: &str, zone: &str) -> Side {
    let name_of = |text: &str| Name::new(text).unwrap();
    Side {
        who: Who::Workload(
            Namespace::new(namespace).unwrap(),
            name_of("Deployment"),
            name_of(name),
        ),
        place: Place {
            zone: Some(Zone::new(zone).unwrap()),
            zone_id: None,
            region: Some(Region::new("r").unwrap()),
        },
        labels: Labels::default(),
    }
}

fn had(
    minute: u64,
    source: &Side,
    destination: &Side,
    bytes: u64,
    book: Option<&PriceBook>,
) -> Had {
    let locality = if source.place == destination.place {
        Locality::SameZone
    } else {
        Locality::CrossZone
    };
    Had {
        at: Timestamp(minute * MINUTE),
        source: source.clone(),
        destination: destination.clone(),
        class: Class::of(Direction::Egress, locality),
        service: None,
        prices: book.map(PriceBook::version),
        counters: FlowCounters { bytes, packets: 1 },
    }
}

fn question(by: By) -> Question {
    Question {
        range: Window {
            start: Timestamp(0),
            end: Timestamp(60 * MINUTE),
        },
        resolution: None,
        step: None,
        by,
        only: None,
        filter: Filter::default(),
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        Value::Who(who) => who.labels()[2],
        other => panic!("{other:?} is no text"),
    }
}

#[test]
fn an_edge_is_in_both_parties_and_its_cost_is_in_both_once() {
    let book = book("0.02");
    let (web, db) = (workload("shop", "web", "a"), workload("shop", "db", "b"));
    let plain = Plain {
        books: books(&[&book]),
        had: vec![had(1, &web, &db, 1_000, Some(&book))],
    };

    let edges = plain.ask(&question(By::Edges(vec![]))).unwrap();
    let who = By::Parties(vec![PartyPart::Side(SidePart::Who)]);
    let parties = plain.ask(&question(who)).unwrap();
    let namespace = By::Parties(vec![PartyPart::Side(SidePart::Namespace)]);
    let namespaces = plain.ask(&question(namespace)).unwrap();

    let all = edges.groups[0].cells[0];
    assert_eq!((all.sent.bytes, all.received.bytes), (1_000, 0));
    assert!(all.cost.total() > Amount::ZERO);
    let one = |name: &str| {
        let group = parties
            .groups
            .iter()
            .find(|group| text(&group.key[0]) == name);
        group.unwrap().cells[0]
    };
    assert_eq!(
        (one("web").sent.bytes, one("web").received.bytes),
        (1_000, 0)
    );
    assert_eq!((one("db").sent.bytes, one("db").received.bytes), (0, 1_000));
    assert_eq!(one("web").cost.sender, all.cost.sender);
    assert_eq!(
        one("web").cost.total() + one("db").cost.total(),
        all.cost.total()
    );
    let [namespace] = &namespaces.groups[..] else {
        panic!("there is one namespace");
    };
    let both = namespace.cells[0];
    assert_eq!((both.sent.bytes, both.received.bytes), (1_000, 1_000));
    assert_eq!(both.cost.total(), all.cost.total());
}

#[test]
fn bytes_cost_what_they_cost_when_they_were_counted() {
    let (before, now) = (book("0.02"), book("0.03"));
    let (web, db) = (workload("shop", "web", "a"), workload("shop", "db", "b"));
    let plain = Plain {
        books: books(&[&before, &now]),
        had: vec![
            had(1, &web, &db, 1_000, Some(&before)),
            had(2, &web, &db, 1_000, Some(&now)),
            had(3, &web, &db, 1_000, None),
        ],
    };

    let answer = plain.ask(&question(By::Edges(vec![]))).unwrap();

    let all = answer.groups[0].cells[0];
    // 1,000 bytes at 0.02 and at 0.03 for 10⁹: twice as much, as both sides pay.
    assert_eq!(all.cost.total().round(9), 2 * (20 + 30));
    assert_eq!(all.unpriced, [0, 0, 0, 1_000]);
    assert_eq!(all.sent.bytes, 3_000);
}

#[test]
fn cells_are_steps_from_the_begin_of_the_range() {
    let (web, db) = (workload("shop", "web", "a"), workload("shop", "db", "a"));
    let plain = Plain {
        books: Books::default(),
        had: [0, 4, 5, 9, 10, 12, 13]
            .map(|minute| had(minute, &web, &db, 1, None))
            .into(),
    };
    let asked = Question {
        range: Window {
            start: Timestamp(MINUTE + 5),
            end: Timestamp(12 * MINUTE + 1),
        },
        step: Some(Duration::from_mins(5)),
        ..question(By::Edges(vec![]))
    };

    let answer = plain.ask(&asked).unwrap();

    let minutes: Vec<_> = answer.times.iter().map(|time| time.0 / MINUTE).collect();
    assert_eq!(minutes, [1, 6, 11]);
    let range = (answer.range.start.0 / MINUTE, answer.range.end.0 / MINUTE);
    assert_eq!(range, (1, 13));
    let bytes = answer.groups[0].cells.iter().map(Measure::bytes);
    assert_eq!(bytes.collect::<Vec<_>>(), [2, 2, 1]);
}

#[test]
fn a_filter_takes_who_has_all_of_it_at_the_end_it_asks_for() {
    let (web, db) = (workload("shop", "web", "a"), workload("data", "db", "b"));
    let node = Side {
        who: Who::Node(NodeName::new("web").unwrap()),
        ..web.clone()
    };
    let plain = Plain {
        books: Books::default(),
        had: vec![
            had(1, &web, &db, 1, None),
            had(1, &db, &web, 10, None),
            had(1, &node, &db, 100, None),
            had(1, &db, &db, 1_000, None),
        ],
    };
    let bytes = |filter: Filter| {
        let asked = Question {
            filter,
            ..question(By::Edges(vec![]))
        };
        let answer = plain.ask(&asked).unwrap();
        answer
            .groups
            .first()
            .map_or(0, |group| group.cells[0].bytes())
    };
    let namespace = |name: &str| Ends {
        namespaces: vec![name.to_owned()],
        ..Ends::default()
    };
    let workload = |workload: [&str; 3]| Ends {
        workloads: vec![workload.map(str::to_owned)],
        ..Ends::default()
    };
    let ends = |ends| Filter {
        ends,
        ..Filter::default()
    };

    assert_eq!(bytes(Filter::default()), 1_111);
    assert_eq!(bytes(ends(namespace("shop"))), 11);
    assert_eq!(bytes(ends(workload(["", "", "web"]))), 11);
    assert_eq!(bytes(ends(workload(["data", "", "web"]))), 0);
    let from = Filter {
        source: namespace("data"),
        ..Filter::default()
    };
    assert_eq!(bytes(from), 1_010);
    let crossing = Filter {
        localities: vec![Locality::CrossZone],
        ..Filter::default()
    };
    assert_eq!(bytes(crossing), 111);
    let into = Filter {
        destination: Ends {
            zones: vec!["b".to_owned()],
            ..Ends::default()
        },
        source: namespace("shop"),
        ..Filter::default()
    };
    assert_eq!(bytes(into), 1);
}

#[test]
fn groups_that_are_not_asked_for_are_one() {
    let (web, db) = (workload("shop", "web", "a"), workload("data", "db", "b"));
    let plain = Plain {
        books: Books::default(),
        had: vec![
            had(1, &web, &db, 1, None),
            had(1, &db, &web, 10, None),
            had(1, &db, &db, 100, None),
        ],
    };
    let only = vec![Value::Text("a".to_owned())];
    let asked = Question {
        only: Some([only.clone()].into_iter().collect()),
        ..question(By::Edges(vec![EdgePart::Source(SidePart::Zone)]))
    };

    let answer = plain.ask(&asked).unwrap();

    let of = |key: &[Value]| {
        let group = answer.groups.iter().find(|group| group.key == key);
        group.map(|group| group.cells[0].bytes())
    };
    assert_eq!((of(&only), of(&[])), (Some(1), Some(110)));
    assert_eq!(answer.groups.len(), 2);
}
