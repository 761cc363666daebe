//! Edges: how much went from whom to whom, across which boundary.
//!
//! Everything that is counted and has addresses is in exactly one edge. Sides are told by the ids of
//! their names, so that an edge is a few bytes in the journal and in memory.

mod codec;

use foldhash::HashMap;
use kubezonnet_model::{Direction, FlowCounters, Locality, Timestamp, UnknownReason};
use serde::{Deserialize, Serialize};

pub use self::codec::{EdgeList, Fan};
use crate::names::Id;

/// What tells one edge from any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EdgeKey {
    /// The side that sent it, or the node that forwarded it.
    pub source: Id,
    /// Where it went, and how.
    pub towards: Towards,
}

/// An edge, seen from its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Towards {
    /// The side that received it.
    pub destination: Id,
    /// Across which boundary, and from which side it was seen.
    pub class: Class,
    /// The Service by which the pods were reached, where that is known.
    pub service: Option<Id>,
    /// Of what a node forwarded: the side that sent it.
    pub origin: Option<Id>,
}

/// A direction and a locality in one byte: the order of the numbers is kept on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub struct Class(u8);

impl From<Class> for u8 {
    fn from(Class(number): Class) -> Self {
        number
    }
}

impl TryFrom<u8> for Class {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::of_number(number).ok_or("a class that is none")
    }
}

/// Localities without a reason.
const LOCATED: [Locality; 5] = [
    Locality::SameNode,
    Locality::SameZone,
    Locality::CrossZone,
    Locality::CrossRegion,
    Locality::Internet,
];

/// Numbers for each direction: the localities and up to 16 reasons why one is unknown.
const PER_DIRECTION: u8 = 21;

const _: () = assert!(
    LOCATED.len() + UnknownReason::ALL.len() <= PER_DIRECTION as usize,
    "every reason has a number"
);

impl Class {
    /// How many numbers there are at most.
    const COUNT: u8 = PER_DIRECTION * 3;

    /// The class of what was counted so.
    pub fn of(direction: Direction, locality: Locality) -> Self {
        let locality = match locality {
            Locality::SameNode => 0,
            Locality::SameZone => 1,
            Locality::CrossZone => 2,
            Locality::CrossRegion => 3,
            Locality::Internet => 4,
            Locality::Unknown(reason) => 5 + reason as u8,
        };
        Self(direction as u8 * PER_DIRECTION + locality)
    }

    /// From which side it was seen.
    pub fn direction(self) -> Direction {
        Direction::ALL[usize::from(self.0 / PER_DIRECTION)]
    }

    /// Across which boundary it went.
    pub fn locality(self) -> Locality {
        let number = usize::from(self.0 % PER_DIRECTION);
        let reason = || Locality::Unknown(UnknownReason::ALL[number - LOCATED.len()]);
        LOCATED.get(number).copied().unwrap_or_else(reason)
    }

    /// The class of a number; `None` if there is none.
    fn of_number(number: u8) -> Option<Self> {
        let known = LOCATED.len() + UnknownReason::ALL.len();
        let is_known = number < Self::COUNT && usize::from(number % PER_DIRECTION) < known;
        is_known.then_some(Self(number))
    }
}

/// How much an edge has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flow {
    /// How much it is.
    pub counters: FlowCounters,
    /// When it last changed.
    pub changed: Timestamp,
}

/// All edges, by their source: what changes together is kept together, in memory and on disk.
#[derive(Debug, Default)]
pub struct Edges {
    sources: HashMap<Id, Source>,
    count: usize,
    /// The sources whose edges changed since they were last asked for, each of them once as long as
    /// it has edges; `None` if nobody is going to ask.
    touched: Option<Vec<Id>>,
}

/// The edges of a source.
#[derive(Debug, Default)]
struct Source {
    fan: Fan,
    /// It is among those that changed.
    touched: bool,
}

impl Source {
    /// Notes that it changed.
    fn touch(&mut self, id: Id, touched: Option<&mut Vec<Id>>) {
        if let Some(touched) = touched
            && !self.touched
        {
            self.touched = true;
            touched.push(id);
        }
    }
}

impl Edges {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Which of these there are.
    pub fn have(&self, list: &EdgeList) -> Vec<bool> {
        let mut have = Vec::with_capacity(list.0.len());
        for (source, run) in list.runs() {
            let fan = self.sources.get(&source).map(|source| &source.fan.0);
            let has = |towards| fan.is_some_and(|fan| fan.contains_key(towards));
            have.extend(run.iter().map(|(key, _)| has(&key.towards)));
        }
        have
    }

    /// Adds what a window brought.
    pub fn add(&mut self, list: &EdgeList, now: Timestamp) {
        for (id, run) in list.runs() {
            let source = self.sources.entry(id).or_default();
            let fan = &mut source.fan.0;
            let before = fan.len();
            for (key, counters) in run {
                let flow = fan.entry(key.towards).or_default();
                flow.counters += *counters;
                flow.changed = now;
            }
            self.count += fan.len() - before;
            source.touch(id, self.touched.as_mut());
        }
    }

    /// Takes one out, if it is there.
    pub fn remove(&mut self, key: EdgeKey) {
        let Some(source) = self.sources.get_mut(&key.source) else {
            return;
        };
        if source.fan.0.remove(&key.towards).is_some() {
            self.count -= 1;
            source.touch(key.source, self.touched.as_mut());
            if source.fan.0.is_empty() {
                self.sources.remove(&key.source);
            }
        }
    }

    /// Takes over the edges of a source as they were kept.
    pub fn restore(&mut self, id: Id, fan: Fan) {
        self.count += fan.0.len();
        let touched = false;
        self.sources.insert(id, Source { fan, touched });
    }

    /// Every edge, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (EdgeKey, Flow)> {
        self.sources.iter().flat_map(|(id, source)| {
            let key = |towards: &Towards| EdgeKey {
                source: *id,
                towards: *towards,
            };
            let fan = source.fan.0.iter();
            fan.map(move |(towards, flow)| (key(towards), *flow))
        })
    }

    /// Begins to note what changes.
    pub(super) fn note_changes(&mut self) {
        self.touched.get_or_insert_default();
    }

    /// The sources whose edges changed since it was last asked, with all of their edges; empty where
    /// none is left.
    pub(super) fn unsaved(&mut self) -> Vec<(Id, Fan)> {
        let touched = self.touched.as_mut().map(std::mem::take);
        let fan = |id| match self.sources.get_mut(&id) {
            // It may have lost all of its edges, and have some again: then it is in here twice.
            Some(source) => std::mem::take(&mut source.touched).then(|| (id, source.fan.clone())),
            None => Some((id, Fan::default())),
        };
        touched
            .unwrap_or_default()
            .into_iter()
            .filter_map(fan)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_a_number_and_back() {
        let localities = LOCATED
            .into_iter()
            .chain(UnknownReason::ALL.map(Locality::Unknown));
        for locality in localities {
            for direction in Direction::ALL {
                let class = Class::of(direction, locality);

                assert_eq!((class.direction(), class.locality()), (direction, locality));
                assert_eq!(Class::of_number(class.0), Some(class));
            }
        }
        assert_eq!(Class::of_number(Class::COUNT), None);
        assert_eq!(Class::of_number(PER_DIRECTION - 1), None);
    }
}
