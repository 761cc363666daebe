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
mod prices;
mod statement;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use foldhash::HashMap;
use kubezonnet_model::{Labels, Locality, Timestamp};
use kubezonnet_pricing::{Account, Amount, Gap, PriceBook};

use self::charge::Bill;
pub(crate) use self::charge::place;
pub use self::party::Party;
pub(crate) use self::prices::{Places, Prices, Way};
use self::statement::Statements;
pub use self::statement::{Accounting, KeptMonth};
use crate::budgets::{Month, Spent};
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

/// What bytes cost: since the server started, and in a month over all its starts.
#[derive(Debug, Default)]
pub struct CostLedger {
    /// The prices in force; nothing is gathered before.
    book: OnceLock<PriceBook>,
    /// Whose sums are kept by month; the cluster's and namespaces' if it is not said.
    accounting: OnceLock<Accounting>,
    /// Locked while sums may be, and for moments only: who makes changes adds to it.
    gathered: Mutex<Gathered>,
    /// Locked while bytes are charged: what is gathered at that moment is charged once this can be had.
    sums: Mutex<Sums>,
}

/// Bytes that are not charged yet.
#[derive(Debug, Default)]
struct Gathered {
    /// By the month they came in.
    months: BTreeMap<Month, Bytes>,
    /// Those of the journal, which came before the server started: they are in sums by month only, and
    /// wait for the prices.
    recovered: BTreeMap<Month, Bytes>,
    /// What was kept by month, likewise.
    kept: Vec<KeptMonth>,
    /// Prices may come yet.
    expects_prices: bool,
}

/// Bytes of a month.
#[derive(Debug, Default)]
struct Bytes {
    edges: HashMap<(Id, Id, Locality), u64>,
    /// When the first and the last of them came.
    first: Timestamp,
    latest: Timestamp,
}

#[derive(Debug, Default)]
struct Sums {
    /// The amount, and when something was added last.
    parties: HashMap<Party, (Amount, Timestamp)>,
    zones: BTreeMap<[String; 2], Amount>,
    unpriced: BTreeMap<Gap, u128>,
    statements: Statements,
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
    /// Says whose sums are kept by month; to be called once, and before it begins.
    pub fn account_for(&self, accounting: Accounting) {
        self.accounting.get_or_init(|| accounting);
    }

    /// Begins to count by these prices; nothing happens if it has begun.
    pub fn begin(&self, book: &PriceBook) {
        self.book.get_or_init(|| {
            let kept = std::mem::take(&mut self.gathered().kept);
            self.sums().statements.restore(kept, book.currency());
            book.clone()
        });
    }

    /// Prices may come: what came before is to wait for them.
    pub fn expect_prices(&self) {
        self.gathered().expects_prices = true;
    }

    /// There are no prices, and none can come: what waits for them is let go.
    pub fn give_up(&self) {
        let mut gathered = self.gathered();
        gathered.expects_prices = false;
        gathered.recovered.clear();
        gathered.kept.clear();
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
        let bytes = gathered.months.entry(Month::of(now)).or_default();
        bytes.add(lists, now);
        let is_much = bytes.edges.len() > MOST_EDGES;
        drop(gathered);
        if is_much {
            self.charge(names);
        }
    }

    /// Gathers what a change brought that was made before the server started, and is in nothing that was
    /// kept.
    pub fn recover(&self, lists: [&EdgeList; 2], now: Timestamp) {
        let mut gathered = self.gathered();
        if gathered.expects_prices {
            let bytes = gathered.recovered.entry(Month::of(now)).or_default();
            bytes.add(lists, now);
        }
    }

    /// Takes over what was kept.
    pub fn restore(&self, kept: Vec<KeptMonth>) {
        self.gathered().kept = kept;
    }

    /// What is to be kept of all that was gathered so far. `None` as long as it cannot be told: what was
    /// kept before, and the changes since, are to stay then.
    pub fn kept(&self, names: &Names) -> Option<Vec<KeptMonth>> {
        let Some(book) = self.book.get() else {
            let has_nothing = self.gathered().recovered.is_empty();
            return has_nothing.then(Vec::new);
        };
        Some(self.charged(names).statements.kept(book.currency()))
    }

    /// What these accounts spent in a month.
    pub fn spent(&self, names: &Names, month: Month, accounts: &[&Account]) -> Vec<Spent> {
        self.charged(names).statements.spent(month, accounts)
    }

    /// Which of these accounts paid nothing in this month and the one before.
    pub fn unpaid<'a>(&self, names: &Names, mut accounts: Vec<&'a Account>) -> Vec<&'a Account> {
        let sums = self.charged(names);
        accounts.retain(|account| !sums.statements.has_paid(account));
        accounts
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
        let Some(book) = self.book.get() else {
            return sums;
        };
        let (recovered, months) = {
            let mut gathered = self.gathered();
            let recovered = std::mem::take(&mut gathered.recovered);
            (recovered, std::mem::take(&mut gathered.months))
        };
        let accounting = self.accounting.get_or_init(Accounting::default);
        let recovered = recovered.into_values().map(|bytes| (bytes, false));
        let all = recovered.chain(months.into_values().map(|bytes| (bytes, true)));
        for (bytes, is_new) in all {
            let edges: Vec<_> = bytes.edges.into_iter().collect();
            let ends = edges.iter().flat_map(|((from, to, _), _)| [*from, *to]);
            let sides = names.sides(ends);
            let bill = Bill::of(&edges, &sides, book);
            sums.statements.add(bytes.first, &bill, accounting);
            if is_new {
                sums.add(bill, bytes.latest);
            }
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

impl Bytes {
    fn add(&mut self, lists: [&EdgeList; 2], now: Timestamp) {
        if self.edges.is_empty() {
            self.first = now;
        }
        self.first = self.first.min(now);
        self.latest = self.latest.max(now);
        for (key, counters) in lists.into_iter().flat_map(|list| &list.0) {
            let locality = key.towards.class.locality();
            if matches!(locality, Locality::SameNode | Locality::SameZone) {
                continue;
            }
            let edge = (key.source, key.towards.destination, locality);
            *self.edges.entry(edge).or_default() += counters.bytes;
        }
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
