//! A topology that follows a fake, with what tests ask of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kubezonnet_model::{Endpoint, NodeName, Pod, Timestamp, Window, Zone};
use kubezonnet_testkit::kube::FakeKube;
use kubezonnet_topology::kubernetes::{InitialList, KubernetesWatch, Options};
use kubezonnet_topology::{Clock, FailureReason, Holder, KeptLabels, Source, Topology};
use tokio::task::JoinHandle;

/// Longer than the longest pause between two tries that these tests provoke.
const DEADLINE: Duration = Duration::from_secs(30);

/// When the recorded pods were created, in milliseconds: 2026-11-20T22:40:31Z.
pub(crate) const RECORDED: u64 = 1_795_214_431_000;

/// A topology that follows a fake, by a clock that the test sets.
pub(crate) struct Following {
    pub(crate) topology: Topology,
    clock: Arc<AtomicU64>,
    pub(crate) task: JoinHandle<()>,
}

impl Following {
    pub(crate) async fn of(kubeconfig: PathBuf, initial_list: InitialList) -> Self {
        Self::with(Topology::new(), kubeconfig, initial_list).await
    }

    async fn with(topology: Topology, kubeconfig: PathBuf, initial_list: InitialList) -> Self {
        let options = Options {
            kubeconfig: Some(kubeconfig),
            initial_list,
        };
        let watch = KubernetesWatch::connect(&options).await.unwrap();
        let clock = Arc::new(AtomicU64::new(RECORDED));
        let read = Arc::clone(&clock);
        let time = Clock::new(move || Timestamp(read.load(Ordering::SeqCst)));
        let followed = topology.clone();
        let task = tokio::spawn(async move { watch.run(followed, time).await });
        Self {
            topology,
            clock,
            task,
        }
    }

    /// Follows the fake, until it is synced.
    pub(crate) async fn synced(fake: &FakeKube) -> Self {
        let following = Self::of(fake.kubeconfig(), InitialList::default()).await;
        following
            .until("synced", |it| it.topology.is_synced())
            .await;
        following
    }

    /// The same, keeping these labels, each given as `name=key`.
    pub(crate) async fn keeping(fake: &FakeKube, labels: &[&str]) -> Self {
        let labels = labels.iter().map(|label| label.parse().unwrap());
        let topology = Topology::keeping(KeptLabels::new(labels).unwrap());
        let following = Self::with(topology, fake.kubeconfig(), InitialList::default()).await;
        following
            .until("synced", |it| it.topology.is_synced())
            .await;
        following
    }

    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let wait = async {
            while !is_so(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, wait).await;
        waited.unwrap_or_else(|_| {
            let counts = Source::ALL.map(|source| self.topology.counts(source));
            panic!("waited in vain: {what}; {counts:?}")
        });
    }

    /// Sets the clock, so many milliseconds after the recorded pods were created.
    pub(crate) fn set_clock(&self, millis: u64) {
        self.clock.store(RECORDED + millis, Ordering::SeqCst);
    }

    fn now(&self) -> u64 {
        self.clock.load(Ordering::SeqCst) - RECORDED
    }

    /// Who held the address from then to then, by the same count.
    pub(crate) fn owner_within(&self, address: &str, start: u64, end: u64) -> String {
        let window = Window {
            start: Timestamp(RECORDED + start),
            end: Timestamp(RECORDED + end),
        };
        match self
            .topology
            .read()
            .holder(address.parse().unwrap(), window)
        {
            Holder::Held { endpoint, .. } => match endpoint {
                Endpoint::Pod(pod) => pod.name.to_string(),
                Endpoint::Node(node) => node.name.to_string(),
                other => panic!("the index names pods and nodes only, got {other:?}"),
            },
            other => format!("{other:?}"),
        }
    }

    /// The pod that holds the address now.
    pub(crate) fn pod(&self, address: &str) -> Arc<Pod> {
        let now = Timestamp(RECORDED + self.now());
        let window = Window {
            start: now,
            end: now,
        };
        match self
            .topology
            .read()
            .holder(address.parse().unwrap(), window)
        {
            Holder::Held {
                endpoint: Endpoint::Pod(pod),
                ..
            } => pod,
            other => panic!("no pod holds {address}, but {other:?}"),
        }
    }

    /// The workload of the pod that holds the address now, as kind and name.
    pub(crate) fn workload(&self, address: &str) -> String {
        let workload = Arc::clone(&self.pod(address).workload);
        format!("{} {}", workload.kind, workload.name)
    }

    /// Who holds the address now.
    pub(crate) fn owner(&self, address: &str) -> String {
        self.owner_within(address, self.now(), self.now())
    }

    pub(crate) fn zone_of(&self, node: &str) -> Option<Zone> {
        let node = NodeName::new(node).unwrap();
        self.topology.read().node(&node)?.zone.clone()
    }

    pub(crate) fn failures(&self, source: Source, reason: FailureReason) -> u64 {
        let failures = self.topology.counts(source).failures;
        failures.iter().find(|(each, _)| *each == reason).unwrap().1
    }

    pub(crate) fn relists(&self, source: Source) -> u64 {
        self.topology.counts(source).relists
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}
