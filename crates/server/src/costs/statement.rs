//! What was spent in each month, by whose budget it is.
//!
//! Pure. A month has what the server took in it, by its own clock, whenever it was sent.

use std::collections::BTreeMap;

use foldhash::HashMap;
use kubezonnet_model::Timestamp;
use kubezonnet_pricing::{Account, Amount, Currency};
use serde::{Deserialize, Serialize};

use super::charge::Bill;
use crate::budgets::{Month, Spent};
use crate::ledger::{Side, Who};

/// Accounts of a month with a sum of their own: the namespaces of the largest clusters, and teams. Those
/// that have a budget have room; of others that come later nobody can tell what they spent.
const MOST_ACCOUNTS: usize = 20_000;

/// Whose sums are kept.
#[derive(Debug, Clone, Default)]
pub struct Accounting {
    /// Which of the labels that are kept says who pays.
    pub team: Option<usize>,
    /// Who has a budget.
    pub budgeted: Vec<Account>,
}

/// What was spent, by month: this one and the one before.
#[derive(Debug, Default)]
pub(super) struct Statements(BTreeMap<Month, Statement>);

/// What was spent in a month, as it is kept over restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptMonth {
    /// The month.
    pub month: Month,
    /// In what money.
    pub currency: Currency,
    statement: Statement,
}

/// What was spent in a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Statement {
    /// Since when: the month's begin, unless nobody counted then.
    since: Timestamp,
    accounts: BTreeMap<Account, Amount>,
    /// Somebody had no room. Then only who is among the accounts has all that was spent.
    is_crowded: bool,
}

impl Statements {
    /// Takes over what was kept of that currency.
    pub(super) fn restore(&mut self, kept: Vec<KeptMonth>, currency: Currency) {
        let kept = kept.into_iter().filter(|each| each.currency == currency);
        self.0.extend(kept.map(|each| (each.month, each.statement)));
    }

    /// What is to be kept.
    pub(super) fn kept(&self, currency: Currency) -> Vec<KeptMonth> {
        let kept = self.0.iter().map(|(month, statement)| KeptMonth {
            month: *month,
            currency,
            statement: statement.clone(),
        });
        kept.collect()
    }

    /// Adds what bytes cost that came in that month, the first of them at `first`.
    pub(super) fn add(&mut self, first: Timestamp, bill: &Bill<'_>, accounting: &Accounting) {
        let month = Month::of(first);
        let statement = self.open(month, first);
        if !statement.is_crowded {
            for account in &accounting.budgeted {
                statement.accounts.entry(account.clone()).or_default();
            }
        }
        let mut sums: HashMap<Account, Amount> = HashMap::default();
        for (side, _, amount) in bill.parties() {
            for account in accounts(side, accounting.team) {
                *sums.entry(account).or_default() += amount;
            }
        }
        for (account, amount) in sums {
            statement.pay(account, amount);
        }
    }

    /// The statement of a month, which begins then if it is the first of all.
    fn open(&mut self, month: Month, first: Timestamp) -> &mut Statement {
        // Who has counted in an earlier month has counted on: what came meanwhile has waited.
        let has_earlier = self.0.range(..month).next().is_some();
        let since = if has_earlier { month.begin() } else { first };
        while self.0.range(..month).nth(1).is_some() {
            // The one before is kept for windows that come around midnight.
            self.0.pop_first();
        }
        self.0.entry(month).or_insert_with(|| Statement {
            since,
            accounts: BTreeMap::new(),
            is_crowded: false,
        })
    }

    /// What was spent.
    pub(super) fn spent(&self, month: Month, accounts: &[&Account]) -> Vec<Spent> {
        let Some(statement) = self.0.get(&month) else {
            // Nothing came yet in this month; perhaps something did in the one before.
            let has_earlier = self.0.range(..month).next().is_some();
            let nothing = Spent {
                amount: Amount::ZERO,
                since: has_earlier.then(|| month.begin()),
            };
            return vec![nothing; accounts.len()];
        };
        let spent = accounts.iter().map(|account| {
            let amount = statement.accounts.get(account).copied();
            let is_known = amount.is_some() || !statement.is_crowded;
            Spent {
                amount: amount.unwrap_or_default(),
                since: is_known.then_some(statement.since),
            }
        });
        spent.collect()
    }

