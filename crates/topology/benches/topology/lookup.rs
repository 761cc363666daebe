//! What a lookup takes of a processor, with the index in memory and most of it in no cache. Others who
//! have the processor meanwhile do not count; what they put in its caches does.

use std::hint::black_box;
use std::net::IpAddr;

use kubezonnet_model::{NodeName, PodUid, Protocol, Timestamp, Window};
use kubezonnet_testkit::bench::{Bench, Figure, median, worked};
use kubezonnet_topology::{HolderRef, TopologyIndex};

use crate::Outcome;
use crate::cluster::{self, PODS, pod_v4, pod_v6};

const LOOKUPS: u32 = 1_000_000;

/// Addresses of a batch.
const BATCH: usize = 1_000;

/// Nanoseconds that finding an address's holder may take.
const NANOS: f64 = 100.0;

const WINDOW: Window = Window {
    start: Timestamp(10_000),
    end: Timestamp(20_000),
};

/// A lookup by number of turn; true if it found what it was to find.
type Lookup<'a> = &'a dyn Fn(&TopologyIndex, u32) -> bool;

pub(crate) fn run(bench: &mut Bench) -> Outcome {
    let topology = cluster::empty()?;
    cluster::tell_all(&topology)?;
    cluster::tell_services(&topology)?;
    let index = topology.read();
    let uids: Vec<PodUid> = (0..PODS)
        .filter_map(|pod| PodUid::parse(&cluster::uid(8, pod)))
        .collect();
    let reporter = NodeName::new("reporter")?;
    // A step that hits all pods in an order that no cache foresees.
    let far = |turn: u32| turn.wrapping_mul(48_271) % PODS;
    let is_held =
        |index: &TopologyIndex, address| !matches!(index.find(address, WINDOW), HolderRef::Nobody);
    // As many lines of memory as addresses, for comparison: no lookup can do with less than one.
    let lines = vec![[1_u64; 8]; 2 * PODS as usize];
    let cases: [(&str, Option<f64>, Lookup<'_>); 9] = [
        ("one bare read of as much memory", None, &|_, turn| {
            lines[2 * far(turn) as usize][0] == 1
        }),
        ("holder of an address, IPv4", Some(NANOS), &|index, turn| {
            is_held(index, pod_v4(far(turn)))
        }),
        ("holder of an address, IPv6", Some(NANOS), &|index, turn| {
            is_held(index, pod_v6(far(turn)))
        }),
        (
            "holder of one of 100 addresses",
            Some(NANOS),
            &|index, turn| is_held(index, pod_v4(turn % 100)),
        ),
        (
            "holder of an address of no one",
            Some(NANOS),
            &|index, turn| !is_held(index, pod_v4(far(turn) + PODS)),
        ),
        ("pod by uid", None, &|index, turn| {
            let uid = uids[far(turn) as usize];
            index.pod_by_uid(uid, WINDOW, &reporter).is_some()
        }),
        ("Service of an endpoint", None, &|index, turn| {
            let endpoint = pod_v4(far(turn));
            index.service_of(endpoint, Protocol::TCP, 8080).is_some()
        }),
        ("Service at an address", None, &|index, turn| {
            let address = cluster::service_address(far(turn) / 10);
            index.service_at(address).is_some()
        }),
        ("whether a workload runs", None, &|index, turn| {
            let workload = far(turn) / 10;
            let (namespace, name) = (workload % 200, format!("service-{workload}"));
            index.has_workload(&format!("namespace-{namespace}"), "Deployment", &name)
        }),
    ];
    for (subject, most, lookup) in cases {
        let rounds: Vec<f64> = (0..bench.rounds(9, 3))
            .map(|_| nanos_a_lookup(&index, lookup))
            .collect::<Outcome<_>>()?;
        let figure = Figure::new("ns", median(&rounds));
        let figure = most.map_or(figure, |most| figure.at_most(most));
        bench.tell("topology lookup", subject, &[figure])?;
    }
    let rounds: Vec<f64> = (0..bench.rounds(9, 3))
        .map(|_| nanos_an_address(&index, far))
        .collect::<Outcome<_>>()?;
    let figure = Figure::new("ns", median(&rounds)).at_most(NANOS);
    let subject = "holder of each of a batch of 1,000 addresses, IPv4";
    Ok(bench.tell("topology lookup", subject, &[figure])?)
}

/// Looks up batch after batch.
fn nanos_an_address(index: &TopologyIndex, far: impl Fn(u32) -> u32) -> Outcome<f64> {
    let turns: Vec<u32> = (0..LOOKUPS).collect();
    let addresses: Vec<IpAddr> = turns.iter().map(|turn| pod_v4(far(*turn))).collect();
    let is_held = |holder: &HolderRef<'_>| !matches!(holder, HolderRef::Nobody);
    let (held, took) = worked(|| {
        let batches = addresses.chunks(BATCH);
        let held = batches.map(|batch| index.find_all(batch, WINDOW).filter(is_held).count());
        held.sum::<usize>()
    })?;
    if held != LOOKUPS as usize {
        return Err(format!("{held} of {LOOKUPS} addresses had a holder").into());
    }
    Ok(took.as_secs_f64() * 1e9 / f64::from(LOOKUPS))
}

fn nanos_a_lookup(index: &TopologyIndex, lookup: Lookup<'_>) -> Outcome<f64> {
    let found = (0..LOOKUPS).filter(|turn| black_box(lookup(index, black_box(*turn))));
    let (found, took) = worked(|| found.count())?;
    let nanos = took.as_secs_f64() * 1e9 / f64::from(LOOKUPS);
    if found != LOOKUPS as usize {
        return Err(format!("{found} of {LOOKUPS} lookups found what they should").into());
    }
    Ok(nanos)
}
