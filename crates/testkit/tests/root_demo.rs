//! The demo as a program: what it shows is true, and nothing of it is left however it ends.
//!
//! It starts `kubezonnet-agent` and `kubezonnet-server`, which must be built: `make test` does.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kubezonnet_testkit::{Cluster, Process, Run, require_root, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

/// How long a demo may take from its start until all of it runs.
const STARTED: Duration = Duration::from_mins(2);

/// How long it may take to end.
const ENDED: Duration = Duration::from_secs(40);

fn demo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubezonnet-demo"));
    // Several demos may run at once, here and beside this test.
    command.arg("--port=0");
    command
}

/// Starts a demo that runs until it is told to end; returns it with the id of its run.
fn start(run: &Run) -> (Process, String) {
    let endpoints = run.dir().join("endpoints");
    let mut command = demo();
    command.arg(format!("--endpoints-file={}", endpoints.display()));
    let mut demo = Process::start(run, "kubezonnet-demo", &mut command).expect("it is built");
    let text = demo
        .wait_for("the endpoints file", STARTED, |_| {
            fs::read_to_string(&endpoints).ok()
        })
        .expect("the demo starts");
    let endpoints: Value = serde_json::from_str(&text).expect("the file is JSON");
    let id = endpoints["run"]
        .as_str()
        .expect("it names the run")
        .to_owned();
    (demo, id)
}

/// Everything of a run that can be left behind: namespaces, its directory, its programs.
fn left_of(id: &str) -> Vec<PathBuf> {
    let dir = Path::new("/run/kubezonnet-testkit").join(id);
    let list = |dir: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let name = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let mut left: Vec<PathBuf> = list(Path::new("/run/netns"));
    left.retain(|path| name(path).is_some_and(|name| name.starts_with(id)));
    left.extend(list(&dir.join("processes")));
    left.extend(dir.exists().then_some(dir));
    left
}

/// The programs of a run, as their directories in `/proc`.
fn programs_of(id: &str) -> Vec<PathBuf> {
    let notes = Path::new("/run/kubezonnet-testkit")
        .join(id)
        .join("processes");
    let entries = fs::read_dir(notes).expect("the run has programs").flatten();
    entries
        .map(|entry| {
            let note = entry
                .file_name()
                .into_string()
                .expect("notes are named by numbers");
            Path::new("/proc").join(note.split('-').next().expect("a note has a pid"))
        })
        .collect()
}

/// One that has ended has no namespace any more, even if nobody has waited for it yet.
fn runs(program: &Path) -> bool {
    fs::read_link(program.join("ns/net")).is_ok()
}

#[test]
fn the_database_is_on_top_and_all_bytes_are_those_of_the_wire() {
    require_root();

    let output = demo().args(["--json", "--for=8s"]).output().unwrap();

    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{notes}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let top = &report["pods"][0];
    assert_eq!(
        (&top["namespace"], &top["pod"]),
        (&"shop".into(), &"postgres-0".into()),
        "{report}"
    );
    let next = report["pods"][1]["cross_zone_bytes_per_second"]
        .as_f64()
        .unwrap();
    assert!(
        top["cross_zone_bytes_per_second"].as_f64().unwrap() > 5.0 * next,
        "{report}"
    );
    let comparisons = report["comparisons"].as_array().unwrap();
    assert_eq!(comparisons.len(), 5, "{report}");
    for comparison in comparisons {
        let [on_the_link, counted] =
            ["link_bytes", "counted_bytes"].map(|key| comparison[key].as_u64().unwrap());
        assert_eq!(on_the_link, counted, "{comparison}");
        assert!(counted > 5_000, "{comparison}");
    }
    let counted = comparisons[0]["counted_bytes"].as_f64().unwrap();
    let pairs = report["workloads"].as_array().unwrap();
    for (source, destination) in [
        ("StatefulSet/postgres", "Deployment/orders"),
        ("StatefulSet/postgres", "Deployment/reports"),
        ("DaemonSet/shipper", "Deployment/orders"),
    ] {
        let is_it = |pair: &&Value| pair["source"] == source && pair["destination"] == destination;
        assert!(pairs.iter().any(|pair| is_it(&pair)), "{source}: {report}");
    }
    assert!(counted > 20e6, "{report}");
}

#[test]
fn nothing_is_left_after_ctrl_c() {
    require_root();
    let run = Run::begin().unwrap();
    let (mut demo, id) = start(&run);
    let programs = programs_of(&id);
    assert_eq!(programs.iter().filter(|program| runs(program)).count(), 6);

    demo.signal(Signal::SIGINT).unwrap();
    let status = wait_for("the end of the demo", ENDED, || demo.ended()).unwrap();

    assert!(status.success(), "{status}: {}", demo.output());
    assert_eq!(left_of(&id), Vec::<PathBuf>::new());
    assert!(!programs.iter().any(|program| runs(program)));
}

#[test]
fn what_a_killed_demo_leaves_is_removed_by_the_next_sweep() {
    require_root();
    let run = Run::begin().unwrap();
    let (mut demo, id) = start(&run);
    let programs = programs_of(&id);

    demo.kill();
    assert!(!left_of(&id).is_empty() && programs.iter().all(|program| runs(program)));
    Cluster::sweep().unwrap();

    assert_eq!(left_of(&id), Vec::<PathBuf>::new());
    wait_for("the end of its programs", ENDED, || {
        (!programs.iter().any(|program| runs(program))).then_some(())
    })
    .unwrap();
}

#[test]
fn without_root_it_says_so_and_what_to_type() {
    require_root();
    let run = Run::begin().unwrap();
    // The checkout may be in a place that others cannot read.
    let copy = run.dir().join("kubezonnet-demo");
    fs::copy(env!("CARGO_BIN_EXE_kubezonnet-demo"), &copy).unwrap();

    let output = Command::new(copy).uid(65_534).gid(65_534).output().unwrap();

    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(77), "{message}");
    assert!(message.contains("sudo make demo"), "{message}");
}
