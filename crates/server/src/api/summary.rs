//! What it is, all together.

use std::collections::BTreeMap;
use std::time::Duration;

use kubezonnet_api::{LocalityName, LocalityShare, Measure, Month, RateNow, Summary, UnknownShare};
use kubezonnet_model::{Locality, Timestamp, Window};

use super::asking::{Asking, Part};
use super::money::{DIGITS, Purse, sum, units, unpriced};
use super::query::Query;
use super::refusal::Refusal;
use super::{Api, when, words};
use crate::history::{self, Answer, By, EdgePart, Value};

/// Of how long a time it is told how fast it is now.
const NOW: Duration = Duration::from_mins(5);

/// How far the source may be behind, and what is said of now be of that much earlier.
const MOST_BEHIND: Duration = Duration::from_mins(10);

/// By what the rest of the month is told.
const WEEK: Duration = Duration::from_hours(24 * 7);

/// Less history than this says nothing of a month.
const LEAST_HISTORY: Duration = Duration::from_hours(1);

/// Answers `/api/v1/summary`.
pub(super) fn answer(api: &Api, query: &Query) -> Result<Summary, Refusal> {
    let asking = Asking::of(api, query)?;
    let by = || By::Edges(vec![EdgePart::Locality]);
    let answer = asking.all(asking.range, by())?;
    let purse = Purse::of(&answer);
    // Before what may take long and can be left out.
    let rate = rate(&asking, purse)?;
    let before = Asking::before(&answer);
    let before = before.map(|before| asking.ask_beside(before, by()));
    let before = before.transpose()?.flatten();
    let shares = Shares::of(&answer, purse);
    let before = before.map(|before| Shares::of(&before, purse));
    let localities = shares
        .localities
        .iter()
        .map(|(locality, measure)| LocalityShare {
            locality: *locality,
            measure: measure.clone(),
            before: before.as_ref().map(|before| {
                let none = || purse.whole(&history::Measure::default());
                before
                    .localities
                    .get(locality)
                    .cloned()
                    .unwrap_or_else(none)
            }),
        });
    let in_force = api.pipeline.prices().in_force(api.pipeline.topology());
    let left_out = in_force
        .map(|prices| prices.book.left_out())
        .unwrap_or_default();
    Ok(Summary {
        range: when::range(&answer, asking.behind()),
        currency: purse.currency(),
        localities: localities.collect(),
        total: shares.total,
        before: before.map(|before| before.total),
        rate,
        month: month(&asking, purse)?,
        unknown: shares.unknown,
        unpriced: unpriced(&sum(answer.groups.iter().flat_map(|group| &group.cells))),
        left_out: left_out
            .iter()
            .map(|each| each.in_words().to_owned())
            .collect(),
    })
}

/// All of it, and by locality.
struct Shares {
    total: Measure,
    localities: BTreeMap<LocalityName, Measure>,
    unknown: Vec<UnknownShare>,
}

impl Shares {
    fn of(answer: &Answer, purse: Purse) -> Self {
        let mut parts: Vec<(Locality, history::Measure)> = Vec::new();
        for group in &answer.groups {
            if let [Value::Locality(locality)] = group.key[..] {
                parts.push((locality, sum(&group.cells)));
            }
        }
        parts.sort_unstable_by_key(|(locality, _)| *locality);
        let units = units(parts.iter().map(|(_, part)| part));
        let mut localities: BTreeMap<LocalityName, (history::Measure, u128)> = BTreeMap::new();
        let mut unknown = Vec::new();
        for ((locality, part), units) in parts.iter().zip(&units) {
            let share = localities.entry(words::locality(*locality)).or_default();
            share.0 += *part;
            share.1 += units;
            if let Locality::Unknown(reason) = locality {
                unknown.push(UnknownShare {
                    reason: reason.as_str().to_owned(),
                    measure: purse.between(part, *units),
                });
            }
        }
        let total = sum(parts.iter().map(|(_, part)| part));
        let shown = localities.into_iter();
        Self {
            total: purse.between(&total, units.iter().sum()),
            localities: shown
                .map(|(name, (part, units))| (name, purse.between(&part, units)))
                .collect(),
            unknown,
        }
    }
}

