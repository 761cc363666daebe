//! What a killed process leaves behind is found and removed; what a living one owns is not.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use kubezonnet_testkit::{
    Cluster, ControlGroup, NodeSpec, Place, PodSpec, Process, Run, require_root, wait_for,
};

/// Set for the child of the test below, which is the same test again.
const CHILD: &str = "KUBEZONNET_TESTKIT_CHILD";

/// Builds a cluster with a program in it, says so, and waits to be killed.
fn build_and_wait() {
    let cluster = Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .pod("node-a", PodSpec::new("shop", "web-0"))
        .build()
        .expect("this machine can make network namespaces");
    let mut command = cluster.node("node-a").netns().command("sleep");
    let program =
        Process::start(cluster.run(), "sleep", command.arg("600")).expect("every system has sleep");
    ControlGroup::make(cluster.run(), "kubepods/burstable").expect("control groups can be made");
    let groups = ControlGroup::root_of(cluster.run()).expect("they are somewhere");
    let (id, pid) = (cluster.run().id(), program.pid());
    let line = format!("\nbuilt {id} {pid} {}", groups.display());
    writeln!(io::stdout(), "{line}").expect("the parent reads");
    loop {
        thread::park();
    }
}

/// Whether a process runs in some namespace: one that has ended but was not waited for does not.
fn runs(pid: &str) -> bool {
    fs::read_link(Path::new("/proc").join(pid).join("ns/net")).is_ok()
}

#[test]
fn a_sweep_removes_what_a_killed_process_left_and_nothing_that_lives() {
    require_root();
    if env::var_os(CHILD).is_some() {
        build_and_wait();
    }
    let living = Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .build()
        .unwrap();
    let own_run = Run::begin().unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(CHILD, "1").args([
        "--exact",
        "a_sweep_removes_what_a_killed_process_left_and_nothing_that_lives",
        "--nocapture",
    ]);
    let mut child = Process::start(&own_run, "the child", &mut command).unwrap();
    let line = child
        .wait_for_line("built ", Duration::from_secs(20))
        .unwrap();
    let [_, id, pid, groups] = line.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{line}")
    };
    let left = [
        format!("/run/netns/{id}-fabric"),
        format!("/run/netns/{id}-node-node-a"),
        format!("/run/netns/{id}-pod-shop-web-0"),
        format!("/run/kubezonnet-testkit/{id}"),
        format!("{groups}/kubepods/burstable"),
        groups.to_owned(),
    ];
    let exists = |path: &String| Path::new(path).exists();

    child.kill();
    assert!(
        left.iter().all(exists) && runs(pid),
        "the child cleaned up though it was killed"
    );
    Cluster::sweep().unwrap();

    assert!(!left.iter().any(exists), "something of {id} is still there");
    wait_for(
        "the end of the child's program",
        Duration::from_secs(5),
        || (!runs(pid)).then_some(()),
    )
    .unwrap();
    assert!(living.node("node-a").netns().path().exists() && living.run().dir().exists());
    assert!(own_run.dir().exists());
}
