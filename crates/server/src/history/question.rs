//! What is asked of the past.

use std::time::Duration;

use foldhash::HashSet;
use kubezonnet_history::Resolution;
use kubezonnet_model::{Locality, Service, Window};

use super::{Series, Value};
use crate::books::Disposition;
use crate::ledger::{Side, Who};

/// What is asked of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Of which time. Answered is what has whole slots of the resolution that there is then.
    pub range: Window,
    /// How fine what it is made of is. `None`: as fine as goes back so far. Who asks twice of the same time
    /// asks the second time as finely as was answered, so that both are of the same whole slots.
    pub resolution: Option<Resolution>,
    /// How long each cell stands for: whole minutes, hours or days, cut from the range's begin on.
    /// `None`: one cell for the range.
    pub step: Option<Duration>,
    /// By what it is told apart.
    pub by: By,
    /// Which groups are told apart: all others are together in one whose key is empty. `None`: all.
    pub only: Option<HashSet<Vec<Value>>>,
    /// Of whom.
    pub filter: Filter,
}

/// By what an answer is told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Each edge once, by these parts of it. With no part all is one group. `sent` has the bytes of an
    /// edge and its cost both sides'; `received` stays zero.
    Edges(Vec<EdgePart>),
    /// Each end of each edge by itself: what it sent, what it received, and its own side of the cost. An
    /// edge within a group is in it twice, sent and received; its cost is in it once.
    Parties(Vec<PartyPart>),
}

/// A part of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgePart {
    /// Of the end that sent it.
    Source(SidePart),
    /// Of the end that received it.
    Destination(SidePart),
    /// Across which boundary, with the reason where that is unknown.
    Locality,
    /// By which Service it was reached.
    Service,
}

/// A part of a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartyPart {
    /// Of the party's side.
    Side(SidePart),
    /// Across which boundary.
    Locality,
}

/// A part of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SidePart {
    /// Who it is: [`Who::as_shown`](crate::ledger::Who::as_shown).
    Who,
    /// The namespace; empty for what is in none.
    Namespace,
    /// The value of the label at this place of those that are kept; empty where there is none.
    Label(usize),
    /// The zone; empty where it is not known.
    Zone,
    /// The region; empty where it is not known.
    Region,
    /// [`INTERNET`](Self::INTERNET) of what is there; empty of all else.
    Outside,
}

/// Of whom: an edge is taken if each list that is not empty has something of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Either end is one of each of these. Parties are taken with their edges, both ends of them.
    pub ends: Ends,
    /// The end that sent it is.
    pub source: Ends,
    /// The end that received it is.
    pub destination: Ends,
    /// It went across one of these; a reason why one is unknown does not matter.
    pub localities: Vec<Locality>,
    /// It was reached by one of these Services.
    pub services: Vec<Service>,
}

/// What a side has to be: one of each list that is not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// The namespace.
    pub namespaces: Vec<String>,
    /// The workload: namespace, kind and name; an empty string stands for any.
    pub workloads: Vec<[String; 3]>,
    /// The label at this place, and its value.
    pub labels: Vec<(usize, String)>,
    /// The zone.
    pub zones: Vec<String>,
    /// The region.
    pub regions: Vec<String>,
    /// The named network.
    pub networks: Vec<String>,
}

impl Filter {
    /// Whether it takes what is in a series.
    pub fn takes(&self, series: &Series<'_>) -> bool {
        let Series {
            source,
            destination,
            service,
            ..
        } = *series;
        let is_of = |locality: &Locality| {
            Disposition::from(*locality) == Disposition::from(series.locality())
        };
        let has_service = || service.is_some_and(|each| self.services.contains(each));
        (self.localities.is_empty() || self.localities.iter().any(is_of))
            && (self.services.is_empty() || has_service())
            && self.source.have(&[source])
            && self.destination.have(&[destination])
            && self.ends.have(&[source, destination])
    }
}

impl Ends {
    /// Whether each list that is not empty has something of one of these sides.
    pub(crate) fn have(&self, sides: &[&Side]) -> bool {
        fn takes<T>(list: &[T], sides: &[&Side], is: impl Fn(&T, &Side) -> bool) -> bool {
            list.is_empty()
                || sides
                    .iter()
                    .any(|side| list.iter().any(|each| is(each, side)))
        }
        let is = |text: &str, part: SidePart, side: &Side| part.text(side) == text;
        takes(&self.namespaces, sides, |name, side| {
            is(name, SidePart::Namespace, side)
        }) && takes(&self.zones, sides, |name, side| {
            is(name, SidePart::Zone, side)
        }) && takes(&self.regions, sides, |name, side| {
            is(name, SidePart::Region, side)
        }) && takes(&self.labels, sides, |(place, value), side| {
            is(value, SidePart::Label(*place), side)
        }) && takes(
            &self.networks,
            sides,
            |name, side| matches!(&side.who, Who::Network { name: known, .. } if known.as_str() == name),
        ) && takes(&self.workloads, sides, |workload, side| {
            matches!(side.who, Who::Workload(..))
                && workload
                    .iter()
                    .zip(side.who.labels())
                    .all(|(asked, has)| asked.is_empty() || asked == has)
        })
    }
}

impl SidePart {
    /// What [`Outside`](Self::Outside) has of who is on the internet.
    pub const INTERNET: &str = "internet";

    /// The part as text; empty where there is none, and of who it is.
    pub(super) fn text(self, side: &Side) -> &str {
        match self {
            Self::Namespace => side.who.labels()[0],
            Self::Label(place) => side.labels.get(place).map_or("", |value| value.as_str()),
            Self::Zone => side.place.zone.as_ref().map_or("", |zone| zone.as_str()),
            Self::Region => side
                .place
                .region
                .as_ref()
                .map_or("", |region| region.as_str()),
            Self::Outside if side.who == Who::Internet => Self::INTERNET,
            Self::Who | Self::Outside => "",
        }
    }
}
