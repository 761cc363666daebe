//! From the labels of a counter to whom it is of. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::HashMap;
use kubezonnet_model::{
    Direction, Labels as KeptLabels, Locality, Name, Namespace, Network, NodeName, Region, Service,
    UnknownReason, Zone, ZoneId,
};

use super::labels::Labels;
use crate::books::Disposition;
use crate::ledger::edges::Class;
use crate::ledger::{Place, Side, Who};

/// A label for charge-back that counters have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its place among those that are kept.
    pub place: usize,
    /// What the sender's is called, and what the receiver's.
    pub names: [String; 2],
}

/// What is known here, and no label tells.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    /// The named networks of this server, by their names.
    pub(super) networks: BTreeMap<&'a str, &'a Arc<Network>>,
    /// The ids and regions of zones, as this server's nodes have them.
    pub(super) zones: HashMap<String, [String; 2]>,
    pub(super) columns: &'a [Column],
    /// How many labels are kept.
    pub(super) kept: usize,
}

/// Whom a counter is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) source: Side,
    pub(super) destination: Side,
    pub(super) class: Class,
}

impl Known<'_> {
    /// Whom a counter with these labels is of, in a store that says so of its zones; `None` if no server
    /// has such a counter.
    pub(super) fn ends(
        &self,
        labels: &Labels,
        zones: &HashMap<String, [String; 2]>,
    ) -> Option<Ends> {
        let source = self.side(0, labels, zones)?;
        let destination = self.side(1, labels, zones)?;
        let named = |each: &&Disposition| each.as_str() == text(labels, "locality");
        let locality = match Disposition::LOCALITIES.iter().find(named)? {
            Disposition::SameNode => Locality::SameNode,
            Disposition::SameZone => Locality::SameZone,
            Disposition::CrossZone => Locality::CrossZone,
            Disposition::CrossRegion => Locality::CrossRegion,
            Disposition::Internet => Locality::Internet,
            _ => Locality::Unknown(reason(&source.who, &destination.who)),
        };
        Some(Ends {
            // From which side it was seen no label tells, and nobody asks.
            class: Class::of(Direction::Egress, locality),
            source,
            destination,
        })
    }

    fn side(
        &self,
        end: usize,
        labels: &Labels,
        zones: &HashMap<String, [String; 2]>,
    ) -> Option<Side> {
        const NAMES: [[&str; 4]; 2] = [
            ["src_namespace", "src_kind", "src_workload", "src_zone"],
            ["dst_namespace", "dst_kind", "dst_workload", "dst_zone"],
        ];
        let [namespace, kind, name, zone] = NAMES[end].map(|name| text(labels, name));
        let (who, network) = self.who([namespace, kind, name])?;
        let place = match network {
            // A network that is in one zone is told whole by its name.
            Some(network) if network.zone.as_ref().map_or("", |zone| zone.as_str()) == zone => {
                Place {
                    zone: network.zone.clone(),
                    zone_id: network.zone_id.clone(),
                    region: network.region.clone(),
                }
            }
            _ => self.place(zone, zones)?,
        };
        Some(Side {
            who,
            place,
            labels: self.labels(end, labels)?,
        })
    }

    /// The inverse of [`Who::labels`], as far as they tell.
    fn who(&self, [namespace, kind, name]: [&str; 3]) -> Option<(Who, Option<&Network>)> {
        let who = match (namespace, kind, name) {
            ("", "Node", name) => Who::Node(NodeName::new(name).ok()?),
            ("", "Network", name) => {
                let known = self.networks.get(name).map(|network| &***network);
                let who = Who::Network {
                    name: Name::new(name).ok()?,
                    kind: known.map(|network| network.kind).unwrap_or_default(),
                    billed: known.map(|network| network.billed).unwrap_or_default(),
                };
                return Some((who, known));
            }
            ("", "Internet", "") => Who::Internet,
            ("", "Unknown", reason) => {
                let named = |each: &UnknownReason| each.as_str() == reason;
                Who::Unknown(UnknownReason::ALL.into_iter().find(named)?)
            }
            ("", "other", "other") => Who::Other,
            ("", "gone", "gone") => Who::Gone,
            (namespace, "Service", name) => Who::Service(Service {
                namespace: Namespace::new(namespace).ok()?,
                name: Name::new(name).ok()?,
            }),
            (namespace, kind, name) => Who::Workload(
                Namespace::new(namespace).ok()?,
                Name::new(kind).ok()?,
                Name::new(name).ok()?,
            ),
        };
        Some((who, None))
    }

    fn place(&self, zone: &str, zones: &HashMap<String, [String; 2]>) -> Option<Place> {
        if zone.is_empty() {
            return Some(Place::default());
        }
        let told = zones.get(zone).or_else(|| self.zones.get(zone));
        let [id, region] = told.map_or(["", ""], |told| told.each_ref().map(String::as_str));
        Some(Place {
            zone: Some(Zone::new(zone).ok()?),
            zone_id: ZoneId::new(id).ok(),
            region: Region::new(region).ok(),
        })
    }

    fn labels(&self, end: usize, labels: &Labels) -> Option<KeptLabels> {
        let mut kept: Vec<Option<Name>> = vec![None; self.kept];
        for column in self.columns {
            let value = text(labels, &column.names[end]);
            if !value.is_empty() {
                *kept.get_mut(column.place)? = Some(Name::new(value).ok()?);
            }
        }
        let has_any = kept.iter().any(Option::is_some);
        Some(KeptLabels(has_any.then(|| kept.into())))
    }
}

/// Why it cannot be said what bytes crossed between two: no label tells, but who they are does, as
/// [`Locality::between`] has it.
fn reason(source: &Who, destination: &Who) -> UnknownReason {
    let of = |who: &Who| match who {
        Who::Unknown(reason) => Some(*reason),
        Who::Service(_) => Some(UnknownReason::ServiceAddress),
        // It ended on a node, though nobody in the cluster lists it.
        Who::Internet => Some(UnknownReason::UnlistedAddress),
        _ => None,
    };
    let both = [source, destination].map(of);
    let reason = both.into_iter().flatten().min();
    reason.unwrap_or(UnknownReason::MissingZone)
}

fn text<'a>(labels: &'a Labels, name: &str) -> &'a str {
    labels.get(name).unwrap_or_default()
}

#[cfg(test)]
mod tests;
