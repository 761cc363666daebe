//! How much: bytes, packets and money.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Money: a decimal with six digits after the point, in the currency that the answer names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = r"^[0-9]+\.[0-9]{6}$", example = "12.345678")]
pub struct Money(pub String);

impl Money {
    /// Whether it is nothing, to the last digit that is told.
    fn is_nothing(&self) -> bool {
        self.0.bytes().all(|byte| matches!(byte, b'0' | b'.'))
    }
}

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
    /// Bytes of it that have no price: nothing of them is in `cost`. If that is nothing then, it is no price
    /// of it.
    #[serde(default)]
    pub unpriced_bytes: u64,
}

impl Measure {
    /// What it costs, as far as that is known: not if there is something without a price, and the rest costs
    /// nothing.
    pub fn known_cost(&self) -> Option<&Money> {
        known(self.cost.as_ref(), self.unpriced_bytes)
    }
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
    /// What they pay; none without prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// Bytes of what they sent and received that have no price: nothing of them is in `cost`. If that is
    /// nothing then, it is no price of it.
    #[serde(default)]
    pub unpriced_bytes: u64,
}

impl Measures {
    /// What they pay, as far as that is known: not if there is something without a price, and the rest costs
    /// nothing.
    pub fn known_cost(&self) -> Option<&Money> {
        known(self.cost.as_ref(), self.unpriced_bytes)
    }
}

/// What has no price must not look as if it cost nothing.
pub(crate) fn known(cost: Option<&Money>, unpriced_bytes: u64) -> Option<&Money> {
    cost.filter(|cost| unpriced_bytes == 0 || !cost.is_nothing())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_price_does_not_look_as_if_it_cost_nothing() {
        let money = |text: &str| Money(text.to_owned());
        let cases = [
            (None, 0, None),
            (None, 7, None),
            (Some("0.000000"), 0, Some("0.000000")),
            (Some("0.000000"), 7, None),
            (Some("0.000001"), 7, Some("0.000001")),
            (Some("10.000000"), 7, Some("10.000000")),
        ];
        for (cost, unpriced_bytes, expected) in cases {
            let cost = cost.map(money);
            let between = Measure {
                cost: cost.clone(),
                unpriced_bytes,
                ..Measure::default()
            };
            let party = Measures {
                cost,
                unpriced_bytes,
                ..Measures::default()
            };

            let expected = expected.map(money);
            assert_eq!(between.known_cost(), expected.as_ref());
            assert_eq!(party.known_cost(), expected.as_ref());
        }
    }
}
