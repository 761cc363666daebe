//! What is known of each node's agent: which window was applied last, since when the node is
//! covered, and which addresses it calls its own.
//!
//! Admission is here (rule: a window is applied once), and the two questions that resolving asks:
//! was this node covered in this window, and which node calls this address its own. Both are
//! answered from what agents said, never from the topology.

mod bypass;
mod coverage;

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};
use kubezonnet_model::{
    BatchHeader, BypassJudge, Epoch, Family, NodeName, Timestamp, Uplinks, Window,
};

pub use self::bypass::NodeUplinks;
use self::coverage::{Coverage, Noted};
pub use self::coverage::{Extent, TOLERANCE};
use crate::address;

/// How many closed epochs are remembered a node, so that a window sent again after its agent was
/// replaced is not counted twice. Retries last minutes; eight replacements in minutes do not happen.
const CLOSED_EPOCHS: usize = 8;

/// How many nodes may report: twice what the largest clusters have. It bounds what a sender of
/// made-up names can take.
pub const MAX_AGENTS: usize = 20_000;

/// How many addresses of its own a node may declare; what is beyond is counted and left out.
/// Bridges, secondary interfaces and local DNS are tens; it bounds what all nodes together take.
pub const MAX_DECLARED: usize = 1024;

/// All agents by node.
#[derive(Debug)]
pub struct Agents {
    nodes: HashMap<NodeName, Agent>,
    /// Which nodes declare an address.
    declared: HashMap<IpAddr, BTreeSet<NodeName>>,
    room: usize,
    /// How many times a node reported that had no place before, or declared other addresses.
    version: u64,
}

/// One node's agent.
#[derive(Debug)]
struct Agent {
    epoch: Epoch,
    /// The highest sequence applied of `epoch`; `None` if this server knows of none, and of nothing
    /// that is missing before the next.
    last: Option<u64>,
    /// The end of the last window applied: where an epoch that is replaced ends.
    last_window_end: Timestamp,
    /// Epochs before, with the highest sequence applied of each; the newest last.
    closed: VecDeque<(Epoch, u64)>,
    /// By family, in the order of `Family::ALL`.
    coverage: [Coverage; Family::ALL.len()],
    declared: Vec<IpAddr>,
    /// The sums over all windows applied.
    uplinks: Uplinks,
    /// Packets bypass the hooks: so the last window said in which enough was sent to tell.
    bypassed: bool,
    /// What was sent since the last verdict.
    judge: BypassJudge,
    heard: Timestamp,
}

/// What becomes of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is new: apply it.
    New {
        /// How many windows before it never came.
        missed: u64,
        /// How many of the addresses declared were beyond [`MAX_DECLARED`].
        undeclared: u64,
    },
    /// It was applied before: acknowledge it only.
    Duplicate,
}

/// All places are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} nodes report already, and no more are taken: check that each agent's --node is the name of \
     its own node and stays the same; names that are no longer of the cluster are forgotten in hours, \
     or when the server restarts"
)]
pub struct TooManyAgents(pub usize);

impl Default for Agents {
    fn default() -> Self {
        Self::with_capacity(MAX_AGENTS)
    }
}

impl Agents {
    /// Room for so many nodes.
    pub fn with_capacity(room: usize) -> Self {
        Self {
            nodes: HashMap::new(),
            declared: HashMap::new(),
            room,
            version: 0,
        }
    }

    /// Decides whether a window is new, and if so takes over what it says of the node.
    ///
    /// It is not noted as applied yet: that is [`Self::applied`], once it is in the ledger.
    ///
    /// # Errors
    ///
    /// [`TooManyAgents`] if the node is new and no place is free.
    pub fn admit(
        &mut self,
        header: &BatchHeader,
        addresses: &[IpAddr],
        window: Window,
        now: Timestamp,
    ) -> Result<Admission, TooManyAgents> {
        if !self.nodes.contains_key(&header.node) {
            if self.nodes.len() >= self.room {
                return Err(TooManyAgents(self.room));
            }
            self.version += 1;
        }
        let agent = self
            .nodes
            .entry(header.node.clone())
            .or_insert_with(|| Agent::new(header.epoch));
        agent.heard = now;
        let closed = agent
            .closed
            .iter()
            .find(|(epoch, _)| *epoch == header.epoch);
        if let Some((_, last)) = closed {
            // A window of an agent that was replaced: new bytes once, but no word on what is now.
            return Ok(admission(header.sequence, Some(*last), 0));
        }
        if agent.epoch != header.epoch {
            agent.replace(header.epoch);
        }
        let last = agent.last;
        if last.is_some_and(|last| header.sequence <= last) {
            return Ok(Admission::Duplicate);
        }
        agent.last_window_end = window.end;
        // The first that this server hears of is not the agent's first: it counted before, and
        // another server took it.
        let was_there = last.is_none() && header.sequence > 1;
        let begin = if was_there {
            Timestamp::default()
        } else {
            window.start
        };
        if let Some(bypassed) = agent.judge.judge(header.coverage.uplinks) {
            agent.bypassed = bypassed;
        }
        let noted = Noted {
            window,
            begin,
            bypassed: agent.bypassed,
            now,
        };
        for family in Family::ALL {
            agent.coverage[family as usize].note(header, family, noted);
        }
        let undeclared = self.declare(&header.node, addresses);
        Ok(admission(header.sequence, last, undeclared))
    }

