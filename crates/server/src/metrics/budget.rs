//! What was spent in this month, and what may be.

use std::fmt;

use kubezonnet_pricing::Account;

use super::cost::money;
use super::{Budget, BudgetScrape, Family, Kind, Scrape};

/// The families of this file; none has samples where no prices are in force.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_budget_limit",
        kind: Kind::Gauge,
        labels: &["currency", "kind", "name"],
        help: "Money that may be spent in a calendar month (UTC)",
        write: |scrape, samples| {
            each(scrape, |budgets, account, budget| {
                let labels = [budgets.currency.as_str(), account.kind(), account.name()];
                match budget.limit {
                    Some(limit) => samples.gauge(&labels, &money(limit)),
                    None => Ok(()),
                }
            })
        },
    },
    Family {
        name: "kubezonnet_budget_spent_total",
        kind: Kind::Counter,
        labels: &["currency", "kind", "name"],
        help: "Money that was spent in this calendar month (UTC), by the whole cluster and by who has a \
               budget: begins at zero with each month, and goes on over restarts of the server",
        write: |scrape, samples| {
            each(scrape, |budgets, account, budget| {
                let labels = [budgets.currency.as_str(), account.kind(), account.name()];
                samples.fraction(&labels, money(budget.spent.amount))
            })
        },
    },
    Family {
        name: "kubezonnet_budget_seen",
        kind: Kind::Gauge,
        labels: &["kind", "name"],
        help: "1 if a pod has the namespace or team of the budget, or it spent something in this month or \
               the one before; 0 if not: it is to come yet, or mistyped",
        write: |scrape, samples| {
            each(scrape, |_, account, budget| match budget.is_seen {
                Some(is_seen) => {
                    samples.gauge(&[account.kind(), account.name()], &i64::from(is_seen))
                }
                None => Ok(()),
            })
        },
    },
    Family {
        name: "kubezonnet_budget_since_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["kind", "name"],
        help: "Since when what was spent is counted: the begin of the month, or later if nobody counted \
               then; absent while nothing was",
        write: |scrape, samples| {
            each(scrape, |_, account, budget| match budget.spent.since {
                Some(since) => samples.gauge(&[account.kind(), account.name()], &(since.0 / 1000)),
                None => Ok(()),
            })
        },
    },
    Family {
        name: "kubezonnet_budget_month_end_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &[],
        help: "When this calendar month (UTC) ends, and budgets begin anew",
        write: |scrape, samples| match &scrape.budgets {
            Some(budgets) => samples.gauge(&[], &(budgets.month.end().0 / 1000)),
            None => Ok(()),
        },
    },
];

fn each(
    scrape: &Scrape,
    mut write: impl FnMut(&BudgetScrape, &Account, &Budget) -> fmt::Result,
) -> fmt::Result {
    let Some(budgets) = &scrape.budgets else {
        return Ok(());
    };
    let mut all = budgets.all.iter();
    all.try_for_each(|budget| write(budgets, &budget.account, budget))
}
