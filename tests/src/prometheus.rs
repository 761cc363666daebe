//! A real Prometheus, and what it answers.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kubezonnet_testkit::scrape::get;
use kubezonnet_testkit::{Process, Run};
use serde_json::Value;

/// A Prometheus that runs.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    address: SocketAddr,
}

/// A series at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its labels, as a JSON object.
    pub labels: Value,
    /// Its value.
    pub value: f64,
}

impl Sample {
    /// The value of a label; empty if it has none of that name.
    pub fn label(&self, name: &str) -> &str {
        self.labels[name].as_str().unwrap_or_default()
    }
}

impl Prometheus {
    /// Starts one that scrapes these jobs every second, each of some addresses.
    pub fn start(run: &Run, jobs: &[(&str, Vec<String>)]) -> Self {
        let program = std::env::var_os("PROMETHEUS").expect(
            "PROMETHEUS names no program: run the tests by `make test`, or set it to where prometheus is",
        );
        let config = run.dir().join("prometheus.yaml");
        let jobs = jobs.iter().map(|(job, targets)| {
            let targets = targets.iter().map(|target| format!("'{target}'"));
            let targets = targets.collect::<Vec<_>>().join(", ");
            format!(
                "- {{ job_name: {job}, honor_labels: true, static_configs: [{{ targets: [{targets}] }}] }}\n"
            )
        });
        let text = format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs:\n{}",
            jobs.collect::<String>()
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
        Self {
            process: Process::start(run, "prometheus", &mut command).unwrap(),
            address,
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it, and takes it well.
    pub fn end(mut self, grace: Duration) {
        self.process.terminate(grace).unwrap();
    }

    /// The answer to a query now, or at some time; `None` while it does not answer. A query that it
    /// refuses fails the test.
    pub fn ask(&self, query: &str, at: Option<f64>) -> Option<Vec<Sample>> {
        let at = at.map(|at| format!("&time={at}")).unwrap_or_default();
        let path = format!("/api/v1/query?query={}{at}", escaped(query));
        let (status, body) = get(self.address, &path).ok()?;
        assert!(status == 200 || status == 503, "{status}: {query}: {body}");
        let answer: Value = serde_json::from_str(&body).ok()?;
        let samples = answer["data"]["result"].as_array()?;
        let samples = samples.iter().map(|sample| Sample {
            labels: sample["metric"].clone(),
            value: sample["value"][1].as_str().unwrap().parse().unwrap(),
        });
        Some(samples.collect())
    }
}

/// A text as a part of an URL.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).into()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(escape).collect()
}
