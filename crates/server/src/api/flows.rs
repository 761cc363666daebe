//! The last windows, flow by flow.

use std::time::Duration;

use kubezonnet_api::{Address, Asked, EndKind, Flow, Flows, FlowsAsked, Service, Workload};
use kubezonnet_model::{Endpoint, Locality, NodeName, PortSide, Region, Window, Zone};

use super::cursor::{self, Place};
use super::health::{LATE_AFTER, WINDOW};
use super::query::Query;
use super::refusal::Refusal;
use super::{Api, filter, limit, when, words};
use crate::agents::NodeAgent;
use crate::export::flow_log::port;
use crate::history::{Filter, Series};
use crate::ledger::Side;
use crate::ledger::edges::Class;
use crate::resolve::{Outcome, Party, ResolvedBatch, ResolvedFlow};

/// How many flows there are without `limit`.
const DEFAULT_LIMIT: u32 = 100;

/// The most flows at once.
const MOST: u32 = 10_000;

/// How soon it is to be asked again at the soonest: windows of many nodes come all the time.
const SOONEST: Duration = Duration::from_secs(1);

/// How soon at the latest, however long windows are: an agent of which nothing is known may begin.
const LATEST: Duration = Duration::from_mins(1);

/// Answers `/api/v1/flows`.
pub(super) fn answer(api: &Api, query: &Query) -> Result<Flows, Refusal> {
    let asked: FlowsAsked = query.get()?;
    let limit = limit("limit", asked.limit, DEFAULT_LIMIT, MOST)?;
    let whom: Asked = query.get()?;
    let filter = filter::of(&whom, api.pipeline.topology().labels())?;
    let has_time = whom.since.is_some() || whom.from.is_some() || whom.to.is_some();
    let range = has_time
        .then(|| when::asked(&whom, api.clock.now()))
        .transpose()?;
    let selected = Selected::of(&asked, filter, range)?;
    let Some(recent) = &api.recent else {
        return Err(Refusal::unavailable("the last windows are not kept"));
    };
    let place = asked
        .cursor
        .as_deref()
        .map(cursor::read::<Place>)
        .transpose()?;
    let (excerpt, after, missed) = match place {
        // Of an earlier life of the server: how many it had is not known.
        Some(place) if place.life == recent.life() => {
            let excerpt = recent.after(place.number);
            let missed = excerpt.first.saturating_sub(place.number);
            (excerpt, Some(place.number), missed)
        }
        Some(_) => (recent.after(0), Some(0), 0),
        None => (recent.after(0), None, 0),
    };
    let of_place = |number| {
        cursor::write(&Place {
            life: recent.life(),
            number,
        })
    };
    let takes = |batch: &ResolvedBatch, flow: &ResolvedFlow| selected.takes(batch, flow);
    let mut flows = Vec::new();
    let mut next = excerpt.count;
    if let Some(after) = after {
        // The oldest first, to follow them.
        for (number, batch, flow) in excerpt.flows().filter(|(number, ..)| *number >= after) {
            if flows.len() == limit {
                next = number;
                break;
            }
            if takes(batch, flow) {
                flows.extend(shown(batch, flow));
            }
        }
    } else {
        let newest = excerpt
            .flows()
            .rev()
            .filter(|(_, batch, flow)| takes(batch, flow));
        flows.extend(
            newest
                .take(limit)
                .filter_map(|(_, batch, flow)| shown(batch, flow)),
        );
        flows.reverse();
    }
    let wait = if next < excerpt.count {
        Duration::ZERO
    } else {
        wait(&api.pipeline.node_agents(api.clock.now()))
    };
    Ok(Flows {
        flows,
        next: of_place(next),
        missed,
        wait_seconds: wait.as_secs_f64(),
    })
}

/// In how long there can be more flows: when the first of the agents' next windows is due.
fn wait(agents: &[NodeAgent]) -> Duration {
    let agents = agents.iter().filter(|agent| !agent.has_ended);
    let due = agents.filter_map(|agent| {
        let window = agent.window.unwrap_or(WINDOW);
        // One that is a little late may come at any moment; one that is missing is not waited for.
        (agent.age <= window * LATE_AFTER).then(|| window.saturating_sub(agent.age))
    });
    due.min().unwrap_or(WINDOW).clamp(SOONEST, LATEST)
}

/// Which flows are asked for.
struct Selected {
    /// Windows that have a part in it.
    range: Option<Window>,
    filter: Filter,
    pods: Vec<[String; 2]>,
    nodes: Vec<String>,
}

