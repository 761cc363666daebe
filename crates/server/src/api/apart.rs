//! What an answer is told apart by: lists of the largest and lines over time have this in common.

use std::collections::BTreeMap;

use kubezonnet_api::{Amount, Key, Of, Places, SeriesBy, TopAsked};
use kubezonnet_topology::KeptLabels;

use super::money::{Purse, sum};
use super::refusal::Refusal;
use super::{filter, matrix, words};
use crate::history::{Answer, By, EdgePart, Measure, PartyPart, SidePart, Value};
use crate::ledger::Who;

/// What an answer is told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apart {
    Total,
    Locality,
    ZonePair,
    Workloads,
    Pairs,
    /// Pairs, by the zones of both ends, too.
    ZonedPairs,
    Namespaces,
    /// By the label at that place.
    Teams(usize),
    Services,
    Networks,
    Zones,
}

/// All that is shown as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Together {
    /// Which groups these are.
    pub(super) groups: Vec<Vec<Value>>,
    /// One for each time.
    pub(super) cells: Vec<Measure>,
}

impl Together {
    pub(super) fn sum(&self) -> Measure {
        sum(&self.cells)
    }

    pub(super) fn add(&mut self, cells: &[Measure]) {
        self.cells
            .resize(self.cells.len().max(cells.len()), Measure::default());
        for (sum, cell) in self.cells.iter_mut().zip(cells) {
            *sum += *cell;
        }
    }
}

impl Apart {
    /// By what a list is; `None` for pods, of which there is no history.
    pub(super) fn of(asked: &TopAsked, labels: &KeptLabels) -> Result<Option<Self>, Refusal> {
        if asked.zones == Some(true) {
            return match asked.of {
                Of::Pairs => Ok(Some(Self::ZonedPairs)),
                _ => Err(Refusal::of(
                    "zones",
                    "only `of=pairs` can be told apart by zones",
                )),
            };
        }
        Ok(Some(match asked.of {
            Of::Pods => return Ok(None),
            Of::Workloads => Self::Workloads,
            Of::Pairs => Self::Pairs,
            Of::Namespaces => Self::Namespaces,
            Of::Teams => Self::Teams(filter::team(labels, "of")?),
            Of::Services => Self::Services,
            Of::Networks => Self::Networks,
            Of::Zones => Self::Zones,
        }))
    }

    /// By what lines are.
    pub(super) fn of_series(by: SeriesBy, labels: &KeptLabels) -> Result<Self, Refusal> {
        Ok(match by {
            SeriesBy::Total => Self::Total,
            SeriesBy::Locality => Self::Locality,
            SeriesBy::ZonePair => Self::ZonePair,
            SeriesBy::Workloads => Self::Workloads,
            SeriesBy::Pairs => Self::Pairs,
            SeriesBy::Namespaces => Self::Namespaces,
            SeriesBy::Teams => Self::Teams(filter::team(labels, "by")?),
            SeriesBy::Services => Self::Services,
            SeriesBy::Networks => Self::Networks,
            SeriesBy::Zones => Self::Zones,
        })
    }

    /// How the past is asked for it.
    pub(super) fn by(self) -> By {
        let party = |part| By::Parties(vec![PartyPart::Side(part)]);
        match self {
            Self::Total => By::Edges(Vec::new()),
            Self::Locality => By::Edges(vec![EdgePart::Locality]),
            Self::ZonePair => matrix::between(Places::Zone),
            Self::Pairs => By::Edges(vec![
                EdgePart::Source(SidePart::Who),
                EdgePart::Destination(SidePart::Who),
                EdgePart::Locality,
            ]),
            Self::ZonedPairs => By::Edges(vec![
                EdgePart::Source(SidePart::Who),
                EdgePart::Source(SidePart::Zone),
                EdgePart::Destination(SidePart::Who),
                EdgePart::Destination(SidePart::Zone),
                EdgePart::Locality,
            ]),
            Self::Services => By::Edges(vec![EdgePart::Service]),
            Self::Workloads | Self::Networks => party(SidePart::Who),
            Self::Namespaces => party(SidePart::Namespace),
            Self::Teams(place) => party(SidePart::Label(place)),
            Self::Zones => party(SidePart::Zone),
        }
    }

    /// Whether each has what it sent and received, and not what went between two.
    pub(super) fn is_of_parties(self) -> bool {
        matches!(self.by(), By::Parties(_))
    }

    /// Whether everything that went is in one of them; of networks only what went by these is.
    pub(super) fn is_whole(self) -> bool {
        self != Self::Networks
    }

    /// Whose a group is; `None` if it is of none of them.
    pub(super) fn key(self, group: &[Value]) -> Option<Key> {
        Some(match (self, group) {
            (Self::Total, []) => Key::Total,
            (Self::Locality, [Value::Locality(locality)]) => Key::Locality {
                locality: words::locality(*locality),
            },
            (Self::ZonePair, group) => {
                let [source, destination] = matrix::places(group)?.map(ToOwned::to_owned);
                Key::ZonePair {
                    source,
                    destination,
                }
            }
            (
                Self::Pairs,
                [
                    Value::Who(source),
                    Value::Who(destination),
                    Value::Locality(locality),
                ],
            ) => Key::Pair {
                source: words::end(source),
                destination: words::end(destination),
                locality: words::locality(*locality),
            },
            (
                Self::ZonedPairs,
                [
                    Value::Who(source),
                    Value::Text(source_zone),
                    Value::Who(destination),
                    Value::Text(destination_zone),
                    Value::Locality(locality),
                ],
            ) => Key::Pair {
                source: words::end_in(source, source_zone),
                destination: words::end_in(destination, destination_zone),
                locality: words::locality(*locality),
            },
            (Self::Services, [Value::Service(service)]) => Key::Service {
                service: service.as_ref().map(words::service),
            },
            (Self::Workloads, [Value::Who(who)]) => Key::Workload(words::end(who)),
            (Self::Networks, [Value::Who(who @ (Who::Network { .. } | Who::Internet))]) => {
                Key::Network(words::end(who))
            }
            (Self::Namespaces, [Value::Text(name)]) => Key::Namespace { name: name.clone() },
            (Self::Teams(_), [Value::Text(name)]) => Key::Team { name: name.clone() },
            (Self::Zones, [Value::Text(name)]) => Key::Zone { name: name.clone() },
            _ => return None,
        })
    }

    /// All there are, by whom they are of: reasons why a locality is unknown are together.
    pub(super) fn all(self, answer: &Answer) -> BTreeMap<Key, Together> {
        let mut all: BTreeMap<Key, Together> = BTreeMap::new();
        for group in &answer.groups {
            if let Some(key) = self.key(&group.key) {
                let together = all.entry(key).or_default();
                together.groups.push(group.key.clone());
                together.add(&group.cells);
            }
        }
        all
    }

    /// How much it is, as it is shown.
    pub(super) fn amount(self, measure: &Measure, units: u128, purse: Purse) -> Amount {
        if self.is_of_parties() {
            Amount::Party(purse.party(measure, units))
        } else {
            Amount::Between(purse.between(measure, units))
        }
    }

    /// All of it once: of parties each edge is in two of them.
    pub(super) fn total(self, all: &Measure) -> Measure {
        if self.is_of_parties() && self.is_whole() {
            Measure {
                received: kubezonnet_model::FlowCounters::ZERO,
                ..*all
            }
        } else {
            *all
        }
    }
}
