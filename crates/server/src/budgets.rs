//! Budgets: how much may be spent in a month, and who knows how much was.
//!
//! The file is read once, at the start, like that of the prices. What was spent is asked of a
//! [`Spending`], which is the server's own counting of money; whoever keeps traffic over time can be one
//! too.

mod month;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, anyhow, bail};
use kubezonnet_model::Timestamp;
use kubezonnet_pricing::{Account, Amount, Budgets, Currency};
use kubezonnet_topology::{KeptLabel, KeptLabels};

pub use self::month::Month;
use crate::prices::{self, InForce, Prices};

#[cfg(test)]
mod tests;

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
}

/// The operator's budgets.
#[derive(Debug, Default)]
pub struct BudgetFile {
    path: PathBuf,
    budgets: Budgets,
    /// It was told in the log whether they go with the prices.
    told: OnceLock<()>,
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
