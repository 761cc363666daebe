//! Which labels of pods and namespaces are kept, for charge-back.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use kubezonnet_model::Name;

/// The labels that are kept, in the order in which they are configured; none by default.
///
/// [`kubezonnet_model::Labels`] has the values in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptLabels(Arc<[KeptLabel]>);

/// A label that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLabel {
    /// What it is called in the API, in history, in the flow log and in metrics.
    name: Name,
    /// The label's key in Kubernetes.
    key: Box<str>,
}

/// Why a label cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// There is no `=` between name and key.
    #[error("expected a name, '=' and the key of a label, like app=app.kubernetes.io/name")]
    NoKey,
    /// Nobody could ask for it by this name.
    #[error("{0:?} is no name: expected 1 to 63 of a-z, 0-9 and _, and no digit first")]
    Name(String),
    /// Kubernetes has no label of such a key.
    #[error("{0:?} is no key of a label: expected one like team or example.com/team")]
    Key(String),
    /// Two would have one name.
    #[error("two labels are called {0}: each needs a name of its own")]
    Twice(Name),
    /// Every label makes rows and series more.
    #[error("{0} labels are too many: at most 8 can be kept")]
    TooMany(usize),
}

impl KeptLabels {
    /// So many can be kept.
    pub const MAX: usize = 8;

    /// These.
    ///
    /// # Errors
    ///
    /// [`LabelError`] if there are more than [`Self::MAX`], or two of one name.
    pub fn new(labels: impl IntoIterator<Item = KeptLabel>) -> Result<Self, LabelError> {
        let labels: Arc<[KeptLabel]> = labels.into_iter().collect();
        if labels.len() > Self::MAX {
            return Err(LabelError::TooMany(labels.len()));
        }
        for (place, label) in labels.iter().enumerate() {
            if labels[..place].iter().any(|other| other.name == label.name) {
                return Err(LabelError::Twice(label.name.clone()));
            }
        }
        Ok(Self(labels))
    }

    /// What they are called, in their order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.0.iter().map(|label| &label.name)
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their values among an object's labels; one that is empty is none.
    pub(crate) fn values(&self, labels: Option<&BTreeMap<String, String>>) -> Box<[Option<Name>]> {
        let value = |kept: &KeptLabel| Name::new(labels?.get(&*kept.key)?).ok();
        self.0.iter().map(value).collect()
    }
}

impl KeptLabel {
    /// The name of the label that says who pays.
    pub const TEAM: &str = "team";

    /// The label of that key, by that name.
    ///
    /// # Errors
    ///
    /// [`LabelError`] if the one is no name or the other no key.
    pub fn new(name: &str, key: &str) -> Result<Self, LabelError> {
        let is_first = |first: char| first.is_ascii_lowercase() || first == '_';
        let is_next = |next: char| is_first(next) || next.is_ascii_digit();
        if name.len() > 63 || !name.starts_with(is_first) || !name.chars().all(is_next) {
            return Err(LabelError::Name(name.to_owned()));
        }
        if !is_key(key) {
            return Err(LabelError::Key(key.to_owned()));
        }
        Ok(Self {
            name: Name::new(name).map_err(|_| LabelError::Name(name.to_owned()))?,
            key: key.into(),
        })
    }

    /// The label of that key, which says who pays.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn team(key: &str) -> Result<Self, LabelError> {
        Self::new(Self::TEAM, key)
    }
}

impl FromStr for KeptLabel {
    type Err = LabelError;

    /// Reads `name=key`.
    fn from_str(text: &str) -> Result<Self, LabelError> {
        let (name, key) = text.split_once('=').ok_or(LabelError::NoKey)?;
        Self::new(name, key)
    }
}

impl fmt::Display for KeptLabel {
    /// `name=key`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.key)
    }
}

/// Whether Kubernetes takes it for a label's key: a name of 1 to 63 letters, digits, `-`, `_` and
/// `.` with a letter or digit at both ends, and before it perhaps a domain and `/`.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>
fn is_key(text: &str) -> bool {
    let (domain, name) = match text.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, text),
    };
    let is_text = |text: &str, most: usize, others: &str| {
        let inner = |each: char| each.is_ascii_alphanumeric() || others.contains(each);
        let outer = |each: char| each.is_ascii_alphanumeric();
        (1..=most).contains(&text.len())
            && text.chars().all(inner)
            && text.starts_with(outer)
            && text.ends_with(outer)
    };
    domain.is_none_or(|domain| is_text(domain, 253, "-.")) && is_text(name, 63, "-_.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_given_as_name_and_key() {
        for text in [
            "app=app",
            "cost_centre=example.com/cost-centre",
            "_a1=A.b_c-1",
        ] {
            let label: KeptLabel = text.parse().unwrap();

            assert_eq!(label.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_label_is_refused_with_what_is_one() {
        let long = "x".repeat(64);
        let cases = [
            ("app".to_owned(), "expected a name, '='"),
            ("=app".to_owned(), "\"\" is no name"),
            ("App=app".to_owned(), "\"App\" is no name"),
            ("1a=app".to_owned(), "\"1a\" is no name"),
            (format!("{long}=app"), "is no name"),
            ("app=".to_owned(), "\"\" is no key"),
            ("app=-a".to_owned(), "\"-a\" is no key"),
            ("app=a=b".to_owned(), "\"a=b\" is no key"),
            ("app=/a".to_owned(), "\"/a\" is no key"),
            ("app=a/b/c".to_owned(), "\"a/b/c\" is no key"),
            (format!("app={long}"), "is no key"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<KeptLabel>().unwrap_err().to_string();

            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn there_are_at_most_eight_and_each_has_its_name() {
        let label = |number: usize| KeptLabel::new(&format!("l{number}"), "app").unwrap();

        assert_eq!(KeptLabels::new((0..8).map(label)).unwrap().names().len(), 8);
        let too_many = KeptLabels::new((0..9).map(label));
        assert_eq!(too_many, Err(LabelError::TooMany(9)));
        let twice = KeptLabels::new([label(1), label(2), label(1)]).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "two labels are called l1: each needs a name of its own"
        );
    }

    #[test]
    fn an_empty_value_is_none() {
        let labels = ["team", "app"].map(|name| KeptLabel::new(name, name).unwrap());
        let kept = KeptLabels::new(labels).unwrap();
        let given = [("team", ""), ("app", "web"), ("tier", "front")];
        let given = given.map(|(key, value)| (key.to_owned(), value.to_owned()));

        let values = kept.values(Some(&given.into()));

        assert_eq!(*values, [None, Name::new("web").ok()]);
        assert_eq!(*kept.values(None), [None, None]);
    }
}
