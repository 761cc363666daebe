use kubezonnet_model::{Direction, Locality, Name, Namespace};

use super::*;
use crate::books::Disposition;
use crate::change::Gone;
use crate::names::Key;
use crate::state::State;
use crate::testing::{NOW, counters, node_name};

fn pod(name: &str) -> Subject {
    Subject::Pod(Namespace::new("shop").unwrap(), Name::new(name).unwrap())
}

fn id(state: &State, name: &str) -> Id {
    state.names().id(&Key::Subject(pod(name)))
}

fn entry_for(state: &State, name: &str, bytes: u64) -> Entry {
    let mut traffic = Traffic::default();
    traffic.add(Direction::Egress, Locality::CrossZone, counters(bytes));
    let mut entry = Entry::default();
    entry.subjects.push((id(state, name), traffic));
    entry
}

fn names(state: &State) -> Vec<String> {
    let series = state.snapshot().series;
    series
        .iter()
        .map(|(subject, _)| subject.labels().join("/"))
        .collect()
}

fn forget(state: &State, name: &str, before: Timestamp) {
    let gone = Gone {
        subjects: vec![id(state, name)],
        before,
        ..Gone::default()
    };
    let forgotten = state.decide(gone);
    state.forget(&forgotten, 1);
}

#[test]
fn entries_add_up() {
    let state = State::default();

    for bytes in [100, 11] {
        let entry = entry_for(&state, "a", bytes);
        state.ledger().record(entry, NOW);
    }

    let [(subject, traffic)] = &state.snapshot().series[..] else {
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
    let state = State::default();
    for (name, time) in [("a", 10), ("b", 20)] {
        let entry = entry_for(&state, name, 1);
        state.ledger().record(entry, Timestamp(time));
    }

    let idle = state.ledger().idle(Timestamp(15));
    // It spoke again between the two looks.
    let entry = entry_for(&state, "a", 1);
    state.ledger().record(entry, Timestamp(30));
    forget(&state, "a", Timestamp(15));

    assert_eq!(idle, [id(&state, "a")]);
    assert_eq!(names(&state), ["shop/a", "shop/b"]);

    forget(&state, "b", Timestamp(25));
    assert_eq!(names(&state), ["shop/a"]);
}

#[test]
fn totals_stay_when_series_go() {
    let state = State::default();
    let mut entry = entry_for(&state, "a", 5);
    entry.books.add(Disposition::CrossZone, counters(5));
    state.ledger().record(entry, Timestamp(10));

    forget(&state, "a", Timestamp(20));

    let snapshot = state.snapshot();
    assert!(snapshot.series.is_empty());
    assert_eq!(snapshot.totals.books.get(Disposition::CrossZone).bytes, 5);
}

#[test]
fn an_imbalance_is_told_with_its_sign() {
    let state = State::default();
    let mut entry = Entry::default();
    entry.books.add(Disposition::SameNode, counters(5));
    state.ledger().record(entry, NOW);

    assert_eq!(state.snapshot().totals.imbalance(), (-5, -1));
}

#[test]
fn past_the_limit_the_smallest_series_are_one_and_its_sum_is_exact() {
    let limits = SeriesLimits {
        subjects: 10,
        ..SeriesLimits::default()
    };
    let state = State::default().with_limits(limits);
    for pod in 1..=11 {
        let entry = entry_for(&state, &format!("p{pod}"), pod);
        state.ledger().record(entry, NOW);
    }

    let forgotten = state.excess().expect("there are too many");
    state.forget(&forgotten, 1);

    let snapshot = state.snapshot();
    let names = names(&state);
    assert_eq!(
        names.len(),
        10,
        "nine that stay, and one of others: {names:?}"
    );
    let other = snapshot
        .series
        .iter()
        .find(|(each, _)| *each == Subject::Other);
    assert_eq!(other.unwrap().1.sum().bytes, 1 + 2);
    assert_eq!(snapshot.totals.folded.subjects, 2);
    assert_eq!(state.excess(), None, "once is enough");
}

#[test]
fn the_owners_of_sockets_have_the_names_that_the_model_gives_them() {
    use kubezonnet_model::PodUid;

    let told = [
        SocketOwner::Pod(PodUid([0; 16])),
        SocketOwner::System,
        SocketOwner::Kernel,
        SocketOwner::Unseen,
        SocketOwner::Unreadable,
    ];
    for process in told
        .map(Process::Told)
        .into_iter()
        .chain([Process::Unlisted])
    {
        assert_eq!(Host::OWNERS[Host::index(process)], process.as_str());
    }
}