    /// Whether an account paid anything in the months that are kept.
    pub(super) fn has_paid(&self, account: &Account) -> bool {
        let mut months = self.0.values();
        months.any(|statement| {
            let amount = statement.accounts.get(account);
            amount.is_some_and(|amount| *amount > Amount::ZERO)
        })
    }
}

impl Statement {
    fn pay(&mut self, account: Account, amount: Amount) {
        let has_room = self.accounts.len() < MOST_ACCOUNTS && !self.is_crowded;
        if has_room || self.accounts.contains_key(&account) {
            *self.accounts.entry(account).or_default() += amount;
        } else {
            self.is_crowded = true;
        }
    }
}

/// Whose budgets a side spends.
fn accounts(side: &Side, team: Option<usize>) -> impl Iterator<Item = Account> {
    let namespace = match &side.who {
        Who::Workload(namespace, ..) => Some(namespace),
        Who::Service(service) => Some(&service.namespace),
        Who::Node(_)
        | Who::Network { .. }
        | Who::Internet
        | Who::Unknown(_)
        | Who::Other
        | Who::Gone => None,
    };
    let team = team.and_then(|place| side.labels.get(place));
    let namespace = namespace.cloned().map(Account::Namespace);
    let team = team.cloned().map(Account::Team);
    let all = [Some(Account::Cluster), namespace, team];
    all.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use kubezonnet_model::{Locality, Namespace};
    use kubezonnet_pricing::{Edge, Location, Overrides, Place, PriceBook};

    use super::*;

    #[test]
    fn the_bytes_of_a_month_are_as_they_were() {
        let text = "currency: EUR\nunit: GiB\nbetweenZones: { price: 0.01, paidBy: sender }";
        let book = PriceBook::new(None, &Overrides::parse(text).unwrap(), false).unwrap();
        let crossing = Edge {
            source: Place::Cluster(Location::default()),
            destination: Place::Cluster(Location::default()),
            locality: Locality::CrossZone,
        };
        let amount = book.charges(&crossing).cost(12_345_678_901).sender;
        let name = |name: &str| name.parse().unwrap();
        let accounts = [
            Account::Cluster,
            Account::Namespace(Namespace::new("shop").unwrap()),
            Account::Team(name("payments")),
        ];
        let kept = KeptMonth {
            month: Month::of(Timestamp(1_800_000_000_000)),
            currency: book.currency(),
            statement: Statement {
                since: Timestamp(1_800_000_000_000),
                accounts: accounts.map(|account| (account, amount)).into(),
                is_crowded: false,
            },
        };

        let bytes = postcard::to_stdvec(&kept).unwrap();

        assert_eq!(postcard::from_bytes::<KeptMonth>(&bytes), Ok(kept));
        insta::assert_snapshot!("month-of-version-3", format!("{bytes:02x?}"));
    }

    #[test]
    fn who_comes_when_there_is_no_room_is_not_known_and_who_was_there_is() {
        let account = |number: usize| Account::Team(format!("t{number}").parse().unwrap());
        let mut statement = Statement {
            since: Timestamp(7),
            accounts: BTreeMap::new(),
            is_crowded: false,
        };
        let amount = Amount::ZERO;
        for number in 0..=MOST_ACCOUNTS {
            statement.pay(account(number), amount);
        }
        let month = Month::of(Timestamp(7));
        let statements = Statements([(month, statement)].into());

        let asked = [
            account(0),
            account(MOST_ACCOUNTS),
            account(MOST_ACCOUNTS + 1),
        ];
        let spent = statements.spent(month, &asked.each_ref());

        let since: Vec<_> = spent.iter().map(|spent| spent.since).collect();
        assert_eq!(since, [Some(Timestamp(7)), None, None]);
    }
}
