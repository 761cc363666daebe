//! Who has the most.

use std::time::Duration;

use kubezonnet_api::{Item, Key, Rank, Top, TopAsked};

use super::apart::{Apart, Together};
use super::asking::Asking;
use super::cursor::{self, Page};
use super::money::{Purse, sum, units};
use super::query::Query;
use super::rank::{self, Ranked};
use super::refusal::Refusal;
use super::{Api, limit, pods, when};
use crate::history::{Answer, Measure};

/// How many are listed without `limit`.
const DEFAULT_LIMIT: u32 = 50;

/// The most that are listed at once.
pub(super) const MOST: u32 = 10_000;

/// How many points a small picture has at most.
const TREND: u64 = 60;

/// Answers `/api/v1/top`.
pub(super) fn answer(api: &Api, query: &Query) -> Result<Top, Refusal> {
    let asked: TopAsked = query.get()?;
    let limit = limit("limit", asked.limit, DEFAULT_LIMIT, MOST)?;
    let mut asking = Asking::of(api, query)?;
    let question = query.hash_without(&["cursor", "limit", "format"]);
    let mut offset = 0;
    if let Some(text) = &asked.cursor {
        let page: Page = cursor::read(text)?;
        let is_range = page.range.start < page.range.end && page.range.end <= asking.now;
        if page.question != question || !is_range {
            let message = "it is of another question: all but `limit` has to be the same";
            return Err(Refusal::of("cursor", message));
        }
        offset = usize::try_from(page.offset).unwrap_or(usize::MAX);
        asking.range = page.range;
    }
    let Some(apart) = Apart::of(&asked, asking.labels)? else {
        let part = pods::Part {
            question,
            offset,
            limit,
        };
        return pods::answer(api, &asking, &asked, &part);
    };
    let answer = asking.all(asking.range, apart.by())?;
    let purse = Purse::of(&answer);
    let mut all = all(apart, &answer);
    let before = match Asking::before(&answer) {
        Some(range) if asked.by == Rank::Growth => Some(asking.all(range, apart.by())?),
        _ => None,
    };
    if let Some(before) = &before {
        grow(apart, &mut all, before);
    }
    rank::sort(&mut all, rank::rank(asked.by, purse.is_there()));
    let sum = sum(all.iter().map(|each| &each.now));
    let shares = units(all.iter().map(|each| &each.now));
    let total = purse.between(&apart.total(&sum), shares.iter().sum());
    let end = offset.saturating_add(limit).min(all.len());
    let listed = all.get(offset..end).unwrap_or_default();
    let shares = shares.get(offset..end).unwrap_or_default();
    let pictures = Pictures::of(&asking, apart, &answer, listed)?;
    let amount = |measure: &Measure, units| apart.amount(measure, units, purse);
    let items = listed.iter().zip(shares).enumerate();
    let items = items.map(|(place, (each, units))| Item {
        key: each.key.clone(),
        amount: amount(&each.now, *units),
        before: pictures
            .before
            .get(place)
            .map(|(measure, units)| amount(measure, *units)),
        trend: pictures.trends[place].clone(),
    });
    let page = Page {
        question,
        range: answer.range,
        offset: end as u64,
    };
    Ok(Top {
        range: when::range(&answer),
        currency: purse.currency(),
        of: asked.of,
        by: asked.by,
        count: all.len() as u64,
        total,
        items: items.collect(),
        next: (end < all.len()).then(|| cursor::write(&page)),
    })
}

/// All there are, in the order of their keys.
fn all(apart: Apart, answer: &Answer) -> Vec<Ranked<Together>> {
    let all = apart.all(answer).into_iter();
    all.map(|(key, what)| Ranked {
        key,
        now: what.sum(),
        before: Measure::default(),
        what,
    })
    .collect()
}

/// Takes over how much there was before.
fn grow(apart: Apart, all: &mut [Ranked<Together>], before: &Answer) {
    let before = apart.all(before);
    for each in all {
        if let Some(before) = before.get(&each.key) {
            each.before = before.sum();
        }
    }
}

/// What those that are listed were before, and over time.
struct Pictures {
    /// Empty if there is no history of it.
    before: Vec<(Measure, u128)>,
    trends: Vec<Vec<u64>>,
}

impl Pictures {
    fn of(
        asking: &Asking<'_>,
        apart: Apart,
        answer: &Answer,
        listed: &[Ranked<Together>],
    ) -> Result<Self, Refusal> {
        if listed.is_empty() {
            return Ok(Self {
                before: Vec::new(),
                trends: Vec::new(),
            });
        }
        let groups = || {
            let groups = listed
                .iter()
                .flat_map(|each| each.what.groups.iter().cloned());
            Some(groups.collect::<Vec<_>>())
        };
        let step = step(answer);
        let trends = asking.ask(answer.range, apart.by(), Some(step), groups())?;
        let points = trends.times.len();
        let trends = apart.all(&trends);
        let trend = |key: &Key| match trends.get(key) {
            Some(trend) => trend.cells.iter().map(Measure::bytes).collect(),
            None => vec![0; points],
        };
        let trends = listed.iter().map(|each| trend(&each.key)).collect();
        let Some(range) = Asking::before(answer) else {
            return Ok(Self {
                before: Vec::new(),
                trends,
            });
        };
        let before = asking.ask(range, apart.by(), None, groups())?;
        let known = apart.all(&before);
        let mut parts: Vec<Measure> = listed
            .iter()
            .map(|each| known.get(&each.key).map(Together::sum).unwrap_or_default())
            .collect();
        // All others are a part of the whole, too.
        let rest = before
            .groups
            .iter()
            .filter(|group| apart.key(&group.key).is_none());
        parts.extend(rest.map(|group| sum(&group.cells)));
        let shares = units(&parts);
        let before = parts.into_iter().zip(shares).take(listed.len());
        Ok(Self {
            before: before.collect(),
            trends,
        })
    }
}

/// How long each of at most sixty parts of the range is: whole slots.
fn step(answer: &Answer) -> Duration {
    let slot = answer.resolution.slot();
    let slots = answer.range.end.since(answer.range.start).as_millis() / slot.as_millis().max(1);
    let slots = u64::try_from(slots).unwrap_or(u64::MAX);
    slot * u32::try_from(slots.div_ceil(TREND).max(1)).unwrap_or(u32::MAX)
}
