//! What the past is kept by.

use kubezonnet_model::{Locality, Service};
use kubezonnet_pricing::Version;

use crate::ledger::Side;
use crate::ledger::edges::Class;

/// What went from one side to another, told apart from all else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Series<'a> {
    /// Who sent or forwarded it.
    pub source: &'a Side,
    /// Who received it.
    pub destination: &'a Side,
    /// Across which boundary, and from which side it was seen.
    pub class: Class,
    /// By which Service the pods were reached, where that is known.
    pub service: Option<&'a Service>,
    /// Which prices were in force; `None` before there were any.
    pub prices: Option<Version>,
}

impl Series<'_> {
    /// Across which boundary.
    pub fn locality(&self) -> Locality {
        self.class.locality()
    }
}
