//! What is asked, and what is made of the answers.

mod hostile;
mod law;
mod served;
mod stretches;
mod watched;

use std::collections::BTreeMap;

use kubezonnet_model::{Locality, Service, Timestamp, Window};
use kubezonnet_topology::{KeptLabel, KeptLabels};

use self::served::{Said, Server, answer};
use super::dialect::Dialect;
use super::gathered::{BYTES, CREATED, FOLDED, ZONES};
use super::*;
use crate::history::{Filter, question};
use crate::testing::{NOW, cluster, cluster_keeping};

const HOUR: Duration = Duration::from_hours(1);

fn question() -> Question {
    Question {
        range: Window {
            start: NOW.minus(HOUR),
            end: NOW,
        },
        resolution: None,
        step: None,
        by: By::Edges(Vec::new()),
        only: None,
        filter: Filter::default(),
    }
}

fn here(topology: Topology) -> Here {
    Here {
        topology,
        columns: vec![Column {
            place: 1,
            names: ["src_label_app".to_owned(), "dst_label_app".to_owned()],
        }],
        book: Box::new(|| None),
        clock: Clock::new(|| NOW),
    }
}

/// One that asks a server which says that.
fn asking(server: &Server, topology: Topology) -> Prometheus {
    let _in_runtime = server.runtime.enter();
    Prometheus::new(server.options(), here(topology)).unwrap()
}

#[test]
fn asked_is_what_can_have_part_in_the_answer_and_whose_it_is() {
    let all = selector(&question());
    let mut narrow = question();
    narrow.filter.localities = vec![Locality::CrossZone, Locality::Internet];
    narrow.filter.source.zones = vec!["a.b\"".to_owned()];

    let narrow = selector(&narrow);

    let names = "__name__=~\"kubezonnet_workload_traffic_bytes_total|\
                 kubezonnet_workload_traffic_packets_total|\
                 kubezonnet_store_created_timestamp_seconds|\
                 kubezonnet_server_folded_series_total|kubezonnet_zone_info\"";
    assert_eq!(all, format!("{{{names}}}"));
    let matchers = r#"locality=~"|cross_zone|internet",src_zone=~"|a\\x{2e}b\\x{22}""#;
    assert_eq!(narrow, format!("{{{names},{matchers}}}"));
}

#[test]
fn points_are_asked_at_multiples_of_their_step_whenever_the_range_begins() {
    let at = NOW.0 / 1000 + 7 * 60;
    let server = Server::saying(Said::Body(answer(&[])));
    let asking = asking(&server, cluster());
    let mut question = question();
    question.range.start = Timestamp((at - 36_000) * 1000);
    question.range.end = Timestamp(at * 1000);
    question.step = Some(Duration::from_mins(10));

    asking.ask(&question).unwrap();

    let asked = server.asked();
    assert!(asked.len() > 1);
    for request in asked {
        let form = request.rsplit("\r\n").next().unwrap();
        let millis = |name: &str| {
            let mut parts = form.split('&');
            let text = parts.find_map(|part| part.strip_prefix(name)).unwrap();
            text.replace('.', "").parse::<u64>().unwrap()
        };
        assert_eq!(millis("start=") % millis("step="), 0, "{form}");
        let is_moved = form.contains("%7D+offset+180000ms&");
        assert_eq!(is_moved, millis("step=") == 600_000, "{form}");
    }
}

/// What was asked, by the texts of the queries.
fn queries(server: &Server) -> Vec<String> {
    let asked = server.asked().into_iter().map(|request| {
        let form = request.rsplit("\r\n").next().unwrap().to_owned();
        let mut pairs = form_urlencoded::parse(form.as_bytes());
        let query = pairs.find(|(name, _)| name == "query").unwrap();
        query.1.into_owned()
    });
    asked.collect()
}

#[test]
fn a_server_that_has_metricsql_is_asked_for_what_prometheus_means_by_a_selector() {
    let server = Server::of(Dialect::MetricsQl, Said::Body(answer(&[])));
    let asking = asking(&server, cluster());

    asking.ask(&question()).unwrap();
    asking.look();

    let queries = queries(&server);
    let probe = "default_rollup(kubezonnet_store_created_timestamp_seconds[5m])";
    let probes = queries.iter().filter(|each| **each == probe);
    assert_eq!(probes.count(), 1, "{queries:?}");
    let is_named = |query: &String| query.contains("default_rollup(");
    assert!(queries.iter().all(is_named), "{queries:?}");
    assert!(queries.iter().any(|query| query.contains("timestamp(")));
}

#[test]
fn a_server_that_has_another_one_behind_it_now_is_asked_as_that_one_takes_it() {
    let server = Server::of(Dialect::MetricsQl, Said::Body(answer(&[])));
    let asking = asking(&server, cluster());
    asking.ask(&question()).unwrap();

    server.say(Said::Asked(|request| {
        if request.contains("default_rollup") {
            Said::Status(400, "unknown function".to_owned())
        } else {
            Said::Body(answer(&[]))
        }
    }));

    asking.ask(&question()).unwrap();
}

