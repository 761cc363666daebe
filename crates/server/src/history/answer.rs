//! What the past answers.

use kubezonnet_history::Resolution;
use kubezonnet_model::{FlowCounters, Locality, Service, Timestamp, Window};
use kubezonnet_pricing::{Cost, Currency, Gap};

use crate::ledger::Who;

/// What the past answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The time it is of: what was asked for, from the begin of the slot it begins in to the end of the
    /// one it ends in.
    pub range: Window,
    /// How fine what it was made of is.
    pub resolution: Resolution,
    /// Since when there is history: any at all if what this is made of has all of the range, and else of
    /// what it is made of.
    pub since: Option<Timestamp>,
    /// Since when each resolution has all that went, in the order of [`Resolution::ALL`].
    pub reaches: Reaches,
    /// What its costs are in; `None` without prices.
    pub currency: Option<Currency>,
    /// When each cell of a group begins.
    pub times: Vec<Timestamp>,
    /// Each there is, in no order.
    pub groups: Vec<Group>,
}

/// Since when each resolution has all that went, in the order of [`Resolution::ALL`]; `None` before there is
/// any history.
pub type Reaches = [Option<Timestamp>; Resolution::ALL.len()];

/// What is told together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// A value for each part that it was asked by, in their order.
    pub key: Vec<Value>,
    /// One for each time.
    pub cells: Vec<Measure>,
}

/// What a part of an edge or a party is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// Who it is.
    Who(Who),
    /// A name; empty where there is none.
    Text(String),
    /// Across which boundary.
    Locality(Locality),
    /// By which Service.
    Service(Option<Service>),
}

/// How much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measure {
    /// What was sent; of edges all there is.
    pub sent: FlowCounters,
    /// What was received; of edges nothing.
    pub received: FlowCounters,
    /// Bytes of both that crossed zones, regions or the cluster's edge.
    pub crossing: u64,
    /// What it costs. Of a party its own side: the sender's of what it sent, the receiver's of what it
    /// received.
    pub cost: Cost,
    /// Bytes that have no price, in the order of [`Unpriced::ALL`]. Of parties each end has them.
    pub unpriced: [u64; Unpriced::ALL.len()],
}

/// Why bytes have no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unpriced {
    /// The prices in force then have none for them.
    Gap(Gap),
    /// There were no prices then, or they were in another currency than those of today.
    NoPrices,
}

impl Unpriced {
    /// Every reason.
    pub const ALL: [Self; 4] = [
        Self::Gap(Gap::UnknownPlace),
        Self::Gap(Gap::UnlistedRate),
        Self::Gap(Gap::InternetOff),
        Self::NoPrices,
    ];

    /// Its position in [`ALL`](Self::ALL).
    pub(super) const fn position(self) -> usize {
        match self {
            Self::Gap(gap) => gap as usize,
            Self::NoPrices => Gap::ALL.len(),
        }
    }
}

impl Measure {
    /// All bytes: sent and received.
    pub fn bytes(&self) -> u64 {
        self.sent.bytes.saturating_add(self.received.bytes)
    }

    /// Those of them that have no price, for whatever reason.
    pub fn unpriced_bytes(&self) -> u64 {
        let each = self.unpriced.into_iter();
        each.fold(0, u64::saturating_add)
    }
}

impl std::ops::AddAssign for Measure {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.crossing = self.crossing.saturating_add(other.crossing);
        self.cost += other.cost;
        for (sum, each) in self.unpriced.iter_mut().zip(other.unpriced) {
            *sum = sum.saturating_add(each);
        }
    }
}
