//! What tables and the operator's file have in common: how rates and groups are written.

use std::collections::BTreeMap;

use kubezonnet_model::{Name, excerpt};
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::decimal::Price;
use crate::region::{Groups, Selector};
use crate::rule::{Rule, Rules};
use crate::{Payer, Problem};

/// What bytes between zones cost.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ZonesForm {
    pub(crate) price: Spanned<Price>,
    pub(crate) paid_by: Option<Payer>,
}

/// What bytes from one region to another cost.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RegionsForm {
    from: Option<Spanned<Selector>>,
    to: Option<Spanned<Selector>>,
    #[serde(default)]
    both_ways: bool,
    paid_by: Option<Payer>,
    price: Spanned<Price>,
}

/// What bytes to the internet cost. The sender pays: what comes from there is free everywhere.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct InternetForm {
    from: Option<Spanned<Selector>>,
    price: Spanned<Price>,
}

/// Groups by name, with their regions.
pub(crate) type GroupsForm = BTreeMap<Name, Vec<Spanned<Selector>>>;

/// Something wrong at a value's place.
pub(crate) fn problem<T>(at: &Spanned<T>, message: String) -> Problem {
    Problem {
        line: Some(at.referenced.line()).filter(|line| *line > 0),
        message: excerpt(message),
    }
}

/// The groups of a form: of regions and prefixes, and of no groups.
pub(crate) fn groups(form: &GroupsForm) -> Result<Groups, Problem> {
    let mut groups = Groups::default();
    for (name, members) in form {
        for member in members {
            if matches!(member.value, Selector::Any | Selector::Group(_)) {
                let message = format!(
                    "group {name} is made of regions, and {} is none",
                    member.value
                );
                return Err(problem(member, message));
            }
        }
        let members = members.iter().map(|member| member.value.clone()).collect();
        groups.0.insert(name.clone(), members);
    }
    Ok(groups)
}

/// The rules between regions of a form.
pub(crate) fn regions(forms: &[RegionsForm], groups: &Groups) -> Result<Rules, Problem> {
    let mut compiled = Compiled::default();
    for form in forms {
        let from = selector(form.from.as_ref(), groups)?;
        let to = selector(form.to.as_ref(), groups)?;
        let rule = Rule {
            from,
            to,
            paid_by: form.paid_by.unwrap_or(Payer::Sender),
            price: form.price.value,
        };
        if form.both_ways && rule.from != rule.to {
            let back = Rule {
                from: rule.to.clone(),
                to: rule.from.clone(),
                ..rule.clone()
            };
            compiled.add(back, &form.price)?;
        }
        compiled.add(rule, &form.price)?;
    }
    Ok(Rules::narrowest_first(compiled.0))
}

/// The rules to the internet of a form.
pub(crate) fn internet(forms: &[InternetForm], groups: &Groups) -> Result<Rules, Problem> {
    let mut compiled = Compiled::default();
    for form in forms {
        let rule = Rule {
            from: selector(form.from.as_ref(), groups)?,
            to: Selector::Any,
            paid_by: Payer::Sender,
            price: form.price.value,
        };
        compiled.add(rule, &form.price)?;
    }
    Ok(Rules::narrowest_first(compiled.0))
}

#[derive(Default)]
struct Compiled(Vec<Rule>);

impl Compiled {
    fn add(&mut self, rule: Rule, at: &Spanned<Price>) -> Result<(), Problem> {
        if self.0.iter().any(|earlier| earlier.same_regions(&rule)) {
            let message = format!("there is a price already from {} to {}", rule.from, rule.to);
            return Err(problem(at, message));
        }
        self.0.push(rule);
        Ok(())
    }
}

/// The regions of one side; all of them where nothing is said.
pub(crate) fn selector(
    form: Option<&Spanned<Selector>>,
    groups: &Groups,
) -> Result<Selector, Problem> {
    let Some(selector) = form else {
        return Ok(Selector::Any);
    };
    match &selector.value {
        Selector::Group(name) if !groups.has(name) => {
            Err(problem(selector, format!("there is no group {name}")))
        }
        known => Ok(known.clone()),
    }
}
