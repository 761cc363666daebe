//! Who has the most.

use std::collections::BTreeMap;
use std::time::Duration;

use kubezonnet_api::{Item, Key, Rank, Top, TopAsked};

use super::apart::{Apart, Together};
use super::asking::{Asking, Part};
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
    let before = Before::of(&asking, apart, &answer)?;
    if let Some(before) = before.as_ref().filter(|_| asked.by == Rank::Growth) {
        for each in &mut all {
            (each.before, _) = before.had(&each.key);
        }
    }
    rank::sort(&mut all, rank::rank(asked.by, purse.is_there()));
    let sum = sum(all.iter().map(|each| &each.now));
    let shares = units(all.iter().map(|each| &each.now));
    let total = purse.between(&apart.total(&sum), shares.iter().sum());
    let end = offset.saturating_add(limit).min(all.len());
    let listed = all.get(offset..end).unwrap_or_default();
    let shares = shares.get(offset..end).unwrap_or_default();
    let step = step(&answer, api.shortest_step(&answer));
    let trends = trends(&asking, apart, Part::steps(&answer, step), listed)?;
    let amount = |measure: &Measure, units| apart.amount(measure, units, purse);
    let items = listed.iter().zip(shares).zip(trends);
    let items = items.map(|((each, units), trend)| Item {
        key: each.key.clone(),
        amount: amount(&each.now, *units),
        before: before.as_ref().map(|before| {
            let (measure, units) = before.had(&each.key);
            amount(&measure, units)
        }),
        trend,
    });
    let page = Page {
        question,
        range: asking.range,
        offset: end as u64,
    };
    Ok(Top {
        range: when::range(&answer, asking.behind()),
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

/// How much there was in the range before, rounded together: the same whichever part of the list is asked for.
struct Before(BTreeMap<Key, (Measure, u128)>);

impl Before {
    /// Asks for it; `None` if there is no history of all of it.
    fn of(asking: &Asking<'_>, apart: Apart, answer: &Answer) -> Result<Option<Self>, Refusal> {
        let Some(part) = Asking::before(answer) else {
            return Ok(None);
        };
        let before = asking.ask(part, apart.by(), None)?;
        let (keys, mut parts): (Vec<_>, Vec<_>) = apart
            .all(&before)
            .into_iter()
            .map(|(key, what)| (key, what.sum()))
            .unzip();
        // What is in none of them is a part of the whole, too.
        let rest = before.groups.iter();
        let rest = rest.filter(|group| apart.key(&group.key).is_none());
        parts.push(sum(rest.flat_map(|group| &group.cells)));
        let shares = units(&parts);
        let had = keys.into_iter().zip(parts.into_iter().zip(shares));
        Ok(Some(Self(had.collect())))
    }

    /// How much one had.
    fn had(&self, key: &Key) -> (Measure, u128) {
        self.0.get(key).copied().unwrap_or_default()
    }
}

/// What those that are listed had over time.
fn trends(
    asking: &Asking<'_>,
    apart: Apart,
    steps: Part,
    listed: &[Ranked<Together>],
) -> Result<Vec<Vec<u64>>, Refusal> {
    if listed.is_empty() {
        return Ok(Vec::new());
    }
    let groups = listed
        .iter()
        .flat_map(|each| each.what.groups.iter().cloned());
    let trends = asking.ask(steps, apart.by(), Some(groups.collect()))?;
    let points = trends.times.len();
    let trends = apart.all(&trends);
    let trend = |key: &Key| match trends.get(key) {
        Some(trend) => trend.cells.iter().map(Measure::bytes).collect(),
        None => vec![0; points],
    };
    Ok(listed.iter().map(|each| trend(&each.key)).collect())
}

/// How long each of at most sixty parts of the range is: whole slots, and no shorter than can be told.
fn step(answer: &Answer, shortest: Duration) -> Duration {
    let slot = answer.resolution.slot();
    let slots = answer.range.end.since(answer.range.start).as_millis() / slot.as_millis().max(1);
    let slots = u64::try_from(slots).unwrap_or(u64::MAX);
    let shortest = shortest.as_secs().div_ceil(slot.as_secs().max(1));
    let step = slots.div_ceil(TREND).max(shortest).max(1);
    slot.saturating_mul(u32::try_from(step).unwrap_or(u32::MAX))
}
