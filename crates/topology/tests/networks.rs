//! Named networks follow their file, and readers never see half of one.
#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kubezonnet_model::{Name, Namespace, Timestamp};
use kubezonnet_topology::networks::{self, NetworksWatch};
use kubezonnet_topology::{FailureReason, FileError, PodState, Source, Topology};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(20);

fn text(name: &str) -> String {
    format!("networks:\n- name: {name}\n  cidrs: [10.9.0.0/24, 'fd09::/64']\n")
}

/// A file that is followed by a task.
struct Followed {
    path: PathBuf,
    topology: Topology,
    directory: TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Followed {
    fn new(text: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("networks.yaml");
        fs::write(&path, text).unwrap();
        let topology = Topology::new();
        let watch = NetworksWatch::open(path.clone(), topology.clone()).unwrap();
        let task = tokio::spawn(async move { watch.run().await });
        Self {
            path,
            topology,
            directory,
            task,
        }
    }

    /// Writes another file in its place, as a whole.
    fn replace(&self, text: &str) {
        let other = self.directory.path().join(".networks.yaml.swp");
        fs::write(&other, text).unwrap();
        fs::rename(&other, &self.path).unwrap();
    }

    fn name(&self, address: &str) -> Option<String> {
        name(&self.topology, address)
    }

    fn failures(&self, reason: FailureReason) -> u64 {
        let failures = self.topology.counts(Source::Networks).failures;
        failures.iter().find(|(each, _)| *each == reason).unwrap().1
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let wait = async {
            while !is_so(self) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, wait).await;
        waited.unwrap_or_else(|_| panic!("{what}: {:?}", self.topology.counts(Source::Networks)));
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn name(topology: &Topology, address: &str) -> Option<String> {
    let networks = topology.networks();
    let (network, _) = networks.find(address.parse().unwrap())?;
    Some(network.name.to_string())
}

#[tokio::test]
async fn a_file_that_changes_is_in_force_for_both_families() {
    let followed = Followed::new(&text("one"));
    assert_eq!(followed.name("10.9.0.7").as_deref(), Some("one"));
    let before = followed.topology.networks().version();

    followed.replace(&text("two"));

    followed
        .until("replaced", |it| {
            it.name("10.9.0.7").as_deref() == Some("two")
        })
        .await;
    assert_eq!(followed.name("fd09::7").as_deref(), Some("two"));
    assert_eq!(followed.name("10.9.1.7"), None);
    assert!(followed.topology.networks().version() > before);
    let counts = followed.topology.counts(Source::Networks);
    assert_eq!((counts.relists, counts.events), (2, 1));
    assert!(
        followed.topology.age(Timestamp(u64::MAX)).is_none(),
        "a networks file tells nothing of pods"
    );
}

#[tokio::test]
async fn a_change_in_place_that_hides_its_time_and_keeps_its_size_is_seen() {
    let followed = Followed::new(&text("one"));
    let modified = fs::metadata(&followed.path).unwrap().modified().unwrap();

    fs::write(&followed.path, text("two")).unwrap();
    let file = fs::File::options().append(true).open(&followed.path);
    file.unwrap().set_modified(modified).unwrap();

    followed
        .until("seen", |it| it.name("10.9.0.7").as_deref() == Some("two"))
        .await;
}

#[tokio::test]
async fn a_bad_file_is_counted_once_and_what_it_said_before_stays() {
    let followed = Followed::new(&text("one"));

    followed.replace("networks: [{name: two, cidr: 10.9.0.1/24}]");
    followed
        .until("bad", |it| it.failures(FailureReason::Invalid) == 1)
        .await;
    assert_eq!(followed.name("10.9.0.7").as_deref(), Some("one"));
    fs::remove_file(&followed.path).unwrap();
    followed
        .until("gone", |it| it.failures(FailureReason::Unreadable) == 1)
        .await;
    assert_eq!(followed.name("10.9.0.7").as_deref(), Some("one"));
    followed.replace(&text("three"));

    followed
        .until("mended", |it| {
            it.name("10.9.0.7").as_deref() == Some("three")
        })
        .await;
    assert_eq!(followed.failures(FailureReason::Invalid), 1);
    assert_eq!(followed.failures(FailureReason::Unreadable), 1);
}

/// 20,000 networks of one version, and two that tell which.
fn many(version: &str) -> String {
    let mut text = format!(
        "networks:\n- {{name: first-{version}, cidr: 10.0.0.0/24}}\n\
         - {{name: last-{version}, cidr: 10.255.0.0/24}}\n"
    );
    for number in 0..20_000 {
        let (high, low) = (1 + number / 256, number % 256);
        writeln!(text, "- {{name: n{number}, cidr: 10.{high}.{low}.0/24}}").unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_one_file_or_the_other_and_go_on_while_it_is_read() {
    let followed = Followed::new(&many("a"));
    let (done, looks) = (AtomicBool::new(false), AtomicU64::new(0));
    let topology = followed.topology.clone();

    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let networks = topology.networks();
                let version = |address: &str| {
                    let (network, _) = networks.find(address.parse().unwrap()).unwrap();
                    network.name.as_str().rsplit('-').next().unwrap().to_owned()
                };
                assert_eq!(version("10.0.0.1"), version("10.255.0.1"));
                looks.fetch_add(1, Ordering::Relaxed);
            }
        });
        tokio::task::block_in_place(|| {
            let handle = tokio::runtime::Handle::current();
            for version in ["b", "c"] {
                let before = looks.load(Ordering::Relaxed);
                followed.replace(&many(version));
                let expected = format!("first-{version}");
                handle.block_on(followed.until("reloaded", |it| {
                    it.name("10.0.0.1").as_deref() == Some(expected.as_str())
                        && looks.load(Ordering::Relaxed) > before
                }));
            }
            done.store(true, Ordering::Relaxed);
        });
    });

