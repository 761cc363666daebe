//! How long a reader waits for the index while much of it changes: one thread tells, as the watch
//! does, and another looks up batches, as ingest does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kubezonnet_model::{Name, Timestamp, Window};
use kubezonnet_testkit::bench::{Bench, Figure, timed};
use kubezonnet_topology::{HolderRef, NamespaceState, PodState, Topology, TopologyIndex};

use crate::Outcome;
use crate::cluster::{self, PODS, pod_v4};

/// Milliseconds that a reader may wait.
const WAIT: f64 = 50.0;

/// Addresses that a reader looks up in one go: those of a batch.
const BATCH: u32 = 3_000;

pub(crate) fn run(bench: &mut Bench) -> Outcome {
    let topology = cluster::empty()?;
    tell(bench, &topology, "nothing, for a second", || {
        thread::sleep(Duration::from_secs(1));
    })?;
    cluster::tell_surroundings(&topology)?;
    let all = (0..PODS)
        .map(cluster::pod_state)
        .collect::<Outcome<Vec<_>>>()?;
    let at = Timestamp(2_000);
    let pods = all.clone();
    tell(
        bench,
        &topology,
        "150,000 pods listed for the first time",
        || {
            list(&topology, pods, at);
        },
    )?;
    cluster::tell_services(&topology)?;
    let pods = all.clone();
    tell(bench, &topology, "listed again, nothing changed", || {
        list(&topology, pods, at);
    })?;
    let at = Timestamp(100_000);
    let mut pods = all;
    for pod in (0..PODS).step_by(2) {
        pods[pod as usize] = cluster::successor(pod, at)?;
    }
    tell(
        bench,
        &topology,
        "listed again, half of them replaced",
        || {
            list(&topology, pods, at);
        },
    )?;
    let labels = (0..200).map(|number| {
        let labels = [Some(Name::new("another-team")?), None].into();
        let name = cluster::namespace(number)?;
        Ok(NamespaceState { name, labels })
    });
    let labels = labels.collect::<Outcome<Vec<_>>>()?;
    tell(bench, &topology, "all namespaces labelled anew", || {
        for state in labels {
            topology.tell(|index| index.apply_namespace_later(state));
        }
    })?;
    tell(bench, &topology, "75,000 pods forgotten", || {
        topology.prune(Timestamp(200_000));
    })?;
    let sizes = topology.read().sizes();
    if (sizes.pods, sizes.past) != (150_000, 0) {
        return Err(format!("the topology is not as told: {sizes:?}").into());
    }
    tell(bench, &topology, "listed again, all gone", || {
        list(&topology, Vec::new(), Timestamp(300_000));
    })
}

/// Tells everything as a watch does that lists anew.
fn list(topology: &Topology, pods: Vec<PodState>, at: Timestamp) {
    topology.tell(|index| index.begin_pods(at));
    for pod in pods {
        topology.tell(|index| index.apply_pod(pod, at));
    }
    topology.tell(TopologyIndex::end_pods_later);
}

/// Measures how long some change takes, and how long a reader waits meanwhile.
fn tell(
    bench: &mut Bench,
    topology: &Topology,
    subject: &str,
    change: impl FnOnce() + Send,
) -> Outcome {
    let done = AtomicBool::new(false);
    let (took, read) = thread::scope(|scope| {
        let reader = scope.spawn(|| read(topology, &done));
        let ((), took) = timed(change);
        done.store(true, Ordering::Release);
        (took, reader.join())
    });
    let (longest, batches) = read.map_err(|_| "the reader panicked")?;
    let figures = [
        Figure::new("ms in all", took.as_secs_f64() * 1e3),
        Figure::new("longest wait of a reader, ms", longest.as_secs_f64() * 1e3).at_most(WAIT),
        Figure::new("batches looked up meanwhile", f64::from(batches)),
    ];
    bench.tell("topology relist", subject, &figures)?;
    Ok(())
}

/// Looks up batch after batch until it is done; how long it waited for the longest, and how many
/// batches these were.
fn read(topology: &Topology, done: &AtomicBool) -> (Duration, u32) {
    let window = Window {
        start: Timestamp(10_000),
        end: Timestamp(20_000),
    };
    let (mut longest, mut batches) = (Duration::ZERO, 0);
    while !done.load(Ordering::Acquire) {
        let began = Instant::now();
        let index = topology.read();
        longest = longest.max(began.elapsed());
        let addresses = (0..BATCH).map(|turn| pod_v4(turn.wrapping_mul(48_271) % PODS));
        let held = addresses.filter(|each| !matches!(index.find(*each, window), HolderRef::Nobody));
        std::hint::black_box(held.count());
        batches += 1;
    }
    (longest, batches)
}
