//! What is known of each node's agent: which window was applied last, since when the node is
//! covered, and which addresses it calls its own.
//!
//! Admission is here (rule: a window is applied once), and the two questions that resolving asks:
//! was this node covered in this window, and which node calls this address its own. Both are
//! answered from what agents said, never from the topology.

mod bypass;
mod coverage;
mod fares;

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};
use kubezonnet_model::{
    AddressKind, BatchHeader, BypassJudge, Epoch, Family, NodeName, Timestamp, Uplinks, Window,
};
use serde::{Deserialize, Serialize};

pub use self::bypass::NodeUplinks;
use self::coverage::{Coverage, Noted};
pub use self::coverage::{Extent, TOLERANCE};
use self::fares::Fares;
pub use self::fares::NodeAgent;
pub(crate) use self::fares::Told;

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

/// One node's agent: what is kept of it over restarts of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
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
    /// The end of the last window of an epoch that did not say that it ends, while the first window of
    /// the next is on its way to the disk.
    #[serde(skip)]
    broke_off: Option<Timestamp>,
    /// How far its wall clock is ahead of this server's, in milliseconds, where it tells.
    #[serde(skip)]
    skew: Option<i64>,
    /// How it fares, as far as windows told since this server started.
    #[serde(skip)]
    fares: Fares,
}

/// What becomes of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is new: apply it.
    New {
        /// How many of the addresses declared were beyond [`MAX_DECLARED`].
        undeclared: u64,
    },
    /// It was applied before: acknowledge it only.
    Duplicate,
}

/// What a window says about those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// How many windows before it never came.
    pub missed: u64,
    /// Nothing was known of the agent, and yet this is not its first window: another server had
    /// those before, or this one's data is lost or of an earlier day.
    pub midway: bool,
    /// The agent before broke off without a word, and this is its successor's first window: so long
    /// nobody counted what the node sent, and receivers took it for counted. More than [`TOLERANCE`].
    pub uncounted: Option<Duration>,
}

