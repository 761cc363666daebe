//! What a price is asked for, and what is answered.

use std::collections::BTreeMap;

use kubezonnet_model::{Billed, Endpoint, Locality, Name, Region, Site, Zone, ZoneId};
use serde::{Deserialize, Serialize};

use crate::{Amount, Cost, Rate};

/// From where to where bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge<'a> {
    /// Who sent them.
    pub source: Place<'a>,
    /// Who received them.
    pub destination: Place<'a>,
    /// What lies between the two.
    pub locality: Locality,
}

/// An end of an edge, as far as it matters to a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place<'a> {
    /// In the cluster.
    Cluster(Location<'a>),
    /// A named network.
    Network {
        /// Its name.
        name: &'a Name,
        /// Whom the cloud charges for traffic with it.
        billed: Billed,
        /// Where it is.
        location: Location<'a>,
    },
    /// On the internet.
    Internet,
    /// Nobody knows.
    Unknown,
}

/// Where an end is, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Location<'a> {
    /// The availability zone.
    pub zone: Option<&'a Zone>,
    /// The same by the name that all accounts have for it.
    pub zone_id: Option<&'a ZoneId>,
    /// The region.
    pub region: Option<&'a Region>,
}

impl Location<'_> {
    /// Whether the zone has that name or that id.
    pub(crate) fn is_zone(&self, name: &str) -> bool {
        self.zone.is_some_and(|zone| zone.as_str() == name)
            || self.zone_id.is_some_and(|id| id.as_str() == name)
    }
}

impl<'a> From<&'a Site> for Location<'a> {
    fn from(site: &'a Site) -> Self {
        Self {
            zone: site.zone(),
            zone_id: site.zone_id(),
            region: site.region(),
        }
    }
}

impl<'a> Place<'a> {
    /// The place of an endpoint at a site.
    pub fn of(endpoint: &'a Endpoint, site: &'a Site) -> Self {
        match endpoint {
            Endpoint::Pod(_) | Endpoint::Node(_) | Endpoint::Service(_) => {
                Self::Cluster(site.into())
            }
            Endpoint::Network(network) => Self::Network {
                name: &network.name,
                billed: network.billed,
                location: site.into(),
            },
            Endpoint::Internet => Self::Internet,
            Endpoint::Unknown(_) => Self::Unknown,
        }
    }

    pub(crate) fn location(&self) -> Location<'a> {
        match *self {
            Self::Cluster(location) | Self::Network { location, .. } => location,
            Self::Internet | Self::Unknown => Location::default(),
        }
    }

    pub(crate) fn network(&self) -> Option<(&'a Name, Billed)> {
        match *self {
            Self::Network { name, billed, .. } => Some((name, billed)),
            Self::Cluster(_) | Self::Internet | Self::Unknown => None,
        }
    }
}

/// What bytes are charged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// From one zone of a region to another.
    BetweenZones,
    /// From one region to another.
    BetweenRegions,
    /// To the internet.
    Internet,
}

/// One value for each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PerClass<T: Default> {
    pub(crate) between_zones: T,
    pub(crate) between_regions: T,
    pub(crate) internet: T,
}

impl<T: Copy + Default> PerClass<T> {
    pub(crate) const fn get(&self, class: Class) -> T {
        match class {
            Class::BetweenZones => self.between_zones,
            Class::BetweenRegions => self.between_regions,
            Class::Internet => self.internet,
        }
    }
}

/// Why bytes have no price. They are shown, and never cost nothing in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Gap {
    /// Where they came from or went to is not known.
    UnknownPlace,
    /// The book has no rate for them.
    UnlistedRate,
    /// They went to the internet, which is not switched on.
    InternetOff,
}

impl Gap {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::UnknownPlace, Self::UnlistedRate, Self::InternetOff];

    /// The name in answers, metrics and logs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::UnknownPlace => "unknown_place",
            Self::UnlistedRate => "unlisted_rate",
            Self::InternetOff => "internet_off",
        }
    }
}

/// What a byte of an edge costs each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Charges {
    /// What the sender is charged.
    pub sender: Rate,
    /// What the receiver is charged.
    pub receiver: Rate,
    /// Why there is no price, where there is none; both sides are zero then.
    pub gap: Option<Gap>,
}

impl Charges {
    /// Nothing is charged, and that is known.
    pub const FREE: Self = Self {
        sender: Rate::ZERO,
        receiver: Rate::ZERO,
        gap: None,
    };

    pub(crate) const fn missing(gap: Gap) -> Self {
        Self {
            gap: Some(gap),
            ..Self::FREE
        }
    }

    /// What so many bytes cost, exactly.
    pub fn cost(&self, bytes: u64) -> Cost {
        Cost {
            sender: Amount::of(bytes, self.sender),
            receiver: Amount::of(bytes, self.receiver),
        }
    }
}

/// A sum over edges, with what has no price beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bill {
    /// What is charged.
    pub cost: Cost,
    /// Bytes that have no price, by the reason.
    pub unpriced: BTreeMap<Gap, u128>,
}

impl Bill {
    /// Adds bytes of an edge.
    pub fn add(&mut self, bytes: u64, charges: Charges) {
        self.cost += charges.cost(bytes);
        if let Some(gap) = charges.gap {
            *self.unpriced.entry(gap).or_default() += u128::from(bytes);
        }
    }
}
