//! The last windows, flow by flow.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{EndKind, LocalityName, Service, Workload};

/// Flows of the last windows, the newest last, in the words of the flow log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Flows {
    /// The flows.
    pub flows: Vec<Flow>,
    /// Where to go on: `cursor` of the next question.
    pub next: String,
    /// Flows that came after the cursor and are kept no more.
    pub missed: u64,
    /// In how many seconds there can be more, who asks sooner asks in vain: when the next window of an agent
    /// is due; none at all if there is more already.
    #[serde(default = "a_second")]
    pub wait_seconds: f64,
}

/// Of a server that does not say.
const fn a_second() -> f64 {
    1.0
}

/// What went from one address to another within a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flow {
    /// When the window began.
    #[schema(format = DateTime)]
    pub start: String,
    /// When it ended.
    #[schema(format = DateTime)]
    pub end: String,
    /// The node whose agent counted.
    pub reporter: String,
    /// `egress`, `ingress` or `transit`.
    pub direction: String,
    /// Across which boundary.
    pub locality: LocalityName,
    /// Why it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_reason: Option<String>,
    /// `tcp`, `udp`, ….
    pub protocol: String,
    /// By which Service it was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// Who sent it.
    pub source: Address,
    /// Who it was for.
    pub destination: Address,
    /// IP bytes on the wire.
    pub bytes: u64,
    /// Packets on the wire.
    pub packets: u64,
}

/// One end of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Address {
    /// Its address.
    pub address: String,
    /// Its port, as far as it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What it is; a pod is a `workload`.
    pub kind: EndKind,
    /// Of a pod or Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The pod's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The pod's top owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Workload>,
    /// Of a node, Service or named network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The node it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its availability zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}
