//! The pods that have the most, of the last hour: from memory, as history is kept by workload.

use std::collections::BTreeMap;
use std::time::Duration;

use kubezonnet_api::{Amount, Item, Key, Range, ResolutionName, Top, TopAsked};
use kubezonnet_model::{Timestamp, Window};

use super::asking::Asking;
use super::cursor::{self, Page};
use super::money::{Purse, sum, units};
use super::rank::{self, Ranked};
use super::refusal::Refusal;
use super::{Api, when};
use crate::export::pods::{Had, Pods};
use crate::history::{Ends, Filter, Measure};

const MINUTE: u64 = 60_000;

/// The longest range.
const LONGEST: Duration = Duration::from_hours(1);

/// How long who reads a list page by page has it: less than what is kept beyond the longest range.
const READING: Duration = Duration::from_mins(5);

/// Which part of the list is asked for.
pub(super) struct Part {
    pub(super) question: u64,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

/// Answers `/api/v1/top?of=pods`.
pub(super) fn answer(
    api: &Api,
    asking: &Asking<'_>,
    asked: &TopAsked,
    part: &Part,
) -> Result<Top, Refusal> {
    let Some(pods) = &api.pods else {
        return Err(Refusal::unavailable("pods are not told apart here"));
    };
    let range = range(asking, asked.cursor.is_some())?;
    check(&asking.filter)?;
    let purse = Purse::of_currency(pods.currency());
    let before = when::before(range)
        .filter(|before| pods.since().is_some_and(|since| since <= before.start));
    let mut all = all(pods, &asking.filter, range, before);
    rank::sort(&mut all, rank::rank(asked.by, purse.is_there()));
    let shares = units(all.iter().map(|each| &each.now));
    let earlier = units(all.iter().map(|each| &each.before));
    let total = purse.between(&sum(all.iter().map(|each| &each.now)), shares.iter().sum());
    // Who was there before, and is no more, is of the list of that time.
    let count = all.len();
    let end = part.offset.saturating_add(part.limit).min(count);
    let listed = all.into_iter().zip(shares.into_iter().zip(earlier));
    let listed = listed.skip(part.offset).take(part.limit);
    let items = listed.map(|(each, (units, earlier))| Item {
        key: each.key,
        amount: Amount::Party(purse.party(&each.now, units)),
        before: before.map(|_| Amount::Party(purse.party(&each.before, earlier))),
        trend: each.what,
    });
    let page = Page {
        question: part.question,
        range: asking.range,
        offset: end as u64,
    };
    Ok(Top {
        range: Range {
            from: when::text(range.start),
            to: when::text(range.end),
            resolution: ResolutionName::Minute,
            history_since: pods.since().map(when::text),
            behind_seconds: 0,
        },
        currency: purse.currency(),
        of: asked.of,
        by: asked.by,
        count: count as u64,
        total,
        items: items.collect(),
        next: (end < count).then(|| cursor::write(&page)),
    })
}

/// The range in whole minutes; of a further page that of the first, for a while.
fn range(asking: &Asking<'_>, is_further: bool) -> Result<Window, Refusal> {
    let Window { start, end } = asking.range;
    let longest = if is_further {
        LONGEST + READING
    } else {
        LONGEST
    };
    let oldest = asking.now.minus(longest);
    if start.0 / MINUTE < oldest.0 / MINUTE {
        if is_further {
            let message = "the list is of an hour that is over by now: begin again, without it";
            return Err(Refusal::of("cursor", message));
        }
        let message = "pods are told apart in the last hour only: ask for workloads, or since=1h";
        return Err(Refusal::of(asking.begins_by, message));
    }
    Ok(Window {
        start: Timestamp(start.0 / MINUTE * MINUTE),
        end: Timestamp(end.0.div_ceil(MINUTE).saturating_mul(MINUTE)),
    })
}

/// Refuses what is not known of a pod: across which boundary its bytes went, and to whom.
fn check(filter: &Filter) -> Result<(), Refusal> {
    let unknown = [
        ("locality", !filter.localities.is_empty()),
        ("service", !filter.services.is_empty()),
        ("network", !filter.ends.networks.is_empty()),
        ("source_zone", filter.source != Ends::default()),
        ("destination_zone", filter.destination != Ends::default()),
    ];
    match unknown.into_iter().find(|(_, is_asked)| *is_asked) {
        Some((field, _)) => {
            let message = "it is not kept for each pod: ask for workloads or pairs with it";
            Err(Refusal::of(field, message))
        }
        None => Ok(()),
    }
}

/// Every pod that is asked for, in the order of names, with a small picture.
fn all(
    pods: &Pods,
    filter: &Filter,
    range: Window,
    before: Option<Window>,
) -> Vec<Ranked<Vec<u64>>> {
    let minutes = range.end.since(range.start).as_secs() / 60;
    // At most sixty parts, each of whole minutes.
    let step = minutes.div_ceil(60).max(1) * MINUTE;
    let points = usize::try_from((minutes * MINUTE).div_ceil(step)).unwrap_or(0);
    let mut all: BTreeMap<Key, Ranked<Vec<u64>>> = BTreeMap::new();
    let takes = |had: &Had| filter.ends.have(&[&had.pod.side]);
    for had in pods.had(range).iter().filter(|had| takes(had)) {
        let key = key(had);
        let each = all.entry(key.clone()).or_insert_with(|| Ranked {
            key,
            now: Measure::default(),
            before: Measure::default(),
            what: vec![0; points],
        });
        each.now += had.measure;
        let point = (had.at.0 - range.start.0) / step;
        if let Some(point) = each
            .what
            .get_mut(usize::try_from(point).unwrap_or(usize::MAX))
        {
            *point = point.saturating_add(had.measure.bytes());
        }
    }
    for had in before.map(|before| pods.had(before)).unwrap_or_default() {
        if let Some(each) = all.get_mut(&key(&had)).filter(|_| takes(&had)) {
            each.before += had.measure;
        }
    }
    all.into_values().collect()
}

fn key(had: &Had) -> Key {
    let [namespace, ..] = had.pod.side.who.labels();
    let name = had.pod.name.as_ref().map_or("other", |name| name.as_str());
    Key::Pod {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}
