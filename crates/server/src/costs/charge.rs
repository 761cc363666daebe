//! From gathered bytes to money. Pure.

use std::collections::BTreeMap;

use foldhash::HashMap;
use kubezonnet_model::{Locality, Zone};
use kubezonnet_pricing::{Amount, Gap, Location, Place, PriceBook};

use super::prices::{PlaceId, Places, Prices};
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
        let (mut places, mut prices) = (Places::default(), Prices::of(book));
        // The place of a side, by its number.
        let mut known: HashMap<Id, PlaceId> = HashMap::default();
        for ((from, to, locality), bytes) in edges {
            let (Some(source), Some(destination)) = (sides.get(*from), sides.get(*to)) else {
                // Names are charged before they are retired; if one is not, its bytes are shown.
                bill.leave_out(Gap::UnknownPlace, *bytes);
                continue;
            };
            let mut at = |id, side| {
                let known = known.entry(id);
                *known.or_insert_with(|| places.id(place(side)))
            };
            let way = (at(*from, source), at(*to, destination), *locality);
            let charges = prices.charges(&places, way);
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
