//! How much: bytes, packets and money.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Money: a decimal with six digits after the point, in the currency that the answer names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = r"^[0-9]+\.[0-9]{6}$", example = "12.345678")]
pub struct Money(pub String);

/// Across which boundary it went.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LocalityName {
    /// Within a node.
    SameNode,
    /// Between nodes of a zone.
    SameZone,
    /// Between zones of a region.
    CrossZone,
    /// Between regions.
    CrossRegion,
    /// To or from the internet.
    Internet,
    /// It cannot be said.
    Unknown,
}

/// How much went between two, or within a boundary: all of it once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Measure {
    /// IP bytes on the wire.
    pub bytes: u64,
    /// Packets on the wire.
    pub packets: u64,
    /// What it costs both ends together; none without prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
}

/// How much somebody sent and received, and what they pay themselves: of each edge their own side.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Measures {
    /// Sent or forwarded, in IP bytes on the wire. What two of the same item sent each other is in this
    /// and in `received_bytes`.
    pub sent_bytes: u64,
    /// Packets of these.
    pub sent_packets: u64,
    /// Received, in IP bytes on the wire.
    pub received_bytes: u64,
    /// Packets of these.
    pub received_packets: u64,
    /// What of it crossed zones, regions, or the cluster's edge, sent and received.
    pub crossing_bytes: u64,
    /// What they pay; none without prices, and where it is not known by whom it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
}

/// Why bytes have no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// Where it went is not known.
    UnknownPlace,
    /// No price is listed for it.
    UnlistedRate,
    /// Bytes to the internet are not charged unless that is asked for.
    InternetOff,
    /// There were no prices then, or they were in another currency than those of today.
    NoPrices,
}
