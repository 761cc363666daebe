//! From counters at points in time to what each pair had, stretch by stretch, and of whom. Pure.
//!
//! When there are too many pairs the smallest are folded: they end, and `other` rises by all they had. What
//! was folded is taken off again, as it was counted before. Of what ended where a server says that it folded,
//! that is no more than it says, and nothing that is larger than what stayed: that is gone. One that is folded
//! and sends again is listed again: what fell there ended, and began anew.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use foldhash::HashMap;
use kubezonnet_model::FlowCounters;
use kubezonnet_pricing::Version;

use super::differences::{Held, endings, rises, stays};
use super::ends::{Ends, Known};
use super::gathered::{Gathered, Goes, What};
use crate::books::Disposition;
use crate::history::{Fold, Series};
use crate::ledger::{Side, Who};

/// Adds what pairs had in a stretch, without what only moved from one to another, and holds what the next
/// stretch needs. Says how many pairs came that nobody has.
pub(super) fn settle(
    gathered: &mut Gathered,
    known: &Known<'_>,
    prices: Option<Version>,
    fold: &mut Fold<'_>,
) -> usize {
    let folds = folds(gathered);
    let mut moved = moved(gathered, known, &folds);
    let mut nobodys = 0;
    let is_told: Vec<_> = (0..gathered.stores.len())
        .map(|store| gathered.is_told(store))
        .collect();
    let Gathered {
        times,
        stores,
        counters,
        ..
    } = gathered;
    for (identity, counter) in counters {
        if !is_told[identity.store] {
            continue;
        }
        let of = &stores[identity.store];
        let ends = || known.ends(&identity.labels, &of.zones);
        let goes = match counter.goes {
            Some((telling, goes)) if telling == of.tellings => goes,
            _ => {
                let goes = goes(ends(), prices, fold);
                nobodys += usize::from(matches!(goes, Goes::Nowhere));
                goes
            }
        };
        counter.goes = Some((of.tellings, goes));
        let (row, ends) = match goes {
            Goes::Nowhere | Goes::Aside => (None, None),
            Goes::To(row) => (Some(row), None),
            Goes::Others(row) if moved.is_empty() => (Some(row), None),
            Goes::Others(row) => (Some(row), ends()),
        };
        let others = ends.map(|ends| Folded::of(identity.store, &ends));
        let mut moved = others.and_then(|others| moved.get_mut(&others));
        let nothing = Held::nothing(&of.store);
        let held = counter.held.get_or_insert([nothing; 2]);
        for (what, (shown, held)) in What::ALL.into_iter().zip(counter.shown.iter().zip(held)) {
            let has_folds = |position| folds[identity.store].contains_key(&position);
            for (position, mut rise) in rises(shown, &of.store, times, has_folds, held) {
                if let Some(moved) = moved.as_mut().and_then(|moved| moved.get_mut(&position)) {
                    let moved = what.of(moved);
                    let taken = rise.min(*moved);
                    *moved -= taken;
                    rise -= taken;
                }
                // What came up to a point is of the time before it.
                let from = position.checked_sub(1).map(|before| times[before]);
                let cell = from.and_then(|from| fold.position(from));
                if let (Some(row), Some(cell)) = (row, cell) {
                    let mut had = FlowCounters::ZERO;
                    *what.of(&mut had) = rise;
                    fold.add(row, cell, had);
                }
            }
            held.show(shown, &of.store);
        }
    }
    gathered.end();
    nobodys
}

/// Where a pair of these goes.
fn goes(ends: Option<Ends>, prices: Option<Version>, fold: &mut Fold<'_>) -> Goes {
    let Some(ends) = ends else {
        return Goes::Nowhere;
    };
    let row = fold.row(&Series {
        source: &ends.source,
        destination: &ends.destination,
        class: ends.class,
        service: None,
        prices,
    });
    let is_others = [&ends.source, &ends.destination].map(|side| side.who == Who::Other);
    match row {
        None => Goes::Aside,
        Some(row) if is_others.contains(&true) => Goes::Others(row),
        Some(row) => Goes::To(row),
    }
}

