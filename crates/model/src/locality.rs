//! The one rule that says what kind of boundary a byte crossed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{NodeName, Region, UnknownReason, Zone, ZoneId};

/// From which side a flow is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Direction {
    /// The local endpoint sent it.
    Egress,
    /// The local endpoint received it.
    Ingress,
    /// The node forwarded it between two others.
    Transit,
}

impl Direction {
    /// Every direction.
    pub const ALL: [Self; 3] = [Self::Egress, Self::Ingress, Self::Transit];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
            Self::Transit => "transit",
        }
    }
}

/// Where an endpoint is, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Site {
    /// In the cluster, or listed by name. Shared: a node's pods are all where it is.
    Known(Arc<Located>),
    /// On the internet.
    Internet,
    /// Not known at all.
    Unknown(UnknownReason),
}

/// What is known of where an endpoint is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Located {
    /// The node, for pods and nodes.
    pub node: Option<NodeName>,
    /// The availability zone.
    pub zone: Option<Zone>,
    /// The same by the name that all accounts have for it.
    pub zone_id: Option<ZoneId>,
    /// The region.
    pub region: Option<Region>,
}

impl From<Located> for Site {
    fn from(located: Located) -> Self {
        Self::Known(Arc::new(located))
    }
}

impl Site {
    /// What is known of it; `None` outside.
    pub fn located(&self) -> Option<&Located> {
        match self {
            Self::Known(located) => Some(located),
            Self::Internet | Self::Unknown(_) => None,
        }
    }

    /// The zone, where it is known.
    pub fn zone(&self) -> Option<&Zone> {
        self.located()?.zone.as_ref()
    }

    /// The zone's id, where it is known.
    pub fn zone_id(&self) -> Option<&ZoneId> {
        self.located()?.zone_id.as_ref()
    }

    /// Whether two are in one zone; `None` if that cannot be said. Ids go before names: a name is
    /// one account's.
    fn shares_zone(&self, other: &Self) -> Option<bool> {
        match (self.zone_id(), other.zone_id()) {
            (Some(one), Some(other)) => Some(one == other),
            _ => Some(self.zone()? == other.zone()?),
        }
    }

    /// The region, where it is known.
    pub fn region(&self) -> Option<&Region> {
        self.located()?.region.as_ref()
    }

    /// The node, where there is one.
    pub fn node(&self) -> Option<&NodeName> {
        self.located()?.node.as_ref()
    }
}

/// What kind of boundary lies between two sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Locality {
    /// Both on one node.
    SameNode,
    /// Two nodes of one availability zone.
    SameZone,
    /// Two zones of one region (or of regions that are not known).
    CrossZone,
    /// Two regions.
    CrossRegion,
    /// One side is on the internet.
    Internet,
    /// Cannot be said, and why: never billed, never called cross-zone.
    Unknown(UnknownReason),
}

