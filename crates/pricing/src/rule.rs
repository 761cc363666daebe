//! Prices by region, the narrowest first.

use kubezonnet_model::Region;
use serde::{Deserialize, Serialize};

use crate::Payer;
use crate::decimal::Price;
use crate::region::{Groups, Selector};

/// What bytes from some regions to some regions cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Rule {
    pub(crate) from: Selector,
    pub(crate) to: Selector,
    pub(crate) paid_by: Payer,
    pub(crate) price: Price,
}

impl Rule {
    /// Whether two are for the same regions, so that neither goes before the other.
    pub(crate) fn same_regions(&self, other: &Self) -> bool {
        self.from == other.from && self.to == other.to
    }
}

/// Rules, of which the first that fits holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    /// The narrowest first: by who sends, then by who receives, then as they came.
    pub(crate) fn narrowest_first(mut rules: Vec<Rule>) -> Self {
        let narrowness = |rule: &Rule| (rule.from.narrowness(), rule.to.narrowness());
        rules.sort_by_key(|rule| std::cmp::Reverse(narrowness(rule)));
        Self(rules)
    }

    /// These, and after them the others.
    pub(crate) fn before(self, others: &Self) -> Self {
        Self(self.0.into_iter().chain(others.0.iter().cloned()).collect())
    }

    /// The rule that holds.
    pub(crate) fn find(
        &self,
        groups: &Groups,
        from: Option<&Region>,
        to: Option<&Region>,
    ) -> Option<&Rule> {
        self.0
            .iter()
            .find(|rule| groups.select(&rule.from, from) && groups.select(&rule.to, to))
    }
}
