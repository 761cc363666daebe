//! The dashboard in a real browser: a server with an hour of traffic, and `tests/browser`, which looks
//! at what it shows.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]
#![expect(
    clippy::print_stdout,
    reason = "the output of a test says what was looked at"
)]

mod seed;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use kubezonnet_testkit::scrape::get;
use kubezonnet_testkit::served::{self, Served};
use kubezonnet_testkit::{binary, wait_for};

/// How long anything here may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Where the packages are that `tests/browser/package.json` names: `scripts/tools.sh browser` fetches them.
fn tools() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let place = std::env::var_os("KUBEZONNET_BROWSER_TOOLS").map(PathBuf::from);
    let place = place.unwrap_or_else(|| root.join("target/tools/browser"));
    let is_there = place.join("node_modules/playwright-core").is_dir();
    let place = place.display().to_string();
    assert!(
        is_there,
        "{place} has no packages for the browser: run make test, or scripts/tools.sh browser"
    );
    place.into()
}

/// Starts a server whose past is the seed's, and waits until it answers with all of it.
async fn server(directory: &Path) -> Served {
    let topology = directory.join("topology.yaml");
    std::fs::write(&topology, seed::topology()).unwrap();
    let mut command = served::command(binary("kubezonnet-server").unwrap());
    command
        .args(["--listen=127.0.0.1:0", "--insecure", "--log-format=json"])
        .args(["--flow-log=off", "--cloud=aws"])
        .arg(format!("--topology-file={}", topology.display()))
        .arg(format!("--data-dir={}", directory.join("data").display()))
        .arg("--max-batches-per-agent=1000000")
        .stdout(Stdio::null());
    let served = Served::start(&mut command, &["--listen"]).unwrap();
    let address = served.address("--listen");
    wait_for("readiness of the server", DEADLINE, || {
        matches!(get(address, "/readyz"), Ok((200, _))).then_some(())
    })
    .unwrap();
    let sent = seed::send(address).await;
    let total = || {
        let (_, text) = get(address, "/api/v1/summary?since=2h").ok()?;
        let summary: serde_json::Value = serde_json::from_str(&text).ok()?;
        summary["total"]["bytes"].as_u64()
    };
    wait_for("all of the seed to be answered", DEADLINE, || {
        (total() == Some(sent)).then_some(())
    })
    .unwrap_or_else(|error| panic!("{error}: {:?} of {sent} bytes", total()));
    served
}

/// Starts a server that answers who has the token in a file, and has heard of nothing but two nodes.
fn locked(directory: &Path, token: &Path) -> Served {
    let topology = directory.join("two-nodes.yaml");
    let nodes =
        "nodes: [{name: node-a, addresses: [10.66.0.1]}, {name: node-b, addresses: [10.66.0.2]}]\n";
    std::fs::write(&topology, nodes).unwrap();
    std::fs::write(token, "the-token-of-the-test\n").unwrap();
    let mut command = served::command(binary("kubezonnet-server").unwrap());
    command
        .args(["--listen=127.0.0.1:0", "--insecure", "--log-format=json"])
        .args(["--flow-log=off", "--data-dir=none"])
        .arg(format!("--topology-file={}", topology.display()))
        .arg(format!("--bearer-token-file={}", token.display()))
        .stdout(Stdio::null());
    Served::start(&mut command, &["--listen"]).unwrap()
}

/// Runs the checks of these groups, which are files of `tests/browser/checks`: at least `least` of them,
/// and they leave these pictures.
async fn holds(groups: &[&str], least: usize, pictures: &[&str]) {
    let tools = tools();
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path()).await;
    let token = directory.path().join("token");
    let locked = locked(directory.path(), &token);
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");

    let output = Command::new("node")
        .arg(scripts.join("run.mjs"))
        .arg(format!("http://{}", server.address("--listen")))
        .arg(&screenshots)
        .args(groups)
        .env("KUBEZONNET_BROWSER_TOOLS", tools)
        .env("LOCKED", format!("http://{}", locked.address("--listen")))
        .env("LOCKED_TOKEN", token)
        .output()
        .expect("node is there: scripts/install-deps.sh test installs it");

    let told = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{complaint}");
    println!("{told}");
    let checks = told.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(checks >= least, "only {checks} checks:\n{told}");
    for name in pictures {
        assert!(screenshots.join(format!("{name}.png")).is_file(), "{name}");
    }
}

#[tokio::test]
async fn the_dashboard_shows_what_the_api_answers() {
    holds(&["pure", "numbers", "address"], 18, &[]).await;
}

#[tokio::test]
async fn the_dashboard_tells_what_state_it_is_in() {
    let pictures = ["empty", "failing", "stale", "without-prices"];
    holds(&["states", "gate"], 16, &pictures).await;
}

#[tokio::test]
async fn everybody_can_use_the_dashboard() {
    let pictures = ["light", "dark", "phone"];
    holds(&["keyboard", "access", "scroll"], 14, &pictures).await;
}
