//! How agents fare, for whoever asks whether to believe what is shown.

use std::time::Duration;

use kubezonnet_model::{BatchHeader, Epoch, NodeName, Timestamp};

use super::{Agents, coverage::Coverage};

/// How a node's agent fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAgent {
    /// The node.
    pub node: NodeName,
    /// How long ago it reported.
    pub age: Duration,
    /// How long its windows are; `None` if it did not report since the server started.
    pub window: Option<Duration>,
    /// It said that it ends.
    pub has_ended: bool,
    /// Its last window had flows that were added up more coarsely.
    pub coarsened: bool,
    /// Bytes that were lost since the server started.
    pub lost: u64,
    /// Packets bypass its hooks.
    pub bypassed: bool,
}

/// What a window tells of its agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Told {
    /// It has flows that were added up more coarsely.
    pub(crate) coarsened: bool,
    /// Bytes that were lost.
    pub(crate) lost: u64,
}

/// What windows told since the server started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Fares {
    /// The last window that told: one that comes again tells nothing more.
    last: Option<(Epoch, u64)>,
    window: Option<Duration>,
    coarsened: bool,
    lost: u64,
}

impl Agents {
    /// Notes what a window tells of its agent.
    pub(crate) fn tell(&mut self, header: &BatchHeader, told: Told) {
        let Some(agent) = self.nodes.get_mut(&header.node) else {
            return;
        };
        let fares = &mut agent.fares;
        let last = (header.epoch, header.sequence);
        if fares.last.replace(last) != Some(last) {
            fares.window = Some(header.window);
            fares.coarsened = told.coarsened;
            fares.lost = fares.lost.saturating_add(told.lost);
        }
    }

    /// How each node's agent fares, in the order of names.
    pub fn node_agents(&self, now: Timestamp) -> Vec<NodeAgent> {
        let agents = self.nodes.iter().map(|(node, agent)| NodeAgent {
            node: node.clone(),
            age: now.since(agent.heard),
            window: agent.fares.window,
            has_ended: !agent.coverage.iter().any(Coverage::is_open),
            coarsened: agent.fares.coarsened,
            lost: agent.fares.lost,
            bypassed: agent.bypassed,
        });
        let mut agents: Vec<_> = agents.collect();
        agents.sort_unstable_by(|one, other| one.node.cmp(&other.node));
        agents
    }
}
