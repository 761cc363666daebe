//! What traffic loses by being counted: TCP in packets of MTU size, and small datagrams, between
//! pods of two nodes, with the programs attached in both and without, in turns.

use std::mem::MaybeUninit;

use kubezonnet_capture::Config;
use kubezonnet_model::Family;
use kubezonnet_testkit::bench::{Bench, Figure, keep_to_one_processor, median, timed};
use kubezonnet_testkit::{Cluster, ClusterNode, Place as _, traffic};

use crate::Outcome;
use crate::nodes::{self, Flood};
use crate::plain::{Plain, Program};

const TCP_BYTES: u64 = 200 << 20;
const DATAGRAMS: u32 = 100_000;

/// The share of throughput that is to be left.
const LEFT: f64 = 0.985;

pub(crate) fn run(bench: &mut Bench) -> Outcome {
    // Senders, nodes and receivers on one processor: then what is carried in a second tells what all
    // of it costs, and does not hang on which thread met which on which processor.
    keep_to_one_processor()?;
    let cluster = nodes::cluster()?;
    for family in Family::ALL {
        let (client, server) = (cluster.pod("bench/client"), cluster.pod("bench/server"));
        let tcp = || -> Outcome<f64> {
            let (sent, took) = timed(|| traffic::tcp_bulk(client, server, family, TCP_BYTES));
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            let bits = sent?.payload_bytes as f64 * 8.0;
            Ok(bits / took.as_secs_f64() / 1e9)
        };
        let name = format!("{} TCP at MTU size, Gbit/s", family.as_str());
        compare(bench, &cluster, &name, &tcp)?;
        let flood = Flood::between(&cluster, family)?;
        let udp = || -> Outcome<f64> {
            let (sent, took) = timed(|| flood.send(DATAGRAMS));
            sent?;
            Ok(f64::from(DATAGRAMS) / took.as_secs_f64() / 1e6)
        };
        let name = format!("{} small UDP, million packets/s", family.as_str());
        compare(bench, &cluster, &name, &udp)?;
    }
    Ok(())
}

fn compare(
    bench: &mut Bench,
    cluster: &Cluster,
    name: &str,
    measure: &dyn Fn() -> Outcome<f64>,
) -> Outcome {
    let mut storage = MaybeUninit::uninit();
    let plain = Plain::load(&mut storage)?;
    let nodes = ["node-a", "node-b"].map(|node| cluster.node(node));
    let attach = |node| nodes::attach(node, &Config::default());
    let counted = || -> Outcome<f64> {
        let _captures = nodes.map(attach).into_iter().collect::<Outcome<Vec<_>>>()?;
        measure()
    };
    let counted_once = || -> Outcome<f64> {
        let _capture = attach(nodes[0])?;
        measure()
    };
    // At the same hook in both nodes, doing nothing: what it costs that something is attached.
    let hooked = || -> Outcome<f64> {
        let attach_empty = |(node, family)| {
            let node: &ClusterNode = node;
            node.netns().run(|| plain.attach(Program::Empty, family))?
        };
        let places = nodes
            .into_iter()
            .flat_map(|node| Family::ALL.map(|family| (node, family)));
        let _links = places.map(attach_empty).collect::<Outcome<Vec<_>>>()?;
        measure()
    };
    let states: [&dyn Fn() -> Outcome<f64>; 4] = [measure, &hooked, &counted_once, &counted];
    let mut measured = [const { Vec::new() }; 4];
    measure()?;
    for round in 0..bench.rounds(20, 3) {
        // Neighbours in time, in changing order: what drifts does so for all.
        for turn in 0..states.len() {
            let state = (round + turn) % states.len();
            measured[state].push(states[state]()?);
        }
    }
    let [without, hooked, once, with] = &measured;
    let ratio = |some: &[f64]| {
        let pairs = some
            .iter()
            .zip(without)
            .map(|(some, without)| some / without);
        median(&pairs.collect::<Vec<_>>())
    };
    let figures = [
        Figure::new("without", median(without)),
        Figure::new("with", median(with)),
        Figure::new("ratio (median of pairs)", ratio(with)).at_least(LEFT),
        Figure::new("ratio, in one node only", ratio(once)),
        Figure::new("ratio, empty programs", ratio(hooked)),
    ];
    bench.tell("throughput", name, &figures)?;
    Ok(())
}
