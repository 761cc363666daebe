//! What is said above and below a list: of when it is, how much it is in all, and what no amount has in
//! it.

use std::fmt::Write as _;

use kubezonnet_api::{Gap, Range, ResolutionName, Summary};

use crate::entry::money;
use crate::failure::Failure;
use crate::key;
use crate::text::{self, Look, Scale, Tone};

/// History is written twice a minute; this much behind is more than that.
const BEHIND_SECONDS: u64 = 120;

/// Of when it is and how much, in two lines.
///
/// # Errors
///
/// If an amount is none.
pub fn about(summary: &Summary, look: Look) -> Result<String, Failure> {
    let total = &summary.total;
    let mut lines = format!("{}\n", when(&summary.range));
    if let (Some(cost), Some(currency)) = (money(total.cost.as_ref())?, &summary.currency) {
        let cost = format!(
            "{} {}",
            Scale::of([cost]).text(cost),
            text::printable(currency)
        );
        let _ = write!(lines, "{} for ", Tone::Strong.paint(&cost, look));
    }
    let _ = write!(lines, "{}", text::bytes(total.bytes));
    let parts = summary.localities.iter().map(|share| {
        let name = key::locality(share.locality);
        let part = text::share(share.measure.bytes.into(), total.bytes.into());
        format!("{name} {part}")
    });
    let parts: Vec<_> = parts.collect();
    if !parts.is_empty() {
        let _ = write!(lines, ": {}", parts.join(", "));
    }
    if let Some(before) = &summary.before {
        let change = match (money(total.cost.as_ref())?, money(before.cost.as_ref())?) {
            (Some(now), Some(before)) => text::change(now.0, before.0),
            _ => text::change(total.bytes.into(), before.bytes.into()),
        };
        if change != "=" {
            let _ = write!(lines, "; {change} against the time before");
        }
    }
    lines.push('\n');
    Ok(lines)
}

/// From when to when.
fn when(range: &Range) -> String {
    let step = match range.resolution {
        ResolutionName::Minute => "minute",
        ResolutionName::Hour => "hour",
        ResolutionName::Day => "day",
    };
    let short = |time: &str| {
        let time = text::printable(time).into_owned();
        let cut = time.strip_suffix(":00Z").or_else(|| time.strip_suffix('Z'));
        cut.unwrap_or(&time).replace('T', " ")
    };
    let (from, to) = (short(&range.from), short(&range.to));
    format!("{from} to {to} UTC, by the {step}")
}

/// What a note begins with.
const MARK: &str = "* ";

/// [`left_out`] below a table, after an empty line.
pub fn footnotes(summary: &Summary, look: Look) -> String {
    let notes = left_out(summary);
    let mut text = String::new();
    for (at, note) in notes.iter().enumerate() {
        if at == 0 {
            text.push('\n');
        }
        let room = look.width.map(|width| width.saturating_sub(MARK.len()));
        for (at, line) in text::wrap(note, room).into_iter().enumerate() {
            let mark = if at == 0 { MARK } else { "  " };
            let line = format!("{mark}{line}");
            let _ = writeln!(text, "{}", Tone::Faint.paint(&line, look));
        }
    }
    text
}

/// What no amount has in it, line by line.
pub fn left_out(summary: &Summary) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(since) = &summary.range.history_since
        && *since > summary.range.from
    {
        notes.push(format!(
            "History begins at {since}: what was before is missing."
        ));
    }
    if summary.range.behind_seconds >= BEHIND_SECONDS {
        let behind = text::span(summary.range.behind_seconds);
        notes.push(format!(
            "History is {behind} behind: what was counted since is missing. kubectl zonnet check says why."
        ));
    }
    if summary.currency.is_none() {
        notes.push(
            "The server knows no prices: --cloud or --pricing of the server give it some."
                .to_owned(),
        );
    } else {
        for unpriced in summary
            .unpriced
            .iter()
            .filter(|unpriced| unpriced.bytes > 0)
        {
            let (bytes, why) = (text::bytes(unpriced.bytes), why_unpriced(unpriced.reason));
            notes.push(format!("{bytes} have no price: {why}."));
        }
        if !summary.left_out.is_empty() {
            notes.push(format!(
                "No cost has in it: {}.",
                summary.left_out.join("; ")
            ));
        }
    }
    let unknown: u64 = summary
        .unknown
        .iter()
        .map(|share| share.measure.bytes)
        .sum();
    if unknown > 0 {
        let reasons = summary
            .unknown
            .iter()
            .filter(|share| share.measure.bytes > 0);
        let reasons = reasons.map(|share| {
            let name = share.reason.replace('_', " ");
            format!("{name} {}", text::bytes(share.measure.bytes))
        });
        let reasons: Vec<_> = reasons.collect();
        let bytes = text::bytes(unknown);
        notes.push(format!(
            "Of {bytes} it is not known where they went ({}): `kubectl zonnet check` says what helps.",
            reasons.join(", ")
        ));
    }
    // Some of it are words of the server.
    let printable = |note: String| text::printable(&note).into_owned();
    notes.into_iter().map(printable).collect()
}

const fn why_unpriced(reason: Gap) -> &'static str {
    match reason {
        Gap::UnknownPlace => "it is not known where they went",
        Gap::UnlistedRate => "none is listed for where they went",
        Gap::InternetOff => "they went to the internet, and the server is without --internet-cost",
        Gap::NoPrices => "the server had no prices then, or in another currency",
    }
}
