//! Which time is asked for.

use std::time::{Duration, UNIX_EPOCH};

use kubezonnet_api::{Asked, Range, ResolutionName};
use kubezonnet_history::Resolution;
use kubezonnet_model::{Timestamp, Window};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, Time};

use super::refusal::Refusal;
use crate::history::Answer;

/// The range without any parameter.
const DEFAULT: Duration = Duration::from_hours(1);

/// The last moment that is shown: 9999-12-31T23:59:59Z, after which RFC 3339 has no years.
const LAST: Timestamp = Timestamp(253_402_300_799_000);

/// Which time is asked for; no longer than until now.
///
/// # Errors
///
/// [`Refusal`] that says what is wrong.
pub(super) fn asked(asked: &Asked, now: Timestamp) -> Result<Window, Refusal> {
    let Some(from) = &asked.from else {
        if asked.to.is_some() {
            let message = "`to` goes with `from`, which is missing; `since` counts from now";
            return Err(Refusal::of("from", message));
        }
        let start = match asked.since.as_deref() {
            None => now.minus(DEFAULT),
            Some("month") => month_of(now),
            Some(text) => now.minus(duration("since", text, "mhdw")?),
        };
        return Ok(Window { start, end: now });
    };
    if asked.since.is_some() {
        return Err(Refusal::of("since", "give `since` or `from`, not both"));
    }
    let start = moment("from", from)?;
    let to = asked.to.as_deref();
    let end = to.map(|to| moment("to", to)).transpose()?;
    if end.is_some_and(|end| end <= start) {
        let message = "`from` is not before `to`: the range has nothing in it";
        return Err(Refusal::of("from", message));
    }
    if start >= now {
        return Err(Refusal::of(
            "from",
            format!("it is yet to come: now is {}", text(now)),
        ));
    }
    let end = end.map_or(now, |end| end.min(now));
    Ok(Window { start, end })
}

/// A duration: a number and one of the units.
///
/// # Errors
///
/// [`Refusal`] that names the field and what would be right.
pub(super) fn duration(field: &str, text: &str, units: &str) -> Result<Duration, Refusal> {
    const MOST_DIGITS: usize = 6;
    let read = || {
        let unit = text.chars().last().filter(|unit| units.contains(*unit))?;
        let digits = text.strip_suffix(unit)?;
        let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u32 = digits.parse().ok().filter(|number| *number > 0)?;
        let unit = match unit {
            'm' => Duration::from_mins(1),
            'h' => Duration::from_hours(1),
            'd' => Duration::from_hours(24),
            _ => Duration::from_hours(24 * 7),
        };
        (are_digits && digits.len() <= MOST_DIGITS && !digits.starts_with('0'))
            .then_some(unit * number)
    };
    read().ok_or_else(|| {
        let units: Vec<_> = units.chars().map(|unit| format!("5{unit}")).collect();
        let month = if field == "since" { ", or month" } else { "" };
        let can_be = format!(
            "a whole number from 1 to 999999 with its unit, like {}{month}",
            units.join(", ")
        );
        Refusal::of_value(field, text, &can_be)
    })
}

/// A moment in RFC 3339.
fn moment(field: &str, text: &str) -> Result<Timestamp, Refusal> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
        let hint = if text.contains(' ') {
            "; in a query string a + is written %2B"
        } else {
            ""
        };
        let can_be = format!("a time of RFC 3339, like 2026-11-01T00:00:00Z{hint}");
        Refusal::of_value(field, text, &can_be)
    })?;
    // What is before 1970 is before all history.
    let millis = moment.unix_timestamp_nanos() / 1_000_000;
    Ok(Timestamp(u64::try_from(millis).unwrap_or(0)))
}

/// When the month began that a moment is in (UTC).
pub(super) fn month_of(moment: Timestamp) -> Timestamp {
    at(moment).map_or(moment, |moment| timestamp(first_day(moment)))
}

/// When the month after it begins.
pub(super) fn month_after(moment: Timestamp) -> Timestamp {
    let next = |moment: OffsetDateTime| {
        let first = first_day(moment);
        let days = first.month().length(first.year());
        timestamp(first + time::Duration::days(i64::from(days)))
    };
    at(moment).map_or(moment, next)
}

fn first_day(moment: OffsetDateTime) -> OffsetDateTime {
    let date = moment.date().replace_day(1);
    let date = date.expect("every month has a first day");
    OffsetDateTime::new_utc(date, Time::MIDNIGHT)
}

fn at(moment: Timestamp) -> Option<OffsetDateTime> {
    let seconds = i64::try_from(moment.0.min(LAST.0) / 1000).ok()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

fn timestamp(moment: OffsetDateTime) -> Timestamp {
    let seconds = u64::try_from(moment.unix_timestamp()).unwrap_or(0);
    Timestamp(seconds * 1000)
}

/// The range of the same length before; none at the begin of time.
pub(super) fn before(range: Window) -> Option<Window> {
    let length = range.end.0.saturating_sub(range.start.0);
    let start = Timestamp(range.start.0.checked_sub(length)?);
    let end = range.start;
    Some(Window { start, end })
}

/// The range of an answer, of a past that is so far behind.
pub(super) fn range(answer: &Answer, behind: Duration) -> Range {
    Range {
        from: text(answer.range.start),
        to: text(answer.range.end),
        resolution: match answer.resolution {
            Resolution::Minute => ResolutionName::Minute,
            Resolution::Hour => ResolutionName::Hour,
            Resolution::Day => ResolutionName::Day,
        },
        history_since: answer.since.map(text),
        behind_seconds: behind.as_secs(),
    }
}

/// A moment as it is shown: to the second.
pub(super) fn text(moment: Timestamp) -> String {
    let time = UNIX_EPOCH + Duration::from_millis(moment.min(LAST).0);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// A moment as it is shown: to the millisecond.
pub(super) fn exact_text(moment: Timestamp) -> String {
    let time = UNIX_EPOCH + Duration::from_millis(moment.min(LAST).0);
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests;
