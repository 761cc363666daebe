//! Both sources of the past agree: what servers keep themselves, and what a real Prometheus, or a real
//! `VictoriaMetrics`, that scrapes them knows of all of them together.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod cluster;
mod views;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kubezonnet_testkit::served::Served;
use kubezonnet_testkit::{Run, Scrape, require_root, wait_for};
use kubezonnet_tests::prometheus::Prometheus;
use nix::sys::signal::Signal;

use self::cluster::{Cluster, addresses};
use self::views::{Rows, bytes, sum, views};

/// The longest wait for anything: a minute has to end, and Prometheus to scrape.
pub(crate) const PATIENCE: Duration = Duration::from_secs(100);

/// A moment, so many minutes before this one, at the begin of its minute.
fn minutes_ago(minutes: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seconds = (now.as_secs() / 60 - minutes) * 60;
    // RFC 3339 by hand would be a calendar.
    let output = std::process::Command::new("date")
        .args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Waits until a server knows as many bytes as there are.
fn wait_for_bytes(server: SocketAddr, range: impl Fn() -> String, expected: u64) {
    let mut last = None;
    let waited = wait_for("all bytes to be in the history", PATIENCE, || {
        last = bytes(server, &range());
        (last == Some(expected)).then_some(())
    });
    assert!(waited.is_ok(), "{last:?} of {expected} bytes");
}

fn total(rows: &Rows) -> u64 {
    let localities = rows
        .iter()
        .filter(|(key, _)| key.starts_with("summary? /localities"));
    localities.map(|(_, numbers)| numbers["bytes"]).sum()
}

/// A kubezonnet-server that only shows, and what it asks.
struct Viewer {
    cluster: Cluster,
    address: SocketAddr,
    _served: Served,
    asked: Prometheus,
}

impl Viewer {
    fn start(run: &Run, name: &'static str, address: SocketAddr, asked: Prometheus) -> Self {
        let cluster = Cluster::new(name, run.dir().join(name));
        let url = format!("--prometheus-url={}", asked.url());
        Self {
            _served: cluster.serve(address, &[url]),
            cluster,
            address,
            asked,
        }
    }

    /// Waits until it shows all of that, and sees that it shows nothing else.
    fn shows(&self, from: &str, expected: &Rows) {
        wait_for_bytes(self.address, || format!("from={from}"), total(expected));
        assert_eq!(
            views(self.address, from),
            *expected,
            "{}",
            self.cluster.namespace
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_and_victoria_metrics_know_what_several_servers_keep_to_the_byte_and_the_cent() {
    require_root();
    let run = Run::begin().unwrap();
    let from = minutes_ago(10);
    let [first, moved, anew, other, of_prometheus, of_victoria] = addresses();
    let targets = [first, moved, anew, other].map(|address| address.to_string());
    let jobs = [("kubezonnet", targets.to_vec())];
    let mut shop = Cluster::new("shop", run.dir().join("shop"));
    let mut bank = Cluster::new("bank-of", run.dir().join("bank"));
    let prometheus = Prometheus::start(&run, &jobs);
    let victoria = Prometheus::start_victoria_metrics(&run, &jobs);
    let shop_server = shop.serve(first, &[]);
    let _bank_server = bank.serve(other, &[]);
    let viewers = [
        Viewer::start(&run, "viewer", of_prometheus, prometheus),
        Viewer::start(&run, "victoria-viewer", of_victoria, victoria),
    ];
    let since = || format!("from={from}");
    // What was counted a moment ago may not be told yet.
    let kept = |server: SocketAddr, cluster: &Cluster| {
        wait_for_bytes(server, since, cluster.bytes);
        views(server, &from)
    };

    // Several windows of two clusters.
    for _ in 0..3 {
        shop.send(first).await;
        bank.send(other).await;
    }
    let expected = sum([&kept(first, &shop), &kept(other, &bank)]);
    assert!(shop.has("data/history.db"));
    for viewer in &viewers {
        viewer.shows(&from, &expected);
        assert!(
            !viewer.cluster.has("data/history.db"),
            "who asks keeps none"
        );
        wait_for("a look at who is asked", PATIENCE, || {
            let page = Scrape::fetch(viewer.address).ok()?;
            let mut all = page.all();
            assert!(all.all(|sample| sample.name != "kubezonnet_history_bytes"));
            (page.sum("kubezonnet_history_up", &[]) > 0.0).then_some(())
        })
        .unwrap();
    }

    // The server goes on elsewhere with the same data.
    shop_server.signal(Signal::SIGTERM).unwrap();
    assert!(shop_server.wait(PATIENCE).unwrap().success());
    let shop_server = shop.serve(moved, &[]);
    shop.send(moved).await;
    let expected = sum([&kept(moved, &shop), &kept(other, &bank)]);
    for viewer in &viewers {
        viewer.shows(&from, &expected);
    }

    // Its data are lost, once a minute has ended in which all saw them.
    for viewer in &viewers {
        let until_now = || format!("from={from}&to={}", minutes_ago(0));
        wait_for_bytes(viewer.address, until_now, total(&expected));
    }
    let before = views(moved, &from);
    shop_server.signal(Signal::SIGTERM).unwrap();
    assert!(shop_server.wait(PATIENCE).unwrap().success());
    shop.lose_data();
    let _shop_server = shop.serve(anew, &[]);
    shop.send(anew).await;
    bank.send(other).await;
    let expected = sum([&before, &kept(anew, &shop), &kept(other, &bank)]);
    for viewer in viewers {
        viewer.shows(&from, &expected);
        viewer.asked.end(PATIENCE);
    }
}