impl Locality {
    /// Classifies traffic between two sites; the order of the two does not matter.
    ///
    /// The same node is `SameNode`, labelled or not. Else two known, different regions are
    /// `CrossRegion`; else two known zones are `SameZone` or `CrossZone`; else a side on the
    /// internet makes it `Internet`; else it is `Unknown`. A missing zone is never another zone.
    pub fn between(one: &Site, other: &Site) -> Self {
        if let (Some(one), Some(other)) = (one.node(), other.node())
            && one == other
        {
            return Self::SameNode;
        }
        if let (Some(one), Some(other)) = (one.region(), other.region())
            && one != other
        {
            return Self::CrossRegion;
        }
        if let Some(same) = one.shares_zone(other) {
            return if same {
                Self::SameZone
            } else {
                Self::CrossZone
            };
        }
        match (one, other) {
            (Site::Unknown(one), Site::Unknown(other)) => Self::Unknown(*one.min(other)),
            (Site::Unknown(reason), _) | (_, Site::Unknown(reason)) => Self::Unknown(*reason),
            (Site::Internet, _) | (_, Site::Internet) => Self::Internet,
            _ => Self::Unknown(UnknownReason::MissingZone),
        }
    }

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameNode => "same_node",
            Self::SameZone => "same_zone",
            Self::CrossZone => "cross_zone",
            Self::CrossRegion => "cross_region",
            Self::Internet => "internet",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether the bytes left their zone: what the system's first metric counts.
    pub const fn leaves_zone(self) -> bool {
        matches!(self, Self::CrossZone | Self::CrossRegion)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn site(node: &str, zone: &str, region: &str) -> Site {
        Site::from(Located {
            node: NodeName::new(node).ok(),
            zone: Zone::new(zone).ok(),
            zone_id: None,
            region: Region::new(region).ok(),
        })
    }

    #[test]
    fn each_class_has_its_case() {
        let here = site("n1", "a", "r1");
        let unlabelled = site("n9", "", "");
        let unlisted = Site::Unknown(UnknownReason::UnlistedAddress);
        let cases = [
            (site("n1", "a", "r1"), Locality::SameNode),
            (site("n2", "a", "r1"), Locality::SameZone),
            (site("n2", "b", "r1"), Locality::CrossZone),
            (site("n2", "b", "r2"), Locality::CrossRegion),
            // Zone names can repeat in another region.
            (site("n2", "a", "r2"), Locality::CrossRegion),
            // A region is enough to be another, a zone without region is compared by itself.
            (site("n2", "", "r2"), Locality::CrossRegion),
            (site("n2", "b", ""), Locality::CrossZone),
            (Site::Internet, Locality::Internet),
            (
                unlabelled.clone(),
                Locality::Unknown(UnknownReason::MissingZone),
            ),
            // The same region says nothing of the zone.
            (
                site("n2", "", "r1"),
                Locality::Unknown(UnknownReason::MissingZone),
            ),
            (
                unlisted.clone(),
                Locality::Unknown(UnknownReason::UnlistedAddress),
            ),
        ];
        for (there, expected) in cases {
            assert_eq!(Locality::between(&here, &there), expected, "{there:?}");
        }
        assert_eq!(
            Locality::between(&unlabelled, &unlabelled),
            Locality::SameNode
        );
        assert_eq!(
            Locality::between(&unlabelled, &Site::Internet),
            Locality::Internet
        );
        assert_eq!(
            Locality::between(&unlisted, &Site::Internet),
            Locality::Unknown(UnknownReason::UnlistedAddress)
        );
    }

    #[test]
    fn zone_ids_go_before_names_where_both_have_one() {
        let with_id = |zone: &str, id: &str| {
            Site::from(Located {
                node: None,
                zone: Zone::new(zone).ok(),
                zone_id: ZoneId::new(id).ok(),
                region: None,
            })
        };
        let ours = with_id("us-east-1a", "use1-az1");
        let cases = [
            (with_id("us-east-1a", "use1-az1"), Locality::SameZone),
            (with_id("us-east-1b", "use1-az1"), Locality::SameZone),
            (with_id("", "use1-az1"), Locality::SameZone),
            (with_id("us-east-1a", "use1-az2"), Locality::CrossZone),
            (with_id("us-east-1a", ""), Locality::SameZone),
            (with_id("us-east-1b", ""), Locality::CrossZone),
            (
                with_id("", ""),
                Locality::Unknown(UnknownReason::MissingZone),
            ),
        ];
        for (other, expected) in cases {
            assert_eq!(Locality::between(&ours, &other), expected, "{other:?}");
        }
    }

    fn any_site() -> impl Strategy<Value = Site> {
        let part = || prop_oneof![Just(""), Just("x"), Just("y")];
        prop_oneof![
            6 => (part(), part(), part()).prop_map(|(node, zone, region)| site(node, zone, region)),
            1 => Just(Site::Internet),
            1 => proptest::sample::select(&UnknownReason::ALL[..]).prop_map(Site::Unknown),
        ]
    }

    proptest! {
        #[test]
        fn locality_is_symmetric(one in any_site(), other in any_site()) {
            prop_assert_eq!(Locality::between(&one, &other), Locality::between(&other, &one));
        }

        #[test]
        fn a_missing_zone_is_never_another_zone(one in any_site(), other in any_site()) {
            if Locality::between(&one, &other) == Locality::CrossZone {
                prop_assert!(one.zone().is_some() && other.zone().is_some());
            }
        }
    }
}
