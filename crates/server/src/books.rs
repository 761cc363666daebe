//! Where bytes go: the columns of the books.
//!
//! Every byte that a hook saw is in exactly one [`Disposition`], or still waits for its owner.

use kubezonnet_model::{FlowCounters, Locality, SkipReason, TotalKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Disposition {
    /// Counted: both ends on one node.
    SameNode,
    /// Counted: two nodes of one zone.
    SameZone,
    /// Counted: two zones of one region.
    CrossZone,
    /// Counted: two regions.
    CrossRegion,
    /// Counted: one side on the internet.
    Internet,
    /// Counted, and the locality cannot be said.
    Unknown,
    /// Seen by the receiver, and counted where they were sent.
    CountedBySender,
    /// Seen by a sender whose hooks are bypassed, and counted where they were received.
    CountedByReceiver,
    /// Perhaps lost: seen by the receiver in a window in which the sender's agent began or ended, or
    /// while packets bypassed the hooks of both. Some of it was counted where it was sent.
    PartlyCovered,
    /// From a node to itself over its loopback interface.
    Loopback,
    /// Multicast and broadcast.
    Multicast,
    /// Left out by the hook: seen a second time.
    Looped,
    /// Left out by the hook: outside the networks given with `--cidr`.
    OutsideCidr,
    /// Left out by the hook: the inner pass of a tunnel, counted as the outer packet.
    Encapsulated,
    /// Lost: the hook could not read the IP header.
    Malformed,
    /// Lost: the agent reported an address that another node, or its pod, holds.
    ForeignAddress,
}

impl Disposition {
    /// Every disposition, in the order of the columns.
    pub const ALL: [Self; 16] = [
        Self::SameNode,
        Self::SameZone,
        Self::CrossZone,
        Self::CrossRegion,
        Self::Internet,
        Self::Unknown,
        Self::CountedBySender,
        Self::CountedByReceiver,
        Self::PartlyCovered,
        Self::Loopback,
        Self::Multicast,
        Self::Looped,
        Self::OutsideCidr,
        Self::Encapsulated,
        Self::Malformed,
        Self::ForeignAddress,
    ];

    /// The ones that are localities: what has a source, a destination and a direction.
    pub const LOCALITIES: [Self; 6] = [
        Self::SameNode,
        Self::SameZone,
        Self::CrossZone,
        Self::CrossRegion,
        Self::Internet,
        Self::Unknown,
    ];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameNode => "same_node",
            Self::SameZone => "same_zone",
            Self::CrossZone => "cross_zone",
            Self::CrossRegion => "cross_region",
            Self::Internet => "internet",
            Self::Unknown => "unknown",
            Self::CountedBySender => "counted_by_sender",
            Self::CountedByReceiver => "counted_by_receiver",
            Self::PartlyCovered => "partly_covered",
            Self::Loopback => "loopback",
            Self::Multicast => "multicast",
            Self::Looped => "looped",
            Self::OutsideCidr => "outside_cidr",
            Self::Encapsulated => "encapsulated",
            Self::Malformed => "malformed",
            Self::ForeignAddress => "foreign_address",
        }
    }

    /// Its column.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl From<Locality> for Disposition {
    fn from(locality: Locality) -> Self {
        match locality {
            Locality::SameNode => Self::SameNode,
            Locality::SameZone => Self::SameZone,
            Locality::CrossZone => Self::CrossZone,
            Locality::CrossRegion => Self::CrossRegion,
            Locality::Internet => Self::Internet,
            Locality::Unknown(_) => Self::Unknown,
        }
    }
}

impl From<TotalKind> for Disposition {
    fn from(kind: TotalKind) -> Self {
        match kind {
            TotalKind::Coarsened => Self::Unknown,
            TotalKind::Loopback => Self::Loopback,
            TotalKind::Multicast => Self::Multicast,
        }
    }
}

impl From<SkipReason> for Disposition {
    fn from(reason: SkipReason) -> Self {
        match reason {
            SkipReason::Looped => Self::Looped,
            SkipReason::OutsideCidr => Self::OutsideCidr,
            SkipReason::Malformed => Self::Malformed,
            SkipReason::Encapsulated => Self::Encapsulated,
        }
    }
}

/// One counter for each disposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Books([FlowCounters; Disposition::ALL.len()]);

impl Serialize for Books {
    /// The columns that hold something.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let columns = Disposition::ALL.map(|each| (each, self.get(each)));
        let filled = columns
            .into_iter()
            .filter(|(_, sum)| *sum != FlowCounters::ZERO);
        filled.collect::<Vec<_>>().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Books {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let filled = Vec::<(Disposition, FlowCounters)>::deserialize(deserializer)?;
        let mut books = Self::default();
        for (disposition, counters) in filled {
            books.add(disposition, counters);
        }
        Ok(books)
    }
}

impl Books {
    /// Adds to one column.
    pub fn add(&mut self, disposition: Disposition, counters: FlowCounters) {
        self.0[disposition.index()] += counters;
    }

    /// What is in one column.
    pub fn get(&self, disposition: Disposition) -> FlowCounters {
        self.0[disposition.index()]
    }

    /// Adds every column of another.
    pub fn merge(&mut self, other: &Self) {
        for (sum, each) in self.0.iter_mut().zip(other.0) {
            *sum += each;
        }
    }

    /// The sum of all columns.
    pub fn sum(&self) -> FlowCounters {
        self.0.iter().copied().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_disposition_has_its_own_column_and_name() {
        for (column, disposition) in Disposition::ALL.into_iter().enumerate() {
            assert_eq!(disposition.index(), column, "{disposition:?}");
        }
        let mut names: Vec<_> = Disposition::ALL.map(Disposition::as_str).into();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Disposition::ALL.len());
        assert_eq!(Disposition::LOCALITIES[..], Disposition::ALL[..6]);
    }

    #[test]
    fn a_locality_and_its_disposition_have_one_name() {
        for locality in [
            Locality::SameNode,
            Locality::SameZone,
            Locality::CrossZone,
            Locality::CrossRegion,
            Locality::Internet,
            Locality::Unknown(kubezonnet_model::UnknownReason::Coarsened),
        ] {
            assert_eq!(Disposition::from(locality).as_str(), locality.as_str());
        }
    }
}
