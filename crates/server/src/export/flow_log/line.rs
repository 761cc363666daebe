//! One line of the flow log: what it says, as JSON or as text.

use std::io::Write;
use std::net::IpAddr;
use std::time::UNIX_EPOCH;

use kubezonnet_model::{
    Direction, Endpoint, Hook, Labels, Locality, Name, NodeName, PortSide, Region, Service,
    Timestamp, Transport, UnknownReason, Workload, Zone, ZoneId,
};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::Format;
use crate::resolve::{Outcome, Party, Process, ResolvedBatch, ResolvedFlow};

/// What a line says. The names of the fields are the format: they are not changed.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    /// When the window began and ended, by the server's clock.
    #[serde(serialize_with = "rfc3339")]
    start: Timestamp,
    #[serde(serialize_with = "rfc3339")]
    end: Timestamp,
    /// The node that reported it.
    reporter: &'a str,
    hook: &'static str,
    direction: &'static str,
    /// The reporter forwarded it between two others.
    transit: bool,
    locality: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<String>,
    /// The Service by which the destination (of answers: the source) was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a Service>,
    source: Side<'a>,
    destination: Side<'a>,
    bytes: u64,
    packets: u64,
}

#[derive(Serialize)]
struct Side<'a> {
    address: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<Owner<'a>>,
    /// A Service's own address: its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    /// A named network: its name and kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<Owner<'a>>,
    /// What has the socket, where it is on the node's own network.
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    /// What charge-back goes by.
    #[serde(skip_serializing_if = "Chargeback::is_empty")]
    labels: Chargeback<'a>,
}

/// The labels that are kept, by the names that the configuration gives them.
struct Chargeback<'a> {
    names: &'a [Name],
    values: Option<&'a Labels>,
}

#[derive(Serialize)]
struct Owner<'a> {
    kind: &'a str,
    name: &'a str,
}

impl<'a> Line<'a> {
    /// What there is to say of a flow that was counted.
    pub(super) fn of(
        batch: &'a ResolvedBatch,
        flow: &ResolvedFlow,
        label_names: &'a [Name],
    ) -> Self {
        let (direction, locality) = match flow.outcome {
            Outcome::Counted(direction, locality) => (direction, locality),
            // Not selected for the log; told as what it is if it ever were.
            Outcome::CountedBySender
            | Outcome::CountedByReceiver
            | Outcome::PartlyCovered
            | Outcome::ForeignAddress => (
                Direction::Ingress,
                Locality::Unknown(UnknownReason::UnlistedAddress),
            ),
        };
        let transport = flow.transport;
        let process = batch.process(flow).map(Process::as_str);
        let (sends, receives) = match flow.point.hook {
            Hook::Postrouting => (process, None),
            Hook::LocalIn => (None, process),
        };
        let side = |position: u32, process, which| Side {
            port: port(transport, which),
            process,
            ..Side::of(&batch.parties[position as usize], label_names)
        };
        Self {
            start: batch.window.start,
            end: batch.window.end,
            reporter: batch.reporter.node.name.as_str(),
            hook: if batch.is_legacy {
                "legacy"
            } else {
                flow.point.hook.as_str()
            },
            direction: direction.as_str(),
            transit: direction == Direction::Transit,
            locality: locality.as_str(),
            unknown_reason: match locality {
                Locality::Unknown(reason) => Some(reason.as_str()),
                _ => None,
            },
            protocol: transport.map(|transport| transport.protocol.to_string()),
            service: flow
                .service
                .map(|position| &*batch.services[position as usize]),
            source: side(flow.source, sends, PortSide::Source),
            destination: side(flow.destination, receives, PortSide::Destination),
            bytes: flow.counters.bytes,
            packets: flow.counters.packets,
        }
    }

    /// Writes the line and its end.
    pub(super) fn render(&self, format: Format, into: &mut Vec<u8>) {
        match format {
            Format::Json => {
                serde_json::to_writer(&mut *into, self)
                    .expect("names, numbers and addresses are JSON, and memory takes them");
                into.push(b'\n');
            }
            Format::Text => self.render_text(into),
        }
    }

