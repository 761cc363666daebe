//! What a pod costs in memory, and what a lookup costs in time: `cargo bench -p kubezonnet-topology`.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use kubezonnet_model::{
    InvalidName, Name, Namespace, NodeName, Region, Timestamp, Window, Workload, Zone,
};
use kubezonnet_topology::{Holder, HolderRef, NodeState, PodState, TopologyIndex};

const PODS: u32 = 50_000;
const PODS_OF_A_NODE: u32 = 50;
const PODS_OF_A_WORKLOAD: u32 = 10;
const LOOKUPS: u32 = 10_000_000;
const WINDOW: Window = Window {
    start: Timestamp(10_000),
    end: Timestamp(20_000),
};

fn main() {
    let empty = resident_bytes();
    let mut index = TopologyIndex::new();
    fill(&mut index).expect("the names are names");
    let filled = resident_bytes();

    let sizes = index.sizes();
    let bytes = filled.saturating_sub(empty) / u64::from(PODS);
    println!("{sizes:?}: {bytes} bytes of memory a pod, two addresses each, all in");

    let began = Instant::now();
    fill(&mut index).expect("the names are names");
    println!(
        "told again what it knows, as by a list: {:?}",
        began.elapsed()
    );

    let began = Instant::now();
    index.prune(Timestamp(0));
    println!("pruned of nothing: {:?}", began.elapsed());

    // A step that hits all pods in an order that no cache foresees.
    let far = |turn: u32| turn.wrapping_mul(48_271) % PODS;
    let owned = |address| matches!(index.holder(address, WINDOW), Holder::Held { .. });
    let lent = |address| !matches!(index.find(address, WINDOW), HolderRef::Nobody);
    lookup("holder, IPv4", |turn| owned(pod_v4(far(turn))));
    lookup("holder, IPv6", |turn| owned(pod_v6(far(turn))));
    lookup("holder, the same 100 pods", |turn| {
        owned(pod_v4(turn % 100))
    });
    lookup("find, IPv4", |turn| lent(pod_v4(far(turn))));
    lookup("find, IPv6", |turn| lent(pod_v6(far(turn))));
    lookup("find, the same 100 pods", |turn| lent(pod_v4(turn % 100)));
    lookup("find, an address of no one", |turn| {
        lent(pod_v4(far(turn) + PODS))
    });
}

fn lookup(what: &str, is_held: impl Fn(u32) -> bool) {
    let began = Instant::now();
    let held = (0..LOOKUPS).filter(|turn| black_box(is_held(black_box(*turn))));
    let held = held.count();
    let nanos = began.elapsed().as_secs_f64() * 1e9 / f64::from(LOOKUPS);
    println!("{what}: {nanos:.1} ns ({held} of {LOOKUPS} held)");
}

fn fill(index: &mut TopologyIndex) -> Result<(), InvalidName> {
    index.begin_nodes(Timestamp(1_000));
    for node in 0..PODS / PODS_OF_A_NODE {
        let state = NodeState {
            name: node_name(node)?,
            uid: format!("00000000-0000-4000-9000-{node:012}"),
            zone: Some(Zone::new(format!("eu-central-1{}", node % 3))?),
            zone_id: None,
            region: Some(Region::new("eu-central-1")?),
            addresses: vec![Ipv4Addr::from(0xC0A8_0000 + node).into()],
        };
        index.apply_node(state, Timestamp(1_000));
    }
    index.end_nodes();
    index.begin_pods(Timestamp(1_000));
    for pod in 0..PODS {
        let workload = pod / PODS_OF_A_WORKLOAD;
        let namespace = Namespace::new(format!("team-{}", pod % 200))?;
        let name = Name::new(format!("service-{workload}-5d9c7b6f48-{pod:05x}"))?;
        let uid = format!("00000000-0000-4000-8000-{pod:012}");
        let state = PodState {
            node: Some(node_name(pod / PODS_OF_A_NODE)?),
            workload: Some(Workload {
                kind: Name::new("Deployment")?,
                name: Name::new(format!("service-{workload}"))?,
            }),
            addresses: vec![pod_v4(pod), pod_v6(pod)],
            created: Some(Timestamp(500)),
            ..PodState::new(namespace, name, uid)
        };
        index.apply_pod(state, Timestamp(1_000));
    }
    index.end_pods();
    Ok(())
}

fn node_name(node: u32) -> Result<NodeName, InvalidName> {
    NodeName::new(format!("ip-10-0-{}-{}.internal", node / 250, node % 250))
}

fn pod_v4(pod: u32) -> IpAddr {
    Ipv4Addr::from(0x0A00_0000 + pod).into()
}

fn pod_v6(pod: u32) -> IpAddr {
    Ipv6Addr::from(0xFD00_0000_0000_0000_0000_0000_0000_0000 + u128::from(pod)).into()
}

/// What the process has in memory.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}
