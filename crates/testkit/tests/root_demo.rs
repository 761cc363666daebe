//! The demo as a program: what it shows is true, and nothing of it is left however it ends.
//!
//! It starts `kubezonnet-agent` and `kubezonnet-server`, which must be built: `make test` does.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kubezonnet_testkit::{Cluster, Process, Run, require_root, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long a demo may take from its start until all of it runs.
const STARTED: Duration = Duration::from_mins(2);

/// How long it may take to end.
const ENDED: Duration = Duration::from_secs(40);

/// How long it may take to see that a program has died, say so and clean up. It looks several times
/// a second; the rest is for machines that are busy.
const NOTICED: Duration = Duration::from_secs(8);

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
    // Half of what crosses a zone is the sender's on this cloud: 0.01 for a GB, and as much again
    // is the receiver's.
    assert_eq!(report["currency"], "USD");
    let zones = report["zones"].as_array().unwrap();
    for (from, to, locality) in [
        ("us-east-1b", "us-east-1a", "cross_zone"),
        ("us-east-1b", "eu-west-1a", "cross_region"),
        ("us-east-1a", "us-east-1a", "same_zone"),
    ] {
        let is_it = |zone: &&Value| zone["source"] == from && zone["destination"] == to;
        let zone = zones.iter().find(is_it).unwrap();
        assert_eq!(zone["locality"], locality, "{zone}");
        let price = zone["cost"].as_f64().unwrap() / zone["bytes"].as_f64().unwrap() * 1e9;
        let expected = if from == to { 0.0 } else { 0.02 };
        assert!((price - expected).abs() < 1e-4, "{price}: {zone}");
    }
    let payer = report["payers"][0]["workload"].as_str().unwrap();
    assert!(
        ["StatefulSet/postgres", "Deployment/orders"].contains(&payer),
        "{report}"
    );
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

/// Kills the program of a demo that has this name; returns when it is found and killed.
fn kill_program(id: &str, name: &str) {
    // The kernel keeps 15 characters of a name.
    let is_it = |program: &PathBuf| {
        let found = fs::read_to_string(program.join("comm")).unwrap_or_default();
        !found.trim_end().is_empty() && name.starts_with(found.trim_end())
    };
    let program = wait_for(name, STARTED, || programs_of(id).into_iter().find(is_it)).unwrap();
    let pid = program.file_name().unwrap().to_str().unwrap();
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
}

/// Sees a demo end by itself, with the name of the program that is to blame.
fn ends_because_of(demo: &mut Process, id: &str, name: &str) {
    let status = wait_for("the end of the demo", NOTICED, || demo.ended()).unwrap();
    let output = wait_for("all it says", NOTICED, || {
        let output = demo.output();
        output.contains("the last it wrote:").then_some(output)
    })
    .unwrap();
    assert_eq!(status.code(), Some(1), "{output}");
    let begin = format!("kubezonnet-demo: {name}");
    let is_it = |line: &str| {
        line.starts_with(&begin)
            && line.contains(" has ended (signal: 9 (SIGKILL)); the last it wrote")
    };
    assert!(output.lines().any(is_it), "{output}");
    assert!(output.contains(" INFO "), "without its log: {output}");
    assert_eq!(left_of(id), Vec::<PathBuf>::new());
}

#[test]
fn a_program_that_dies_while_it_runs_is_named_at_once_with_the_end_of_its_log() {
    require_root();
    let run = Run::begin().unwrap();

    for (program, name) in [
        ("kubezonnet-server", "kubezonnet-server"),
        ("kubezonnet-agent", "kubezonnet-agent of node-"),
    ] {
        let (mut demo, id) = start(&run);
        fs::remove_file(run.dir().join("endpoints")).unwrap();
        kill_program(&id, program);

        let note = demo.wait_for_line(": removing all of it", NOTICED).unwrap();
        assert!(note.starts_with(name), "{note}");
        ends_because_of(&mut demo, &id, name);
    }
}

#[test]
fn a_server_that_dies_during_the_start_is_named_and_nobody_waits_for_the_agents() {
    require_root();
    let run = Run::begin().unwrap();
    let mut demo = Process::start(&run, "kubezonnet-demo", &mut self::demo()).unwrap();
    let prefix = format!("kz{}-", demo.pid());
    let id = wait_for("the run of the demo", STARTED, || {
        let runs = fs::read_dir("/run/kubezonnet-testkit").ok()?.flatten();
        let mut ids = runs.filter_map(|run| run.file_name().into_string().ok());
        ids.find(|id| id.starts_with(&prefix))
    })
    .unwrap();

    // An agent is there, and not ready: windows take seconds.
    wait_for("an agent", STARTED, || {
        (programs_of(&id).len() > 1).then_some(())
    })
    .unwrap();
    kill_program(&id, "kubezonnet-server");

    ends_because_of(&mut demo, &id, "kubezonnet-server");
}

#[test]
fn a_second_ctrl_c_ends_a_demo_whose_agent_hangs() {
    require_root();
    let run = Run::begin().unwrap();
    let (mut demo, id) = start(&run);
    let programs = programs_of(&id);
    let agent = programs.iter().find(|program| {
        let name = fs::read_to_string(program.join("comm")).unwrap();
        name.starts_with("kubezonnet-agen")
    });
    let pid = agent.unwrap().file_name().unwrap().to_str().unwrap();
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGSTOP).unwrap();

    demo.signal(Signal::SIGINT).unwrap();
    demo.wait_for_line("stopping the traffic", NOTICED).unwrap();
    let status = wait_for("the end of the demo", NOTICED, || {
        demo.signal(Signal::SIGINT).unwrap();
        demo.ended()
    });

    assert!(status.unwrap().success(), "{}", demo.output());
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