/// How fast it is now.
fn rate(asking: &Asking<'_>, purse: Purse) -> Result<RateNow, Refusal> {
    const MINUTE: u64 = 60_000;
    let behind = asking.behind().min(MOST_BEHIND);
    let end = Timestamp(asking.now.minus(behind).0 / MINUTE * MINUTE);
    let range = Window {
        start: end.minus(NOW),
        end,
    };
    let asked = |range| asking.all(range, By::Edges(Vec::new()));
    let mut answer = asked(range)?;
    // What answers may have nothing so fine: then it is the mean of the hour that it is in.
    let mut length = answer.range.end.since(answer.range.start);
    if let Some(start) = answer.since.filter(|since| *since > range.start) {
        // Younger than that, it is told of as long as there is.
        let end = asking.now.max(start);
        answer = asked(Window { start, end })?;
        length = end.since(start);
    }
    let all = sum(answer.groups.iter().flat_map(|group| &group.cells));
    let seconds = length.as_secs().max(1);
    let hourly = all.cost.total().floor(9) * 3600 / u128::from(seconds);
    Ok(RateNow {
        bytes_per_second: all.bytes() / seconds,
        crossing_bytes_per_second: all.crossing / seconds,
        cost_per_hour: purse.money(from_nanos(hourly)),
    })
}

/// The calendar month, if that can be told in time: whoever asks of an hour is not to wait for a month.
fn month(asking: &Asking<'_>, purse: Purse) -> Result<Option<Month>, Refusal> {
    let now = asking.now;
    let (start, end) = (when::month_of(now), when::month_after(now));
    let all = |range| -> Result<_, Refusal> {
        let answer = asking.ask_beside(Part::of(range), By::Edges(Vec::new()))?;
        Ok(answer.map(|answer| {
            let measure = sum(answer.groups.iter().flat_map(|group| &group.cells));
            (answer, measure)
        }))
    };
    let Some((answer, so_far)) = all(Window { start, end: now })? else {
        return Ok(None);
    };
    // Where nobody knows when history began, it is known how far back there is all of it.
    let reaches = answer.reaches.into_iter().flatten().min();
    let since = answer.since.or(reaches);
    let before = Window {
        start: when::month_of(start.minus(Duration::from_hours(1))),
        end: start,
    };
    let is_whole = since.is_some_and(|since| since <= before.start);
    let before = is_whole.then(|| all(before)).transpose()?.flatten();
    let known = since.map(|since| now.since(since)).unwrap_or_default();
    let week = Window {
        start: now.minus(WEEK),
        end: now,
    };
    let is_told = known >= LEAST_HISTORY;
    let week = is_told.then(|| all(week)).transpose()?.flatten();
    let projected = week.map(|(answer, week)| {
        let begin = answer.range.start.max(since.unwrap_or_default());
        let like = now.since(begin);
        projected(&so_far, &week, (end.since(now), like), purse)
    });
    Ok(Some(Month {
        from: when::text(start.max(answer.since.unwrap_or_default()).min(now)),
        to: when::text(end),
        so_far: purse.whole(&so_far),
        projected,
        before: before.map(|(_, before)| purse.whole(&before)),
    }))
}

/// What there is so far, and as much for the rest of the time as there was in a like time.
fn projected(
    so_far: &history::Measure,
    like: &history::Measure,
    (rest, of): (Duration, Duration),
    purse: Purse,
) -> Measure {
    let (rest, of) = (rest.as_millis(), of.as_millis().max(1));
    let more = |sum: u64, like: u64| {
        let more = u128::from(like) * rest / of;
        sum.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
    };
    let nanos = so_far.cost.total().floor(9) + like.cost.total().floor(9) * rest / of;
    Measure {
        bytes: more(so_far.bytes(), like.bytes()),
        packets: more(so_far.sent.packets, like.sent.packets),
        cost: purse.money(from_nanos(nanos)),
        unpriced_bytes: more(so_far.unpriced_bytes(), like.unpriced_bytes()),
    }
}

/// Units of money of nano-units, rounded.
fn from_nanos(nanos: u128) -> u128 {
    let one = 10_u128.pow(9 - u32::from(DIGITS));
    (nanos + one / 2) / one
}
