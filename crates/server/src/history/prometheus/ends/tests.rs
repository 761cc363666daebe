//! What labels tell is whom they were made of.

use kubezonnet_model::{Billed, NetworkKind};
use proptest::prelude::*;

use super::*;

fn name() -> impl Strategy<Value = Name> {
    "(Service|Node|Network|Internet|Unknown|other|gone|[a-z]{1,8})"
        .prop_map(|text| Name::new(text).unwrap())
}

fn namespace() -> impl Strategy<Value = Namespace> {
    "(other|gone|[a-z]{1,8})".prop_map(|text| Namespace::new(text).unwrap())
}

fn who() -> impl Strategy<Value = Who> {
    let node = "[a-z]{1,8}".prop_map(|text| NodeName::new(text).unwrap());
    let service = (namespace(), name()).prop_map(|(namespace, name)| Service { namespace, name });
    prop_oneof![
        (namespace(), name(), name())
            .prop_map(|(namespace, kind, name)| Who::Workload(namespace, kind, name)),
        node.prop_map(Who::Node),
        name().prop_map(|name| Who::Network {
            name,
            kind: NetworkKind::Cache,
            billed: Billed::Cluster,
        }),
        service.prop_map(Who::Service),
        Just(Who::Internet),
        proptest::sample::select(UnknownReason::ALL.to_vec()).prop_map(Who::Unknown),
        Just(Who::Other),
        Just(Who::Gone),
    ]
}

/// The labels of one end, as metrics have them.
fn put(labels: &mut Labels, end: &str, side: &Side) {
    let ([namespace, kind, workload], zone) = side.shown();
    for (name, value) in [
        ("namespace", namespace),
        ("kind", kind),
        ("workload", workload),
        ("zone", zone),
    ] {
        // Prometheus knows no labels that are empty.
        if !value.is_empty() {
            labels.insert(&format!("{end}_{name}"), value);
        }
    }
}

fn side(who: Who, zone: &str) -> Side {
    Side {
        who,
        place: Place {
            zone: Zone::new(zone).ok(),
            ..Place::default()
        },
        labels: KeptLabels::default(),
    }
}

fn labels(source: &Side, destination: &Side, locality: &str) -> Labels {
    let mut labels = Labels::default();
    put(&mut labels, "src", source);
    put(&mut labels, "dst", destination);
    labels.insert("locality", locality);
    labels
}

fn locality(source: Who, destination: Who, locality: &str) -> Locality {
    let labels = labels(&side(source, ""), &side(destination, ""), locality);
    let ends = Known::default().ends(&labels, &HashMap::default());
    ends.unwrap().class.locality()
}

proptest! {
    #[test]
    fn everybody_comes_back_as_they_are_shown(
        source in who(),
        destination in who(),
        zones in ("[a-c]?", "[a-c]?"),
        disposition in proptest::sample::select(Disposition::LOCALITIES.to_vec()),
    ) {
        let (source, destination) = (side(source, &zones.0), side(destination, &zones.1));
        let labels = labels(&source, &destination, disposition.as_str());

        let ends = Known::default().ends(&labels, &HashMap::default()).unwrap();

        prop_assert_eq!(ends.source.who.as_shown(), source.who.as_shown());
        prop_assert_eq!(ends.destination.who.as_shown(), destination.who.as_shown());
        prop_assert_eq!(ends.source.place, source.place);
        prop_assert_eq!(ends.destination.place, destination.place);
        prop_assert_eq!(Disposition::from(ends.class.locality()), disposition);
    }
}

