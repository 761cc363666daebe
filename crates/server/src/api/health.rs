//! Whether to believe what is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kubezonnet_api::{Agent, AgentState, Health, History, Prices, Store, Topology, UnseenBudget};
use kubezonnet_model::{NodeName, Timestamp};
use kubezonnet_pricing::Cloud;
use kubezonnet_topology::Source;

use super::{Api, when};
use crate::agents::NodeAgent;

/// How long windows are where none came yet: what agents have by default.
pub(super) const WINDOW: Duration = Duration::from_secs(10);

/// After so many windows the next is overdue: one may be on its way.
pub(super) const LATE_AFTER: u32 = 3;

/// Who is late for so long has broken off.
const MISSING_AFTER: Duration = Duration::from_mins(5);

/// Answers `/api/v1/health`.
pub(super) fn answer(api: &Api) -> Health {
    let now = api.clock.now();
    let pipeline = &api.pipeline;
    let not_ready = match pipeline.check_ready() {
        Err(rejection) => Some(rejection.to_string()),
        Ok(()) if !(api.can_serve)() => {
            Some("there is no certificate to show agents yet".to_owned())
        }
        Ok(()) => None,
    };
    let (topology, zones) = topology(api, now);
    let counts = pipeline.store();
    Health {
        now: when::exact_text(now),
        ready: not_ready.is_none(),
        not_ready,
        topology,
        agents: agents(pipeline.node_agents(now), zones),
        store: Store {
            durable: counts.is_durable(),
            failing: counts.down().map(|failure| failure.as_str().to_owned()),
            bytes: counts.sizes().database_bytes,
        },
        history: history(api),
        prices: prices(api, now),
        unseen_budgets: unseen_budgets(api),
    }
}

/// Whose budgets compare nothing; nobody's while it is not known who there is.
fn unseen_budgets(api: &Api) -> Vec<UnseenBudget> {
    let unseen = api.pipeline.unseen_budgets().unwrap_or_default();
    let unseen = unseen.into_iter().map(|account| UnseenBudget {
        kind: account.kind().to_owned(),
        name: account.name().to_owned(),
    });
    unseen.collect()
}

/// What is known of the cluster, and the zones of its nodes.
fn topology(api: &Api, now: Timestamp) -> (Topology, BTreeMap<NodeName, Place>) {
    let topology = api.pipeline.topology();
    let is_file = topology.counts(Source::File).relists > 0;
    let index = topology.read();
    let sizes = index.sizes();
    let agentless: BTreeSet<_> = index.nodes_without_agents().collect();
    let zones: BTreeMap<_, _> = index
        .nodes()
        .map(|node| {
            (
                node.name.clone(),
                Place {
                    zone: node.zone.as_ref().map(ToString::to_string),
                    can_run_agent: !agentless.contains(&node.name),
                },
            )
        })
        .collect();
    drop(index);
    let told = Topology {
        source: if is_file { "file" } else { "kubernetes" }.to_owned(),
        nodes: sizes.nodes as u64,
        nodes_without_zone: zones.values().filter(|place| place.zone.is_none()).count() as u64,
        pods: sizes.pods as u64,
        age_seconds: topology.age(now).map(|age| age.as_secs_f64()),
    };
    (told, zones)
}

/// What is known of a node.
struct Place {
    zone: Option<String>,
    can_run_agent: bool,
}

/// Every agent, and every node without one.
fn agents(known: Vec<NodeAgent>, nodes: BTreeMap<NodeName, Place>) -> Vec<Agent> {
    let known = known.into_iter().map(|agent| (agent.node.clone(), agent));
    let mut known: BTreeMap<_, _> = known.collect();
    let mut agents: Vec<Agent> = nodes
        .into_iter()
        .map(|(node, place)| shown(&node, place, known.remove(&node)))
        .collect();
    // Those whose nodes are gone.
    agents.extend(known.into_iter().map(|(node, agent)| {
        let gone = Place {
            zone: None,
            can_run_agent: true,
        };
        shown(&node, gone, Some(agent))
    }));
    agents.sort_unstable_by(|one, other| one.node.cmp(&other.node));
    agents
}

fn shown(node: &NodeName, place: Place, agent: Option<NodeAgent>) -> Agent {
    let node = node.to_string();
    let Place {
        zone,
        can_run_agent,
    } = place;
    match agent {
        None => Agent {
            node,
            zone,
            state: if can_run_agent {
                AgentState::None
            } else {
                AgentState::Impossible
            },
            last_window_seconds: None,
            coarsened: false,
            lost_bytes: 0,
            bypassed: false,
        },
        Some(agent) => Agent {
            node,
            zone,
            state: state(&agent),
            last_window_seconds: Some(agent.age.as_secs_f64()),
            coarsened: agent.coarsened,
            lost_bytes: agent.lost,
            bypassed: agent.bypassed,
        },
    }
}

fn state(agent: &NodeAgent) -> AgentState {
    if agent.has_ended {
        AgentState::Ended
    } else if agent.age > MISSING_AFTER.max(agent.window.unwrap_or(WINDOW) * LATE_AFTER) {
        AgentState::Missing
    } else if agent.age > agent.window.unwrap_or(WINDOW) * LATE_AFTER {
        AgentState::Late
    } else {
        AgentState::Reporting
    }
}

fn history(api: &Api) -> History {
    let Some(past) = &api.past else {
        return History {
            source: "none".to_owned(),
            since: None,
            behind_seconds: 0.0,
            bytes: 0,
            failing: Some(super::NO_HISTORY.to_owned()),
            lacking: None,
            lost_changes: 0,
            damaged_files: 0,
        };
    };
    let status = past.status();
    History {
        source: status.source.to_owned(),
        since: status.since.map(when::text),
        behind_seconds: status.behind.as_secs_f64(),
        bytes: status.bytes,
        failing: status.failing,
        lacking: status.lacking,
        lost_changes: status.lost_changes,
        damaged_files: status.damaged,
    }
}

fn prices(api: &Api, now: Timestamp) -> Option<Prices> {
    let prices = api.pipeline.prices();
    let in_force = prices.in_force(api.pipeline.topology())?;
    Some(Prices {
        cloud: in_force
            .book
            .cloud()
            .map(|cloud| Cloud::as_str(cloud).to_owned()),
        currency: in_force.book.currency().to_string(),
        retrieved: in_force.retrieved.map(|retrieved| retrieved.to_string()),
        stale: in_force.stale(now).is_some(),
    })
}
