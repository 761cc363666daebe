//! Answers as tables, for spreadsheets.

use std::borrow::Cow;

use axum::http::{HeaderMap, header};
use kubezonnet_api::guarded;

use super::query::Query;
use super::refusal::Refusal;

/// What a table is.
pub(super) const MEDIA_TYPE: &str = "text/csv";

/// The parameter that asks for it.
pub(super) const FORMAT: &str = "format";

/// An answer that can be a table.
pub(super) trait Table {
    /// The names of the columns.
    fn columns(&self) -> Vec<Cow<'static, str>>;

    /// The rows.
    fn rows(&self) -> Vec<Vec<Cell<'_>>>;
}

/// What is in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell<'a> {
    /// A number: as it is.
    Number(Cow<'a, str>),
    /// A name that somebody gave: never a formula.
    Text(Cow<'a, str>),
    /// Nothing.
    Empty,
}

impl Cell<'_> {
    pub(super) fn number(number: u64) -> Self {
        Self::Number(number.to_string().into())
    }
}

impl<'a> Cell<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn maybe(text: Option<&'a String>) -> Self {
        text.map_or(Self::Empty, |text| Self::text(text))
    }

    /// As it is written.
    fn shown(&self) -> Cow<'_, str> {
        match self {
            Self::Empty => "".into(),
            Self::Number(number) => number.as_ref().into(),
            Self::Text(text) => guarded(text),
        }
    }
}

/// Writes a table.
pub(super) fn write(table: &impl Table) -> Vec<u8> {
    let mut writer = ::csv::WriterBuilder::new()
        .terminator(::csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let columns = table.columns();
    let columns = columns.iter().map(AsRef::as_ref);
    let written = writer.write_record(columns).and_then(|()| {
        table.rows().iter().try_for_each(|row| {
            let cells: Vec<_> = row.iter().map(Cell::shown).collect();
            writer.write_record(cells.iter().map(|cell| cell.as_bytes()))
        })
    });
    written.expect("rows have as many cells as there are columns, and memory takes them");
    writer.into_inner().expect("memory takes it")
}

/// Whether a table is asked for: by the parameter, or else as much as JSON at least.
///
/// # Errors
///
/// [`Refusal`] if the parameter has another value.
pub(super) fn is_wanted(query: &Query, headers: &HeaderMap) -> Result<bool, Refusal> {
    match query.value(FORMAT) {
        Some("csv") => return Ok(true),
        Some("json") => return Ok(false),
        Some(_) => return Err(Refusal::of(FORMAT, "expected json or csv")),
        None => {}
    }
    let accepted = headers.get_all(header::ACCEPT).iter();
    let accepted = accepted.filter_map(|value| value.to_str().ok());
    let (mut csv, mut json) = (0, None::<u32>);
    for range in accepted.flat_map(|value| value.split(',')) {
        let (media_type, quality) = quality(range);
        match media_type.to_ascii_lowercase().as_str() {
            // Who says nothing of CSV is not shown any.
            "text/csv" | "text/*" => csv = quality.max(csv),
            "application/json" | "application/*" => json = Some(quality.max(json.unwrap_or(0))),
            _ => {}
        }
    }
    Ok(csv > 0 && json.is_none_or(|json| csv >= json))
}

/// A media type and how much it is wanted, in thousandths: all of it if it does not say, and not at all
/// if what it says is no number.
fn quality(range: &str) -> (&str, u32) {
    let mut parts = range.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let quality = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("q")
            .then_some(value.trim())
    });
    (media_type, quality.map_or(1000, thousandths))
}

fn thousandths(text: &str) -> u32 {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_right = matches!(whole, "0" | "1")
        && decimals.len() <= 3
        && decimals.bytes().all(|byte| byte.is_ascii_digit());
    if !is_right {
        return 0;
    }
    let decimals: u32 = format!("{decimals:0<3}").parse().unwrap_or(0);
    if whole == "1" { 1000 } else { decimals }
}