impl Selected {
    fn of(asked: &FlowsAsked, filter: Filter, range: Option<Window>) -> Result<Self, Refusal> {
        let pod = |text: &String| -> Result<[String; 2], Refusal> {
            let (namespace, name) = text.split_once('/').unwrap_or(("", text));
            if name.is_empty() || name.contains('/') || (text.contains('/') && namespace.is_empty())
            {
                return Err(Refusal::of("pod", "expected name or namespace/name"));
            }
            Ok([namespace.to_owned(), name.to_owned()])
        };
        let most = filter::MOST_VALUES;
        for (field, count) in [("pod", asked.pod.len()), ("node", asked.node.len())] {
            if count > most {
                let message = format!("there are {count} values, and can be {most} at most");
                return Err(Refusal::of(field, message));
            }
        }
        Ok(Self {
            range,
            filter,
            pods: asked.pod.iter().map(pod).collect::<Result<_, _>>()?,
            nodes: asked.node.clone(),
        })
    }

    fn takes(&self, batch: &ResolvedBatch, flow: &ResolvedFlow) -> bool {
        let Outcome::Counted(direction, locality) = flow.outcome else {
            return false;
        };
        let is_within =
            |range: &Window| batch.window.start < range.end && range.start < batch.window.end;
        if !self.range.as_ref().is_none_or(is_within) {
            return false;
        }
        let ends = [flow.source, flow.destination].map(|end| &batch.parties[end as usize]);
        let is_pod = |party: &&Party, [namespace, name]: &[String; 2]| match &party.endpoint {
            Endpoint::Pod(pod) => {
                pod.name.as_str() == name
                    && (namespace.is_empty() || pod.namespace.as_str() == namespace)
            }
            _ => false,
        };
        let is_on = |party: &&Party, node: &String| {
            party.site.node().is_some_and(|name| name.as_str() == node)
        };
        let has_pod = || {
            ends.iter()
                .any(|end| self.pods.iter().any(|pod| is_pod(end, pod)))
        };
        let has_node = || {
            ends.iter()
                .any(|end| self.nodes.iter().any(|node| is_on(end, node)))
        };
        if !(self.pods.is_empty() || has_pod()) || !(self.nodes.is_empty() || has_node()) {
            return false;
        }
        if self.filter == Filter::default() {
            return true;
        }
        let [source, destination] = ends.map(|party| Side::of(&party.endpoint, &party.site));
        self.filter.takes(&Series {
            source: &source,
            destination: &destination,
            class: Class::of(direction, locality),
            service: flow.service.map(|place| &*batch.services[place as usize]),
            prices: None,
        })
    }
}

/// A flow as it is shown; `None` if it was counted elsewhere.
fn shown(batch: &ResolvedBatch, flow: &ResolvedFlow) -> Option<Flow> {
    let Outcome::Counted(direction, locality) = flow.outcome else {
        return None;
    };
    let end = |place: u32, side| Address {
        port: port(flow.transport, side),
        ..address(&batch.parties[place as usize])
    };
    Some(Flow {
        start: when::exact_text(batch.window.start),
        end: when::exact_text(batch.window.end),
        reporter: batch.reporter.node.name.to_string(),
        direction: direction.as_str().to_owned(),
        locality: words::locality(locality),
        unknown_reason: match locality {
            Locality::Unknown(reason) => Some(reason.as_str().to_owned()),
            _ => None,
        },
        protocol: match flow.transport {
            Some(transport) => transport.protocol.to_string(),
            None => "any".to_owned(),
        },
        service: flow
            .service
            .map(|place| words::service(&batch.services[place as usize])),
        source: end(flow.source, PortSide::Source),
        destination: end(flow.destination, PortSide::Destination),
        bytes: flow.counters.bytes,
        packets: flow.counters.packets,
    })
}

fn address(party: &Party) -> Address {
    let text = |text: &str| Some(text.to_owned());
    let address = Address {
        address: party.address.to_string(),
        port: None,
        kind: EndKind::Unknown,
        namespace: None,
        pod: None,
        workload: None,
        name: None,
        node: party.site.node().map(NodeName::as_str).and_then(text),
        zone: party.site.zone().map(Zone::as_str).and_then(text),
        region: party.site.region().map(Region::as_str).and_then(text),
    };
    match &party.endpoint {
        Endpoint::Pod(pod) => Address {
            kind: EndKind::Workload,
            namespace: text(pod.namespace.as_str()),
            pod: text(pod.name.as_str()),
            workload: Some(Workload {
                kind: pod.workload.kind.to_string(),
                name: pod.workload.name.to_string(),
            }),
            ..address
        },
        Endpoint::Node(node) => Address {
            kind: EndKind::Node,
            name: text(node.name.as_str()),
            ..address
        },
        Endpoint::Network(network) => Address {
            kind: EndKind::Network,
            name: text(network.name.as_str()),
            ..address
        },
        Endpoint::Service(service) => {
            let Service { namespace, name } = words::service(service);
            Address {
                kind: EndKind::Service,
                namespace: Some(namespace),
                name: Some(name),
                ..address
            }
        }
        Endpoint::Internet => Address {
            kind: EndKind::Internet,
            ..address
        },
        Endpoint::Unknown(reason) => Address {
            name: text(reason.as_str()),
            ..address
        },
    }
}
