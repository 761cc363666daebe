//! Money, added up as windows take effect.
//!
//! In go the edges of each change and, once, the prices in force; out come sums that only rise. They
//! begin at zero with the server, as prices change with a start only. Sums are kept by who pays and not
//! by edge: edges are folded and forgotten, and what somebody paid for them stays paid.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use foldhash::HashMap;
use kubezonnet_model::{Billed, Locality, NetworkKind, Timestamp};
use kubezonnet_pricing::{Amount, Charges, Cost, Edge, Gap, Location, PriceBook};

use crate::ledger::edges::EdgeList;
use crate::ledger::{Place, Side, Who};
use crate::names::{Id, Key, LookUp, Names};

#[cfg(test)]
mod tests;

/// Edges whose bytes are gathered before they are charged: to charge takes longer than to gather.
const MOST_EDGES: usize = 50_000;

/// Parties with a sum of their own; further ones are added up as others, from their first byte on, so
/// that no sum moves. Five thousand workloads in three zones, with what crosses zones and regions.
const MOST_PARTIES: usize = 30_000;

/// What bytes cost since the server started.
#[derive(Debug, Default)]
pub struct CostLedger {
    /// The prices in force; nothing is gathered before.
    book: OnceLock<PriceBook>,
    sums: Mutex<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    /// Bytes by edge that are not charged yet.
    gathered: HashMap<(Id, Id, Locality), u64>,
    /// When the last of them came.
    latest: Timestamp,
    parties: HashMap<Party, (Amount, Timestamp)>,
    zones: BTreeMap<[String; 2], Amount>,
    unpriced: BTreeMap<Gap, u128>,
}

/// What bytes cost, at one instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Costs {
    /// What each party pays itself: its own side of what it sent and received.
    pub parties: Vec<(Party, Amount)>,
    /// What both sides pay, by the zones of sender and receiver; empty where one is not known.
    pub zones: Vec<([String; 2], Amount)>,
    /// Bytes that have no price.
    pub unpriced: BTreeMap<Gap, u128>,
}

/// Who pays, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Party {
    /// Who; of a network the name only.
    pub who: Who,
    /// Its zone; empty where it is not known.
    pub zone: String,
    /// What the bytes crossed.
    pub locality: Locality,
}

impl CostLedger {
    /// Begins to count by these prices; nothing happens if it has begun.
    pub fn begin(&self, book: &PriceBook) {
        self.book.get_or_init(|| book.clone());
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.book.get().is_some()
    }

    /// Gathers what a change brought.
    pub fn add(&self, edges: &EdgeList, names: &Names, now: Timestamp) {
        let Some(book) = self.book.get() else {
            return;
        };
        let mut sums = self.sums();
        for (key, counters) in &edges.0 {
            let locality = key.towards.class.locality();
            if matches!(locality, Locality::SameNode | Locality::SameZone) {
                continue;
            }
            let edge = (key.source, key.towards.destination, locality);
            *sums.gathered.entry(edge).or_default() += counters.bytes;
        }
        sums.latest = sums.latest.max(now);
        if sums.gathered.len() > MOST_EDGES {
            sums.charge(book, &names.look_up());
        }
    }

    /// Charges what was gathered: to be called before names are retired.
    pub fn charge(&self, names: &Names) {
        if let Some(book) = self.book.get() {
            self.sums().charge(book, &names.look_up());
        }
    }

    /// What it costs by now.
    pub fn costs(&self, names: &Names) -> Costs {
        self.charge(names);
        let sums = self.sums();
        let mut parties: Vec<_> = sums
            .parties
            .iter()
            .map(|(party, (amount, _))| (party.clone(), *amount))
            .collect();
        let zones = sums.zones.iter();
        let zones = zones.map(|(zones, amount)| (zones.clone(), *amount));
        let costs = Costs {
            zones: zones.collect(),
            unpriced: sums.unpriced.clone(),
            parties: Vec::new(),
        };
        drop(sums);
        parties.sort_unstable();
        Costs { parties, ..costs }
    }

    /// Forgets parties that do not exist, and paid nothing since `before`.
    pub fn forget(&self, before: Timestamp, exists: impl Fn(&Key) -> bool) {
        self.sums().parties.retain(|party, (_, changed)| {
            let key = Key::Side(Side {
                who: party.who.clone(),
                place: Place::default(),
                labels: kubezonnet_model::Labels::default(),
            });
            *changed >= before || exists(&key)
        });
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sums {
    fn charge(&mut self, book: &PriceBook, names: &LookUp<'_>) {
        for ((source, destination, locality), bytes) in std::mem::take(&mut self.gathered) {
            let sides = [source, destination].map(|id| match names.key(id).map(|key| &**key) {
                Some(Key::Side(side)) => Some(side),
                _ => None,
            });
            let [Some(source), Some(destination)] = sides else {
                // Names are charged before they are retired; if one is not, its bytes are shown.
                *self.unpriced.entry(Gap::UnknownPlace).or_default() += u128::from(bytes);
                continue;
            };
            let charges = book.charges(&Edge {
                source: place(source),
                destination: place(destination),
                locality,
            });
            self.add([source, destination], locality, bytes, charges);
        }
    }

    fn add(&mut self, sides: [&Side; 2], locality: Locality, bytes: u64, charges: Charges) {
        if let Some(gap) = charges.gap {
            *self.unpriced.entry(gap).or_default() += u128::from(bytes);
        }
        let cost = charges.cost(bytes);
        if cost == Cost::default() {
            return;
        }
        for (side, amount) in sides.into_iter().zip([cost.sender, cost.receiver]) {
            if amount > Amount::ZERO {
                self.pay(Party::of(side, locality), amount);
            }
        }
        *self.zones.entry(sides.map(zone)).or_default() += cost.total();
    }

    fn pay(&mut self, party: Party, amount: Amount) {
        let has_room = self.parties.len() < MOST_PARTIES || self.parties.contains_key(&party);
        let party = if has_room { party } else { party.other() };
        let (sum, changed) = self.parties.entry(party).or_default();
        *sum += amount;
        *changed = self.latest;
    }
}

impl Party {
    fn of(side: &Side, locality: Locality) -> Self {
        let who = match &side.who {
            // A network keeps its sum whatever else is said of it.
            Who::Network { name, .. } => Who::Network {
                name: name.clone(),
                kind: NetworkKind::default(),
                billed: Billed::default(),
            },
            who => who.clone(),
        };
        Self {
            who,
            zone: zone(side),
            locality,
        }
    }

    /// Those that are too many, by what the bytes crossed.
    fn other(self) -> Self {
        Self {
            who: Who::Other,
            zone: String::new(),
            ..self
        }
    }
}

fn zone(side: &Side) -> String {
    let zone = side.place.zone.as_ref();
    zone.map(ToString::to_string).unwrap_or_default()
}

/// Where a side is, as a bill sees it.
fn place(side: &Side) -> kubezonnet_pricing::Place<'_> {
    use kubezonnet_pricing::Place;

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
