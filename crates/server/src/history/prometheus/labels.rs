//! Labels of series, so that hundreds of thousands of them take no more room than they have to. Pure.
//!
//! The names are the same in all series and most values in many. So within an answer each text is kept once
//! ([`Texts`]), and the labels of a series are one list of what points to them.

use std::fmt;
use std::sync::Arc;

use foldhash::HashSet;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

/// Labels by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Labels(Vec<(Arc<str>, Arc<str>)>);

/// The texts of an answer.
#[derive(Debug, Default)]
pub(super) struct Texts(HashSet<Arc<str>>);

impl Labels {
    /// The value of a label.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let place = self.place(name).ok()?;
        Some(&self.0[place].1)
    }

    /// Takes a label out.
    pub(super) fn remove(&mut self, name: &str) -> Option<Arc<str>> {
        let place = self.place(name).ok()?;
        Some(self.0.remove(place).1)
    }

    /// Those whose names are as asked for, and all others.
    pub(super) fn partition(mut self, is_asked: impl Fn(&str) -> bool) -> (Self, Self) {
        let asked = self.0.extract_if(.., |(name, _)| is_asked(name));
        let asked = Self(asked.collect());
        self.0.shrink_to_fit();
        (asked, self)
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }
}

impl<Name: Into<Arc<str>>, Text: Into<Arc<str>>> FromIterator<(Name, Text)> for Labels {
    fn from_iter<I: IntoIterator<Item = (Name, Text)>>(labels: I) -> Self {
        let labels = labels.into_iter();
        let mut labels: Vec<_> = labels
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        labels.sort_unstable();
        labels.dedup_by(|next, one| next.0 == one.0);
        labels.shrink_to_fit();
        Self(labels)
    }
}

impl Texts {
    /// The one of this text.
    fn one(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let text = Arc::<str>::from(text);
        self.0.insert(Arc::clone(&text));
        text
    }
}

impl<'de> DeserializeSeed<'de> for &mut Texts {
    type Value = Labels;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Labels, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Texts {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels and their values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        let mut labels = Vec::new();
        while let Some(name) = map.next_key_seed(One(self))? {
            labels.push((name, map.next_value_seed(One(self))?));
        }
        Ok(labels.into_iter().collect())
    }
}

/// One text, as it is kept.
struct One<'a>(&'a mut Texts);

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = Arc<str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for One<'_> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Arc<str>, E> {
        Ok(self.0.one(text))
    }
}

#[cfg(test)]
impl Labels {
    /// Gives a label this value.
    pub(super) fn insert(&mut self, name: &str, value: &str) {
        let value = Arc::from(value);
        match self.place(name) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.0.insert(place, (Arc::from(name), value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &mut Texts, text: &str) -> Labels {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        texts.deserialize(&mut deserializer).unwrap()
    }

    #[test]
    fn labels_are_found_by_their_names_in_whatever_order_they_come() {
        let mut labels = read(&mut Texts::default(), r#"{"b":"2","a":"1","c":"3"}"#);

        assert_eq!(
            labels,
            [("a", "1"), ("b", "2"), ("c", "3")].into_iter().collect()
        );
        assert_eq!(labels.get("b"), Some("2"));
        assert_eq!(labels.get("d"), None);
        assert_eq!(labels.remove("b").as_deref(), Some("2"));
        assert_eq!(labels.remove("b"), None);
        let (asked, others) = labels.partition(|name| name == "c");
        assert_eq!(asked, [("c", "3")].into_iter().collect());
        assert_eq!(others, [("a", "1")].into_iter().collect());
    }

    #[test]
    fn a_text_is_kept_once_however_many_series_have_it() {
        let mut texts = Texts::default();

        let all = [1, 2, 3].map(|_| read(&mut texts, r#"{"zone":"a","src_zone":"a"}"#));

        assert_eq!(texts.0.len(), 3);
        let zone = &all[0].0[1].1;
        assert!(all.iter().all(|labels| Arc::ptr_eq(&labels.0[0].1, zone)));
    }
}
