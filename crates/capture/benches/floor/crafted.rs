//! Nanoseconds a packet on crafted packets: the mean of many runs on one packet that is in the
//! processor's caches, in turns with the yardstick and the empty program, and the median of turns.

use std::mem::MaybeUninit;
use std::time::Duration;

use kubezonnet_capture::{Config, Trial};
use kubezonnet_model::{Family, Hook, InterfaceClass};
use kubezonnet_testkit::bench::{Bench, Figure, keep_to_one_processor, median};

use crate::Outcome;
use crate::plain::{Plain, Program};

/// Some milliseconds a turn: long beside the clock's grain, short beside a disturbance.
const RUNS: u32 = 200_000;

/// How many flows there are when every packet is another one: some, and half a map full.
const FLOWS: [(u32, &str); 2] = [(4096, "4,096 flows"), (32_768, "32,768 flows")];

/// What the product may cost a packet, net of the empty program.
const HOT_NANOS: f64 = 25.0;
const HOT_SHARE: f64 = 0.35;
/// One that the node itself sends or receives: whose socket it is has to be looked up.
const OWN_NANOS: f64 = 75.0;
const SCATTERED_NANOS: f64 = 90.0;

const UDP: u8 = 17;
const TCP: u8 = 6;

pub(crate) fn programs(bench: &mut Bench) -> Outcome {
    keep_to_one_processor()?;
    let mut plain_storage = MaybeUninit::uninit();
    let trial = Trial::load(&Config::default(), InterfaceClass::Uplink)?;
    let mut plain = Plain::load(&mut plain_storage)?;
    plain.set_flows(1);
    for family in Family::ALL {
        for (protocol, name) in [(UDP, "UDP"), (TCP, "TCP")] {
            let packet = packet(family, protocol);
            let mut measured = Measured::default();
            for _ in 0..bench.rounds(60, 8) {
                measured.add(
                    plain.run(Program::ScatteredEmpty, family, &packet, RUNS)?,
                    plain.run(Program::Scattered, family, &packet, RUNS)?,
                    plain.run(Program::Yardstick, family, &packet, RUNS)?,
                );
            }
            let subject = format!("forwarded {} {name}", family.as_str());
            let figures = measured.figures(HOT_NANOS, Some(HOT_SHARE));
            bench.tell("programs", &subject, &figures)?;
        }
    }
    // Crafted packets came in by no device, so to the product they are the node's own; none of them
    // has a socket.
    for hook in Hook::ALL {
        for family in Family::ALL {
            for (protocol, name) in [(UDP, "UDP"), (TCP, "TCP")] {
                let packet = packet(family, protocol);
                let mut measured = Measured::default();
                for _ in 0..bench.rounds(60, 8) {
                    measured.add(
                        plain.run(Program::Empty, family, &packet, RUNS)?,
                        trial.run(hook, family, &packet, RUNS)?.1,
                        plain.run(Program::Yardstick, family, &packet, RUNS)?,
                    );
                }
                let subject = format!("{} {} {name}, own", hook.as_str(), family.as_str());
                let figures = measured.figures(OWN_NANOS, None);
                bench.tell("programs", &subject, &figures)?;
            }
        }
    }
    Ok(())
}

pub(crate) fn scattered(bench: &mut Bench) -> Outcome {
    keep_to_one_processor()?;
    let mut storage = MaybeUninit::uninit();
    let mut plain = Plain::load(&mut storage)?;
    for (flows, name) in FLOWS {
        plain.set_flows(flows);
        for family in Family::ALL {
            let packet = packet(family, UDP);
            // All flows are there before it is measured: a new one each packet would be an attack.
            for program in [Program::Scattered, Program::ScatteredYardstick] {
                plain.run(program, family, &packet, 2 * flows)?;
            }
            let mut measured = Measured::default();
            for _ in 0..bench.rounds(60, 8) {
                measured.add(
                    plain.run(Program::ScatteredEmpty, family, &packet, RUNS)?,
                    plain.run(Program::Scattered, family, &packet, RUNS)?,
                    plain.run(Program::ScatteredYardstick, family, &packet, RUNS)?,
                );
            }
            let subject = format!("forwarded {} UDP, {name}", family.as_str());
            let figures = measured.figures(SCATTERED_NANOS, None);
            bench.tell("scattered", &subject, &figures)?;
        }
    }
    Ok(())
}

/// Nanoseconds of each turn.
#[derive(Default)]
pub(crate) struct Measured {
    empty: Vec<f64>,
    ours: Vec<f64>,
    yardstick: Vec<f64>,
}

impl Measured {
    /// One turn.
    pub(crate) fn add(&mut self, empty: Duration, ours: Duration, yardstick: Duration) {
        let nanos = |duration: Duration| duration.as_secs_f64() * 1e9;
        self.add_nanos(nanos(empty), nanos(ours), nanos(yardstick));
    }

    pub(crate) fn add_nanos(&mut self, empty: f64, ours: f64, yardstick: f64) {
        self.empty.push(empty);
        self.ours.push(ours);
        self.yardstick.push(yardstick);
    }

    pub(crate) fn figures(&self, net_at_most: f64, share_at_most: Option<f64>) -> [Figure; 4] {
        let empty = median(&self.empty);
        let net = median(&self.ours) - empty;
        let yardstick = median(&self.yardstick) - empty;
        let share = Figure::new("of the yardstick", net / yardstick);
        [
            Figure::new("empty ns", empty),
            Figure::new("net ns", net).at_most(net_at_most),
            Figure::new("yardstick's net ns", yardstick),
            match share_at_most {
                Some(most) => share.at_most(most),
                None => share,
            },
        ]
    }
}

/// A small packet of a pod's client to a service: 64 bytes of UDP payload, or a bare TCP segment.
fn packet(family: Family, protocol: u8) -> Vec<u8> {
    let mut transport = [40_000_u16, 8080].map(u16::to_be_bytes).concat();
    if protocol == TCP {
        // Sequence, acknowledgement, header of 20 bytes, ACK, window, checksum, urgent pointer.
        transport.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    } else {
        transport.extend([0, 72, 0, 0]);
        transport.extend([0; 64]);
    }
    let length = transport.len();
    let mut packet = match family {
        Family::Ipv4 => {
            let total = u16::try_from(20 + length).expect("it is small");
            let mut header = vec![0x45, 0];
            header.extend(total.to_be_bytes());
            header.extend([0, 1, 0x40, 0, 64, protocol, 0, 0]);
            header.extend([10, 0, 0, 1, 10, 0, 1, 2]);
            header
        }
        Family::Ipv6 => {
            let payload = u16::try_from(length).expect("it is small");
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(payload.to_be_bytes());
            header.extend([protocol, 64]);
            for host in [1, 2] {
                header.extend([0xfd, 0, 0, 0, 0, 0, 0, host, 0, 0, 0, 0, 0, 0, 0, host]);
            }
            header
        }
    };
    packet.extend(transport);
    packet
}