/// All places are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} nodes report already, and no more are taken: check that each agent's --node is the name of \
     its own node and stays the same; names that are no longer of the cluster are forgotten in hours"
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
    /// It is not noted as applied yet: that is [`Self::applied`], once it is on disk. Until then the
    /// same window is new as often as it comes, and to admit it again changes nothing more.
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
        self.check_room(&header.node)?;
        if !self.knows(&header.node) {
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
            return Ok(if header.sequence <= *last {
                Admission::Duplicate
            } else {
                Admission::New { undeclared: 0 }
            });
        }
        if agent.epoch != header.epoch {
            agent.replace(header.epoch);
        }
        let last = agent.last;
        if last.is_some_and(|last| header.sequence <= last) {
            return Ok(Admission::Duplicate);
        }
        // The first that this server hears of is not the agent's first: it counted before, and
        // another server took it.
        let was_there = last.is_none() && header.sequence > 1;
        let begin = if was_there {
            Timestamp::default()
        } else {
            window.start
        };
        // The judge itself hears of the window once it is applied.
        let mut judge = agent.judge;
        let verdict = judge.judge(header.coverage.uplinks);
        let noted = Noted {
            window,
            begin,
            bypassed: verdict.unwrap_or(agent.bypassed),
            now,
        };
        for family in Family::ALL {
            agent.coverage[family as usize].note(header, family, noted);
        }
        let undeclared = self.declare(&header.node, addresses);
        Ok(Admission::New { undeclared })
    }

    /// Whether the node is known, or there is a place for it.
    ///
    /// # Errors
    ///
    /// [`TooManyAgents`] if not.
    pub fn check_room(&self, node: &NodeName) -> Result<(), TooManyAgents> {
        if self.nodes.len() >= self.room && !self.knows(node) {
            return Err(TooManyAgents(self.room));
        }
        Ok(())
    }

    /// Whether the window was applied before.
    pub fn has_applied(&self, header: &BatchHeader) -> bool {
        let last = self
            .nodes
            .get(&header.node)
            .and_then(|agent| agent.last_of(header.epoch));
        last.is_some_and(|last| header.sequence <= last)
    }

    /// Notes that a window that was admitted is on disk: from now on it is a duplicate.
    pub fn applied(&mut self, header: &BatchHeader, window: Window) -> Applied {
        // Forgotten since it was admitted, which takes hours: nothing is known of it any more.
        let agent = self
            .nodes
            .entry(header.node.clone())
            .or_insert_with(|| Agent::new(header.epoch));
        agent.uplinks.seen += header.coverage.uplinks.seen;
        agent.uplinks.sent += header.coverage.uplinks.sent;
        let sequence = header.sequence;
        let mut closed = agent.closed.iter_mut();
        if let Some((_, last)) = closed.find(|(epoch, _)| *epoch == header.epoch) {
            let missed = sequence.saturating_sub(*last).saturating_sub(1);
            *last = sequence.max(*last);
            return Applied {
                missed,
                ..Applied::default()
            };
        }
        if let Some(bypassed) = agent.judge.judge(header.coverage.uplinks) {
            agent.bypassed = bypassed;
        }
        agent.last_window_end = window.end;
        let before = agent.last.replace(sequence);
        let broke_off = agent.broke_off.take();
        let uncounted = broke_off.map(|end| window.start.since(end));
        Applied {
            // What came before this server's time is not known to be missing.
            missed: before.map_or(0, |last| sequence.saturating_sub(last).saturating_sub(1)),
            midway: before.is_none() && sequence > 1,
            uncounted: uncounted.filter(|time| *time > TOLERANCE),
        }
    }

    /// Every agent as it is now.
    pub fn states(&self) -> Vec<(NodeName, Agent)> {
        let states = self.nodes.iter();
        states
            .map(|(node, agent)| (node.clone(), agent.clone()))
            .collect()
    }

    /// Takes over an agent as it was.
    pub fn restore(&mut self, node: NodeName, agent: Agent) {
        for address in &agent.declared {
            let declarers = self.declared.entry(*address).or_default();
            declarers.insert(node.clone());
        }
        self.nodes.insert(node, agent);
        self.version += 1;
    }

    /// Notes what an agent's wall clock showed when its window was received.
    pub fn note_clock(&mut self, node: &NodeName, shown: Timestamp, received: Timestamp) {
        if let Some(agent) = self.nodes.get_mut(node) {
            let skew = i128::from(shown.0) - i128::from(received.0);
            // What is beyond all clocks is as far as can be shown.
            let farthest = if skew < 0 { i64::MIN } else { i64::MAX };
            agent.skew = Some(i64::try_from(skew).unwrap_or(farthest));
        }
    }

    /// How far the wall clock of each node is ahead of this server's, in milliseconds, where its
    /// agent tells; in the order of names.
    pub fn clock_skews(&self) -> Vec<(NodeName, i64)> {
        let told = |(node, agent): (&NodeName, &Agent)| Some((node.clone(), agent.skew?));
        let mut skews: Vec<_> = self.nodes.iter().filter_map(told).collect();
        skews.sort_unstable();
        skews
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

    /// The nodes that did not report since, in the order of names.
    pub fn silent(&self, before: Timestamp) -> Vec<NodeName> {
        let silent = self.nodes.iter().filter(|(_, agent)| agent.heard < before);
        let mut silent: Vec<_> = silent.map(|(node, _)| node.clone()).collect();
        silent.sort_unstable();
        silent
    }

    /// Forgets the agents of nodes that are gone, unless they reported since; says of which it did.
    pub fn forget(&mut self, mut gone: Vec<NodeName>, before: Timestamp) -> Vec<NodeName> {
        gone.retain(|node| match self.nodes.get(node) {
            Some(agent) => agent.heard < before,
            None => false,
        });
        self.remove(&gone);
        gone
    }

    /// Forgets these whatever they did.
    pub fn remove(&mut self, nodes: &[NodeName]) {
        for node in nodes {
            if let Some(agent) = self.nodes.remove(node) {
                self.undeclare(node, &agent.declared);
            }
        }
    }

    /// Takes over the addresses a node calls its own; says how many were too many.
    fn declare(&mut self, node: &NodeName, addresses: &[IpAddr]) -> u64 {
        let (new, beyond) = declared(addresses);
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
        beyond
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
            broke_off: None,
            skew: None,
            fares: Fares::default(),
        }
    }

    /// The highest sequence applied of an epoch, where the epoch is known.
    fn last_of(&self, epoch: Epoch) -> Option<u64> {
        if self.epoch == epoch {
            return self.last;
        }
        let mut closed = self.closed.iter();
        let (_, last) = closed.find(|(closed, _)| *closed == epoch)?;
        Some(*last)
    }

    /// A new epoch: the old count is closed, and what it covered ended with its last window.
    fn replace(&mut self, epoch: Epoch) {
        if self.closed.len() == CLOSED_EPOCHS {
            self.closed.pop_front();
        }
        let old = std::mem::replace(&mut self.epoch, epoch);
        self.closed.push_back((old, self.last.unwrap_or(0)));
        let goes_on = self.coverage.iter().any(Coverage::goes_on);
        // Of one that this server has no window of, it does not know until when it counted.
        let counted = self.last.is_some_and(|last| last > 0);
        self.broke_off = (goes_on && counted).then_some(self.last_window_end);
        for coverage in &mut self.coverage {
            coverage.close(self.last_window_end);
        }
        self.last = Some(0);
    }
}

/// Which of the addresses an agent declares are taken, in order, and how many are too many.
pub(crate) fn declared(addresses: &[IpAddr]) -> (Vec<IpAddr>, u64) {
    let addresses = addresses.iter().copied();
    let mut taken: Vec<_> = addresses.filter(|each| can_be_declared(*each)).collect();
    taken.sort_unstable();
    taken.dedup();
    let beyond = taken.len().saturating_sub(MAX_DECLARED);
    taken.truncate(MAX_DECLARED);
    (taken, u64::try_from(beyond).unwrap_or(u64::MAX))
}

/// Whether a node may call the address its own: not one that exists on every machine.
fn can_be_declared(address: IpAddr) -> bool {
    match AddressKind::of(address) {
        AddressKind::Public | AddressKind::Private => true,
        AddressKind::Link | AddressKind::Nobody => false,
    }
}

#[cfg(test)]
mod tests;
