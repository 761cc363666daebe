//! A real Prometheus scrapes the running demo and answers the queries of the README.
//!
//! Where the program is, is told by the variable `PROMETHEUS`; `make test` fetches it and sets it.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::fs;
use std::process::Command;
use std::time::Duration;

use kubezonnet_testkit::demo::{TOP_PODS_QUERY, TOTAL_QUERY};
use kubezonnet_testkit::{Process, Run, binary, require_root, wait_for};
use kubezonnet_tests::prometheus::Prometheus;
use serde_json::Value;

/// The longest wait for the demo to run, for the first answer, and for an answer that is right.
const PATIENCE: Duration = Duration::from_mins(1);

fn start_demo(run: &Run) -> (Process, Value) {
    let endpoints = run.dir().join("endpoints");
    let mut command = Command::new(binary("kubezonnet-demo").unwrap());
    command
        .arg("--port=0")
        .arg(format!("--endpoints-file={}", endpoints.display()));
    let mut demo = Process::start(run, "kubezonnet-demo", &mut command).unwrap();
    let text = demo.wait_for("the demo", PATIENCE, |_| {
        fs::read_to_string(&endpoints).ok()
    });
    (demo, serde_json::from_str(&text.unwrap()).unwrap())
}

/// The series of an answer, largest value first: namespace, pod and value.
fn ask(prometheus: &Prometheus, query: &str) -> Option<Vec<(String, String, f64)>> {
    let samples = prometheus.ask(query, None)?;
    let series = samples.iter().map(|sample| {
        let label = |name: &str| sample.label(name).to_owned();
        (label("namespace"), label("pod"), sample.value)
    });
    let mut series: Vec<_> = series.filter(|(.., value)| *value > 0.0).collect();
    series.sort_by(|a, b| b.2.total_cmp(&a.2));
    (!series.is_empty()).then_some(series)
}

/// Whether the demo's database has most, five times as much as any other.
fn names_the_database(series: &[(String, String, f64)]) -> bool {
    let Some(((namespace, pod, most), others)) = series.split_first() else {
        return false;
    };
    (namespace.as_str(), pod.as_str()) == ("shop", "postgres-0")
        && others.iter().all(|(.., value)| value * 5.0 < *most)
}

/// What the README asks of workloads, on one line.
fn workload_query() -> &'static str {
    let page = include_str!("../../README.md");
    let mut lines = page.lines();
    lines
        .find(|line| line.contains("sum by (src_workload"))
        .unwrap()
}

/// The equation of the books, as docs/metrics.md has it: the first block of code below its heading.
fn books_query() -> &'static str {
    let page = include_str!("../../docs/metrics.md");
    let (_, section) = page.split_once("### The books\n").unwrap();
    let (_, block) = section.split_once("```promql\n").unwrap();
    block.split("```").next().unwrap().trim()
}

#[test]
fn the_queries_of_the_readme_name_the_database_and_the_books_balance() {
    require_root();
    let run = Run::begin().unwrap();
    let (mut demo, endpoints) = start_demo(&run);
    let metrics = endpoints["metrics_url"].as_str().unwrap();
    let target = metrics
        .strip_prefix("http://")
        .and_then(|url| url.strip_suffix("/metrics"));
    let prometheus = Prometheus::start(&run, &[("kubezonnet", vec![target.unwrap().to_owned()])]);

    for query in [TOP_PODS_QUERY, TOTAL_QUERY] {
        let mut last = None;
        let named = wait_for(query, PATIENCE, || {
            let series = ask(&prometheus, query)?;
            let is_so = names_the_database(&series);
            last = Some(series);
            // Agents begin to report one after the other.
            is_so.then_some(())
        });

        assert!(named.is_ok(), "{query}: {last:?}");
    }

    let workload = wait_for(workload_query(), PATIENCE, || {
        let samples = prometheus.ask(workload_query(), None)?;
        let largest = samples
            .into_iter()
            .filter(|sample| sample.value > 0.0)
            .max_by(|a, b| a.value.total_cmp(&b.value))?;
        Some(largest.label("src_workload").to_owned())
    });
    assert_eq!(workload.unwrap(), "postgres");

    let values = |query: &str| -> Vec<f64> {
        let samples = prometheus.ask(query, None).unwrap();
        samples.iter().map(|sample| sample.value).collect()
    };
    // An equation that does not hold has no sample.
    let balanced = values(books_query());
    assert!(
        matches!(balanced[..], [bytes] if bytes > 0.0),
        "{balanced:?}"
    );
    assert_eq!(values("up"), [1.0], "the page is one that Prometheus takes");
    prometheus.end(PATIENCE);
    assert!(
        demo.terminate(PATIENCE).unwrap().success(),
        "{}",
        demo.output()
    );
}
