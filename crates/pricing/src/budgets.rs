//! What may be spent in a month: the operator's YAML file of budgets.
//!
//! Text in, exact amounts out. What was spent, and in which month, others know.

use std::collections::BTreeMap;
use std::str::FromStr;

use kubezonnet_model::{Name, Namespace};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::decimal::scaled;
use crate::overrides::read;
use crate::{Amount, Currency, Problem};

/// Digits of a budget before the point, a thousand billions, and after it, as of any amount.
const WHOLE_DIGITS: usize = 15;
const DECIMALS: usize = 9;

/// Who has spent: who a budget is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Account {
    /// All that bytes cost, whoever pays.
    Cluster,
    /// The workloads of a namespace.
    Namespace(Namespace),
    /// The pods of a team, by the label that says who pays.
    Team(Name),
}

impl Account {
    /// The name of its kind in metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Namespace(_) => "namespace",
            Self::Team(_) => "team",
        }
    }

    /// Its own name in metrics.
    pub fn name(&self) -> &str {
        match self {
            Self::Cluster => "cluster",
            Self::Namespace(name) => name.as_str(),
            Self::Team(name) => name.as_str(),
        }
    }
}

/// What may be spent in a calendar month. Nothing is bounded, by default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Budgets {
    currency: Option<Currency>,
    limits: BTreeMap<Account, Amount>,
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Form {
    currency: Option<Currency>,
    cluster: Option<Limit>,
    namespaces: BTreeMap<Namespace, Limit>,
    teams: BTreeMap<Name, Limit>,
}

/// An amount, to its last digit.
#[derive(Debug, Clone, Copy)]
struct Limit(Amount);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let nanos = scaled(text, WHOLE_DIGITS, DECIMALS)?;
        Ok(Self(Amount::from_nanos(nanos)))
    }
}

impl<'de> Deserialize<'de> for Limit {
    /// From text only: a floating-point number is not what was written.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Budgets {
    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// [`Problem`] if the text is no YAML of this form: a key that is none or is there twice, an amount
    /// that is none.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let form: Form = read(text)?;
        let cluster = form.cluster.map(|limit| (Account::Cluster, limit));
        let namespaces = form.namespaces.into_iter();
        let namespaces = namespaces.map(|(name, limit)| (Account::Namespace(name), limit));
        let teams = form.teams.into_iter();
        let teams = teams.map(|(name, limit)| (Account::Team(name), limit));
        let limits = cluster.into_iter().chain(namespaces).chain(teams);
        Ok(Self {
            currency: form.currency,
            limits: limits.map(|(who, Limit(amount))| (who, amount)).collect(),
        })
    }

    /// The currency of all amounts, if the file says it; that of the prices, otherwise.
    pub fn currency(&self) -> Option<Currency> {
        self.currency
    }

    /// Whose budget is how much, in an order that stays.
    pub fn limits(&self) -> impl Iterator<Item = (&Account, Amount)> {
        self.limits.iter().map(|(who, amount)| (who, *amount))
    }

    /// Whether nothing is bounded.
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// Whether a team has a budget.
    pub fn has_teams(&self) -> bool {
        let mut accounts = self.limits.keys();
        accounts.any(|account| matches!(account, Account::Team(_)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(&'static str, String, u128)> {
        let budgets = Budgets::parse(text).unwrap_or_else(|problem| panic!("{text:?}: {problem}"));
        let limits = budgets.limits().map(|(account, amount)| {
            let name = account.name().to_owned();
            (account.kind(), name, amount.floor(9))
        });
        limits.collect()
    }

    #[test]
    fn budgets_are_read_to_their_last_digit() {
        let text = "
currency: EUR
cluster: 25000000
namespaces:
  shop: 400.10
  free: 0
teams:
  payments: 999999999999999.999999999
  \"007\": 1
";

        assert_eq!(
            read(text),
            [
                ("cluster", "cluster".to_owned(), 25_000_000_000_000_000),
                ("namespace", "free".to_owned(), 0),
                ("namespace", "shop".to_owned(), 400_100_000_000),
                ("team", "007".to_owned(), 1_000_000_000),
                ("team", "payments".to_owned(), 10_u128.pow(24) - 1),
            ]
        );
        let budgets = Budgets::parse(text).unwrap();
        assert_eq!(budgets.currency(), Some("EUR".parse().unwrap()));
        assert!(budgets.has_teams());
    }

    #[test]
    fn a_file_that_says_nothing_bounds_nothing() {
        for text in ["", "# nothing yet\n", "{}", "namespaces: {}\n"] {
            let budgets = Budgets::parse(text).unwrap();

            assert!(budgets.is_empty() && !budgets.has_teams(), "{text:?}");
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        let cases = [
            (
                "currency: USD\nnamespace:\n  shop: 1\n",
                "line 2: unknown field `namespace`",
            ),
            (
                "namespaces:\n  a: 1\n  shop: 1e3\n",
                "line 3: a number here is digits",
            ),
            ("cluster: -5\n", "line 1: a number here is digits"),
            (
                "cluster: 0.0000000001\n",
                "line 1: a number here has at most 15 digits",
            ),
            ("teams:\n  a: 1\n  a: 2\n", "line 3: a is there twice"),
            (
                "currency: dollars\n",
                "line 1: a currency is three capital letters",
            ),
            ("namespaces:\n  shop:\n", "line 2: a value is left empty"),
            ("teams: [a]\n", "line 1: expected keys and values"),
        ];
        for (text, expected) in cases {
            let problem = Budgets::parse(text).map(|read| format!("{read:?}"));

            let said = problem.unwrap_err().to_string();
            assert!(said.starts_with(expected), "{text:?}: {said}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(cluster|teams|namespaces)?:?[ a-z0-9.:\\n{}-]{0,40}") {
            let _ = Budgets::parse(&text);
        }
    }
}
