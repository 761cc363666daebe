//! Who is at an end.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What kind of thing is at an end.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EndKind {
    /// Pods of a workload.
    Workload,
    /// A node itself.
    Node,
    /// A named network.
    Network,
    /// A Service, where it is not known which of its pods.
    Service,
    /// A public address.
    Internet,
    /// Nobody can be named.
    Unknown,
    /// Many, each too small to be kept by itself.
    Other,
}

/// One end of what went between two: who, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct End {
    /// What it is.
    pub kind: EndKind,
    /// Of a workload or Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Of a workload: `Deployment`, `StatefulSet`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_kind: Option<String>,
    /// Its name; of what is unknown, why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its availability zone, where that is known and asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Its region, where that is known and asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// A workload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Workload {
    /// `Deployment`, `StatefulSet`, ….
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}
