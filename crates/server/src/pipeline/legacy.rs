//! What agents of the Go system report, counted beside those of ours.
//!
//! Such an agent tells what the pods of its node sent to others of the cluster, and nothing of when.
//! It is counted as it comes, if its node has the source and no agent of ours counts it: neither the
//! sender's, nor the receiver's, which counts what comes from a node that is not covered.

use std::net::IpAddr;
use std::time::Duration;

use kubezonnet_model::{
    Direction, FlowCounters, Hook, InterfaceClass, Locality, NodeName, ObservationPoint, Timestamp,
    Window,
};
use kubezonnet_topology::HolderRef;

use super::plausible::{Implausible, most_in};
use super::{Pipeline, Rejection};
use crate::books::Disposition;
use crate::change::{Added, Change};
use crate::committer::Ticket;
use crate::ingest::legacy::LegacyFlow;
use crate::ledger::{Entry, SeenAt};
use crate::resolve::{Covered, Outcome, Party, Place, ResolvedFlow};

/// How long before its report what it tells of was sent, at most: their usual interval.
const WINDOW: Duration = Duration::from_secs(10);

/// Where their hook is, as far as ours have a word for it.
const POINT: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Pod,
    output: InterfaceClass::Other,
};

impl Pipeline {
    /// The node that has the address, or that the pod which has it runs on.
    pub fn node_at(&self, address: IpAddr, now: Timestamp) -> Option<NodeName> {
        let window = Window::placed(now, Duration::ZERO, WINDOW);
        match self.topology.read().find(address, window) {
            HolderRef::Node(node, _) => Some(node.name.clone()),
            HolderRef::Pod(pod, _) => pod.node.clone(),
            HolderRef::Reused | HolderRef::Nobody => None,
        }
    }

    /// Counts what a legacy agent of that node reports now, and sends it on its way to the disk.
    ///
    /// # Errors
    ///
    /// [`Rejection`]; nothing has changed then.
    pub fn take_legacy(
        &self,
        node: &NodeName,
        flows: &[LegacyFlow],
        now: Timestamp,
    ) -> Result<Ticket, Rejection> {
        self.check_ready()?;
        let bytes = flows
            .iter()
            .fold(0_u64, |sum, flow| sum.saturating_add(flow.bytes));
        let most = most_in(WINDOW);
        if bytes > most {
            return Err(Rejection::Implausible(Implausible::Traffic {
                bytes,
                packets: 0,
                window: WINDOW,
                most,
            }));
        }
        if self.state.ledger().is_full() {
            return Err(Rejection::Full);
        }

        let window = Window::placed(now, Duration::ZERO, WINDOW);
        // They know of no such class, and tell of it as of any other.
        let (to_many, flows): (Vec<LegacyFlow>, Vec<LegacyFlow>) = flows
            .iter()
            .copied()
            .partition(|flow| flow.destination.is_multicast() || flow.destination.is_broadcast());
        let flows = &flows;
        let ends = flows.iter().map(|flow| [flow.source, flow.destination]);
        let addresses: Vec<_> = ends.flatten().map(IpAddr::V4).collect();
        let resolved = self.resolve_addresses(node, &addresses, std::iter::empty(), window);
        let mut batch = resolved.batch;
        batch.is_legacy = true;
        let are_all_heard = self.settings.reports_due <= now;
        batch.flows = (0_u32..)
            .step_by(2)
            .zip(flows)
            .map(|(source, flow)| {
                let destination = source + 1;
                let [from, to] =
                    [source, destination].map(|position| &batch.parties[position as usize]);
                ResolvedFlow {
                    source,
                    destination,
                    transport: None,
                    point: POINT,
                    socket: None,
                    service: None,
                    counters: FlowCounters {
                        bytes: flow.bytes,
                        packets: 0,
                    },
                    outcome: outcome(from, to, are_all_heard),
                }
            })
            .collect();

        let mut entry = Entry::default();
        entry.see(SeenAt::LEGACY, FlowCounters { bytes, packets: 0 });
        for flow in &to_many {
            let counters = FlowCounters {
                bytes: flow.bytes,
                packets: 0,
            };
            entry.books.add(Disposition::Multicast, counters);
        }
        let lease = self.enter(&mut entry, &batch);
        let change = Change::Added(Box::new(Added { now, entry }));
        let resolved = (!self.exporters.is_empty()).then_some(batch);
        Ok(self.committer.submit(change, lease, None, resolved))
    }
}

/// Says where the bytes go: to whoever counts them with an agent of ours, else here.
fn outcome(source: &Party, destination: &Party, are_all_heard: bool) -> Outcome {
    // Of a source that no node is known to have, several agents can tell, as each hop does.
    if source.place != Place::Here {
        return Outcome::ForeignAddress;
    }
    match source.covered {
        Covered::Yes => return Outcome::CountedBySender,
        Covered::Partly => return Outcome::PartlyCovered,
        Covered::NotHeardOf | Covered::Bypassed | Covered::No => {}
    }
    match destination.covered {
        _ if destination.place != Place::Elsewhere => {}
        Covered::Yes => return Outcome::CountedByReceiver,
        // Some of it the receiver counts, and nobody can tell which.
        Covered::Partly | Covered::Bypassed => return Outcome::PartlyCovered,
        Covered::NotHeardOf if !are_all_heard => return Outcome::PartlyCovered,
        Covered::NotHeardOf | Covered::No => {}
    }
    let between = Locality::between(&source.site, &destination.site);
    Outcome::Counted(Direction::Egress, between)
}
