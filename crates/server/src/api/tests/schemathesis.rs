//! The document, by a tool that asks everything it allows and much that it does not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kubezonnet_topology::{KeptLabel, KeptLabels};

use super::seeded::{api_of, plain};
use super::*;
use crate::export::{Exporter, Exporters};
use crate::pipeline::Settings;
use crate::testing::{NOW, OUT, Report, cluster_keeping};

/// How many questions of each kind it makes up: half a minute of them.
const EXAMPLES: &str = "25";

/// The same questions each time.
const SEED: &str = "7";

/// What it looks at in each answer. What it may not look at is whether every question that the document
/// allows is answered 200: it cannot say that `to` goes with `from`, or a cursor with its question.
const LEFT_OUT: &str = "positive_data_acceptance";

fn tool() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = own.join("../../target/tools/schemathesis/bin/schemathesis");
    let tool = std::env::var_os("SCHEMATHESIS").map_or(place, PathBuf::from);
    assert!(
        tool.exists(),
        "{} is missing: run scripts/tools.sh schemathesis, or set SCHEMATHESIS to where it is",
        tool.display()
    );
    tool
}

/// A server of a past, of last windows and of pods, that keeps teams.
fn seeded() -> Api {
    let labels = KeptLabels::new([KeptLabel::team("team").unwrap()]).unwrap();
    let topology = cluster_keeping(labels);
    let api = api_of(&topology, Some(Arc::new(plain())));
    let recent: Box<dyn Exporter> = Box::new(Arc::clone(api.recent.as_ref().unwrap()));
    let pods = Arc::clone(api.pods.as_ref().unwrap());
    let exporters = Exporters::of(vec![recent, Box::new(Arc::clone(&pods))]);
    let settings = Settings {
        pending_timeout: Duration::from_mins(1),
        reports_due: kubezonnet_model::Timestamp(0),
        series_retention: Duration::from_mins(15),
        limits: crate::ledger::SeriesLimits::default(),
    };
    let pipeline = Pipeline::new(topology, exporters, settings);
    let batch = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", OUT, 1_000_000)
        .record("10.67.1.1", "192.0.2.1", OUT, 2000)
        .key("10.67.1.1", "10.67.1.2", OUT, None, 500);
    pipeline
        .apply(&batch.decoded(), Duration::ZERO, NOW)
        .unwrap();
    pods.close(Duration::from_secs(20));
    Api {
        pipeline: Arc::new(pipeline),
        ..api
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_the_document_allows_is_answered_as_it_says() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, routes(seeded())).await });
    let tool = tool();
    let work = tempfile::tempdir().unwrap();
    let place = work.path().to_owned();

    let run = tokio::task::spawn_blocking(move || {
        Command::new(tool)
            .current_dir(place)
            .env("NO_PROXY", "*")
            .arg("run")
            .arg(format!("http://{address}/api/v1/openapi.json"))
            .args(["--checks", "all", "--exclude-checks", LEFT_OUT])
            .args(["--phases", "examples,coverage,fuzzing"])
            .args(["--max-examples", EXAMPLES, "--seed", SEED])
            .args([
                "--generation-deterministic",
                "--no-color",
                "--continue-on-failure",
            ])
            .output()
    });
    let run = run.await.unwrap().unwrap();

    server.abort();
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success(),
        "{told}\n{}",
        String::from_utf8_lossy(&run.stderr)
    );
    assert!(told.contains("8 selected / 8 total"), "{told}");
}