#[test]
fn why_a_locality_is_unknown_is_told_by_whose_it_is() {
    let service = || {
        Who::Service(Service {
            namespace: Namespace::new("shop").unwrap(),
            name: Name::new("db").unwrap(),
        })
    };
    let nobody = Who::Unknown(UnknownReason::ReusedInWindow);
    for (source, destination, expected) in [
        (nobody.clone(), Who::Other, UnknownReason::ReusedInWindow),
        (Who::Other, nobody, UnknownReason::ReusedInWindow),
        (service(), Who::Other, UnknownReason::ServiceAddress),
        (Who::Internet, Who::Other, UnknownReason::UnlistedAddress),
        (Who::Other, Who::Other, UnknownReason::MissingZone),
    ] {
        assert_eq!(
            locality(source, destination, "unknown"),
            Locality::Unknown(expected)
        );
    }
}

#[test]
fn what_a_network_is_and_where_is_told_by_this_servers_own_file() {
    let network = Arc::new(Network {
        name: Name::new("db").unwrap(),
        kind: NetworkKind::ManagedDatabase,
        zone: Zone::new("a").ok(),
        zone_id: ZoneId::new("id-a").ok(),
        region: Region::new("r").ok(),
        billed: Billed::Neither,
    });
    let known = Known {
        networks: [("db", &network)].into(),
        ..Known::default()
    };
    let who = |kind, billed| Who::Network {
        name: Name::new("db").unwrap(),
        kind,
        billed,
    };
    let shown = side(who(NetworkKind::default(), Billed::default()), "a");
    let labels = labels(&shown, &side(Who::Other, "a"), "same_zone");

    let ends = known.ends(&labels, &HashMap::default()).unwrap();

    assert_eq!(
        ends.source.who,
        who(NetworkKind::ManagedDatabase, Billed::Neither)
    );
    assert_eq!(ends.source.place.region, Region::new("r").ok());
    assert_eq!(ends.destination.place.region, None);
}

#[test]
fn regions_are_told_by_the_servers_that_count_and_else_by_this_one() {
    let told = |id: &str, region: &str| [("a".to_owned(), [id.to_owned(), region.to_owned()])];
    let known = Known {
        zones: told("", "own").into_iter().collect(),
        ..Known::default()
    };
    let labels = labels(&side(Who::Other, "a"), &side(Who::Other, ""), "unknown");
    let place =
        |zones: &HashMap<String, [String; 2]>| known.ends(&labels, zones).unwrap().source.place;

    let theirs = place(&told("id", "theirs").into_iter().collect());
    let ours = place(&HashMap::default());

    assert_eq!(
        (theirs.zone_id, theirs.region),
        (ZoneId::new("id").ok(), Region::new("theirs").ok())
    );
    assert_eq!((ours.zone_id, ours.region), (None, Region::new("own").ok()));
}

#[test]
fn labels_for_charge_back_are_put_in_their_places() {
    let columns = [Column {
        place: 1,
        names: ["src_team".to_owned(), "dst_team".to_owned()],
    }];
    let known = Known {
        columns: &columns,
        kept: 3,
        ..Known::default()
    };
    let mut labels = labels(&side(Who::Other, "a"), &side(Who::Other, "a"), "same_zone");
    labels.insert("dst_team", "blue");

    let ends = known.ends(&labels, &HashMap::default()).unwrap();

    assert_eq!(ends.source.labels, KeptLabels::default());
    assert_eq!(ends.destination.labels.get(1).unwrap().as_str(), "blue");
    assert_eq!(ends.destination.labels.get(0), None);
}

#[test]
fn labels_that_no_server_has_are_nobodys() {
    let long = "x".repeat(300);
    for (name, value) in [
        ("locality", "somewhere"),
        ("locality", "counted_by_sender"),
        ("src_workload", ""),
        ("src_zone", &long),
        ("src_kind", "Node\n"),
    ] {
        let mut labels = labels(
            &side(
                Who::Workload(
                    Namespace::new("shop").unwrap(),
                    Name::new("Deployment").unwrap(),
                    Name::new("web").unwrap(),
                ),
                "a",
            ),
            &side(Who::Other, "a"),
            "same_zone",
        );
        labels.insert(name, value);

        assert_eq!(
            Known::default().ends(&labels, &HashMap::default()),
            None,
            "{name} {value}"
        );
    }
}
