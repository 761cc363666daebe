use kubezonnet_model::{Name as Text, Namespace};

use super::*;

fn key(name: &str) -> Key {
    let (namespace, name) = (Namespace::new("shop").unwrap(), Text::new(name).unwrap());
    Key::Subject(Subject::Pod(namespace, name))
}

fn one(names: &Names, name: &str) -> (Id, Lease) {
    let (ids, lease) = names.ids(&[key(name)]);
    (ids[0], lease)
}

/// Retires all but these, however new they are.
fn retire_all_but(names: &Names, used: &[Id]) {
    for _ in 0..2 {
        names.retire(|id| used.contains(&id));
    }
}

#[test]
fn a_name_has_one_id_and_no_two_have_the_same() {
    let names = Names::default();

    let (first, _) = names.ids(&[key("a"), key("b"), key("a")]);
    let (second, _) = names.ids(&[key("b"), key("c")]);

    assert_eq!(first[0], first[2]);
    assert_eq!(first[1], second[0]);
    assert!(first[0] != first[1] && second[1] != first[0] && second[1] != second[0]);
    assert_eq!(**names.look_up().key(first[0]).unwrap(), key("a"));
}

#[test]
fn a_name_that_is_retired_comes_back_with_another_id() {
    let names = Names::default();
    let (before, lease) = one(&names, "a");

    retire_all_but(&names, &[]);
    let (after, _) = one(&names, "a");

    assert!(after > before);
    assert!(!names.are_current(&lease));
    assert_eq!(
        names.current(before),
        after,
        "for who still has the old one"
    );
}

#[test]
fn what_was_asked_for_since_the_last_turn_is_not_retired_unused() {
    let names = Names::default();
    names.retire(|_| false);
    let (id, _) = one(&names, "a");

    names.retire(|_| false);
    assert!(names.look_up().key(id).is_some());

    names.retire(|_| false);
    assert!(names.look_up().key(id).is_none());
}

#[test]
fn a_retired_id_is_understood_for_as_long_as_a_lease_of_before_is_held() {
    let names = Names::default();
    let (old, lease) = one(&names, "a");
    retire_all_but(&names, &[]);
    for _ in 0..3 {
        names.retire(|_| true);
    }

    let current = names.current(old);
    drop(lease);
    names.retire(|_| true);

    assert_ne!(current, old);
    assert!(
        names.read().former.is_empty(),
        "nobody can have it any more"
    );
    assert!(names.read().retired.len() <= 1);
}

#[test]
fn of_a_name_that_is_kept_twice_the_newer_id_is_given() {
    let names = Names::default();
    let id = |number| Id::new(number).unwrap();
    for number in [7, 3] {
        names.restore(id(number), key("a"));
    }
    names.restore_next(20);

    assert_eq!(one(&names, "a").0, id(7));
    assert_eq!(one(&names, "b").0, id(20));
    assert!(names.look_up().key(id(3)).is_some());
}

#[test]
fn names_are_unwritten_until_they_are_written() {
    let names = Names::default();
    one(&names, "before");
    names.note_unwritten();
    let (ids, _) = names.ids(&[key("a"), key("b")]);

    let unwritten: Vec<_> = names.unwritten().iter().map(|(id, _)| *id).collect();
    names.written(ids[0]);

    assert_eq!(unwritten, ids);
    assert_eq!(names.unwritten().len(), 1);
}

#[test]
fn a_pod_is_known_by_itself_until_it_moves_or_names_are_retired() {
    let names = Names::default();
    let pod = std::sync::Arc::new(kubezonnet_model::Pod {
        namespace: Namespace::new("shop").unwrap(),
        name: Text::new("web-0").unwrap(),
        uid: "1".into(),
        workload: std::sync::Arc::new(kubezonnet_model::Workload {
            kind: Text::new("Deployment").unwrap(),
            name: Text::new("web").unwrap(),
        }),
        node: None,
        labels: kubezonnet_model::Labels::default(),
    });
    let site = |zone: &str| {
        kubezonnet_model::Site::from(kubezonnet_model::Located {
            node: None,
            zone: kubezonnet_model::Zone::new(zone).ok(),
            zone_id: None,
            region: None,
        })
    };
    let (a, b) = (site("a"), site("b"));
    let (ids, lease) = names.ids(&[key("web-0"), key("side")]);
    let ids = PodIds {
        subject: ids[0],
        side: ids[1],
    };
    let find = |site| names.of_pods([Some((&pod, site)), None].into_iter()).0;

    names.remember([(&pod, &a, ids)].into_iter(), &lease);

    assert_eq!(find(&a), [Some(ids), None]);
    assert_eq!(find(&b), [None, None]);
    names.retire(|_| true);
    assert_eq!(find(&a), [None, None], "its ids may be others now");
    names.remember([(&pod, &a, ids)].into_iter(), &lease);
    assert_eq!(find(&a), [None, None], "they were asked for before");
}
