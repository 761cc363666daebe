//! One side of an edge: who, and where.

use kubezonnet_model::{
    Billed, Endpoint, Labels, Name, Namespace, NetworkKind, NodeName, Region, Service, Site,
    UnknownReason, Zone, ZoneId,
};
use serde::{Deserialize, Serialize};

/// The kind of a Service in labels.
const SERVICE: &str = "Service";

/// One side of an edge: who it is, where that is, and what charge-back goes by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Side {
    /// Who.
    pub who: Who,
    /// Where.
    pub place: Place,
    /// The labels that are kept for charge-back; none of what is not a pod.
    pub labels: Labels,
}

/// Who is at one side of an edge: pods by their workload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Who {
    /// The pods of a workload: namespace, kind, name.
    Workload(Namespace, Name, Name),
    /// A node itself.
    Node(NodeName),
    /// A network with a name.
    Network {
        /// Its name.
        name: Name,
        /// What it is.
        kind: NetworkKind,
        /// Whom the cloud charges.
        billed: Billed,
    },
    /// A Service, where the packet does not tell which of its endpoints it was.
    Service(Service),
    /// A public address.
    Internet,
    /// Nobody can be named.
    Unknown(UnknownReason),
    /// Those whose edges were too many.
    Other,
    /// Those that are gone.
    Gone,
}

/// Where one side is, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Place {
    /// The availability zone.
    pub zone: Option<Zone>,
    /// The same by the name that all accounts have for it.
    pub zone_id: Option<ZoneId>,
    /// The region.
    pub region: Option<Region>,
}

impl Who {
    /// Whether it is one of many, and may be folded with others. What an operator has named and what
    /// has no name stays: there are few of them.
    pub const fn can_fold(&self) -> bool {
        match self {
            Self::Workload(..) | Self::Node(_) | Self::Service(_) => true,
            Self::Network { .. } | Self::Internet | Self::Unknown(_) | Self::Other | Self::Gone => {
                false
            }
        }
    }

    /// The same as its labels have it, and no more: those that are shown alike are equal.
    #[must_use]
    pub fn as_shown(&self) -> Self {
        match self {
            Self::Network { name, .. } => Self::Network {
                name: name.clone(),
                kind: NetworkKind::default(),
                billed: Billed::default(),
            },
            // An owner of pods can be of any kind.
            Self::Workload(namespace, kind, name) if kind.as_str() == SERVICE => {
                Self::Service(Service {
                    namespace: namespace.clone(),
                    name: name.clone(),
                })
            }
            who => who.clone(),
        }
    }

    /// The labels of namespace, kind and name; empty where there is none.
    pub fn labels(&self) -> [&str; 3] {
        match self {
            Self::Workload(namespace, kind, name) => {
                [namespace.as_str(), kind.as_str(), name.as_str()]
            }
            Self::Node(name) => ["", "Node", name.as_str()],
            Self::Network { name, .. } => ["", "Network", name.as_str()],
            Self::Service(service) => [service.namespace.as_str(), SERVICE, service.name.as_str()],
            Self::Internet => ["", "Internet", ""],
            Self::Unknown(reason) => ["", "Unknown", reason.as_str()],
            Self::Other => ["", "other", "other"],
            Self::Gone => ["", "gone", "gone"],
        }
    }
}

impl Side {
    /// An endpoint at a site.
    pub fn of(endpoint: &Endpoint, site: &Site) -> Self {
        let (who, labels) = match endpoint {
            Endpoint::Pod(pod) => {
                let workload = &pod.workload;
                let (kind, name) = (workload.kind.clone(), workload.name.clone());
                let who = Who::Workload(pod.namespace.clone(), kind, name);
                (who, pod.labels.clone())
            }
            Endpoint::Node(node) => (Who::Node(node.name.clone()), Labels::default()),
            Endpoint::Network(network) => {
                let who = Who::Network {
                    name: network.name.clone(),
                    kind: network.kind,
                    billed: network.billed,
                };
                (who, Labels::default())
            }
            Endpoint::Service(service) => {
                (Who::Service(Service::clone(service)), Labels::default())
            }
            Endpoint::Internet => (Who::Internet, Labels::default()),
            Endpoint::Unknown(reason) => (Who::Unknown(*reason), Labels::default()),
        };
        let place = Place::of(site);
        Self { who, place, labels }
    }

    /// What a bill sees of it: where it is, and who of those that an operator has named.
    #[must_use]
    pub fn place_only(&self) -> Self {
        Self {
            who: match &self.who {
                Who::Workload(..) | Who::Node(_) | Who::Service(_) | Who::Other | Who::Gone => {
                    Who::Other
                }
                who => who.clone(),
            },
            place: self.place.clone(),
            labels: Labels::default(),
        }
    }

    /// The same place without the name: what edges of many are folded into.
    pub fn folded(&self, into: Who) -> Self {
        Self {
            who: if self.who.can_fold() || self.who == Who::Other {
                into
            } else {
                self.who.clone()
            },
            place: self.place.clone(),
            labels: Labels::default(),
        }
    }
}

impl Place {
    /// Whether it is that of the site.
    pub fn is_of(&self, site: &Site) -> bool {
        self.zone.as_ref() == site.zone()
            && self.zone_id.as_ref() == site.zone_id()
            && self.region.as_ref() == site.region()
    }

    /// The place of a site.
    pub fn of(site: &Site) -> Self {
        Self {
            zone: site.zone().cloned(),
            zone_id: site.zone_id().cloned(),
            region: site.region().cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_same_labels_is_shown_as_one() {
        let name = |name: &str| Name::new(name).unwrap();
        let shop = || Namespace::new("shop").unwrap();
        let service = || Service {
            namespace: shop(),
            name: name("db"),
        };
        let network = |kind, billed| Who::Network {
            name: name("db"),
            kind,
            billed,
        };
        let all = [
            Who::Workload(shop(), name("Service"), name("db")),
            Who::Workload(shop(), name("Node"), name("db")),
            Who::Workload(shop(), name("other"), name("other")),
            Who::Service(service()),
            Who::Node(NodeName::new("db").unwrap()),
            network(NetworkKind::default(), Billed::default()),
            network(NetworkKind::ManagedDatabase, Billed::Neither),
            Who::Internet,
            Who::Unknown(UnknownReason::ALL[0]),
            Who::Unknown(UnknownReason::ALL[1]),
            Who::Other,
            Who::Gone,
        ];

        for one in &all {
            assert_eq!(one.as_shown().labels(), one.labels());
            for other in &all {
                let alike = one.labels() == other.labels();
                assert_eq!(
                    one.as_shown() == other.as_shown(),
                    alike,
                    "{one:?} {other:?}"
                );
            }
        }
    }
}
