//! From counters at points in time to what each series had, and of whom. Pure.
//!
//! When there are too many pairs the smallest are folded: they end, and `other` rises by all they had. What
//! ended where a server says that it folded is taken off again, as it was counted before. One that is folded
//! and sends again is listed again: what fell there ended, and began anew.

use std::collections::BTreeMap;

use foldhash::HashMap;
use kubezonnet_model::FlowCounters;

use super::differences::{Shown, endings, rises};
use super::ends::{Ends, Known};
use super::gathered::{Gathered, Identity, What};
use super::labels::Labels;
use crate::books::Disposition;
use crate::ledger::{Side, Who};

/// What a series had, by the positions of the points up to which.
pub(super) type Had = BTreeMap<usize, FlowCounters>;

/// What each series had, without what only moved from one to another.
pub(super) fn counters(
    gathered: &Gathered<'_>,
    known: &Known<'_>,
    nobodys: &mut usize,
) -> Vec<(Ends, Had)> {
    let mut all: Vec<(&Identity, &Shown, Ends)> = Vec::new();
    for (identity, shown) in gathered.counters() {
        let zones = &gathered.stores[identity.store].zones;
        match known.ends(&identity.labels, zones) {
            Some(ends) => all.push((identity, shown, ends)),
            None => *nobodys += 1,
        }
    }
    let folds = folds(gathered);
    let mut moved = moved(gathered, &all, &folds);
    let mut series: HashMap<(usize, &Labels), (Ends, Had)> = HashMap::default();
    for (identity, shown, ends) in all {
        let store = &gathered.stores[identity.store].store;
        let mut moved = moved.remove(&Folded::of(identity, &ends));
        let key = (identity.store, &identity.labels);
        let (_, had) = series.entry(key).or_insert_with(|| (ends, Had::new()));
        for (position, mut rise) in rises(shown, store, gathered.times(), &folds[identity.store]) {
            if let Some(moved) = moved.as_mut().and_then(|moved| moved.get_mut(&position)) {
                let taken = rise.min(*moved);
                *moved -= taken;
                rise -= taken;
            }
            let had = had.entry(position).or_default();
            match identity.what {
                What::Bytes => had.bytes += rise,
                What::Packets => had.packets += rise,
            }
        }
    }
    series.into_values().collect()
}

/// A counter of those that are folded together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Folded {
    store: usize,
    what: What,
    source: Side,
    destination: Side,
    locality: Disposition,
}

impl Folded {
    fn of(identity: &Identity, ends: &Ends) -> Self {
        Self {
            store: identity.store,
            what: identity.what,
            source: ends.source.clone(),
            destination: ends.destination.clone(),
            locality: Disposition::from(ends.class.locality()),
        }
    }

    /// Where its bytes go when there are too many series.
    fn others(self) -> Self {
        Self {
            source: self.source.folded(Who::Other),
            destination: self.destination.folded(Who::Other),
            ..self
        }
    }
}

/// Up to which points each store folded pairs.
fn folds(gathered: &Gathered<'_>) -> Vec<Vec<usize>> {
    let stores = gathered.stores.iter();
    stores
        .map(|known| {
            let folds = rises(&known.folded, &known.store, gathered.times(), &[]);
            folds.map(|(position, _)| position).collect()
        })
        .collect()
}

/// What counters have that went and were folded: their bytes are among those of others from then on, and
/// were counted before.
fn moved(
    gathered: &Gathered<'_>,
    all: &[(&Identity, &Shown, Ends)],
    folds: &[Vec<usize>],
) -> HashMap<Folded, BTreeMap<usize, u64>> {
    let mut moved: HashMap<Folded, BTreeMap<usize, u64>> = HashMap::default();
    for (identity, shown, ends) in all {
        let folds = &folds[identity.store];
        if folds.is_empty() {
            continue;
        }
        let ended = endings(shown, &gathered.stores[identity.store].store);
        for (position, had) in ended.filter(|(position, _)| folds.contains(position)) {
            let others = Folded::of(identity, ends).others();
            *moved
                .entry(others)
                .or_default()
                .entry(position)
                .or_default() += had;
        }
    }
    moved
}