/// A pair that others are folded into.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Folded {
    store: usize,
    source: Side,
    destination: Side,
    locality: Disposition,
}

impl Folded {
    fn of(store: usize, ends: &Ends) -> Self {
        Self {
            store,
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

/// How many pairs each store folded up to which points.
fn folds(gathered: &mut Gathered) -> Vec<BTreeMap<usize, u64>> {
    let mut all = Vec::new();
    for store in 0..gathered.stores.len() {
        let is_told = gathered.is_told(store);
        let known = &mut gathered.stores[store];
        let mut folds = BTreeMap::new();
        if is_told {
            let nothing = Held::nothing(&known.store);
            let held = known.held.get_or_insert(nothing);
            let times = &gathered.times;
            folds.extend(rises(&known.folded, &known.store, times, |_| false, held));
        }
        all.push(folds);
    }
    all
}

/// A pair that ended where its store folded some.
struct Ended {
    had: FlowCounters,
    others: Folded,
}

/// What pairs had that were folded: their bytes are among those of others from then on, and were counted before.
fn moved(
    gathered: &Gathered,
    known: &Known<'_>,
    folds: &[BTreeMap<usize, u64>],
) -> HashMap<Folded, BTreeMap<usize, FlowCounters>> {
    let mut ended: HashMap<(usize, usize), Vec<Ended>> = HashMap::default();
    // The smallest that could have been folded and was not.
    let mut stayed: HashMap<(usize, usize), u64> = HashMap::default();
    for (identity, counter) in &gathered.counters {
        let number = identity.store;
        let folds = &folds[number];
        if folds.is_empty() {
            continue;
        }
        let of = &gathered.stores[number];
        let nothing = Held::nothing(&of.store);
        let held = counter.held.unwrap_or([nothing; 2]);
        let ends = OnceCell::new();
        let ends = || {
            ends.get_or_init(|| known.ends(&identity.labels, &of.zones))
                .as_ref()
        };
        let mut had: BTreeMap<usize, FlowCounters> = BTreeMap::new();
        for what in What::ALL {
            let shown = &counter.shown[what as usize];
            for (position, before) in endings(shown, &of.store, held[what as usize]) {
                if folds.contains_key(&position) {
                    *what.of(had.entry(position).or_default()) = before;
                }
            }
        }
        let [bytes, _] = &counter.shown;
        for (position, now) in stays(bytes, &of.store, held[What::Bytes as usize]) {
            if folds.contains_key(&position) {
                let least = stayed.entry((number, position)).or_insert(u64::MAX);
                if now < *least && ends().is_some_and(can_fold) {
                    *least = now;
                }
            }
        }
        for (position, had) in had {
            if let Some(ends) = ends().filter(|ends| can_fold(ends)) {
                let others = Folded::of(number, ends).others();
                let ended = ended.entry((number, position)).or_default();
                ended.push(Ended { had, others });
            }
        }
    }
    let mut moved: HashMap<Folded, BTreeMap<usize, FlowCounters>> = HashMap::default();
    for ((store, position), mut ended) in ended {
        let least = stayed.get(&(store, position)).copied();
        ended.retain(|each| each.had.bytes <= least.unwrap_or(u64::MAX));
        ended.sort_by_key(|each| each.had.bytes);
        // An edge each: of a pair there can be several.
        let most = folds[store].get(&position).copied().unwrap_or_default();
        for each in ended
            .into_iter()
            .take(usize::try_from(most).unwrap_or(usize::MAX))
        {
            let sums = moved.entry(each.others).or_default();
            *sums.entry(position).or_default() += each.had;
        }
    }
    moved
}

/// Whether a pair can be folded with others.
fn can_fold(ends: &Ends) -> bool {
    ends.source.who.can_fold() || ends.destination.who.can_fold()
}

impl What {
    fn of(self, counters: &mut FlowCounters) -> &mut u64 {
        match self {
            Self::Bytes => &mut counters.bytes,
            Self::Packets => &mut counters.packets,
        }
    }
}
