//! What has the same price, the same way of having part in it, and crosses a boundary or not: bytes of it are
//! added up first, and money is made of the sum. It is exact in either order. Pure.

use kubezonnet_model::{FlowCounters, Locality};
use kubezonnet_pricing::Charges;

use super::answer::{Measure, Unpriced};

/// What sums have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Part {
    pub(crate) role: Role,
    pub(crate) is_crossing: bool,
    pub(crate) charge: Charge,
}

/// How somebody has part in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// All of it is of an edge.
    Whole,
    Sender,
    Receiver,
}

/// A price, or why there is none.
pub(crate) type Charge = Result<Charges, Unpriced>;

/// What was looked up in a book.
pub(crate) fn charge(charges: Charges) -> Charge {
    match charges.gap {
        Some(gap) => Err(Unpriced::Gap(gap)),
        None => Ok(charges),
    }
}

/// Whether it costs nothing, whatever the prices are.
pub(crate) fn is_free(locality: Locality) -> bool {
    matches!(locality, Locality::SameNode | Locality::SameZone)
}

/// Whether it leaves a zone, a region or the cluster.
pub(crate) fn is_crossing(locality: Locality) -> bool {
    match locality {
        Locality::CrossZone | Locality::CrossRegion | Locality::Internet => true,
        Locality::SameNode | Locality::SameZone | Locality::Unknown(_) => false,
    }
}

impl Part {
    pub(crate) fn measure(&self, counters: FlowCounters) -> Measure {
        let mut measure = Measure::default();
        match self.role {
            Role::Whole | Role::Sender => measure.sent = counters,
            Role::Receiver => measure.received = counters,
        }
        if self.is_crossing {
            measure.crossing = counters.bytes;
        }
        match self.charge {
            Ok(charges) => {
                let cost = charges.cost(counters.bytes);
                match self.role {
                    Role::Whole => measure.cost = cost,
                    Role::Sender => measure.cost.sender = cost.sender,
                    Role::Receiver => measure.cost.receiver = cost.receiver,
                }
            }
            Err(unpriced) => measure.unpriced[unpriced.position()] = counters.bytes,
        }
        measure
    }
}
