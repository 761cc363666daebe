//! The dashboard for Grafana: each of its queries, asked of a real Prometheus that scrapes a real
//! server and real agents, has an answer, and the right one.
//!
//! Where Prometheus is, is told by the variable `PROMETHEUS`; `make test` fetches it and sets it.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod dashboard;
mod expected;
mod seldom;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use kubezonnet_testkit::require_root;
use kubezonnet_tests::prometheus::{Prometheus, Sample};

use crate::dashboard::{Dashboard, Queries, Source};
use crate::expected::EXPECTED;
use crate::stage::{MONTH, Stage};

/// What comes with Grafana and is no plugin of long ago.
const KINDS: [&str; 4] = ["row", "stat", "table", "timeseries"];

/// The oldest schema that Grafana 11 writes.
const SCHEMA: u32 = 39;

fn asked(
    prometheus: &Prometheus,
    queries: Queries,
    at: f64,
) -> BTreeMap<(String, String), Vec<Sample>> {
    let answers = queries
        .into_iter()
        .map(|(key, query)| (key, prometheus.ask(&query, Some(at)).unwrap()));
    answers.collect()
}

#[test]
fn every_query_of_the_dashboard_has_the_right_answer() {
    require_root();
    let dashboard = Dashboard::read();
    let stage = Stage::begin();
    let prometheus = &stage.prometheus;
    // All of it at one instant, a scrape ago.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = now.as_secs_f64() - 1.0;
    let month = prometheus.ask(MONTH, Some(at)).unwrap()[0]
        .value
        .to_string();

    let answers = asked(prometheus, dashboard.queries(&[]), at);

    let known: BTreeSet<_> = EXPECTED
        .iter()
        .map(|(title, letter, _)| ((*title).to_owned(), (*letter).to_owned()))
        .collect();
    assert_eq!(
        known,
        answers.keys().cloned().collect(),
        "what is expected of each query"
    );
    for (title, letter, expected) in EXPECTED {
        let samples = &answers[&((*title).to_owned(), (*letter).to_owned())];
        for expected in *expected {
            expected.hold(
                samples,
                |query| {
                    let query = query.replace("$month", &month);
                    prometheus.ask(&query, Some(at)).unwrap()
                },
                title,
            );
        }
    }

    // What is chosen is what is shown.
    let chosen = [
        ("namespace", "(shop)"),
        ("workload", "(database|near)"),
        ("zone", "(zone-b)"),
    ];
    let answers = asked(prometheus, dashboard.queries(&chosen), at);
    let labels = |title: &str, label: &str| -> BTreeSet<String> {
        let samples = &answers[&(title.to_owned(), "A".to_owned())];
        samples
            .iter()
            .map(|sample| sample.label(label).to_owned())
            .collect()
    };
    let only = |name: &str| BTreeSet::from([name.to_owned()]);
    assert_eq!(labels("Who pays most", "workload"), only("database"));
    assert_eq!(
        labels("Sent out of the zone, by workload", "src_workload"),
        only("database")
    );
    assert_eq!(
        labels("Received from other zones, by workload", "dst_workload"),
        only("database")
    );
    let pairs = &answers[&(
        "Pairs that send most out of their zone".to_owned(),
        "A".to_owned(),
    )];
    assert_eq!(pairs.len(), 2, "{pairs:?}");
    assert_eq!(labels("Nodes", "node"), only("node-b"));

    for (name, (query, label)) in dashboard.variables() {
        let values = prometheus.ask(&query, Some(at)).unwrap();
        let values: BTreeSet<_> = values.iter().map(|value| value.label(&label)).collect();
        let expected: &[&str] = match name {
            // Nobody has given it a name here.
            "cluster" => &[""],
            "namespace" => &["shop"],
            "workload" => &["bare", "client", "database", "far", "near", "neighbour"],
            "zone" => &["", "zone-a", "zone-b", "zone-far"],
            other => panic!("nothing is known of the variable {other}"),
        };
        let missing: Vec<_> = expected
            .iter()
            .filter(|value| !values.contains(*value))
            .collect();
        assert!(
            missing.is_empty(),
            "{name}: {missing:?} are not among {values:?}"
        );
    }
}

#[test]
fn the_dashboard_is_what_grafana_of_today_reads() {
    let dashboard = Dashboard::read();

    assert!(
        dashboard.schema_version >= SCHEMA,
        "{}",
        dashboard.schema_version
    );
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    let ours = || Source {
        kind: "prometheus".to_owned(),
        uid: "${datasource}".to_owned(),
    };
    for panel in &dashboard.panels {
        let title = &panel.title;
        assert!(
            KINDS.contains(&panel.kind.as_str()),
            "{title} is a {}",
            panel.kind
        );
        assert!(ids.insert(panel.id), "{title} has an id that another has");
        let place = &panel.grid_pos;
        assert!(place.x + place.w <= 24, "{title} is beyond the grid");
        for y in place.y..place.y + place.h {
            for x in place.x..place.x + place.w {
                assert!(cells.insert((x, y)), "{title} lies over another panel");
            }
        }
        if panel.kind != "row" {
            assert_eq!(panel.datasource, Some(ours()), "{title}");
            assert!(!panel.targets.is_empty(), "{title} asks nothing");
        }
        for target in &panel.targets {
            assert_eq!(target.datasource, ours(), "{title}");
            assert!(
                target.expr.contains("cluster=~\"$cluster\""),
                "{title} is of all clusters"
            );
        }
    }
}
