//! What a sum of costs does not have in it.

/// A charge that clouds make and that no sum has, as bytes between endpoints do not tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LeftOut {
    /// NAT gateways: their hours, and the bytes they process.
    Nat,
    /// Load balancers: their hours, and the bytes they process.
    LoadBalancers,
    /// Peerings, transit gateways, private links and VPNs: their hours, and the bytes they process.
    Peering,
    /// Traffic by public addresses between endpoints of one zone, which some clouds charge.
    PublicAddresses,
    /// Free allowances and lower prices for large volumes: every byte counts by one price.
    Tiers,
    /// Bytes to the internet, as long as that is not switched on.
    Internet,
}

impl LeftOut {
    /// What is always left out; [`Internet`](Self::Internet) comes and goes.
    pub(crate) const ALWAYS: [Self; 5] = [
        Self::Nat,
        Self::LoadBalancers,
        Self::Peering,
        Self::PublicAddresses,
        Self::Tiers,
    ];

    /// The name in answers, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::LoadBalancers => "load_balancers",
            Self::Peering => "peering",
            Self::PublicAddresses => "public_addresses",
            Self::Tiers => "tiers",
            Self::Internet => "internet",
        }
    }

    /// The same for people.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Nat => "NAT gateways",
            Self::LoadBalancers => "hours and bytes of load balancers",
            Self::Peering => "peerings, transit gateways and private links",
            Self::PublicAddresses => "public addresses within a zone",
            Self::Tiers => "free allowances and prices by volume",
            Self::Internet => "bytes to the internet",
        }
    }
}
