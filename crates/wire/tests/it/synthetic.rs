//! A fixed batch of a busy node, to measure on.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use kubezonnet_model::{
    BatchHeader, Coverage, Epoch, Family, FlowBatch, FlowCounters, FlowKey, FlowRecord, Hook,
    InterfaceClass, NodeName, ObservationPoint, PortSide, Protocol, ServicePort, Transport,
};

/// What a batch is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// IPv4 or IPv6.
    pub(crate) family: Family,
    /// Distinct flows.
    pub(crate) flows: usize,
    /// Pods of the node.
    pub(crate) pods: u64,
    /// Pods of other nodes they talk to.
    pub(crate) peers: u64,
    /// Distinct service ports.
    pub(crate) services: u64,
}

impl Load {
    /// The batch the format's size is measured by.
    pub(crate) fn typical(family: Family) -> Self {
        Self {
            family,
            flows: 20_000,
            pods: 40,
            peers: 500,
            services: 15,
        }
    }

    /// The batch. The same load gives the same batch, always.
    pub(crate) fn batch(self) -> FlowBatch {
        let mut random = Random(42);
        let mut flows = BTreeMap::new();
        while flows.len() < self.flows {
            let key = self.key(&mut random);
            flows.entry(key).or_insert_with(|| random.counters());
        }
        let record = |(key, counters)| FlowRecord { key, counters };
        FlowBatch {
            header: BatchHeader {
                node: NodeName::new("ip-10-0-17-201.eu-west-1.compute.internal")
                    .expect("it is a name"),
                epoch: Epoch([0xa5; 16]),
                sequence: 4_711,
                window: Duration::from_millis(10_003),
                coverage: Coverage::full(),
            },
            records: flows.into_iter().map(record).collect(),
            totals: Vec::new(),
            skipped: Vec::new(),
            node_addresses: vec![self.address(0, 1)],
        }
    }

    /// A request of a local pod to a peer or of a peer to a local pod, or the answer to one.
    fn key(self, random: &mut Random) -> FlowKey {
        let pod = self.address(0, 2 + random.below(self.pods));
        let peer = random.below(self.peers);
        // A hundred other nodes, each with its own range.
        let peer = self.address(1 + peer % 100, 2 + peer / 100 * 7);
        let outbound = random.below(2) == 0;
        let pod_serves = random.below(2) == 0;
        let service = random.below(self.services);
        let side = if outbound == pod_serves {
            PortSide::Source
        } else {
            PortSide::Destination
        };
        let (source, destination) = if outbound { (pod, peer) } else { (peer, pod) };
        let (input, output) = if outbound {
            (InterfaceClass::Pod, InterfaceClass::Uplink)
        } else {
            (InterfaceClass::Uplink, InterfaceClass::Pod)
        };
        FlowKey {
            source,
            destination,
            transport: Some(Transport {
                protocol: Protocol::TCP,
                service: Some(ServicePort {
                    number: u16::try_from(3_000 + service * 137 % 20_000).expect("below 23,000"),
                    side,
                }),
                client_port: None,
            }),
            point: ObservationPoint {
                hook: Hook::Postrouting,
                input,
                output,
            },
            socket: None,
        }
    }

    /// The address of a pod: IPv4 as ranges of /24 give it, IPv6 as ranges of /80 do, the last 48
    /// bits counted up.
    fn address(self, node: u64, pod: u64) -> IpAddr {
        let narrow = |value: u64| u16::try_from(value).expect("a synthetic cluster is small");
        let (node, pod) = (narrow(node * 37 % 251), narrow(pod));
        match self.family {
            Family::Ipv4 => {
                let [node_octet, pod_octet] = [node, pod % 256].map(|value| value.to_be_bytes()[1]);
                IpAddr::from([10, 244 + pod.to_be_bytes()[0], node_octet, pod_octet])
            }
            Family::Ipv6 => {
                IpAddr::from([0x2a05, 0xd018, 0x17, 0x4f00, 0x1c00 + node * 151, 0, 0, pod])
            }
        }
    }
}

/// A small generator of our own (splitmix64), so that no library's next version changes the batch.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Log-normal bytes: half of the flows above 20 kB, one in six above 150 kB. Packets of 900
    /// bytes on average.
    fn counters(&mut self) -> FlowCounters {
        // The sum of twelve uniform numbers is close to a normal one of deviation 1 around 6.
        let parts = 1_u64 << 32;
        let sum: u64 = (0..12).map(|_| self.below(parts)).sum();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a rounded random number is as random"
        )]
        let normal = sum as f64 / parts as f64 - 6.0;
        let bytes = (20_000.0 * (2.0 * normal).exp()).max(40.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 40 and 20,000 × e^12"
        )]
        let bytes = bytes as u64;
        FlowCounters {
            bytes,
            packets: 1 + bytes / 900,
        }
    }
}
