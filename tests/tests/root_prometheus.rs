//! A real Prometheus scrapes the running demo and answers the queries of the README.
//!
//! Where the program is, is told by the variable `PROMETHEUS`; `make test` fetches it and sets it.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kubezonnet_testkit::demo::{TOP_PODS_QUERY, TOTAL_QUERY};
use kubezonnet_testkit::scrape::get;
use kubezonnet_testkit::{Process, Run, binary, require_root};
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

fn start_prometheus(run: &Run, target: &str) -> (Process, SocketAddr) {
    let program = std::env::var_os("PROMETHEUS").expect(
        "PROMETHEUS names no program: run the tests by `make test`, or set it to where prometheus is",
    );
    let config = run.dir().join("prometheus.yaml");
    let text = format!(
        "global: {{ scrape_interval: 1s }}\n\
         scrape_configs: [{{ job_name: kubezonnet, static_configs: [{{ targets: ['{target}'] }}] }}]\n"
    );
    fs::write(&config, text).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut command = Command::new(Path::new(&program));
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            run.dir().join("prometheus").display()
        ))
        .arg(format!("--web.listen-address={address}"));
    (
        Process::start(run, "prometheus", &mut command).unwrap(),
        address,
    )
}

/// The samples of an instant query's answer.
fn answer(prometheus: SocketAddr, query: &str) -> Option<Vec<Value>> {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).into()
        } else {
            format!("%{byte:02X}")
        }
    };
    let query: String = query.bytes().map(escape).collect();
    let (status, body) = get(prometheus, &format!("/api/v1/query?query={query}")).ok()?;
    let answer: Value = serde_json::from_str(&body).ok()?;
    assert!(status == 200 || status == 503, "{status}: {body}");
    answer["data"]["result"].as_array().cloned()
}

fn value_of(sample: &Value) -> f64 {
    sample["value"][1].as_str().unwrap().parse().unwrap()
}

/// The series of an answer, largest value first: namespace, pod and value.
fn ask(prometheus: SocketAddr, query: &str) -> Option<Vec<(String, String, f64)>> {
    let samples = answer(prometheus, query)?;
    let series = samples.iter().map(|sample| {
        let label = |name: &str| sample["metric"][name].as_str().unwrap().to_owned();
        (label("namespace"), label("pod"), value_of(sample))
    });
    let mut series: Vec<_> = series.filter(|(.., value)| *value > 0.0).collect();
    series.sort_by(|a, b| b.2.total_cmp(&a.2));
    (!series.is_empty()).then_some(series)
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
    section.split("```").nth(1).unwrap().trim()
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
    let (mut prometheus, address) = start_prometheus(&run, target.unwrap());

    for query in [TOP_PODS_QUERY, TOTAL_QUERY] {
        let series = prometheus
            .wait_for(query, PATIENCE, |_| ask(address, query))
            .unwrap();

        let (namespace, pod, most) = &series[0];
        assert_eq!(
            (namespace.as_str(), pod.as_str()),
            ("shop", "postgres-0"),
            "{series:?}"
        );
        assert!(
            series.iter().skip(1).all(|(.., value)| value * 5.0 < *most),
            "{series:?}"
        );
    }

    let workload = prometheus.wait_for(workload_query(), PATIENCE, |_| {
        let samples = answer(address, workload_query())?;
        let largest = samples
            .into_iter()
            .filter(|sample| value_of(sample) > 0.0)
            .max_by(|a, b| value_of(a).total_cmp(&value_of(b)))?;
        Some(largest["metric"]["src_workload"].clone())
    });
    assert_eq!(workload.unwrap(), "postgres");

    let values = |query: &str| -> Vec<f64> {
        let samples = answer(address, query).unwrap();
        samples.iter().map(value_of).collect()
    };
    // An equation that does not hold has no sample.
    let balanced = values(books_query());
    assert!(
        matches!(balanced[..], [bytes] if bytes > 0.0),
        "{balanced:?}"
    );
    assert_eq!(values("up"), [1.0], "the page is one that Prometheus takes");
    prometheus.terminate(PATIENCE).unwrap();
    assert!(
        demo.terminate(PATIENCE).unwrap().success(),
        "{}",
        demo.output()
    );
}
