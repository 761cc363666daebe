//! Budgets: how much may be spent in a month, and who knows how much was.
//!
//! The file is read once, at the start, like that of the prices. What was spent is asked of a
//! [`Spending`], which is the server's own counting of money; whoever keeps traffic over time can be one
//! too.

mod month;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, anyhow, bail};
use foldhash::HashSet;
use kubezonnet_model::{Name, Timestamp};
use kubezonnet_pricing::{Account, Amount, Budgets, Currency};
use kubezonnet_topology::{KeptLabel, KeptLabels, Topology};

pub use self::month::Month;
use crate::prices::{self, InForce, Prices};

#[cfg(test)]
mod tests;

/// So many names that nobody has are told in the log: more tell nothing more of the mistake.
const MOST_TOLD: usize = 10;

/// What an account spent in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// How much, exactly.
    pub amount: Amount,
    /// Since when: the begin of the month, or later if nobody counted before. `None` if nobody counts
    /// yet.
    pub since: Option<Timestamp>,
}

/// Who knows what was spent.
pub trait Spending {
    /// What each of these accounts spent in that month, in their order, in the currency of the prices in
    /// force.
    fn spent(&self, month: Month, accounts: &[&Account]) -> Vec<Spent>;

    /// Which of these accounts spent nothing, in this month and as long before as is known.
    fn idle<'a>(&self, accounts: Vec<&'a Account>) -> Vec<&'a Account>;
}

/// The operator's budgets.
#[derive(Debug, Default)]
pub struct BudgetFile {
    path: PathBuf,
    budgets: Budgets,
    /// It was told in the log whether they go with the prices.
    told: OnceLock<()>,
    /// It was told in the log whose name nobody has.
    told_unseen: OnceLock<()>,
}

/// Why budgets do not go with the prices in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "amounts are in {said}, and prices in {prices}: give both in one currency, the prices' with \
     `currency` in the file of --pricing"
)]
pub struct OtherCurrency {
    said: Currency,
    prices: Currency,
}

impl BudgetFile {
    /// Reads the file of budgets, if there is one.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where: with the file alone, with a team's budget where no label says who
    /// the teams are, or with its currency, if the prices are known.
    pub fn open(path: Option<&Path>, labels: &KeptLabels, prices: &Prices) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let name = path.display();
        let text = prices::read(path).with_context(|| format!("cannot read --budgets {name}"))?;
        let budgets =
            Budgets::parse(&text).map_err(|problem| anyhow!("--budgets {name}, {problem}"))?;
        if budgets.has_teams() && team(labels).is_none() {
            bail!("--budgets {name}: `teams` needs --team-label, which says who they are");
        }
        let file = Self {
            path: path.to_owned(),
            budgets,
            told: OnceLock::new(),
            told_unseen: OnceLock::new(),
        };
        if let Some(in_force) = prices.known() {
            file.of(in_force.book.currency())
                .map_err(|error| anyhow!("--budgets {name}: {error}"))?;
        }
        Ok(file)
    }

    /// Who has a budget.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.budgets.limits().map(|(account, _)| account)
    }

    /// The budgets, if they are in that currency.
    ///
    /// # Errors
    ///
    /// [`OtherCurrency`] if they are not.
    pub fn of(&self, prices: Currency) -> Result<&Budgets, OtherCurrency> {
        match self.budgets.currency() {
            Some(said) if said != prices => Err(OtherCurrency { said, prices }),
            _ => Ok(&self.budgets),
        }
    }

    /// Who has a budget and is not seen: a namespace or team that no pod has, and that spent nothing in
    /// this month and the one before. It is to come yet, or mistyped. `None` until the topology knows who
    /// there is.
    pub fn unseen(&self, topology: &Topology, spending: &dyn Spending) -> Option<Vec<&Account>> {
        if !topology.is_synced() {
            return None;
        }
        let place = team(topology.labels()).filter(|_| self.budgets.has_teams());
        let index = topology.read();
        let teams: HashSet<&Name> = place
            .map(|place| index.label_values(place).collect())
            .unwrap_or_default();
        let is_here = |account: &Account| match account {
            Account::Cluster => true,
            Account::Namespace(name) => index.has_namespace(name),
            Account::Team(name) => teams.contains(name),
        };
        let absent: Vec<_> = self.accounts().filter(|each| !is_here(each)).collect();
        drop(teams);
        drop(index);
        if absent.is_empty() {
            return Some(absent);
        }
        Some(spending.idle(absent))
    }

    /// Whether it was said in the log who of them is not seen.
    pub fn has_told_unseen(&self) -> bool {
        self.told_unseen.get().is_some()
    }

    /// Says in the log, once, who of them is not seen. To be called when it is known who there is.
    pub fn tell_unseen(&self, unseen: &[&Account]) {
        let budgets = self.path.display();
        self.told_unseen.get_or_init(|| {
            if unseen.is_empty() {
                return;
            }
            let shown = unseen.iter().take(MOST_TOLD);
            let shown = shown.map(|account| format!("{} {}", account.kind(), account.name()));
            tracing::warn!(
                %budgets,
                of = shown.collect::<Vec<_>>().join(", "),
                number = unseen.len(),
                "there are budgets of names that nobody has: they compare nothing until somebody does"
            );
        });
    }

    /// Says in the log, once, if budgets do not go with the prices, or there are none. To be called when
    /// it is known whether there are.
    pub fn tell(&self, in_force: Option<&InForce>) {
        if self.budgets.is_empty() {
            return;
        }
        let budgets = self.path.display();
        self.told.get_or_init(|| {
            let Some(in_force) = in_force else {
                tracing::warn!(%budgets, "there are budgets and no prices: nothing is compared");
                return;
            };
            if let Err(error) = self.of(in_force.book.currency()) {
                tracing::error!(%budgets, %error, "budgets are not compared");
            }
        });
    }
}

/// Which of the labels that are kept says who pays.
pub fn team(labels: &KeptLabels) -> Option<usize> {
    labels
        .names()
        .position(|name| name.as_str() == KeptLabel::TEAM)
}
