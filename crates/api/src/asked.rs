//! What can be asked: parameters of the query string.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::LocalityName;

/// What nearly every question has: a time, and who it is about. A filter takes what has it at either
/// end; one that is repeated takes any of its values, and several together narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// How far back from now: a duration such as `90m`, `24h`, `7d` or `4w`; `month` is from the month's
    /// first day (UTC). The default is `1h`. Not together with `from`.
    #[param(example = "7d", pattern = r"^(month|[1-9][0-9]{0,5}[mhdw])$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When the range begins: RFC 3339.
    #[param(example = "2026-11-01T00:00:00Z", format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When it ends: RFC 3339; without it, now.
    #[param(example = "2026-11-08T00:00:00Z", format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Namespaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespace: Vec<String>,
    /// Workloads: `name`, `namespace/name` or `namespace/kind/name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workload: Vec<String>,
    /// Teams: values of the label that the server keeps as `team`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub team: Vec<String>,
    /// Zones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zone: Vec<String>,
    /// Regions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub region: Vec<String>,
    /// Named networks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<String>,
    /// Services by which it was reached: `namespace/name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service: Vec<String>,
    /// Across which boundary.
    #[param(inline)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locality: Vec<LocalityName>,
    /// From which zone: that of the source only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_zone: Vec<String>,
    /// Into which zone: that of the destination only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destination_zone: Vec<String>,
}

/// What a matrix is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Places {
    /// Zone × zone.
    #[default]
    Zone,
    /// Region × region.
    Region,
}

/// What else is asked of a matrix.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct MatrixAsked {
    /// Between what.
    #[param(inline)]
    pub by: Places,
}

/// Of what the largest are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// Pods, of the last hour at most: longer ranges are refused.
    Pods,
    /// Workloads.
    Workloads,
    /// Pairs of workloads: who sends to whom.
    #[default]
    Pairs,
    /// Namespaces.
    Namespaces,
    /// Teams.
    Teams,
    /// Services.
    Services,
    /// Named networks, and the internet.
    Networks,
    /// Zones.
    Zones,
}

/// By what they are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// By what they cost; without prices, by bytes.
    #[default]
    Cost,
    /// By bytes.
    Bytes,
    /// By how much more it costs than in the range of the same length before; without prices, how many
    /// more bytes it has.
    Growth,
}

/// What else is asked of a list of the largest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct TopAsked {
    /// Of what.
    #[param(inline)]
    pub of: Of,
    /// By what.
    #[param(inline)]
    pub by: Rank,
    /// Of pairs: `true` tells them apart by the zones of both ends, too, and says which those are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zones: Option<bool>,
    /// At most so many, up to 10,000; the default is 50.
    #[param(minimum = 1, maximum = 10000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on: `next` of the answer before, with all else the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What lines over time are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeriesBy {
    /// One line.
    Total,
    /// A line for each locality.
    #[default]
    Locality,
    /// A line for each pair of zones.
    ZonePair,
    /// As `of` of a list of the largest.
    Workloads,
    /// See `workloads`.
    Pairs,
    /// See `workloads`.
    Namespaces,
    /// See `workloads`.
    Teams,
    /// See `workloads`.
    Services,
    /// See `workloads`.
    Networks,
    /// See `workloads`.
    Zones,
}

/// What else is asked of lines over time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct SeriesAsked {
    /// A line of what.
    #[param(inline)]
    pub by: SeriesBy,
    /// How far its points are apart, a whole number of minutes, hours or days such as `5m`; without it,
    /// as far as gives a picture: 200 points at most. More than 2,000 points are refused.
    #[param(example = "5m", pattern = r"^[1-9][0-9]{0,5}[mhd]$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// At most so many lines, the largest; the rest is summed up as `rest`. Up to 100, the default is 10.
    #[param(minimum = 1, maximum = 100)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What else is asked of flows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct FlowsAsked {
    /// Pods: `name` or `namespace/name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pod: Vec<String>,
    /// Nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node: Vec<String>,
    /// At most so many, up to 10,000; the default is 100. The newest come last.
    #[param(minimum = 1, maximum = 10000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only flows after that one: `next` of the answer before, to follow them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// How finely costs are told apart in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// A row for each hour.
    Hour,
    /// A row for each day (UTC).
    #[default]
    Day,
}

/// What else is asked of costs for charge-back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct CostsAsked {
    /// How finely they are told apart in time.
    #[param(inline)]
    pub granularity: Granularity,
}

/// As what an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON.
    Json,
    /// A table: comma-separated values (RFC 4180) with a line of names.
    Csv,
}

/// As what an answer comes that can be a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct FormatAsked {
    /// As what it comes; without it, as the header `Accept` says.
    #[param(inline)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
}
