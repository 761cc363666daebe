//! Who has the most.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{End, LocalityName, Measure, Measures, Of, Range, Rank, Service};

/// The largest, the first first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Top {
    /// The time it is of.
    pub range: Range,
    /// Three letters (ISO 4217); none without prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Of what.
    pub of: Of,
    /// By what.
    pub by: Rank,
    /// How many there are in all.
    pub count: u64,
    /// All of them together, those that are not listed too.
    pub total: Measure,
    /// The largest.
    pub items: Vec<Item>,
    /// Where the list goes on: `cursor` of the next question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One of the largest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Item {
    /// Who.
    pub key: Key,
    /// How much: of a pair or Service all once; of all others what they sent and received.
    #[serde(flatten)]
    pub amount: Amount,
    /// The same of the range of the same length before; none where history does not reach so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Amount>,
    /// Bytes of up to 60 equal parts of the range, the oldest first: for a small picture.
    pub trend: Vec<u64>,
}

/// How much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Amount {
    /// Of what somebody sent and received.
    Party(Measures),
    /// Of what went between two.
    Between(Measure),
}

/// Whom an item is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Key {
    /// All of it.
    Total,
    /// What the lines that are shown do not have.
    Rest,
    /// A locality.
    Locality {
        /// Which.
        locality: LocalityName,
    },
    /// Two zones: from, to.
    ZonePair {
        /// From where; empty where that is not known.
        source: String,
        /// To where.
        destination: String,
    },
    /// A pod.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A workload, or whoever else is at an end: nodes, networks, the internet.
    Workload(End),
    /// Two of these, and across which boundary.
    Pair {
        /// Who sent it.
        source: End,
        /// Who received it.
        destination: End,
        /// Across which boundary.
        locality: LocalityName,
    },
    /// A namespace; empty for what is in none.
    Namespace {
        /// Its name.
        name: String,
    },
    /// A team; empty for those of none.
    Team {
        /// Its name.
        name: String,
    },
    /// A Service; none for what was not reached by one.
    Service {
        /// Which.
        service: Option<Service>,
    },
    /// A named network, or the internet.
    Network(End),
    /// A zone; empty where it is not known.
    Zone {
        /// Its name.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{EndKind, Money};

    #[test]
    fn an_item_is_read_as_it_was_written() {
        let party = Measures {
            sent_bytes: 5,
            cost: Some(Money("0.000001".to_owned())),
            ..Measures::default()
        };
        let between = Measure {
            bytes: u64::MAX,
            packets: 1,
            cost: None,
            unpriced_bytes: 3,
        };
        let internet = End {
            kind: EndKind::Internet,
            namespace: None,
            workload_kind: None,
            name: None,
            zone: None,
            region: None,
        };
        for (key, amount) in [
            (Key::Network(internet), Amount::Party(party)),
            (Key::Service { service: None }, Amount::Between(between)),
        ] {
            let item = Item {
                key,
                before: Some(amount.clone()),
                amount,
                trend: vec![1, 2],
            };

            let text = serde_json::to_string(&item).unwrap();

            assert_eq!(serde_json::from_str::<Item>(&text).unwrap(), item, "{text}");
        }
    }

    #[test]
    fn an_item_looks_as_documented() {
        let item = Item {
            key: Key::Namespace {
                name: "shop".to_owned(),
            },
            amount: Amount::Party(Measures::default()),
            before: None,
            trend: vec![],
        };

        let json = serde_json::to_value(&item).unwrap();

        let expected = json!({
            "key": { "type": "namespace", "name": "shop" },
            "sent_bytes": 0, "sent_packets": 0, "received_bytes": 0, "received_packets": 0,
            "crossing_bytes": 0, "unpriced_bytes": 0, "trend": [],
        });
        assert_eq!(json, expected);
    }
}
