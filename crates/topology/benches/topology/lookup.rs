//! What a lookup takes, with the index in memory and most of it in no cache.

use std::hint::black_box;
use std::time::Instant;

use kubezonnet_model::{NodeName, PodUid, Protocol, Timestamp, Window};
use kubezonnet_testkit::bench::{Bench, Figure, median};
use kubezonnet_topology::{HolderRef, TopologyIndex};

use crate::Outcome;
use crate::cluster::{self, PODS, pod_v4, pod_v6};

const LOOKUPS: u32 = 1_000_000;

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
    Ok(())
}

fn nanos_a_lookup(index: &TopologyIndex, lookup: Lookup<'_>) -> Outcome<f64> {
    let began = Instant::now();
    let found = (0..LOOKUPS).filter(|turn| black_box(lookup(index, black_box(*turn))));
    let found = found.count();
    let nanos = began.elapsed().as_secs_f64() * 1e9 / f64::from(LOOKUPS);
    if found != LOOKUPS as usize {
        return Err(format!("{found} of {LOOKUPS} lookups found what they should").into());
    }
    Ok(nanos)
}
