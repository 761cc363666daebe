//! Who pays, as metrics show it.

use kubezonnet_model::Locality;

use crate::ledger::{Side, Who};

/// Who pays, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Party {
    /// Who, as it is shown: who has the same labels has one sum.
    pub who: Who,
    /// Its zone; empty where it is not known.
    pub zone: String,
    /// What the bytes crossed.
    pub locality: Locality,
}

impl Party {
    pub(super) fn of(side: &Side, locality: Locality) -> Self {
        let zone = side.place.zone.as_ref();
        Self {
            who: side.who.as_shown(),
            zone: zone.map(ToString::to_string).unwrap_or_default(),
            locality,
        }
    }

    /// Those that are too many, by what the bytes crossed.
    pub(super) fn other(self) -> Self {
        Self {
            who: Who::Other,
            zone: String::new(),
            ..self
        }
    }
}
