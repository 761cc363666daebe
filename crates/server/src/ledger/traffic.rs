//! What one subject sent, received and forwarded, by locality.

use kubezonnet_model::{Direction, FlowCounters, Locality};
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::books::Disposition;

/// What one subject sent, received and forwarded, by locality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic([[FlowCounters; Disposition::LOCALITIES.len()]; Direction::ALL.len()]);

impl Serialize for Traffic {
    /// The cells that hold something.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut cells = serializer.serialize_seq(Some(self.cells().count()))?;
        for cell in self.cells() {
            cells.serialize_element(&cell)?;
        }
        cells.end()
    }
}

impl<'de> Deserialize<'de> for Traffic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cells = Vec::<(Direction, Disposition, FlowCounters)>::deserialize(deserializer)?;
        let mut traffic = Self::default();
        for (direction, locality, counters) in cells {
            let cell = traffic.0[direction as usize].get_mut(locality.index());
            *cell.ok_or_else(|| de::Error::custom("a disposition that is no locality"))? +=
                counters;
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
            *sum += *each;
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
