//! How fine time is told apart, and how it is cut into chunks.

use std::time::Duration;

use kubezonnet_model::Timestamp;

/// How fine time is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resolution {
    /// By minute, an hour a chunk.
    Minute,
    /// By hour, a day a chunk.
    Hour,
    /// By day, thirty days a chunk.
    Day,
}

/// When a chunk begins: a multiple of its length since 1970-01-01T00:00:00Z, in milliseconds. Days are
/// those of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkStart(pub Timestamp);

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

impl Resolution {
    /// Every resolution, the finest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// The name in the store, in flags and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// How long a slot is.
    pub const fn slot(self) -> Duration {
        match self {
            Self::Minute => MINUTE,
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }

    /// How many slots a chunk has.
    pub const fn slots(self) -> u8 {
        match self {
            Self::Minute => 60,
            Self::Hour => 24,
            Self::Day => 30,
        }
    }

    /// How long a chunk is.
    pub fn chunk(self) -> Duration {
        self.slot() * u32::from(self.slots())
    }

    /// The chunk of a point in time, and its slot in it.
    pub fn place(self, at: Timestamp) -> (ChunkStart, u8) {
        let (slot, chunk) = (millis(self.slot()), millis(self.chunk()));
        let within = at.0 % chunk;
        (
            ChunkStart(Timestamp(at.0 - within)),
            position(within / slot),
        )
    }

    /// The one that a chunk of this makes a few slots of; `None` for the coarsest.
    pub const fn coarser(self) -> Option<Self> {
        match self {
            Self::Minute => Some(Self::Hour),
            Self::Hour => Some(Self::Day),
            Self::Day => None,
        }
    }
}

impl ChunkStart {
    /// When a slot of the chunk begins.
    pub fn slot(self, resolution: Resolution, position: u8) -> Timestamp {
        self.0.plus(resolution.slot() * u32::from(position))
    }

    /// The chunk after it.
    pub fn next(self, resolution: Resolution) -> Self {
        Self(self.0.plus(resolution.chunk()))
    }
}

fn position(slot: u64) -> u8 {
    u8::try_from(slot).expect("a chunk has sixty slots at most")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("months in milliseconds have far fewer bits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_point_is_in_the_slot_of_its_place(at in 0..u64::MAX / 4) {
            for resolution in Resolution::ALL {
                let at = Timestamp(at);

                let (chunk, slot) = resolution.place(at);

                let begin = chunk.slot(resolution, slot);
                prop_assert!(begin <= at && at < begin.plus(resolution.slot()));
                prop_assert!(slot < resolution.slots());
                prop_assert!(at < chunk.next(resolution).0);
            }
        }
    }

    #[test]
    fn a_chunk_of_one_is_whole_slots_of_the_coarser_one() {
        for resolution in Resolution::ALL {
            if let Some(coarser) = resolution.coarser() {
                assert_eq!(resolution.chunk(), coarser.slot());
            }
        }
    }
}
