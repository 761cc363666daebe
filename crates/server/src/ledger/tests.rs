use std::net::Ipv4Addr;

use kubezonnet_model::{Direction, Locality};

use super::*;
use crate::books::Disposition;
use crate::testing::{NOW, counters, ip, node_name};

fn pod(name: &str) -> Subject {
    Subject::Pod(Namespace::new("shop").unwrap(), Name::new(name).unwrap())
}

fn entry_for(subject: Subject, bytes: u64) -> Entry {
    let mut traffic = Traffic::default();
    traffic.add(Direction::Egress, Locality::CrossZone, counters(bytes));
    let mut entry = Entry::default();
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    entry.subjects.insert(subject, (address, traffic));
    entry
}

fn names(ledger: &Ledger) -> Vec<String> {
    let series = ledger.snapshot().series;
    series
        .iter()
        .map(|(subject, _)| subject.labels().join("/"))
        .collect()
}

#[test]
fn entries_add_up() {
    let mut ledger = Ledger::default();

    ledger.record(entry_for(pod("a"), 100), NOW);
    ledger.record(entry_for(pod("a"), 11), NOW);

    let [(subject, traffic)] = &ledger.snapshot().series[..] else {
        panic!("one subject");
    };
    assert_eq!(*subject, pod("a"));
    assert_eq!(traffic.left_zone().unwrap().bytes, 111);
}

#[test]
fn what_left_the_zone_is_what_was_sent_or_forwarded_across() {
    let mut traffic = Traffic::default();
    traffic.add(Direction::Ingress, Locality::CrossZone, counters(1));
    assert_eq!(traffic.left_zone(), None, "nothing was sent");

    traffic.add(Direction::Egress, Locality::SameZone, counters(10));
    assert_eq!(
        traffic.left_zone(),
        Some(FlowCounters::ZERO),
        "sent, and stayed"
    );

    traffic.add(Direction::Egress, Locality::CrossZone, counters(100));
    traffic.add(Direction::Egress, Locality::CrossRegion, counters(1000));
    traffic.add(Direction::Transit, Locality::CrossZone, counters(10_000));
    traffic.add(Direction::Egress, Locality::Internet, counters(100_000));
    assert_eq!(traffic.left_zone().unwrap().bytes, 11_100);
}

#[test]
fn a_node_stands_under_the_namespace_of_nodes() {
    let node = Subject::Node(node_name("n1"));

    assert_eq!(node.labels(), ["_node_", "n1"]);
}

#[test]
fn a_series_goes_when_it_is_gone_and_has_not_changed_since() {
    let mut ledger = Ledger::default();
    ledger.record(entry_for(pod("a"), 1), Timestamp(10));
    ledger.record(entry_for(pod("b"), 1), Timestamp(20));

    let idle = ledger.idle(Timestamp(15));
    // It spoke again between the two looks.
    ledger.record(entry_for(pod("a"), 1), Timestamp(30));
    ledger.forget(&[pod("a")], Timestamp(15));

    assert_eq!(idle, [(pod("a"), ip("10.0.0.1"))]);
    assert_eq!(names(&ledger), ["shop/a", "shop/b"]);

    ledger.forget(&[pod("b")], Timestamp(25));
    assert_eq!(names(&ledger), ["shop/a"]);
}

#[test]
fn totals_stay_when_series_go() {
    let mut ledger = Ledger::default();
    let mut entry = entry_for(pod("a"), 5);
    entry.books.add(Disposition::CrossZone, counters(5));
    ledger.record(entry, Timestamp(10));

    ledger.forget(&[pod("a")], Timestamp(20));

    let snapshot = ledger.snapshot();
    assert!(snapshot.series.is_empty());
    assert_eq!(snapshot.totals.books.get(Disposition::CrossZone).bytes, 5);
}

#[test]
fn an_imbalance_is_told_with_its_sign() {
    let mut ledger = Ledger::default();
    let mut entry = Entry::default();
    entry.books.add(Disposition::SameNode, counters(5));
    ledger.record(entry, NOW);

    assert_eq!(ledger.snapshot().totals.imbalance(), (-5, -1));
}
