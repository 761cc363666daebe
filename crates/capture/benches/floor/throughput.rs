//! What traffic loses by being counted: TCP in packets of MTU size, and small datagrams, between
//! pods of two nodes, with the programs attached in both and without, in turns.

use kubezonnet_capture::Config;
use kubezonnet_model::Family;
use kubezonnet_testkit::bench::{Bench, Figure, median, timed};
use kubezonnet_testkit::{Cluster, traffic};

use crate::Outcome;
use crate::nodes::{self, Flood};

const TCP_BYTES: u64 = 400 << 20;
const DATAGRAMS: u32 = 300_000;

/// The share of throughput that is to be left.
const LEFT: f64 = 0.985;

pub(crate) fn run(bench: &mut Bench) -> Outcome {
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
    let counted = || -> Outcome<f64> {
        let _captures = ["node-a", "node-b"]
            .into_iter()
            .map(|node| nodes::attach(cluster.node(node), &Config::default()))
            .collect::<Outcome<Vec<_>>>()?;
        measure()
    };
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    measure()?;
    for round in 0..bench.rounds(40, 3) {
        // Neighbours in time, in changing order: what drifts does so for both.
        let (on, off) = if round % 2 == 0 {
            let on = counted()?;
            (on, measure()?)
        } else {
            let off = measure()?;
            (counted()?, off)
        };
        with.push(on);
        without.push(off);
        ratios.push(on / off);
    }
    let figures = [
        Figure::new("without", median(&without)),
        Figure::new("with", median(&with)),
        Figure::new("ratio (median of pairs)", median(&ratios)).at_least(LEFT),
    ];
    bench.tell("throughput", name, &figures)?;
    Ok(())
}
