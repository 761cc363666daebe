//! A YAML file that an operator writes: read whole, refused with its line, and followed.
//!
//! What such files have in common, whatever they tell: how they are opened, how large they may be, how a
//! mistake is named, and how a change is seen. What is in them is checked by who reads them.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use kubezonnet_model::{InvalidName, excerpt};
use nix::fcntl::OFlag;
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;

use crate::FailureReason;

mod watch;

pub(crate) use watch::{Form, Look, Watched, blocking};

/// The largest file that is read: 50,000 pods are about 10 MiB.
const MAX_BYTES: u64 = 64 << 20;

/// So many nodes of YAML are read at most: 50,000 pods are about a million.
const MAX_YAML_NODES: usize = 10_000_000;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {what} {path}: {source}")]
    Unreadable {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is a directory, a pipe, a device: nothing that has an end and can be read again.
    #[error("cannot read {what} {path}: it is no regular file")]
    NotRegular {
        /// What it was to be.
        what: &'static str,
        /// What was to be the file.
        path: PathBuf,
    },
    /// It is larger than any cluster.
    #[error("cannot read {what} {path}: it has more than {} MiB", MAX_BYTES >> 20)]
    TooLarge {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// It says something that cannot be.
    #[error("{what} {}{}: {}", .path.display(), Line(.problem.line), .problem.message)]
    Invalid {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        problem: Problem,
    },
}

/// What is wrong with the text of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
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
            Some(line) => write!(f, ", line {line}"),
            None => Ok(()),
        }
    }
}

impl FileError {
    pub(crate) fn reason(&self) -> FailureReason {
        match self {
            Self::Unreadable { .. } | Self::NotRegular { .. } | Self::TooLarge { .. } => {
                FailureReason::Unreadable
            }
            Self::Invalid { .. } => FailureReason::Invalid,
        }
    }
}

/// Reads a file, and never waits for one that has nothing to say yet.
pub(crate) fn read(what: &'static str, path: &Path) -> Result<String, FileError> {
    let owned = || path.to_owned();
    let unreadable = |source| FileError::Unreadable {
        what,
        path: owned(),
        source,
    };
    // To open a pipe without a writer would wait for one. A regular file does not care.
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits() | OFlag::O_NOCTTY.bits());
    let file = options.open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(FileError::NotRegular {
            what,
            path: owned(),
        });
    }
    let mut text = String::new();
    // Files under /proc and ones that grow have more to read than they tell.
    let bytes = file
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if bytes as u64 > MAX_BYTES {
        return Err(FileError::TooLarge {
            what,
            path: owned(),
        });
    }
    Ok(text)
}

/// Reads a text into its form, and nothing that the form does not have.
pub(crate) fn document<D: DeserializeOwned>(text: &str) -> Result<D, Problem> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_nodes: MAX_YAML_NODES,
            max_events: 4 * MAX_YAML_NODES,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| Problem {
        line: error.location().map(|location| location.line()),
        message: excerpt(words(&error)),
    })
}

/// A name that may not be empty, nor have blanks at its ends.
pub(crate) fn name<T>(
    what: &str,
    text: &Spanned<String>,
    new: fn(String) -> Result<T, InvalidName>,
) -> Result<T, Problem> {
    let trimmed = text.value.trim();
    if trimmed.is_empty() {
        return Err(problem(text, format!("a {what} is empty")));
    }
    if trimmed.len() != text.value.len() {
        let message = format!("{what} {:?} has blanks at its ends", text.value);
        return Err(problem(text, message));
    }
    new(text.value.clone()).map_err(|error| problem(text, error.to_string()))
}

/// A zone or region: one that is not known is left out, not left empty.
pub(crate) fn label<T>(
    what: &str,
    text: Option<&Spanned<String>>,
    new: fn(String) -> Result<T, InvalidName>,
) -> Result<Option<T>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    if text.value.trim().is_empty() {
        let message = format!("this {what} names nothing: leave it out if it is not known");
        return Err(problem(text, message));
    }
    name(what, text, new).map(Some)
}

/// The line that a value is in.
pub(crate) fn line_of<T>(value: &Spanned<T>) -> u64 {
    value.referenced.line()
}

/// Says what is wrong with a value.
pub(crate) fn problem<T>(value: &Spanned<T>, message: String) -> Problem {
    Problem {
        line: Some(line_of(value)).filter(|line| *line > 0),
        message: excerpt(message),
    }
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
        Error::Unexpected { expected, .. } if expected.starts_with("mapping") => {
            "expected keys and values, like `name: x`".to_owned()
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
    line[..end].trim_start_matches("error: ").to_owned()
}
