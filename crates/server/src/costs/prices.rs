//! Prices that were looked up once for all edges between the same places: a book can have thousands of
//! rules, and a cluster has few zones. Pure.

use foldhash::HashMap;
use kubezonnet_model::Locality;
use kubezonnet_pricing::{Charges, Edge, Place, PriceBook};

/// The number of a place in [`Places`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PlaceId(u32);

/// Between which places, and across which boundary.
pub(crate) type Way = (PlaceId, PlaceId, Locality);

/// Places, each once.
#[derive(Debug, Default)]
pub(crate) struct Places<'a> {
    places: Vec<Place<'a>>,
    ids: HashMap<Place<'a>, PlaceId>,
}

impl<'a> Places<'a> {
    /// The number of a place.
    pub(crate) fn id(&mut self, place: Place<'a>) -> PlaceId {
        let places = &mut self.places;
        *self.ids.entry(place).or_insert_with(|| {
            let next = u32::try_from(places.len()).expect("fewer places than memory has room for");
            places.push(place);
            PlaceId(next)
        })
    }

    fn get(&self, PlaceId(id): PlaceId) -> Place<'a> {
        self.places[id as usize]
    }
}

/// Prices of a book, as far as they were looked up.
#[derive(Debug)]
pub(crate) struct Prices<'b> {
    book: &'b PriceBook,
    known: HashMap<Way, Charges>,
}

impl<'b> Prices<'b> {
    /// Of a book, of which nothing was looked up yet.
    pub(crate) fn of(book: &'b PriceBook) -> Self {
        Self {
            book,
            known: HashMap::default(),
        }
    }

    /// What a byte costs between two of these places, which are the same ones each time.
    pub(crate) fn charges(&mut self, places: &Places<'_>, way: Way) -> Charges {
        let (from, to, locality) = way;
        *self.known.entry(way).or_insert_with(|| {
            self.book.charges(&Edge {
                source: places.get(from),
                destination: places.get(to),
                locality,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use kubezonnet_model::Region;
    use kubezonnet_pricing::{Location, Overrides};

    use super::*;

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
        let regions = [0, 1].map(|number| Region::new(format!("r{number}")).unwrap());
        let all: Vec<_> = (0..40)
            .map(|number| {
                Place::Cluster(Location {
                    region: Some(&regions[number % 2]),
                    ..Location::default()
                })
            })
            .collect();
        let (mut places, mut prices) = (Places::default(), Prices::of(&book));

        for source in &all {
            for destination in &all {
                let locality = Locality::CrossRegion;
                let way = (places.id(*source), places.id(*destination), locality);
                let alone = book.charges(&Edge {
                    source: *source,
                    destination: *destination,
                    locality,
                });
                assert_eq!(prices.charges(&places, way), alone);
            }
        }

        assert_eq!((places.places.len(), prices.known.len()), (2, 4));
    }
}
