//! What a pod takes in memory, all in: the process' own, divided by the pods.

use kubezonnet_model::Timestamp;
use kubezonnet_testkit::bench::{Bench, Figure};

use crate::Outcome;
use crate::cluster::{self, PODS};

/// Bytes that a pod may take, with its owners, labels and the history of its addresses.
const BYTES: f64 = 1_200.0;

/// Of so many pods one was replaced, and is remembered.
const REPLACED: usize = 5;

pub(crate) fn run(bench: &mut Bench) -> Outcome {
    let before = resident_bytes()?;
    let topology = cluster::empty()?;
    cluster::tell_all(&topology)?;
    let listed = resident_bytes()?;
    let now = Timestamp(60_000);
    for pod in (0..PODS).step_by(REPLACED) {
        let after = cluster::successor(pod, now)?;
        topology.tell(|index| index.delete_pod(&cluster::uid(8, pod), now));
        topology.tell(|index| index.apply_pod(after, now));
    }
    let replaced = resident_bytes()?;
    cluster::tell_services(&topology)?;
    let served = resident_bytes()?;

    let sizes = topology.read().sizes();
    if (sizes.pods, sizes.past) != (150_000, 60_000) {
        return Err(format!("the topology is not as told: {sizes:?}").into());
    }
    for (subject, bytes, most) in [
        (
            "5,000 nodes, 150,000 pods of two addresses, 45,000 ReplicaSets",
            listed,
            Some(BYTES),
        ),
        (
            "and every fifth pod replaced, the one before remembered",
            replaced,
            Some(BYTES),
        ),
        ("and 15,000 Services with their endpoints", served, None),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "megabytes")]
        let bytes = bytes.saturating_sub(before) as f64;
        let a_pod = Figure::new("bytes a pod", bytes / f64::from(PODS));
        let figures = [
            most.map_or(a_pod, |most| a_pod.at_most(most)),
            Figure::new("MB", bytes / 1e6),
        ];
        bench.tell("topology memory", subject, &figures)?;
    }
    Ok(())
}

/// What the process has in memory.
fn resident_bytes() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    Ok(kib.ok_or("no VmRSS in /proc/self/status")? * 1024)
}
