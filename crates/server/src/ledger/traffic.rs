//! What one subject sent, received and forwarded, by locality.

use kubezonnet_model::{Direction, FlowCounters, Locality};
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::books::Disposition;

/// What one subject sent, received and forwarded, by locality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic([[FlowCounters; Disposition::LOCALITIES.len()]; Direction::ALL.len()]);

impl Serialize for Traffic {
    /// The cells that hold something, by their number.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let cells = || (0_u8..).zip(self.0.as_flattened());
        let cells = || cells().filter(|(_, counters)| **counters != FlowCounters::ZERO);
        let mut sequence = serializer.serialize_seq(Some(cells().count()))?;
        for cell in cells() {
            sequence.serialize_element(&cell)?;
        }
        sequence.end()
    }
}

impl<'de> Deserialize<'de> for Traffic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cells = Vec::<(u8, FlowCounters)>::deserialize(deserializer)?;
        let mut traffic = Self::default();
        for (number, counters) in cells {
            let cell = traffic.0.as_flattened_mut().get_mut(usize::from(number));
            *cell.ok_or_else(|| de::Error::custom("a cell that is none"))? = counters;
        }
        Ok(traffic)
    }
}

impl Traffic {
    /// Adds to one cell.
    pub fn add(&mut self, direction: Direction, locality: Locality, counters: FlowCounters) {
        self.0[direction as usize][Disposition::from(locality).index()] += counters;
    }

    /// Adds every cell of another.
    pub fn merge(&mut self, other: &Self) {
        for (sum, each) in self.0.iter_mut().flatten().zip(other.0.iter().flatten()) {
            // Most hold nothing, and what is not written need not be fetched.
            if *each != FlowCounters::ZERO {
                *sum += *each;
            }
        }
    }

    /// The cells that hold something.
    pub fn cells(&self) -> impl Iterator<Item = (Direction, Disposition, FlowCounters)> {
        Direction::ALL.into_iter().flat_map(|direction| {
            let row = &self.0[direction as usize];
            Disposition::LOCALITIES
                .into_iter()
                .map(move |locality| (direction, locality, row[locality.index()]))
                .filter(|(.., counters)| *counters != FlowCounters::ZERO)
        })
    }

    /// The sum of all cells: what a pod sent to another of its node has been in two of them.
    pub fn sum(&self) -> FlowCounters {
        self.0.as_flattened().iter().copied().sum()
    }

    /// What was sent or forwarded and left the zone; `None` if nothing was sent at all.
    pub fn left_zone(&self) -> Option<FlowCounters> {
        let mut sent = self
            .cells()
            .filter(|(direction, ..)| *direction != Direction::Ingress)
            .peekable();
        sent.peek()?;
        let left = sent.filter(|(_, locality, _)| {
            matches!(locality, Disposition::CrossZone | Disposition::CrossRegion)
        });
        Some(left.map(|(.., counters)| counters).sum())
    }
}
