//! A pair as metrics show it: one series, of however many edges.
//!
//! Edges of a pair differ in what no label tells: Service, origin, charge-back labels, the zone's id,
//! the side they were seen from, and why a locality is unknown. The series is their sum, so who takes
//! edges out of the ledger takes pairs whole. Where metrics have charge-back labels a pair is several
//! series, and these go whole with it.

use foldhash::HashMap;
use kubezonnet_model::{Locality, Name};

use super::edges::EdgeKey;
use super::{Side, Who};
use crate::books::Disposition;
use crate::names::{Id, Sides};

/// A side as a metric has it: namespace, kind and name; and the zone.
pub type Labels<'a> = ([&'a str; 3], &'a str);

/// A side as metrics show it: all with the same labels are one. The number holds within one
/// [`Shown`], in the order they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct End(u32);

impl End {
    /// How many came before.
    pub(super) fn position(self) -> usize {
        self.0 as usize
    }
}

/// A pair as metrics show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Pair {
    /// Who sent or forwarded it.
    pub source: End,
    /// Who received it.
    pub destination: End,
    /// Across which boundary.
    pub disposition: Disposition,
}

impl Pair {
    /// The pair of an edge between these.
    pub(super) fn of(source: End, destination: End, locality: Locality) -> Self {
        Self {
            source,
            destination,
            disposition: locality.into(),
        }
    }
}

/// Which sides are shown as one.
#[derive(Debug, Default)]
pub(super) struct Shown<'a> {
    ends: HashMap<(Labels<'a>, Vec<Option<&'a Name>>), End>,
    /// Which labels for charge-back are shown, too.
    places: Vec<usize>,
}

impl<'a> Shown<'a> {
    /// As metrics show them that have the labels for charge-back at these places: each is a part of what
    /// is shown without.
    pub(super) fn by(places: &[usize]) -> Self {
        Self {
            places: places.into(),
            ..Self::default()
        }
    }

    /// The side as it is shown; `None` if it is not, as those that are gone: they are in other sums
    /// only.
    pub(super) fn end(&mut self, side: &'a Side) -> Option<End> {
        if side.who == Who::Gone {
            return None;
        }
        let next = u32::try_from(self.ends.len()).expect("fewer sides than memory has room for");
        let kept = self.places.iter().map(|place| side.labels.get(*place));
        let key = (side.shown(), kept.collect());
        Some(*self.ends.entry(key).or_insert(End(next)))
    }
}

impl Side {
    /// The side as a metric has it, without its labels for charge-back.
    pub fn shown(&self) -> Labels<'_> {
        let zone = self.place.zone.as_ref();
        (self.who.labels(), zone.map_or("", |zone| zone.as_str()))
    }
}

/// The pairs of the ledger's edges.
#[derive(Debug)]
pub(super) struct Pairs<'a> {
    sides: &'a Sides,
    shown: Shown<'a>,
    /// Each side is looked at once.
    ends: HashMap<Id, Option<End>>,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(sides: &'a Sides) -> Self {
        Self {
            sides,
            shown: Shown::default(),
            ends: HashMap::default(),
        }
    }

    /// The pair of an edge; `None` if no metric has it.
    pub(super) fn of(&mut self, key: &EdgeKey) -> Option<Pair> {
        let source = self.end(key.source)?;
        let destination = self.end(key.towards.destination)?;
        Some(Pair::of(source, destination, key.towards.class.locality()))
    }

    fn end(&mut self, id: Id) -> Option<End> {
        let Self { sides, shown, ends } = self;
        let end = ends.entry(id);
        *end.or_insert_with(|| sides.get(id).and_then(|side| shown.end(side)))
    }
}
