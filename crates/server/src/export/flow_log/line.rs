//! One line of the flow log: what it says, as JSON or as text.

use std::io::Write;
use std::net::IpAddr;
use std::time::UNIX_EPOCH;

use kubezonnet_model::{
    Direction, Endpoint, Locality, NodeName, PortSide, Region, Timestamp, Transport, UnknownReason,
    Workload, Zone,
};
use serde::{Serialize, Serializer};

use super::Format;
use crate::resolve::{Outcome, Party, ResolvedBatch, ResolvedFlow};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
}

#[derive(Serialize)]
struct Owner<'a> {
    kind: &'a str,
    name: &'a str,
}

impl<'a> Line<'a> {
    /// What there is to say of a flow that was counted.
    pub(super) fn of(batch: &'a ResolvedBatch, flow: &ResolvedFlow) -> Self {
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
        Self {
            start: batch.window.start,
            end: batch.window.end,
            reporter: batch.reporter.node.name.as_str(),
            hook: flow.point.hook.as_str(),
            direction: direction.as_str(),
            transit: direction == Direction::Transit,
            locality: locality.as_str(),
            unknown_reason: match locality {
                Locality::Unknown(reason) => Some(reason.as_str()),
                _ => None,
            },
            protocol: transport.map(|transport| transport.protocol.to_string()),
            source: Side::of(
                &batch.parties[flow.source as usize],
                port(transport, PortSide::Source),
            ),
            destination: Side::of(
                &batch.parties[flow.destination as usize],
                port(transport, PortSide::Destination),
            ),
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
            "{} {} {} {} {} {} -> {} {} bytes {} packets",
            text_of(self.end),
            self.reporter,
            self.direction,
            self.unknown_reason.unwrap_or(self.locality),
            protocol,
            self.source.text(),
            self.destination.text(),
            self.bytes,
            self.packets,
        )
        .expect("memory takes it");
    }
}

impl<'a> Side<'a> {
    fn of(party: &'a Party, port: Option<u16>) -> Self {
        let pod = match &party.endpoint {
            Endpoint::Pod(pod) => Some(pod),
            _ => None,
        };
        Self {
            address: party.address,
            port,
            kind: match party.endpoint {
                Endpoint::Pod(_) => "pod",
                Endpoint::Node(_) => "node",
                Endpoint::Network(_) => "network",
                Endpoint::Service(_) => "service",
                Endpoint::Internet => "internet",
                Endpoint::Unknown(_) => "unknown",
            },
            namespace: pod.map(|pod| pod.namespace.as_str()),
            pod: pod.map(|pod| pod.name.as_str()),
            workload: pod.map(|pod| Owner::of(&pod.workload)),
            node: party.site.node().map(NodeName::as_str),
            zone: party.site.zone().map(Zone::as_str),
            region: party.site.region().map(Region::as_str),
        }
    }

    /// `namespace/pod@zone`, or the nearest that is known, with the address and port.
    fn text(&self) -> String {
        let who = match (self.namespace, self.pod, self.node) {
            (Some(namespace), Some(pod), _) => format!("{namespace}/{pod}"),
            (_, _, Some(node)) => format!("node/{node}"),
            _ => self.kind.to_owned(),
        };
        let zone = self.zone.map(|zone| format!("@{zone}")).unwrap_or_default();
        match self.port {
            Some(port) => format!("{who}{zone}[{}]:{port}", self.address),
            None => format!("{who}{zone}[{}]", self.address),
        }
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
fn port(transport: Option<Transport>, side: PortSide) -> Option<u16> {
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
