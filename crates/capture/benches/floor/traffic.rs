//! Nanoseconds a packet under real traffic: small datagrams that a node forwards from its pod to
//! another node, by the kernel's statistics of run time (whose own cost is in the empty program
//! too). The product, the yardstick and the empty program are attached in turns, one at a time.

use std::mem::MaybeUninit;

use kubezonnet_capture::Config;
use kubezonnet_model::Family;
use kubezonnet_testkit::bench::{Bench, keep_to_one_processor};
use kubezonnet_testkit::{ClusterNode, Place as _};

use crate::Outcome;
use crate::crafted::Measured;
use crate::kernel::{Runs, Statistics, attached_programs};
use crate::nodes::{self, Flood};
use crate::plain::{Plain, Program};

/// Half a second of sending.
const DATAGRAMS: u32 = 60_000;
/// How often each of the ports is sent to.
const TIMES: u32 = 15;
const PORTS: u16 = 4096;

const HOT_NANOS: f64 = 25.0;
const HOT_SHARE: f64 = 0.35;
const SCATTERED_NANOS: f64 = 90.0;

/// What is sent, and what the product may cost a packet of it.
struct Load<'a> {
    name: &'static str,
    send: &'a dyn Fn() -> Outcome,
    net_nanos: f64,
    share: Option<f64>,
}

pub(crate) fn run(bench: &mut Bench) -> Outcome {
    keep_to_one_processor()?;
    let _statistics = Statistics::keep()?;
    let cluster = nodes::cluster()?;
    let mut storage = MaybeUninit::uninit();
    let plain = Plain::load(&mut storage)?;
    for family in Family::ALL {
        let flood = Flood::between(&cluster, family)?;
        let hot = Load {
            name: "one flow",
            send: &|| flood.send(DATAGRAMS),
            net_nanos: HOT_NANOS,
            share: Some(HOT_SHARE),
        };
        let scattered = Load {
            name: "4,096 flows in turns",
            send: &|| (0..TIMES).try_for_each(|_| flood.scatter(PORTS)),
            net_nanos: SCATTERED_NANOS,
            share: None,
        };
        for load in [hot, scattered] {
            let mut measured = Measured::default();
            for _ in 0..bench.rounds(12, 2) {
                add_turn(&mut measured, cluster.node("node-a"), &plain, family, &load)?;
            }
            let subject = format!("{} UDP, {}", family.as_str(), load.name);
            let figures = measured.figures(load.net_nanos, load.share);
            bench.tell("traffic", &subject, &figures)?;
        }
    }
    Ok(())
}

/// Attaches one program after the other and measures it.
fn add_turn(
    measured: &mut Measured,
    node: &ClusterNode,
    plain: &Plain<'_>,
    family: Family,
    load: &Load<'_>,
) -> Outcome {
    let plainly = |program: Program, name: &str| {
        let link = node.netns().run(|| plain.attach(program, family));
        let _link = link??;
        nanos_of(name, load)
    };
    let empty = plainly(Program::Empty, "empty")?;
    let ours = {
        let _capture = nodes::attach(node, &Config::default())?;
        nanos_of("stub_post", load)?
    };
    let yardstick = plainly(Program::Yardstick, "yardstick")?;
    measured.add_nanos(empty, ours, yardstick);
    Ok(())
}

/// Nanoseconds a run of the attached program of that name under a load.
fn nanos_of(name: &str, load: &Load<'_>) -> Outcome<f64> {
    let ids = attached_programs()?;
    // The first packets find cold caches and an empty map.
    (load.send)()?;
    let before = Runs::of(&ids, name)?;
    (load.send)()?;
    let (nanos, runs) = Runs::of(&ids, name)?.since(before);
    if runs < f64::from(DATAGRAMS.min(TIMES * u32::from(PORTS))) {
        return Err(format!("{name} ran {runs} times only").into());
    }
    Ok(nanos)
}