    fn render_text(&self, into: &mut Vec<u8>) {
        let protocol = self.protocol.as_deref().unwrap_or("any");
        writeln!(
            into,
            "{} {} {} {} {} {} -> {}{} {} bytes {} packets",
            text_of(self.end),
            self.reporter,
            self.direction,
            self.unknown_reason.unwrap_or(self.locality),
            protocol,
            self.source.text(),
            self.destination.text(),
            self.service
                .map(|service| format!(" by {}/{}", service.namespace, service.name))
                .unwrap_or_default(),
            self.bytes,
            self.packets,
        )
        .expect("memory takes it");
    }
}

impl<'a> Side<'a> {
    /// What there is to say of a party; its port and process are the flow's.
    fn of(party: &'a Party, label_names: &'a [Name]) -> Self {
        let side = Self {
            address: party.address,
            port: None,
            kind: "",
            namespace: None,
            pod: None,
            workload: None,
            service: None,
            network: None,
            process: None,
            node: party.site.node().map(NodeName::as_str),
            zone: party.site.zone().map(Zone::as_str),
            zone_id: party.site.zone_id().map(ZoneId::as_str),
            region: party.site.region().map(Region::as_str),
            labels: Chargeback {
                names: label_names,
                values: None,
            },
        };
        match &party.endpoint {
            Endpoint::Pod(pod) => Self {
                kind: "pod",
                namespace: Some(pod.namespace.as_str()),
                pod: Some(pod.name.as_str()),
                workload: Some(Owner::of(&pod.workload)),
                labels: Chargeback {
                    names: label_names,
                    values: Some(&pod.labels),
                },
                ..side
            },
            Endpoint::Node(_) => Self {
                kind: "node",
                ..side
            },
            Endpoint::Network(network) => Self {
                kind: "network",
                network: Some(Owner {
                    kind: network.kind.as_str(),
                    name: network.name.as_str(),
                }),
                ..side
            },
            Endpoint::Service(service) => Self {
                kind: "service",
                namespace: Some(service.namespace.as_str()),
                service: Some(service.name.as_str()),
                ..side
            },
            Endpoint::Internet => Self {
                kind: "internet",
                ..side
            },
            Endpoint::Unknown(_) => Self {
                kind: "unknown",
                ..side
            },
        }
    }

    /// `namespace/pod@zone`, or the nearest that is known, with the address and port.
    fn text(&self) -> String {
        let who = match (self.namespace, self.pod.or(self.service), &self.network) {
            (Some(namespace), Some(name), _) if self.pod.is_some() => format!("{namespace}/{name}"),
            (Some(namespace), Some(name), _) => format!("service/{namespace}/{name}"),
            (_, _, Some(network)) => format!("network/{}", network.name),
            _ => match (self.node, self.process) {
                (Some(node), Some(process)) => format!("node/{node}({process})"),
                (Some(node), None) => format!("node/{node}"),
                (None, _) => self.kind.to_owned(),
            },
        };
        let labels = self.labels.text();
        let zone = self.zone.map(|zone| format!("@{zone}")).unwrap_or_default();
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{who}{labels}{zone}[{}]{port}", self.address)
    }
}

impl<'a> Chargeback<'a> {
    fn present(&self) -> impl Iterator<Item = (&'a Name, &'a Name)> + use<'a> {
        let values = self.values;
        let names = self.names.iter().enumerate();
        names.filter_map(move |(place, name)| Some((name, values?.get(place)?)))
    }

    fn is_empty(&self) -> bool {
        self.present().next().is_none()
    }

    /// `{name=value,…}`, or nothing.
    fn text(&self) -> String {
        let pairs: Vec<_> = self
            .present()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if pairs.is_empty() {
            return String::new();
        }
        format!("{{{}}}", pairs.join(","))
    }
}

impl Serialize for Chargeback<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.present() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'a> Owner<'a> {
    fn of(workload: &'a Workload) -> Self {
        Self {
            kind: workload.kind.as_str(),
            name: workload.name.as_str(),
        }
    }
}

/// The port of one side, as far as it was kept.
pub(crate) fn port(transport: Option<Transport>, side: PortSide) -> Option<u16> {
    let transport = transport?;
    match transport.service {
        Some(service) if service.side == side => Some(service.number),
        Some(_) => transport.client_port,
        None => None,
    }
}

fn text_of(timestamp: Timestamp) -> String {
    let time = UNIX_EPOCH + std::time::Duration::from_millis(timestamp.0);
    humantime::format_rfc3339_millis(time).to_string()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn rfc3339<S: Serializer>(timestamp: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text_of(*timestamp))
}

#[cfg(test)]
mod tests;
