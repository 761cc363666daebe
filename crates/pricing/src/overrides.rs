//! What one operator pays: the YAML file that goes before a table.

use kubezonnet_model::{Name, excerpt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use crate::decimal::{Factor, Percent};
use crate::edge::PerClass;
use crate::form::{GroupsForm, InternetForm, RegionsForm, ZonesForm};
use crate::region::Selector;
use crate::{Currency, Edge, Retrieved, Unit};

#[cfg(test)]
mod tests;

/// So many nodes of YAML are read at most: a price from each of 50 regions to each are about 20,000.
const MAX_YAML_NODES: usize = 50_000;

/// What is wrong with the text of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", Line(*.line))]
pub struct Problem {
    /// The line, from 1, where it is known.
    pub line: Option<u64>,
    /// What is wrong, in one line.
    pub message: String,
}

struct Line(Option<u64>);

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(line) => write!(f, "line {line}: "),
            None => Ok(()),
        }
    }
}

/// What an operator's file says: prices that go before the table's, discounts, what is free, and how a
/// real bill compares. Nothing, by default.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Overrides {
    pub(crate) currency: Option<Spanned<Currency>>,
    pub(crate) unit: Option<Unit>,
    retrieved: Option<Retrieved>,
    pub(crate) between_zones: Option<ZonesForm>,
    pub(crate) between_regions: Vec<RegionsForm>,
    pub(crate) internet: Vec<InternetForm>,
    pub(crate) groups: GroupsForm,
    pub(crate) discounts: PerClass<Percent>,
    pub(crate) calibration: PerClass<Factor>,
    pub(crate) free: FreeForm,
}

/// What costs nothing, as it is written.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FreeForm {
    pub(crate) zones: Vec<(Name, Name)>,
    pub(crate) regions: Vec<(Spanned<Selector>, Spanned<Selector>)>,
    pub(crate) networks: Vec<Name>,
}

impl Overrides {
    /// Reads a file's text. What it says of groups and rules is checked together with the table, by
    /// [`PriceBook::new`](crate::PriceBook::new).
    ///
    /// # Errors
    ///
    /// [`Problem`] if the text is no YAML of this form: a key that is none, a number that is none, more
    /// than any operator has to say.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        read(text)
    }

    /// The named networks that it calls free.
    pub fn free_networks(&self) -> &[Name] {
        &self.free.networks
    }

    /// When the operator last compared the prices with a bill, if the file says so.
    pub fn retrieved(&self) -> Option<Retrieved> {
        self.retrieved
    }
}

/// Reads the text of a file; one that says nothing is the default.
pub(crate) fn read<T: DeserializeOwned + Default>(text: &str) -> Result<T, Problem> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_nodes: MAX_YAML_NODES,
            max_events: 4 * MAX_YAML_NODES,
        },
    };
    let form: Option<T> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| Problem {
            line: error.location().map(|location| location.line()),
            message: excerpt(words(&error)),
        })?;
    Ok(form.unwrap_or_default())
}

/// The parser's message, in words for who wrote the file and not for who wrote the program.
fn words(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    match error.without_snippet() {
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("{key} is there twice"),
        Error::DuplicateMappingKey { key: None, .. } => "a key is there twice".to_owned(),
        Error::MultipleDocuments { .. } => {
            "the file has more than one YAML document: take out the --- between them".to_owned()
        }
        Error::NullIntoString { .. } => "a value is left empty".to_owned(),
        Error::SerdeInvalidLength { len, .. } => {
            format!("expected a pair, like `[a, b]`, got a list of {len}")
        }
        Error::Unexpected { expected, .. } if expected.starts_with("mapping") => {
            "expected keys and values, like `price: 0.01`".to_owned()
        }
        Error::Unexpected { expected, .. } if expected.starts_with("sequence") => {
            "expected a list, like `[a, b]`".to_owned()
        }
        Error::Unexpected { expected, .. } if expected.ends_with("scalar") => {
            "expected a single value, and no list nor keys".to_owned()
        }
        _ => first_line(error),
    }
}

/// The parser's message without what it repeats of the place.
fn first_line(error: &serde_saphyr::Error) -> String {
    let message = error.without_snippet().to_string();
    let line = message.lines().next().unwrap_or_default();
    let end = line.rfind(" at line ").unwrap_or(line.len());
    line[..end].trim_end_matches([',', ':', ' ']).to_owned()
}

/// What costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Free {
    /// Pairs of zones, by name or id.
    pub(crate) zones: Vec<(Name, Name)>,
    pub(crate) regions: Vec<(Selector, Selector)>,
    pub(crate) networks: Vec<Name>,
}

impl Free {
    /// Whether an edge is one of them, in either direction.
    pub(crate) fn has(&self, edge: &Edge<'_>, groups: &crate::region::Groups) -> bool {
        let (source, destination) = (edge.source.location(), edge.destination.location());
        let networks = [edge.source.network(), edge.destination.network()];
        let mut networks = networks.into_iter().flatten();
        let either_way =
            |fits: &dyn Fn(_, _) -> bool| fits(source, destination) || fits(destination, source);
        networks.any(|(name, _)| self.networks.contains(name))
            || self.zones.iter().any(|(one, other)| {
                either_way(&|here: crate::Location<'_>, there: crate::Location<'_>| {
                    here.is_zone(one.as_str()) && there.is_zone(other.as_str())
                })
            })
            || self.regions.iter().any(|(one, other)| {
                either_way(&|here: crate::Location<'_>, there: crate::Location<'_>| {
                    // All regions are not what is in none that is known, nor the internet.
                    here.region.is_some()
                        && there.region.is_some()
                        && groups.select(one, here.region)
                        && groups.select(other, there.region)
                })
            })
    }
}
