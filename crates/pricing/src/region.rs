//! Which regions a price is for.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use kubezonnet_model::{Name, Region};
use serde::{Deserialize, Serialize};

/// What a group's name begins with where one is meant. No region has a colon.
const GROUP: &str = "group:";

/// One or more regions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Selector {
    /// Every region, and one that is not known: `*`.
    Any,
    /// The regions of a group: `group:europe`.
    Group(Name),
    /// The regions whose names begin so: `us-east-*`.
    Prefix(String),
    /// One region.
    One(Region),
}

/// How narrow a selector is; more is narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Narrowness(u8, usize);

impl Selector {
    pub(crate) fn narrowness(&self) -> Narrowness {
        match self {
            Self::Any => Narrowness(0, 0),
            Self::Group(_) => Narrowness(1, 0),
            Self::Prefix(prefix) => Narrowness(2, prefix.len()),
            Self::One(_) => Narrowness(3, 0),
        }
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(group) = text.strip_prefix(GROUP) {
            let name = Name::new(group).map_err(|error| error.to_string())?;
            return Ok(Self::Group(name));
        }
        let region = Region::new(text).map_err(|error| error.to_string())?;
        match text.strip_suffix('*') {
            Some(prefix) if !prefix.contains('*') => Ok(Self::Prefix(prefix.to_owned())),
            None if !text.contains('*') => Ok(Self::One(region)),
            _ => Err(format!(
                "a * stands at the end of a region only, got {text:?}"
            )),
        }
    }
}

impl TryFrom<String> for Selector {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Group(name) => write!(f, "{GROUP}{name}"),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::One(region) => fmt::Display::fmt(region, f),
        }
    }
}

/// Regions by the name of their group. A group has regions and prefixes, and no other group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Groups(pub(crate) BTreeMap<Name, Vec<Selector>>);

impl Groups {
    pub(crate) fn has(&self, name: &Name) -> bool {
        self.0.contains_key(name)
    }

    /// These, and where both have one of a name, the other's.
    pub(crate) fn replaced_by(&self, others: &Self) -> Self {
        let both = self.0.iter().chain(&others.0);
        Self(
            both.map(|(name, list)| (name.clone(), list.clone()))
                .collect(),
        )
    }

    /// Whether the region is one of the selected; of one that is not known only `*` is said.
    pub(crate) fn select(&self, selector: &Selector, region: Option<&Region>) -> bool {
        let Some(region) = region else {
            return *selector == Selector::Any;
        };
        match selector {
            Selector::Any => true,
            Selector::Prefix(prefix) => region.as_str().starts_with(prefix),
            Selector::One(one) => one == region,
            Selector::Group(name) => self.0.get(name).is_some_and(|members| {
                members.iter().any(|member| match member {
                    Selector::Prefix(prefix) => region.as_str().starts_with(prefix),
                    Selector::One(one) => one == region,
                    Selector::Any | Selector::Group(_) => false,
                })
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn selector(text: &str) -> Selector {
        text.parse().unwrap()
    }

    #[test]
    fn a_selector_takes_its_regions_and_no_others() {
        let members = vec![selector("eu-*"), selector("me-south-1")];
        let groups = Groups([(Name::new("ours").unwrap(), members)].into());
        let cases = [
            ("*", "eu-west-1", true),
            ("eu-west-1", "eu-west-1", true),
            ("eu-west-1", "eu-west-10", false),
            ("eu-west-*", "eu-west-10", true),
            ("eu-west-*", "eu-north-1", false),
            ("group:ours", "eu-north-1", true),
            ("group:ours", "me-south-1", true),
            ("group:ours", "me-south-2", false),
            ("group:theirs", "eu-north-1", false),
        ];
        for (text, region, expected) in cases {
            let region = Region::new(region).unwrap();
            assert_eq!(
                groups.select(&selector(text), Some(&region)),
                expected,
                "{text} {region}"
            );
        }
        assert!(groups.select(&Selector::Any, None));
        assert!(!groups.select(&selector("eu-*"), None));
    }

    #[test]
    fn narrower_is_one_region_then_a_longer_prefix_then_a_group() {
        let by_narrowness = ["*", "group:ours", "eu-*", "eu-west-*", "eu"];

        assert!(
            by_narrowness
                .map(|text| selector(text).narrowness())
                .is_sorted()
        );
    }

    #[test]
    fn a_star_within_a_name_is_refused() {
        for bad in ["eu-*-1", "*-1", "**", "eu-**", "", "group:", "\n"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn a_selector_is_written_as_it_was_read(text in "(group:)?[a-z*-]{0,9}|.{0,9}") {
            if let Ok(selector) = text.parse::<Selector>() {
                prop_assert_eq!(selector.to_string(), text);
            }
        }
    }
}