#[test]
fn what_no_label_tells_is_not_answered_and_it_is_said_why() {
    let labels = [
        KeptLabel::team("team").unwrap(),
        KeptLabel::new("app", "app").unwrap(),
    ];
    let topology = cluster_keeping(KeptLabels::new(labels).unwrap());
    let server = Server::saying(Said::Body(answer(&[])));
    let asking = asking(&server, topology);
    let by = |by| Question { by, ..question() };
    let label = |place| By::Parties(vec![PartyPart::Side(SidePart::Label(place))]);
    let mut of_service = question();
    of_service.filter.services.push(Service {
        namespace: "shop".parse().unwrap(),
        name: "db".parse().unwrap(),
    });
    let mut of_team = question();
    let ends: &mut question::Ends = &mut of_team.filter.ends;
    ends.labels.push((0, "blue".to_owned()));

    for (question, expected) in [
        (by(By::Edges(vec![EdgePart::Service])), "which Service"),
        (of_service, "which Service"),
        (by(label(0)), "--metrics-labels team"),
        (of_team, "--metrics-labels team"),
    ] {
        let Err(AskError::Unsupported(message)) = asking.ask(&question) else {
            panic!("{question:?} was answered");
        };
        assert!(message.contains(expected), "{message}");
    }
    assert!(asking.ask(&by(label(1))).is_ok());
    let who_and_team = [SidePart::Who, SidePart::Label(0)].map(PartyPart::Side);
    assert!(asking.ask(&by(By::Parties(who_and_team.into()))).is_ok());
}

#[test]
fn a_question_has_what_the_flags_say() {
    let server = Server::saying(Said::Body(answer(&[])));
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "first\n").unwrap();
    let mut options = server.options();
    options.url.set_path("/prometheus/");
    options.token_file = Some(token.clone());
    options
        .headers
        .push(("x-scope-orgid".parse().unwrap(), "blue".parse().unwrap()));
    let client = {
        let _in_runtime = server.runtime.enter();
        Client::new(options).unwrap()
    };
    let grid = Grid {
        first: NOW.minus(HOUR),
        last: NOW,
        step: 60_000,
    };

    let up = |_| "up".to_owned();
    client.ask(|_| "up{a=\"b c\"}".to_owned(), grid).unwrap();
    std::fs::write(&token, "second\n").unwrap();
    client.ask(up, grid).unwrap();
    std::fs::write(&token, "\n").unwrap();
    let none = client.ask(up, grid);

    // The first of all asks which dialect it is.
    let asked = server.asked().split_off(1);
    let first = &asked[0];
    assert!(
        first.starts_with("POST /prometheus/api/v1/query_range HTTP/1.1\r\n"),
        "{first}"
    );
    let form = "query=up%7Ba%3D%22b+c%22%7D&start=1799996400.000&end=1800000000.000&step=60.000&nocache=1&partial_response=false&deny_partial_response=1&dedup=false&max_source_resolution=0s";
    assert!(first.ends_with(&format!("\r\n\r\n{form}")), "{first}");
    let has = |text: &str, line: &str| text.to_lowercase().contains(&format!("\r\n{line}\r\n"));
    assert!(has(first, "x-scope-orgid: blue"), "{first}");
    assert!(has(first, "authorization: bearer first"), "{first}");
    assert!(
        has(&asked[1], "authorization: bearer second"),
        "{}",
        asked[1]
    );
    assert_eq!(asked.len(), 2);
    assert!(none.unwrap_err().to_string().contains("holds no token"));
}

#[test]
fn a_server_that_fails_is_told_and_so_is_that_it_answers_again() {
    let nothing = Said::Body(answer(&[]));
    let server = Server::saying(nothing.clone());
    let asking = asking(&server, cluster());
    let failing = || asking.status().failing.unwrap_or_default();

    asking.look();
    assert!(
        failing().contains("has nothing of kubezonnet-server"),
        "{}",
        failing()
    );
    server.say(Said::Status(503, "busy".to_owned()));
    asking.look();
    assert!(failing().contains("answers 503"), "{}", failing());
    // Each of what is looked at has it: the last sample was a minute ago.
    let seconds = NOW.0 / 1000;
    let sample = format!(
        r#"{{"metric":{{}},"values":[[{seconds},"{}"]]}}"#,
        seconds - 60
    );
    server.say(Said::Body(answer(&[&sample])));
    asking.look();

    let status = asking.status();
    assert_eq!(status.failing, None);
    assert_eq!(status.source, "prometheus");
    assert_eq!(status.behind, Duration::from_mins(1));
    assert_eq!(status.since, Some(NOW));
}
