//! The same over time.

use std::time::Duration;

use kubezonnet_api::{Key, Line, Point, Rank, Series, SeriesAsked};
use kubezonnet_pricing::{Amount, apportion_to};

use super::apart::{Apart, Together};
use super::asking::{Asking, Part};
use super::money::{DIGITS, Purse, units};
use super::query::Query;
use super::rank::{self, Ranked};
use super::refusal::Refusal;
use super::{Api, limit, when};
use crate::history::{Answer, Measure};

/// How many lines there are without `limit`.
const DEFAULT_LIMIT: u32 = 10;

/// The most lines: more are no picture.
const MOST_LINES: u32 = 100;

/// How many points a line has where the question does not say.
const PICTURE: u64 = 200;

/// The most points of a line.
const MOST_POINTS: u64 = 2_000;

/// Answers `/api/v1/series`.
pub(super) fn answer(api: &Api, query: &Query) -> Result<Series, Refusal> {
    let asked: SeriesAsked = query.get()?;
    let limit = limit("limit", asked.limit, DEFAULT_LIMIT, MOST_LINES)?;
    let asking = Asking::of(api, query)?;
    let apart = Apart::of_series(asked.by, asking.labels)?;
    let step = match &asked.step {
        Some(step) => Some(given(step, asking.range.end.since(asking.range.start))?),
        None => None,
    };
    let totals = asking.all(asking.range, apart.by())?;
    let purse = Purse::of(&totals);
    let step = step.unwrap_or_else(|| fitting(&totals, api.shortest_step(&totals)));
    let step = step.max(totals.resolution.slot());
    let mut all: Vec<_> = apart
        .all(&totals)
        .into_iter()
        .map(|(key, what)| Ranked {
            key,
            now: what.sum(),
            before: Measure::default(),
            what,
        })
        .collect();
    rank::sort(&mut all, rank::rank(Rank::Cost, purse.is_there()));
    // Of what is not the whole, the rest is to be told from all else too.
    let named = if apart.is_whole() {
        limit.min(all.len())
    } else {
        all.len()
    };
    let only = all[..named]
        .iter()
        .flat_map(|each| each.what.groups.iter().cloned());
    let only = Some(only.collect());
    let answer = asking.ask(Part::steps(&totals, step), apart.by(), only)?;
    let shown: Vec<Key> = all.into_iter().take(limit).map(|each| each.key).collect();
    Ok(Series {
        range: when::range(&answer, asking.behind()),
        currency: purse.currency(),
        step_seconds: step_of(&answer, step).as_secs(),
        times: answer.times.iter().map(|time| when::text(*time)).collect(),
        lines: lines(apart, &answer, shown, purse),
    })
}

/// The lines that are shown, and what is left.
fn lines(apart: Apart, answer: &Answer, shown: Vec<Key>, purse: Purse) -> Vec<Line> {
    let mut known = apart.all(answer);
    let empty = || Together {
        groups: Vec::new(),
        cells: vec![Measure::default(); answer.times.len()],
    };
    let shown = shown.into_iter();
    let mut lines: Vec<(Key, Together)> = shown
        .map(|key| {
            let line = known.remove(&key).unwrap_or_else(empty);
            (key, line)
        })
        .collect();
    let mut rest = empty();
    for other in known.values() {
        rest.add(&other.cells);
    }
    if apart.is_whole() {
        let others = answer
            .groups
            .iter()
            .filter(|group| apart.key(&group.key).is_none());
        for group in others {
            rest.add(&group.cells);
        }
    }
    if rest.sum() != Measure::default() {
        lines.push((Key::Rest, rest));
    }
    let sums: Vec<Measure> = lines.iter().map(|(_, line)| line.sum()).collect();
    let shares = units(&sums);
    let lines = lines.into_iter().zip(sums.iter().zip(shares));
    lines
        .map(|((key, line), (sum, share))| {
            let amounts: Vec<Amount> = line.cells.iter().map(|cell| cell.cost.total()).collect();
            let points = line.cells.iter().zip(apportion_to(&amounts, share, DIGITS));
            Line {
                key,
                total: purse.between(sum, share),
                points: points
                    .map(|(cell, units)| Point {
                        bytes: cell.bytes(),
                        cost: purse.money(units),
                        unpriced_bytes: cell.unpriced_bytes(),
                    })
                    .collect(),
            }
        })
        .collect()
}

/// The step that is asked for.
fn given(step: &str, length: Duration) -> Result<Duration, Refusal> {
    let step = when::duration("step", step, "mhd")?;
    let points = length.as_millis().div_ceil(step.as_millis().max(1));
    if points > u128::from(MOST_POINTS) {
        let message = format!(
            "it gives {points} points, and {MOST_POINTS} are the most: ask for a longer step or a \
             shorter range"
        );
        return Err(Refusal::of("step", message));
    }
    Ok(step)
}

/// The shortest round step that gives no more points than a picture has, and can be told.
fn fitting(answer: &Answer, shortest: Duration) -> Duration {
    const MINUTES: [u32; 15] = [
        1,
        2,
        5,
        10,
        15,
        30,
        60,
        120,
        180,
        360,
        720,
        1440,
        2 * 1440,
        7 * 1440,
        28 * 1440,
    ];
    let slot = answer.resolution.slot();
    let length = answer.range.end.since(answer.range.start);
    let fits = |step: &Duration| {
        *step >= slot.max(shortest)
            && length.as_millis().div_ceil(step.as_millis()) <= u128::from(PICTURE)
    };
    let mut steps = MINUTES
        .into_iter()
        .map(|minutes| Duration::from_mins(1) * minutes);
    steps.find(fits).unwrap_or_else(|| {
        const DAY: u64 = 86_400;
        let days = length.as_secs().div_ceil(DAY).div_ceil(PICTURE);
        let days = days.max(shortest.as_secs().div_ceil(DAY));
        Duration::from_hours(24) * u32::try_from(days.max(1)).unwrap_or(u32::MAX)
    })
}

/// How far points are apart: whole slots of what they are made of.
fn step_of(answer: &Answer, asked: Duration) -> Duration {
    let slot = answer.resolution.slot().as_secs().max(1);
    Duration::from_secs(asked.as_secs().div_ceil(slot) * slot)
}
