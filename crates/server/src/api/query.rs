//! Parameters as they come: read strictly, so that a slip of the pen is not an answer to another question.

use std::fmt;
use std::hash::Hasher as _;

use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};

use super::document;
use super::refusal::Refusal;

/// So much of a query string is read: a few thousand names.
const MAX_BYTES: usize = 64 << 10;

/// The parameters of a question.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    /// Again as text, with what is odd in it made plain.
    text: String,
}

impl Query {
    /// Reads a query string.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it is too long, or no text.
    pub(super) fn read(raw: &str) -> Result<Self, Refusal> {
        if raw.len() > MAX_BYTES {
            let message = format!("the question has more than {MAX_BYTES} bytes");
            return Err(Refusal::with(axum::http::StatusCode::BAD_REQUEST, message));
        }
        let pairs = form_urlencoded::parse(raw.as_bytes());
        let pairs: Vec<(String, String)> = pairs.into_owned().collect();
        let is_odd = |text: &str| text.contains(['\u{FFFD}', '\0']);
        if let Some((name, _)) = pairs
            .iter()
            .find(|(name, value)| is_odd(name) || is_odd(value))
        {
            let message = "it has a NUL, or bytes that are no text in UTF-8";
            return Err(Refusal::of(&name.replace('\0', "\u{FFFD}"), message));
        }
        let text = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&pairs)
            .finish();
        Ok(Self { pairs, text })
    }

    /// Takes no parameters but these.
    ///
    /// # Errors
    ///
    /// [`Refusal`] that names another.
    pub(super) fn only(&self, known: &[Vec<Parameter>]) -> Result<(), Refusal> {
        let known: Vec<&Parameter> = known.iter().flatten().collect();
        for (name, value) in &self.pairs {
            let Some(known) = known.iter().find(|known| known.name == *name) else {
                let names: Vec<_> = known.iter().map(|known| known.name.as_str()).collect();
                let names = if names.is_empty() {
                    "there are none here".to_owned()
                } else {
                    format!("there are {}", names.join(", "))
                };
                let message = format!("there is no such parameter; {names}");
                return Err(Refusal::of(name, message));
            };
            if is_list(known) {
                check(known, value)?;
                continue;
            }
            if value.is_empty() {
                return Err(Refusal::of(
                    name,
                    "it has no value: leave it out, or give one",
                ));
            }
            if self.pairs.iter().filter(|(other, _)| other == name).count() > 1 {
                return Err(Refusal::of(name, "it is given more than once"));
            }
            check(known, value)?;
        }
        Ok(())
    }

    /// Reads what is asked.
    ///
    /// # Errors
    ///
    /// [`Refusal`] that names the parameter that is wrong.
    pub(super) fn get<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let read = serde_html_form::Deserializer::from_bytes(self.text.as_bytes());
        serde_path_to_error::deserialize(read).map_err(|error| {
            let path = error.path().to_string();
            let field = path.split(['.', '[']).next().unwrap_or_default();
            Refusal::of(field, error.into_inner().to_string())
        })
    }

    /// The value of a parameter that is given once.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter();
        let (_, value) = pairs.find(|(each, _)| each == name)?;
        Some(value)
    }

    /// What tells the question from others, but for some parameters: the order does not matter.
    pub(super) fn hash_without(&self, names: &[&str]) -> u64 {
        let mut pairs: Vec<_> = self.pairs.iter().collect();
        pairs.retain(|(name, _)| !names.contains(&name.as_str()));
        pairs.sort_unstable();
        let text = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        // The same in the next release, and for every copy of the server.
        let mut hasher = fnv::FnvHasher::default();
        hasher.write(text.as_bytes());
        hasher.finish()
    }
}

/// The parameters that a type reads: those that the document has of it.
pub(super) fn parameters<T: IntoParams>() -> Vec<Parameter> {
    T::into_params(|| Some(ParameterIn::Query))
}

/// Refuses a value that is none of a parameter's, with what it can be. What is text has its own reader, which
/// knows better.
fn check(parameter: &Parameter, value: &str) -> Result<(), Refusal> {
    let Some(may_be) = MayBe::of(parameter) else {
        return Ok(());
    };
    if may_be.has(value) {
        return Ok(());
    }
    Err(Refusal::of_value(
        &parameter.name,
        value,
        &may_be.to_string(),
    ))
}

/// What values a parameter has, by the document.
#[derive(Debug, Clone, PartialEq, Eq)]
enum MayBe {
    /// A whole number from one to another.
    Number(u64, u64),
    /// `true` or `false`.
    Flag,
    /// One of some words.
    Word(Vec<String>),
}

impl MayBe {
    /// Of each value, if it can have several; `None` of those that are text.
    fn of(parameter: &Parameter) -> Option<Self> {
        let parameter = document::parameter(parameter.clone());
        let schema = &parameter["schema"];
        let schema = schema.get("items").unwrap_or(schema);
        if let Some(words) = schema["enum"].as_array() {
            let words = words.iter().filter_map(|word| word.as_str());
            return Some(Self::Word(words.map(str::to_owned).collect()));
        }
        match schema["type"].as_str()? {
            "integer" => {
                let bound = |name: &str| schema[name].as_u64();
                let most = bound("maximum").unwrap_or(u64::MAX);
                Some(Self::Number(bound("minimum").unwrap_or(0), most))
            }
            "boolean" => Some(Self::Flag),
            _ => None,
        }
    }

    fn has(&self, value: &str) -> bool {
        match self {
            Self::Number(least, most) => {
                // A sign, or nothing, is no number here, though it can be read as one.
                let are_digits = value.bytes().all(|byte| byte.is_ascii_digit());
                let number = value.parse().ok().filter(|_| are_digits);
                number.is_some_and(|number| (*least..=*most).contains(&number))
            }
            Self::Flag => matches!(value, "true" | "false"),
            Self::Word(words) => words.iter().any(|word| word == value),
        }
    }
}

impl fmt::Display for MayBe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(least, most) => write!(f, "a whole number from {least} to {most}"),
            Self::Flag => f.write_str("true or false"),
            Self::Word(words) => match &words[..] {
                [others @ .., last] if !others.is_empty() => {
                    write!(f, "{} or {last}", others.join(", "))
                }
                few => f.write_str(&few.concat()),
            },
        }
    }
}

/// Whether it can be given several times, and be empty.
fn is_list(parameter: &Parameter) -> bool {
    matches!(parameter.schema, Some(RefOr::T(Schema::Array(_))))
}