    assert_eq!(followed.topology.networks().len(), 20_002);
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_at_start() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("networks.yaml");

    let missing = networks::load(&path).unwrap_err();
    fs::write(
        &path,
        "networks:\n- {name: db, cidr: 10.9.0.0/24}\n- {name: db2, cidr: 10.9.0.0/24}\n",
    )
    .unwrap();
    let twice = networks::load(&path).unwrap_err();
    let no_file = networks::load(Path::new("/dev/null")).unwrap_err();

    assert!(matches!(missing, FileError::Unreadable { .. }), "{missing}");
    let expected = format!("cannot read networks file {}: ", path.display());
    assert!(missing.to_string().starts_with(&expected), "{missing}");
    let expected = format!(
        "networks file {}, line 3: 10.9.0.0/24 is listed already for db in line 2",
        path.display()
    );
    assert_eq!(twice.to_string(), expected);
    assert!(matches!(no_file, FileError::NotRegular { .. }), "{no_file}");
}

#[tokio::test]
async fn a_prefix_that_holds_addresses_of_the_cluster_is_counted_until_the_file_is_mended() {
    let followed = Followed::new("networks: [{name: vpc, cidrs: [10.0.0.0/8, 192.168.0.0/16]}]");
    let pod = PodState {
        addresses: vec!["10.67.1.1".parse().unwrap()],
        ..PodState::new(
            Namespace::new("shop").unwrap(),
            Name::new("web").unwrap(),
            "web",
        )
    };
    followed.topology.write().apply_pod(pod, Timestamp(1));
    assert_eq!(followed.topology.overlapping(), 0, "before all is told");

    followed.topology.set_synced();
    followed
        .until("found", |it| it.topology.overlapping() == 1)
        .await;
    followed.replace("networks: [{name: vpc, cidr: 10.9.0.0/16}]");

    followed
        .until("mended", |it| it.topology.overlapping() == 0)
        .await;
}
