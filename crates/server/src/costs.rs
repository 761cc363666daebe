//! Money, added up as windows take effect.
//!
//! In go the edges of each change and, once, the prices in force; out come sums that only rise. They
//! begin at zero with the server, as prices change with a start only. Sums are kept by who pays and not
//! by edge: edges are folded and forgotten, and what somebody paid for them stays paid.
//!
//! Windows only gather bytes. They are charged when somebody looks, when there are many, and before
//! names go: to price takes longer than to gather, and who brings windows does not wait for it.

mod charge;
mod party;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use foldhash::HashMap;
use kubezonnet_model::{Labels, Locality, Timestamp};
use kubezonnet_pricing::{Amount, Gap, PriceBook};

use self::charge::Bill;
pub(crate) use self::charge::place;
pub use self::party::Party;
use crate::ledger::edges::EdgeList;
use crate::ledger::{Place, Side};
use crate::names::{Id, Key, Names};

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
    /// Locked while sums may be, and for moments only: who makes changes adds to it.
    gathered: Mutex<Gathered>,
    /// Locked while bytes are charged: what is gathered at that moment is charged once this can be had.
    sums: Mutex<Sums>,
}

/// Bytes that are not charged yet.
#[derive(Debug, Default)]
struct Gathered {
    edges: HashMap<(Id, Id, Locality), u64>,
    /// When the last of them came.
    latest: Timestamp,
}

#[derive(Debug, Default)]
struct Sums {
    /// The amount, and when something was added last.
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
    pub fn add(&self, lists: [&EdgeList; 2], names: &Names, now: Timestamp) {
        if !self.has_begun() {
            return;
        }
        let mut gathered = self.gathered();
        for (key, counters) in lists.into_iter().flat_map(|list| &list.0) {
            let locality = key.towards.class.locality();
            if matches!(locality, Locality::SameNode | Locality::SameZone) {
                continue;
            }
            let edge = (key.source, key.towards.destination, locality);
            *gathered.edges.entry(edge).or_default() += counters.bytes;
        }
        gathered.latest = gathered.latest.max(now);
        let is_much = gathered.edges.len() > MOST_EDGES;
        drop(gathered);
        if is_much {
            self.charge(names);
        }
    }

    /// Charges what was gathered: to be called before names are retired, by who makes changes.
    pub fn charge(&self, names: &Names) {
        drop(self.charged(names));
    }

    /// What it costs by now.
    pub fn costs(&self, names: &Names) -> Costs {
        let sums = self.charged(names);
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
                labels: Labels::default(),
            });
            *changed >= before || exists(&key)
        });
    }

    /// The sums with all that was gathered.
    fn charged(&self, names: &Names) -> MutexGuard<'_, Sums> {
        let mut sums = self.sums();
        if let Some(book) = self.book.get() {
            let Gathered { edges, latest } = {
                let mut gathered = self.gathered();
                let latest = gathered.latest;
                let edges = std::mem::take(&mut gathered.edges);
                Gathered { edges, latest }
            };
            let edges: Vec<_> = edges.into_iter().collect();
            let ends = edges.iter().flat_map(|((from, to, _), _)| [*from, *to]);
            let sides = names.sides(ends);
            sums.add(Bill::of(&edges, &sides, book), latest);
        }
        sums
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sums {
    fn add(&mut self, bill: Bill<'_>, now: Timestamp) {
        for (side, locality, amount) in bill.parties() {
            self.pay(Party::of(side, locality), amount, now);
        }
        for (zones, amount) in bill.zones {
            let zones = zones.map(|zone| zone.map(ToString::to_string).unwrap_or_default());
            *self.zones.entry(zones).or_default() += amount;
        }
        for (gap, bytes) in bill.unpriced {
            *self.unpriced.entry(gap).or_default() += bytes;
        }
    }

    fn pay(&mut self, party: Party, amount: Amount, now: Timestamp) {
        let has_room = self.parties.len() < MOST_PARTIES || self.parties.contains_key(&party);
        let party = if has_room { party } else { party.other() };
        let (sum, changed) = self.parties.entry(party).or_default();
        *sum += amount;
        *changed = (*changed).max(now);
    }
}
