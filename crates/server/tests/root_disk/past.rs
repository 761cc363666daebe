//! A disk without room for the past: counting goes on, and the past has all of it, once, when there is
//! room again.

use std::fs::{self, File};

use kubezonnet_testkit::{get, wait_for};
use serde_json::Value;

use crate::build;
use crate::server::{Agents, DEADLINE, Sent, Server, Setup, assert_exact, total};

/// A library with which there is no room for the history's files for as long as a file is there.
const NO_ROOM: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static int has_no_room(int fd) {
    const char *file = getenv("NO_ROOM");
    char link[64], path[4096];
    if (!file || access(file, F_OK) != 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return strstr(path, "history.db") != NULL;
}
static ssize_t write_by(int fd, const void *bytes, size_t count, off_t at) {
    if (has_no_room(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, count, at);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    return write_by(fd, bytes, count, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
    return write_by(fd, bytes, count, at);
}
"#;

/// A server for whose past there is room unless a file is there.
struct Stage {
    setup: Setup,
    switch: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

impl Stage {
    fn build() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let [library, switch] = ["room.so", "no-room"].map(|name| directory.path().join(name));
        build(directory.path(), &library, NO_ROOM);
        let setup = Setup::new()
            .environment("LD_PRELOAD", library.to_str().unwrap())
            .environment("NO_ROOM", switch.to_str().unwrap());
        Self {
            setup,
            switch,
            _directory: directory,
        }
    }

    fn fill(&self) {
        File::create(&self.switch).unwrap();
    }

    fn mend(&self) {
        fs::remove_file(&self.switch).unwrap();
    }
}

fn answer(server: &Server, path: &str) -> (u16, Value) {
    let (status, text) = get(server.address, &format!("/api/v1/{path}")).unwrap();
    (status, serde_json::from_str(&text).unwrap())
}

/// What the past has of the day; who asks has it written.
fn past(server: &Server) -> u64 {
    let (status, summary) = answer(server, "summary?since=1d");
    assert_eq!(status, 200, "{summary}");
    summary["total"]["bytes"].as_u64().unwrap()
}

/// Waits until the past is written, or is not, as it is told.
fn wait_until(server: &Server, is_up: bool) {
    let what = if is_up {
        "a past that is written"
    } else {
        "a past without room"
    };
    wait_for(what, DEADLINE, || {
        past(server);
        let up = total(&server.scrape(), "kubezonnet_history_up") == 1;
        (up == is_up).then_some(())
    })
    .unwrap();
}

/// Waits until the past has so much, and stays so.
fn wait_for_past(server: &Server, bytes: u64) {
    let what = format!("a past of {bytes} bytes");
    wait_for(&what, DEADLINE, || (past(server) >= bytes).then_some(())).unwrap();
    assert_eq!(past(server), bytes);
}

/// Fails unless the past has what was acknowledged once, or says that it lacks some.
pub(crate) fn assert_none_twice(server: &Server, sent: &Sent) {
    let (has, lost) = (past(server), lost(server));
    let sent = sent.bytes;
    assert!(has <= sent, "{has} of {sent}");
    assert_eq!(has == sent, lost == 0, "{has} of {sent}, {lost} lost");
}

fn lost(server: &Server) -> u64 {
    total(&server.scrape(), "kubezonnet_history_lost_changes_total")
}

#[test]
fn counting_goes_on_while_there_is_no_room_for_the_past_and_the_past_comes_after() {
    let stage = Stage::build();
    let server = stage.setup.start();
    let agents = Agents::start(server.address);
    agents.wait_for(50);
    wait_until(&server, true);
    stage.fill();
    wait_until(&server, false);
    let before = past(&server);

    agents.wait_for(50);

    assert_eq!(server.ready().0, 200);
    assert_eq!(total(&server.scrape(), "kubezonnet_store_up"), 1);
    assert_eq!(past(&server), before, "what there is is told");
    let (_, health) = answer(&server, "health");
    let why = health["history"]["failing"].as_str().unwrap();
    assert!(why.contains("full"), "{why}");
    assert!(health["history"]["behind_seconds"].as_f64().unwrap() > 0.0);
    stage.mend();
    wait_until(&server, true);
    let sent = agents.end();
    assert_eq!(sent.put_off, 0);
    assert_exact(&server.scrape(), &sent);
    wait_for_past(&server, sent.bytes);
    assert_eq!(lost(&server), 0);
    server.end();
    let again = stage.setup.start();
    assert_exact(&again.scrape(), &sent);
    wait_for_past(&again, sent.bytes);
    assert_eq!(lost(&again), 0);
}

#[test]
fn a_server_that_is_killed_without_room_for_the_past_says_what_the_past_lost_and_doubles_nothing() {
    let stage = Stage::build();
    let server = stage.setup.start();
    let agents = Agents::start(server.address);
    agents.wait_for(50);
    wait_until(&server, true);
    let written = past(&server);
    stage.fill();
    wait_until(&server, false);
    agents.wait_for(50);
    server.kill();

    stage.mend();
    let server = stage.setup.start();
    agents.turn_to(server.address);
    agents.wait_for(50);
    let sent = agents.end();

    assert_exact(&server.scrape(), &sent);
    wait_until(&server, true);
    // What the journal still had came again; what was in the tables alone is said to be missing.
    assert_none_twice(&server, &sent);
    let has = past(&server);
    assert!(has >= written, "{has} of {written}");
    server.end();
    assert_eq!(past(&stage.setup.start()), has);
}
