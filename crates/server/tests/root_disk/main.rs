//! Disks that are full, read-only, or fail to sync. As root, for the file systems it mounts.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod past;
#[path = "../durable/server.rs"]
#[expect(dead_code, reason = "shared with tests that need no root")]
mod server;
mod slow;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use kubezonnet_testkit::{require_root, wait_for};
use nix::mount::{MsFlags, mount, umount};

use crate::server::{
    Agents, DEADLINE, Server, Setup, assert_exact, assert_none_fell, counters, total,
};

/// A file system of a few megabytes, unmounted when this goes.
struct Disk {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Disk {
    fn of(megabytes: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk");
        fs::create_dir(&path).unwrap();
        let size = format!("size={megabytes}m");
        let tmpfs = Some("tmpfs");
        mount(tmpfs, &path, tmpfs, MsFlags::empty(), Some(size.as_str())).unwrap();
        Self {
            path,
            _directory: directory,
        }
    }

    fn remount(&self, flags: MsFlags) {
        let nothing = None::<&str>;
        mount(
            nothing,
            &self.path,
            nothing,
            MsFlags::MS_REMOUNT | flags,
            nothing,
        )
        .unwrap();
    }

    /// Takes all the room that is left.
    fn fill(&self) -> PathBuf {
        let path = self.path.join("filler");
        let mut file = File::create(&path).unwrap();
        let block = [0; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        umount(&self.path).ok();
    }
}

/// Waits until the server says that it cannot write, for that reason.
fn wait_until_down(server: &Server, reason: &str) {
    let what = format!("a server that is down as its disk is {reason}");
    wait_for(&what, DEADLINE, || {
        let (status, text) = server.ready();
        let scrape = server.scrape();
        let failures = scrape.sum("kubezonnet_store_failures_total", &[("reason", reason)]);
        let refused = scrape.sum(
            "kubezonnet_server_rejected_batches_total",
            &[("reason", "storage")],
        );
        let says_why = status == 503 && text.contains("cannot write to its disk");
        let down = total(&scrape, "kubezonnet_store_up") == 0;
        (says_why && down && failures > 0.0 && refused > 0.0).then_some(())
    })
    .unwrap();
}

fn wait_until_up(server: &Server) {
    wait_for("a server that is ready again", DEADLINE, || {
        let up = total(&server.scrape(), "kubezonnet_store_up") == 1;
        (up && server.ready().0 == 200).then_some(())
    })
    .unwrap();
}

/// Breaks the disk under agents that send, and mends it; twice, the second time with a server that is
/// killed meanwhile.
fn breaks(setup: &Setup, reason: &str, fail: impl Fn(), mend: impl Fn()) {
    let server = setup.start();
    let agents = Agents::start(server.address);
    agents.wait_for(50);
    fail();
    wait_until_down(&server, reason);
    let before = counters(&server.scrape());
    mend();
    wait_until_up(&server);
    agents.wait_for(50);
    let after = counters(&server.scrape());
    assert_none_fell(&before, &after);
    fail();
    wait_until_down(&server, reason);
    let before = counters(&server.scrape());
    server.kill();
    mend();
    let server = setup.start();
    assert_none_fell(&before, &counters(&server.scrape()));
    agents.turn_to(server.address);
    agents.wait_for(50);
    let sent = agents.end();

    assert!(sent.put_off > 0, "agents are told to come again");
    assert_exact(&server.scrape(), &sent);
    server.end();
    let server = setup.start();
    assert_exact(&server.scrape(), &sent);
    past::assert_none_twice(&server, &sent);
}

#[test]
fn a_full_disk_puts_agents_off_until_there_is_room() {
    require_root();
    let disk = Disk::of(16);
    let setup = Setup::with_data(&disk.path.join("data"));

    breaks(
        &setup,
        "full",
        || drop(disk.fill()),
        || fs::remove_file(disk.path.join("filler")).unwrap(),
    );
}

#[test]
fn a_disk_that_fails_to_sync_puts_agents_off_until_it_does_not() {
    require_root();
    let directory = tempfile::tempdir().unwrap();
    let (library, switch) = (
        directory.path().join("sync.so"),
        directory.path().join("fails"),
    );
    build_failing_sync(directory.path(), &library);
    let setup = Setup::new()
        .environment("LD_PRELOAD", library.to_str().unwrap())
        .environment("SYNC_FAILS", switch.to_str().unwrap());

    breaks(
        &setup,
        "io",
        || drop(File::create(&switch).unwrap()),
        || fs::remove_file(&switch).unwrap(),
    );
}

#[test]
fn a_disk_that_turns_read_only_puts_agents_off_until_it_is_not() {
    require_root();
    let directory = tempfile::tempdir().unwrap();
    let (library, switch) = (
        directory.path().join("writes.so"),
        directory.path().join("read-only"),
    );
    build(directory.path(), &library, READ_ONLY);
    let setup = Setup::new()
        .environment("LD_PRELOAD", library.to_str().unwrap())
        .environment("READ_ONLY", switch.to_str().unwrap());

    // SQLite calls a file it cannot write a failure to write, whatever the reason.
    breaks(
        &setup,
        "io",
        || drop(File::create(&switch).unwrap()),
        || fs::remove_file(&switch).unwrap(),
    );
}

/// A library with which the database is on a read-only file system for as long as a file is there, as
/// it is when a kernel finds errors on a disk: a file that is open cannot be written, and none can be
/// opened to be. (Nobody can remount a file system so while files on it are open.)
const READ_ONLY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static int read_only(void) {
    const char *file = getenv("READ_ONLY");
    return file && access(file, F_OK) == 0;
}
static int open_by(const char *path, int flags, int mode) {
    if (strstr(path, "kubezonnet.db") && (flags & O_ACCMODE) != O_RDONLY && read_only()) {
        errno = EROFS;
        return -1;
    }
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        int mode = va_arg(rest, int); \
        va_end(rest); \
        return open_by(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
static ssize_t pwrite_by(int fd, const void *bytes, size_t count, off_t at) {
    if (read_only()) {
        errno = EROFS;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, count, at);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    return pwrite_by(fd, bytes, count, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
    return pwrite_by(fd, bytes, count, at);
}
"#;

/// A library whose syncs fail for as long as a file is there. What was written stays in the page cache,
/// as it does when a disk fails.
fn build_failing_sync(directory: &Path, library: &Path) {
    build(directory, library, FAILING_SYNC);
}

const FAILING_SYNC: &str = r#"
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int sync_by(long call, int fd) {
    const char *file = getenv("SYNC_FAILS");
    if (file && access(file, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    return syscall(call, fd);
}
int fsync(int fd) { return sync_by(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_by(SYS_fdatasync, fd); }
"#;

/// Builds a library to be loaded before all others.
fn build(directory: &Path, library: &Path, text: &str) {
    let source = directory.join("library.c");
    fs::write(&source, text).unwrap();
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([library, &source])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_disk_that_is_read_only_is_told_of_at_the_start() {
    require_root();
    let disk = Disk::of(16);
    let setup = Setup::with_data(&disk.path.join("data"));
    setup.start().end();
    disk.remount(MsFlags::MS_RDONLY);

    let line = setup.refused();

    assert!(line.contains("--data-dir: cannot"), "{line}");
    assert!(line.contains("Read-only file system"), "{line}");
    disk.remount(MsFlags::empty());
    setup.start().end();
}
