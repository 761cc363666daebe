//! A real Prometheus, or one that is compatible, and what it answers.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
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
        Self::run(
            run,
            "prometheus",
            |config, data, address| {
                let mut command = Command::new(program("PROMETHEUS"));
                command
                    .arg(format!("--config.file={config}"))
                    .arg(format!("--storage.tsdb.path={data}"))
                    .arg(format!("--web.listen-address={address}"));
                command
            },
            jobs,
        )
    }

    /// Starts a `VictoriaMetrics` in its place, which scrapes the same.
    pub fn start_victoria_metrics(run: &Run, jobs: &[(&str, Vec<String>)]) -> Self {
        Self::run(
            run,
            "victoria-metrics",
            |config, data, address| {
                let mut command = Command::new(program("VICTORIA_METRICS"));
                command
                    .arg(format!("-promscrape.config={config}"))
                    .arg(format!("-storageDataPath={data}"))
                    .arg(format!("-httpListenAddr={address}"))
                    .arg("-memory.allowedBytes=128MiB");
                command
            },
            jobs,
        )
    }

    fn run(
        run: &Run,
        name: &str,
        command: impl Fn(&str, &str, SocketAddr) -> Command,
        jobs: &[(&str, Vec<String>)],
    ) -> Self {
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
        let [config, data] = [config, run.dir().join(name)].map(|path| path.display().to_string());
        let mut command = command(&config, &data, address);
        Self {
            process: Process::start(run, name, &mut command).unwrap(),
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

/// The program that a variable of the environment names.
fn program(variable: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| {
        panic!(
            "{variable} names no program: run the tests by `make test`, or set it to where that is"
        )
    })
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
