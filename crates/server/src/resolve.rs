//! Whose bytes these are, and which side counts them. Pure: no I/O, no clock, no locks.
//!
//! In go a batch's addresses and records, who reports, and two read views (topology, agents). Out
//! come [`Party`]s, one an address, and [`ResolvedFlow`]s that point to them. Each record has
//! exactly one [`Outcome`], so that every byte is counted once, whichever agents saw it.

mod party;
mod service;
mod socket;
mod unheld;

use std::net::IpAddr;
use std::sync::Arc;

use kubezonnet_model::{
    Direction, FlowCounters, Hook, InterfaceClass, Locality, Node, NodeName, ObservationPoint,
    Service, Site, SocketOwner, Transport, UnknownReason, Window,
};
use kubezonnet_topology::{Networks, TopologyIndex};

pub use self::party::{Covered, MayBeListed, Party, Place, Reach};
pub use self::service::{Fronts, Local};
pub use self::socket::{Owner, Process};
use crate::agents::Agents;

/// The flows of one window of one node, with both ends named.
#[derive(Debug, Clone)]
pub struct ResolvedBatch {
    /// Who reported.
    pub reporter: Reporter,
    /// When it was.
    pub window: Window,
    /// Every address of the batch, resolved.
    pub parties: Vec<Party>,
    /// The Services by which their pods were reached.
    pub services: Vec<Arc<Service>>,
    /// The flows; none of them waits.
    pub flows: Vec<ResolvedFlow>,
    /// An agent of the Go system reported them, and no hook of ours saw them.
    pub is_legacy: bool,
}

impl ResolvedBatch {
    /// What it takes of memory; pods and nodes are the topology's.
    pub fn memory(&self) -> usize {
        self.flows.capacity() * size_of::<ResolvedFlow>()
            + self.parties.capacity() * size_of::<Party>()
            + size_of_val(&*self.services)
    }
}

/// One flow with where it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolvedFlow {
    /// Position of the source in [`ResolvedBatch::parties`].
    pub source: u32,
    /// Position of the destination.
    pub destination: u32,
    /// Protocol and ports.
    pub transport: Option<Transport>,
    /// Where on the node it was seen.
    pub point: ObservationPoint,
    /// Whose socket it was, as the agent tells.
    pub socket: Option<SocketOwner>,
    /// Position in [`ResolvedBatch::services`] of the Service by which the destination (of answers:
    /// the source) was reached, where that can be known.
    pub service: Option<u32>,
    /// How much it was.
    pub counters: FlowCounters,
    /// Where it went.
    pub outcome: Outcome,
}

/// Where the bytes of a record go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Counted here, seen from the local side.
    Counted(Direction, Locality),
    /// The sender's agent counted them.
    CountedBySender,
    /// Packets bypass the hooks of this node, the sender: the receiver's agent counts.
    CountedByReceiver,
    /// The other side's agent counted some of them, and nobody can tell which.
    PartlyCovered,
    /// Refused: the local address is another node's.
    ForeignAddress,
}

/// The node that reports, as the topology has it.
#[derive(Debug, Clone)]
pub struct Reporter {
    /// The node; without zone where the topology does not know it.
    pub node: Arc<Node>,
    /// Where it is.
    pub site: Site,
}

impl Reporter {
    /// The node of that name, as it was in the window.
    pub fn new(name: &NodeName, window: Window, topology: &TopologyIndex) -> Self {
        let node = party::node(name, window, topology);
        Self {
            site: party::site_of(&node),
            node,
        }
    }
}

/// The read views that resolving asks.
#[derive(Clone, Copy)]
pub struct Views<'a> {
    /// Who held an address.
    pub topology: &'a TopologyIndex,
    /// What the operator says of addresses outside.
    pub networks: &'a Networks,
    /// Who is covered, and who calls an address its own.
    pub agents: &'a Agents,
}

impl Views<'_> {
    /// A number that rises whenever one of them has changed in a way that may settle what waits.
    pub fn version(&self) -> u64 {
        self.topology.version() + self.networks.version() + self.agents.version()
    }

    /// Resolves a batch's dictionary.
    pub fn parties(&self, addresses: &[IpAddr], reporter: &Reporter, window: Window) -> Vec<Party> {
        let holders = self.topology.find_all(addresses, window);
        let held = addresses.iter().zip(holders);
        held.map(|(address, holder)| Party::of(*address, holder, reporter, window, self))
            .collect()
    }
}

