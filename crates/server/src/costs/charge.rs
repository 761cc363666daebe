//! From gathered bytes to money.
//!
//! Pure. A price is looked up once for all edges between the same places: a book can have thousands of
//! rules, and a cluster has few zones.

use std::collections::BTreeMap;

use foldhash::HashMap;
use kubezonnet_model::{Locality, Zone};
use kubezonnet_pricing::{Amount, Charges, Edge, Gap, Location, Place, PriceBook};

use crate::ledger::{Side, Who};
use crate::names::{Id, Sides};

/// Bytes between two sides.
pub(super) type Gathered = ((Id, Id, Locality), u64);

/// What edges cost together.
pub(super) struct Bill<'a> {
    sides: &'a Sides,
    parties: HashMap<(Id, Locality), Amount>,
    /// What both sides pay.
    pub(super) zones: HashMap<[Option<&'a Zone>; 2], Amount>,
    pub(super) unpriced: BTreeMap<Gap, u128>,
}

impl<'a> Bill<'a> {
    pub(super) fn of(edges: &[Gathered], sides: &'a Sides, book: &PriceBook) -> Self {
        let mut bill = Self {
            sides,
            parties: HashMap::default(),
            zones: HashMap::default(),
            unpriced: BTreeMap::new(),
        };
        let mut prices = Prices::of(book);
        for ((from, to, locality), bytes) in edges {
            let (Some(source), Some(destination)) = (sides.get(*from), sides.get(*to)) else {
                // Names are charged before they are retired; if one is not, its bytes are shown.
                bill.leave_out(Gap::UnknownPlace, *bytes);
                continue;
            };
            let charges = prices.charges((*from, source), (*to, destination), *locality);
            if let Some(gap) = charges.gap {
                bill.leave_out(gap, *bytes);
            }
            let cost = charges.cost(*bytes);
            for (id, amount) in [(from, cost.sender), (to, cost.receiver)] {
                if amount > Amount::ZERO {
                    *bill.parties.entry((*id, *locality)).or_default() += amount;
                }
            }
            if cost.total() > Amount::ZERO {
                let zones = [source, destination].map(|side| side.place.zone.as_ref());
                *bill.zones.entry(zones).or_default() += cost.total();
            }
        }
        bill
    }

    fn leave_out(&mut self, gap: Gap, bytes: u64) {
        *self.unpriced.entry(gap).or_default() += u128::from(bytes);
    }

    /// What each side pays itself.
    pub(super) fn parties(&self) -> impl Iterator<Item = (&'a Side, Locality, Amount)> {
        self.parties.iter().filter_map(|((id, locality), amount)| {
            let side = self.sides.get(*id)?;
            Some((side, *locality, *amount))
        })
    }
}

/// Prices that were looked up, by the places they hold between.
struct Prices<'a, 'b> {
    book: &'b PriceBook,
    places: HashMap<Place<'a>, u32>,
    /// The place of a side, by its number.
    at: HashMap<Id, u32>,
    known: HashMap<(u32, u32, Locality), Charges>,
}

impl<'a, 'b> Prices<'a, 'b> {
    fn of(book: &'b PriceBook) -> Self {
        Self {
            book,
            places: HashMap::default(),
            at: HashMap::default(),
            known: HashMap::default(),
        }
    }

    fn charges(
        &mut self,
        source: (Id, &'a Side),
        destination: (Id, &'a Side),
        locality: Locality,
    ) -> Charges {
        let [from, to] = [source, destination].map(|(id, side)| {
            let places = &mut self.places;
            *self.at.entry(id).or_insert_with(|| {
                let next = u32::try_from(places.len()).expect("fewer places than edges");
                *places.entry(place(side)).or_insert(next)
            })
        });
        let known = self.known.entry((from, to, locality));
        *known.or_insert_with(|| {
            self.book.charges(&Edge {
                source: place(source.1),
                destination: place(destination.1),
                locality,
            })
        })
    }
}

/// Where a side is, as a bill sees it.
pub(crate) fn place(side: &Side) -> Place<'_> {
    let location = Location {
        zone: side.place.zone.as_ref(),
        zone_id: side.place.zone_id.as_ref(),
        region: side.place.region.as_ref(),
    };
    match &side.who {
        Who::Workload(..) | Who::Node(_) | Who::Service(_) | Who::Other | Who::Gone => {
            Place::Cluster(location)
        }
        Who::Network { name, billed, .. } => Place::Network {
            name,
            billed: *billed,
            location,
        },
        Who::Internet => Place::Internet,
        Who::Unknown(_) => Place::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use kubezonnet_model::{Labels, NodeName, Region};
    use kubezonnet_pricing::Overrides;

    use super::*;
    use crate::ledger;

    fn node(number: u64, region: u64) -> (Id, Side) {
        let side = Side {
            who: Who::Node(NodeName::new(format!("n{number}")).unwrap()),
            place: ledger::Place {
                region: Some(Region::new(format!("r{region}")).unwrap()),
                ..ledger::Place::default()
            },
            labels: Labels::default(),
        };
        (Id::new(number + 1).unwrap(), side)
    }

    #[test]
    fn a_price_is_looked_up_once_for_all_edges_between_the_same_places() {
        let text = "
currency: EUR
unit: GB
betweenRegions:
  - { from: r0, to: r1, price: 1 }
  - { from: r1, to: r0, price: 2 }
";
        let book = PriceBook::new(None, &Overrides::parse(text).unwrap(), false).unwrap();
        let nodes: Vec<_> = (0..40).map(|number| node(number, number % 2)).collect();
        let mut prices = Prices::of(&book);

        for (from, source) in &nodes {
            for (to, destination) in &nodes {
                let region = Locality::CrossRegion;
                let charges = prices.charges((*from, source), (*to, destination), region);
                let alone = book.charges(&Edge {
                    source: place(source),
                    destination: place(destination),
                    locality: region,
                });
                assert_eq!(charges, alone);
            }
        }

        assert_eq!((prices.places.len(), prices.known.len()), (2, 4));
    }
}
