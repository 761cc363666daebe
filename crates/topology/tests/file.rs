//! A topology follows its file through every way that files are changed.
#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kubezonnet_model::{Endpoint, Timestamp, Window};
use kubezonnet_topology::file::{self, FileWatch};
use kubezonnet_topology::{Clock, FailureReason, FileError, Holder, Source, Topology};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(20);
const ADDRESS: &str = "10.67.1.2";

fn text(pod: &str) -> String {
    format!(
        "nodes: [{{name: node-a, zone: zone-a}}]\n\
         pods: [{{namespace: shop, name: {pod}, node: node-a, addresses: [{ADDRESS}]}}]\n"
    )
}

/// A file that is followed by a task.
struct Followed {
    path: PathBuf,
    topology: Topology,
    clock: Clock,
    directory: TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Followed {
    /// Follows `file` in a new directory that `write` fills.
    fn new(file: &str, write: impl FnOnce(&Path)) -> Self {
        let directory = TempDir::new().unwrap();
        write(directory.path());
        let path = directory.path().join(file);
        let (topology, clock) = (Topology::new(), Clock::system());
        let watch = FileWatch::open(path.clone(), topology.clone(), clock.clone()).unwrap();
        let task = tokio::spawn(async move { watch.run().await });
        Self {
            path,
            topology,
            clock,
            directory,
            task,
        }
    }

    /// Who holds the address now.
    fn owner(&self) -> String {
        let now = self.clock.now();
        let window = Window {
            start: now,
            end: now,
        };
        match self
            .topology
            .read()
            .holder(ADDRESS.parse().unwrap(), window)
        {
            Holder::Held {
                endpoint: Endpoint::Pod(pod),
                ..
            } => pod.name.to_string(),
            other => format!("{other:?}"),
        }
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let wait = async {
            while !is_so(self) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, wait).await;
        waited.unwrap_or_else(|_| panic!("{what}: still {} holds {ADDRESS}", self.owner()));
    }

    fn failures(&self, reason: FailureReason) -> u64 {
        let failures = self.topology.counts(Source::File).failures;
        failures.iter().find(|(each, _)| *each == reason).unwrap().1
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn a_file_written_in_place_is_reloaded() {
    let followed = Followed::new("t.yaml", |directory| {
        fs::write(directory.join("t.yaml"), text("one")).unwrap();
    });
    assert!(followed.topology.is_synced());
    assert_eq!(followed.owner(), "one");

    fs::write(&followed.path, text("two")).unwrap();

    followed
        .until("rewritten", |followed| followed.owner() == "two")
        .await;
    let counts = followed.topology.counts(Source::File);
    assert_eq!((counts.relists, counts.events), (2, 1));
}

#[tokio::test]
async fn a_file_renamed_over_is_reloaded() {
    let followed = Followed::new("t.yaml", |directory| {
        fs::write(directory.join("t.yaml"), text("one")).unwrap();
    });

    let other = followed.directory.path().join(".t.yaml.swp");
    fs::write(&other, text("two")).unwrap();
    fs::rename(&other, &followed.path).unwrap();

    followed
        .until("renamed", |followed| followed.owner() == "two")
        .await;
}

#[tokio::test]
async fn a_mounted_config_map_is_reloaded_when_its_link_is_turned() {
    use std::os::unix::fs::symlink;
    let followed = Followed::new("t.yaml", |directory| {
        for (version, pod) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(directory.join(version)).unwrap();
            fs::write(directory.join(version).join("t.yaml"), text(pod)).unwrap();
        }
        symlink("..1", directory.join("..data")).unwrap();
        symlink("..data/t.yaml", directory.join("t.yaml")).unwrap();
    });
    assert_eq!(followed.owner(), "one");

    let directory = followed.directory.path();
    symlink("..2", directory.join("..data_tmp")).unwrap();
    fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();

    followed
        .until("link turned", |followed| followed.owner() == "two")
        .await;
}

#[tokio::test]
async fn a_bad_reload_changes_nothing_and_is_counted_once() {
    let followed = Followed::new("t.yaml", |directory| {
        fs::write(directory.join("t.yaml"), text("one")).unwrap();
    });

    fs::write(&followed.path, text("''")).unwrap();
    let invalid = |followed: &Followed| followed.failures(FailureReason::Invalid) == 1;
    followed.until("invalid", invalid).await;
    assert_eq!(followed.owner(), "one");

    fs::remove_file(&followed.path).unwrap();
    let unreadable = |followed: &Followed| followed.failures(FailureReason::Unreadable) == 1;
    followed.until("removed", unreadable).await;
    assert_eq!(followed.owner(), "one");

    fs::write(&followed.path, text("two")).unwrap();
    followed
        .until("mended", |followed| followed.owner() == "two")
        .await;
    assert_eq!(followed.failures(FailureReason::Invalid), 1);
    assert_eq!(followed.failures(FailureReason::Unreadable), 1);
}

#[tokio::test]
async fn a_file_that_says_the_same_again_is_no_event() {
    let followed = Followed::new("t.yaml", |directory| {
        fs::write(directory.join("t.yaml"), text("one")).unwrap();
    });

    // One look sees it missing, so that a later one has read it again.
    fs::remove_file(&followed.path).unwrap();
    let missing = |followed: &Followed| followed.failures(FailureReason::Unreadable) == 1;
    followed.until("removed", missing).await;
    let gone = followed.clock.now();
    fs::write(&followed.path, text("one")).unwrap();
    followed
        .until("read again", |followed| {
            let now = followed.clock.now();
            now.minus(followed.topology.age(now).unwrap()) > gone
        })
        .await;

    let counts = followed.topology.counts(Source::File);
    assert_eq!((counts.relists, counts.events), (1, 0));
}

#[tokio::test]
async fn a_pipe_in_the_place_of_the_file_neither_stops_reloads_nor_the_end() {
    let followed = Followed::new("t.yaml", |directory| {
        fs::write(directory.join("t.yaml"), text("one")).unwrap();
    });

    let pipe = followed.directory.path().join("pipe");
    make_pipe(&pipe);
    fs::rename(&pipe, &followed.path).unwrap();
    let unreadable = |followed: &Followed| followed.failures(FailureReason::Unreadable) == 1;
    followed.until("a pipe", unreadable).await;
    fs::remove_file(&followed.path).unwrap();
    fs::write(&followed.path, text("two")).unwrap();

    followed
        .until("a file again", |followed| followed.owner() == "two")
        .await;
}

#[tokio::test]
async fn a_pod_that_is_no_longer_listed_ends() {
    let followed = Followed::new("t.yaml", |directory| {
        fs::write(directory.join("t.yaml"), text("one")).unwrap();
    });
    let before = Window {
        start: followed.clock.now(),
        end: followed.clock.now(),
    };

    fs::write(&followed.path, "nodes: [{name: node-a, zone: zone-a}]\n").unwrap();

    followed
        .until("removed", |followed| followed.owner() == "Nobody")
        .await;
    let index = followed.topology.read();
    let held = index.holder(ADDRESS.parse().unwrap(), before);
    assert!(matches!(held, Holder::Held { .. }), "{held:?}");
}

#[tokio::test]
async fn the_view_is_young_while_the_file_says_what_it_said() {
    let followed = Followed::new("t.yaml", |directory| {
        fs::write(directory.join("t.yaml"), text("one")).unwrap();
    });
    let heard = |followed: &Followed| {
        let age = followed.topology.age(followed.clock.now()).unwrap();
        followed.clock.now().minus(age)
    };
    let first = heard(&followed);

    followed
        .until("looked at again", |followed| {
            heard(followed) > Timestamp(first.0 + 400)
        })
        .await;
}

fn make_pipe(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
}

#[test]
fn what_is_no_regular_file_is_refused_without_waiting_for_it() {
    let directory = TempDir::new().unwrap();
    let pipe = directory.path().join("pipe");
    make_pipe(&pipe);

    for path in [pipe.as_path(), Path::new("/dev/zero"), directory.path()] {
        let error = file::load(path).unwrap_err();

        let expected = format!(
            "cannot read topology file {}: it is no regular file",
            path.display()
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_file_larger_than_any_cluster_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("t.yaml");
    let with_length = |bytes: u64| {
        fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        file::load(&path).unwrap_err()
    };

    let largest = with_length(64 << 20);
    let error = with_length((64 << 20) + 1);

    // It is read: what is wrong with it is that it is no YAML.
    assert!(matches!(largest, FileError::Invalid { .. }), "{largest}");
    assert!(matches!(error, FileError::TooLarge { .. }), "{error}");
    assert!(error.to_string().ends_with("more than 64 MiB"), "{error}");
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_at_start() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("t.yaml");
    let open = || FileWatch::open(path.clone(), Topology::new(), Clock::system());

    let missing = open().unwrap_err();
    assert!(matches!(missing, FileError::Unreadable { .. }));
    let expected = format!("cannot read topology file {}: ", path.display());
    assert!(missing.to_string().starts_with(&expected), "{missing}");

    fs::write(&path, "nodes:\n  - name: node-a\n    zone: ''\n").unwrap();
    let expected = format!(
        "topology file {}, line 3: this zone names nothing: leave it out if it is not known",
        path.display()
    );
    assert_eq!(open().unwrap_err().to_string(), expected);
}