/// Says where the bytes between two parties go, as seen at that point of the reporter's node; the
/// parties are who they are behind its interfaces.
pub fn outcome(
    source: &Party,
    destination: &Party,
    point: ObservationPoint,
    reporter: &Reporter,
) -> Outcome {
    let destination = &End::of(destination, point);
    if point.hook == Hook::LocalIn && destination.place == Place::Elsewhere {
        return Outcome::ForeignAddress;
    }
    let between = Locality::between(&source.site, destination.site);
    if source.place == Place::Here {
        if source.covered == Covered::Bypassed
            && destination.place == Place::Elsewhere
            && destination.covered.counts_for_others()
        {
            return Outcome::CountedByReceiver;
        }
        return Outcome::Counted(Direction::Egress, between);
    }
    // What LOCAL_IN sees ends on this node, whoever holds the address.
    if destination.place == Place::Here || point.hook == Hook::LocalIn {
        return match source.covered {
            Covered::Yes => Outcome::CountedBySender,
            Covered::Partly => Outcome::PartlyCovered,
            // Neither sees all of it. What the sender saw is counted there.
            Covered::Bypassed if !destination.covered.counts_for_others() => Outcome::PartlyCovered,
            Covered::Bypassed | Covered::NotHeardOf | Covered::No => {
                Outcome::Counted(Direction::Ingress, between)
            }
        };
    }
    Outcome::Counted(Direction::Transit, transit(source, destination, reporter))
}

/// What a record may wait for before it is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It would be charged to nobody, and the topology may yet tell of one of its ends.
    Owner,
    /// It would be counted by this side, and the agent of the other, of which this server has not
    /// heard yet, may report that it is the one who counts.
    Report,
}

impl Wanted {
    /// Everything that may be waited for.
    pub const ALL: [Self; 2] = [Self::Owner, Self::Report];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Report => "report",
        }
    }

    /// Where a record goes that cannot wait, though it should: what the other side may count as well
    /// is not counted here.
    pub fn outcome_in_doubt(self, outcome: Outcome) -> Outcome {
        match self {
            Self::Owner => outcome,
            Self::Report => Outcome::PartlyCovered,
        }
    }
}

/// What the record may wait for; `None` if it is settled.
pub fn wanted(
    source: &Party,
    destination: &Party,
    point: ObservationPoint,
    outcome: Outcome,
) -> Option<Wanted> {
    // Whose socket received it changes nothing of what the sender counted.
    let is_whoever_received = destination.place == Place::Here
        && !source.may_be_listed.behind(point.input)
        && matches!(outcome, Outcome::CountedBySender | Outcome::PartlyCovered);
    match outcome {
        Outcome::ForeignAddress => None,
        _ if is_whoever_received => None,
        _ if source.may_be_listed.behind(point.input)
            || destination.may_be_listed.behind(point.output) =>
        {
            Some(Wanted::Owner)
        }
        Outcome::Counted(Direction::Ingress, _) if source.covered == Covered::NotHeardOf => {
            Some(Wanted::Report)
        }
        Outcome::Counted(Direction::Egress, _)
            if source.covered == Covered::Bypassed
                && destination.covered == Covered::NotHeardOf =>
        {
            Some(Wanted::Report)
        }
        Outcome::Counted(..)
        | Outcome::CountedBySender
        | Outcome::CountedByReceiver
        | Outcome::PartlyCovered => None,
    }
}

/// The locality of a hop that the reporter forwarded: from itself to the destination. A source that
/// changed hands is not a source that anything is known of.
fn transit(source: &Party, destination: &End<'_>, reporter: &Reporter) -> Locality {
    match &source.site {
        Site::Unknown(UnknownReason::ReusedInWindow) => {
            Locality::Unknown(UnknownReason::ReusedInWindow)
        }
        _ => Locality::between(&reporter.site, destination.site),
    }
}

/// The destination as it counts at a point of observation.
struct End<'a> {
    place: Place,
    covered: Covered,
    site: &'a Site,
}

/// Where somebody is whom nobody lists.
const UNLISTED: Site = Site::Unknown(UnknownReason::UnlistedAddress);

impl<'a> End<'a> {
    fn of(party: &'a Party, point: ObservationPoint) -> Self {
        if point.hook == Hook::LocalIn && party.is_outside() {
            // It ended on this node, so it is not out there, though nobody in the cluster lists it.
            return Self {
                place: party.place,
                covered: party.covered,
                site: &UNLISTED,
            };
        }
        // Behind a pod's interface it ends with a pod of this node, whichever that is.
        let is_here = party.site == UNLISTED && point.output == InterfaceClass::Pod;
        Self {
            place: if is_here { Place::Here } else { party.place },
            covered: party.covered,
            site: &party.site,
        }
    }
}

#[cfg(test)]
mod tests;