    /// Notes that a window is in the ledger: from now on it is a duplicate.
    pub fn applied(&mut self, header: &BatchHeader) {
        let Some(agent) = self.nodes.get_mut(&header.node) else {
            return;
        };
        agent.uplinks.seen += header.coverage.uplinks.seen;
        agent.uplinks.sent += header.coverage.uplinks.sent;
        let mut closed = agent.closed.iter_mut();
        if let Some((_, last)) = closed.find(|(epoch, _)| *epoch == header.epoch) {
            *last = header.sequence;
        } else {
            agent.last = Some(header.sequence);
        }
    }

    /// For how much of the window the node's agent counted what the node sent, of that family.
    pub fn covered(&self, node: &NodeName, family: Family, window: Window) -> Extent {
        self.nodes.get(node).map_or(Extent::None, |agent| {
            agent.coverage[family as usize].of(window)
        })
    }

    /// Whether the node's agent has reported to this server.
    pub fn knows(&self, node: &NodeName) -> bool {
        self.nodes.contains_key(node)
    }

    /// A number that rises whenever a node reports for the first time, or declares other addresses.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The node that calls the address its own: the one that asks, if it does, else the only other.
    pub fn declarer<'a>(&'a self, address: IpAddr, asking: &NodeName) -> Option<&'a NodeName> {
        let nodes = self.declared.get(&address)?;
        nodes.get(asking).or_else(|| match nodes.len() {
            1 => nodes.first(),
            // Bridges have one address on many nodes: nobody can tell whose bytes these are.
            _ => None,
        })
    }

    /// How long ago each node reported, in the order of names.
    pub fn report_ages(&self, now: Timestamp) -> Vec<(NodeName, Duration)> {
        let mut ages: Vec<_> = self
            .nodes
            .iter()
            .map(|(node, agent)| (node.clone(), now.since(agent.heard)))
            .collect();
        ages.sort_unstable();
        ages
    }

    /// What left through the uplinks of each node whose agent tells, in the order of names.
    pub fn uplinks(&self) -> Vec<NodeUplinks> {
        let mut nodes: Vec<_> = self
            .nodes
            .iter()
            .filter(|(_, agent)| agent.uplinks != Uplinks::default())
            .map(|(node, agent)| NodeUplinks {
                node: node.clone(),
                uplinks: agent.uplinks,
                bypassed: agent.bypassed,
            })
            .collect();
        nodes.sort_unstable_by(|one, other| one.node.cmp(&other.node));
        nodes
    }

    /// Forgets the agents of nodes that are gone and did not report since.
    pub fn forget(&mut self, before: Timestamp, exists: impl Fn(&NodeName) -> bool) {
        let gone: Vec<_> = self
            .nodes
            .iter()
            .filter(|(node, agent)| agent.heard < before && !exists(node))
            .map(|(node, _)| node.clone())
            .collect();
        for node in gone {
            if let Some(agent) = self.nodes.remove(&node) {
                self.undeclare(&node, &agent.declared);
            }
        }
    }

    /// Takes over the addresses a node calls its own; says how many were too many.
    fn declare(&mut self, node: &NodeName, addresses: &[IpAddr]) -> u64 {
        let mut new: Vec<_> = addresses
            .iter()
            .copied()
            .filter(|address| address::can_be_declared(*address))
            .collect();
        new.sort_unstable();
        new.dedup();
        let beyond = new.len().saturating_sub(MAX_DECLARED);
        new.truncate(MAX_DECLARED);
        let agent = self
            .nodes
            .get_mut(node)
            .expect("the caller has found or made the node's agent");
        if agent.declared != new {
            self.version += 1;
            let old = std::mem::replace(&mut agent.declared, new.clone());
            self.undeclare(node, &old);
            for address in new {
                self.declared
                    .entry(address)
                    .or_default()
                    .insert(node.clone());
            }
        }
        u64::try_from(beyond).unwrap_or(u64::MAX)
    }

    fn undeclare(&mut self, node: &NodeName, addresses: &[IpAddr]) {
        for address in addresses {
            if let Some(nodes) = self.declared.get_mut(address) {
                nodes.remove(node);
                if nodes.is_empty() {
                    self.declared.remove(address);
                }
            }
        }
    }
}

impl Agent {
    fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            last: None,
            last_window_end: Timestamp::default(),
            closed: VecDeque::new(),
            coverage: Default::default(),
            declared: Vec::new(),
            uplinks: Uplinks::default(),
            bypassed: false,
            judge: BypassJudge::default(),
            heard: Timestamp::default(),
        }
    }

    /// A new epoch: the old count is closed, and what it covered ended with its last window.
    fn replace(&mut self, epoch: Epoch) {
        if self.closed.len() == CLOSED_EPOCHS {
            self.closed.pop_front();
        }
        let old = std::mem::replace(&mut self.epoch, epoch);
        self.closed.push_back((old, self.last.unwrap_or(0)));
        for coverage in &mut self.coverage {
            coverage.close(self.last_window_end);
        }
        self.last = Some(0);
    }
}

/// Whether the sequence is new after the last one applied, and how many are missing between.
fn admission(sequence: u64, last: Option<u64>, undeclared: u64) -> Admission {
    match last {
        Some(last) if sequence <= last => Admission::Duplicate,
        Some(last) => Admission::New {
            missed: sequence - last - 1,
            undeclared,
        },
        // What came before this server's time is not known to be missing.
        None => Admission::New {
            missed: 0,
            undeclared,
        },
    }
}

#[cfg(test)]
mod tests;
