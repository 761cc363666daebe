//! Series as they were answered, brought together by the counters that they show. Pure.
//!
//! Who scrapes gives a series labels that say from where: an instance, a cluster, a replica. These change
//! while the counters go on, as they are on disk, and several can show the same. So counters are told
//! apart by the store that they are kept in, which each page of metrics names
//! (`kubezonnet_store_created_timestamp_seconds`), and by the labels that we give them ourselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::HashMap;
use kubezonnet_model::Timestamp;

use super::differences::{Held, Shown, Store};
use super::labels::Labels;
use super::plan::Grid;
use super::reply::{Sampled, timestamp};
use crate::history::Row;

/// The metrics that are asked for.
pub(super) const BYTES: &str = "kubezonnet_workload_traffic_bytes_total";
pub(super) const PACKETS: &str = "kubezonnet_workload_traffic_packets_total";
pub(super) const CREATED: &str = "kubezonnet_store_created_timestamp_seconds";
pub(super) const FOLDED: &str = "kubezonnet_server_folded_series_total";
pub(super) const ZONES: &str = "kubezonnet_zone_info";

/// The label that every series has its name in.
const NAME: &str = "__name__";

/// Who scrapes gives our label this prefix, if it has one of that name itself.
const EXPORTED: &str = "exported_";

/// The most samples that are held of a stretch: twice as many as are planned for, as series come and go.
const MOST_SAMPLES: usize = 2_000_000;

/// What was answered, stretch by stretch: of those before this one what is needed to go on.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The points in time of this stretch, behind the last one of the stretch before.
    pub(super) times: Vec<Timestamp>,
    /// The last point of the stretches before.
    before: Option<Timestamp>,
    /// Where this stretch begins: of stores that were seen there, or later, it tells nothing.
    first: Timestamp,
    pub(super) stores: Vec<KnownStore>,
    by_name: HashMap<Arc<str>, usize>,
    /// By the labels that say from where: the stores that were there, and when.
    places: HashMap<Labels, BTreeMap<usize, Vec<bool>>>,
    pub(super) counters: HashMap<Identity, Counter>,
    samples: usize,
    /// Series of which no store is known, in the stretch that has most.
    pub(super) strays: usize,
    /// Those of this stretch.
    strays_here: usize,
}

/// A store, and what it says of itself.
#[derive(Debug)]
pub(super) struct KnownStore {
    pub(super) store: Store,
    /// How many pairs were folded into others, in this stretch.
    pub(super) folded: Shown,
    /// What is held of that.
    pub(super) held: Option<Held>,
    /// When it was seen last, in the stretches that were taken.
    seen_last: Option<Timestamp>,
    /// The ids and regions of zones, empty where they are not known.
    pub(super) zones: HashMap<String, [String; 2]>,
    /// How often these changed.
    pub(super) tellings: u32,
}

/// What a pair shows in this stretch, and what is held of it.
#[derive(Debug, Default)]
pub(super) struct Counter {
    /// By [`What`].
    pub(super) shown: [Shown; 2],
    /// Likewise; nothing of one that was not there in the stretch before.
    pub(super) held: Option<[Held; 2]>,
    /// Where it goes, and at which telling of its store that was found.
    pub(super) goes: Option<(u32, Goes)>,
}

/// Where a pair goes in the answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goes {
    /// No server has it.
    Nowhere,
    /// It is not asked for.
    Aside,
    /// There.
    To(Row),
    /// There, and others are folded into it.
    Others(Row),
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    Bytes,
    Packets,
}

impl What {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Bytes, Self::Packets];
}

/// What tells a pair from any other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    /// Its position.
    pub(super) store: usize,
    /// The labels that we give it.
    pub(super) labels: Labels,
}

/// An answer that cannot be right.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum Strange {
    #[error(
        "it answered for another time than was asked for; give --prometheus-url the one that has the samples, \
             and not one before it that moves times"
    )]
    Time,
    #[error(
        "too much for one answer: more than {MOST_SAMPLES} samples; ask of a shorter time, or by longer steps"
    )]
    TooMuch,
    #[error("{0} is {1}, which no counter shows")]
    Value(String, f64),
    #[error("{0} is {1}, which is no time")]
    Created(String, f64),
}

impl Gathered {
    /// Begins a stretch after those that were taken, or begins one again that could not be had.
    pub(super) fn begin(&mut self, grid: Grid) {
        self.clear();
        self.first = grid.first;
        self.set_times(self.before.into_iter().chain(grid.points()).collect());
    }

    /// Begins one before the range: what it tells is of use for stores that were not seen yet.
    pub(super) fn look_back(&mut self, grid: Grid) {
        self.clear();
        self.first = grid.first;
        self.set_times(grid.points().collect());
    }

    fn set_times(&mut self, times: Vec<Timestamp>) {
        for known in &mut self.stores {
            known.store.seen = vec![false; times.len()];
        }
        self.times = times;
    }

    fn clear(&mut self) {
        for known in &mut self.stores {
            known.folded.clear();
        }
        // What came with a stretch that could not be had was never there.
        self.counters.retain(|_, counter| {
            counter.shown = Default::default();
            counter.held.is_some()
        });
        self.places.clear();
        self.samples = 0;
        self.strays_here = 0;
    }

    /// Whether this stretch tells something of a store.
    pub(super) fn is_told(&self, store: usize) -> bool {
        self.stores[store]
            .seen_last
            .is_none_or(|seen| seen < self.first)
    }

    /// What of this stretch the next ones need is held.
    pub(super) fn end(&mut self) {
        for store in 0..self.stores.len() {
            let is_told = self.is_told(store);
            let known = &mut self.stores[store];
            let last = known.store.seen.iter().rposition(|seen| *seen);
            if let Some(last) = last.filter(|_| is_told) {
                known.store.is_known = true;
                known.seen_last = Some(self.times[last]);
            }
        }
        // One that is not there while its store is begins at zero when it comes again.
        self.counters.retain(|_, counter| {
            let held = counter.held.iter().flatten();
            held.into_iter().any(|held| held.shown.is_some())
        });
        self.before = self.before.max(self.times.last().copied());
        self.strays = self.strays.max(self.strays_here);
    }

    /// Takes an answer to one query, with all that it has of each of its points in time.
    pub(super) fn add(&mut self, series: Vec<Sampled>) -> Result<(), Strange> {
        let named = |mut each: Sampled| (each.metric.remove(NAME).unwrap_or_default(), each);
        let series: Vec<_> = series.into_iter().map(named).collect();
        let (stores, others): (Vec<_>, Vec<_>) =
            series.into_iter().partition(|(name, _)| **name == *CREATED);
        for (name, each) in stores {
            self.add_store(&name, each)?;
        }
        for (name, each) in others {
            match &*name {
                BYTES => self.add_counter(&name, What::Bytes, each)?,
                PACKETS => self.add_counter(&name, What::Packets, each)?,
                FOLDED => self.add_folded(&name, each)?,
                ZONES => self.add_zone(each)?,
                // It was not asked for.
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a store that is new to this stretch, and was made before a point in time, was not there then.
    pub(super) fn lacks_one_of(&self, at: Timestamp) -> bool {
        self.stores.iter().any(|known| {
            let first = known.store.seen.iter().position(|seen| *seen);
            let is_late = first.is_some_and(|position| self.times[position] > at);
            !known.store.is_known && known.store.created <= at && is_late
        })
    }

    fn add_store(&mut self, name: &str, mut series: Sampled) -> Result<(), Strange> {
        let id = own(&mut series.metric, "store");
        let count = self.times.len();
        for sample in &series.values {
            let position = self.position(sample.at)?;
            let wrong = || Strange::Created(name.to_owned(), sample.value);
            let created = timestamp(sample.value).ok_or_else(wrong)?;
            let number = *self.by_name.entry(id.clone()).or_insert_with(|| {
                self.stores.push(KnownStore {
                    store: Store {
                        created,
                        seen: vec![false; count],
                        is_known: false,
                        is_doubled: false,
                    },
                    folded: Shown::new(),
                    held: None,
                    seen_last: None,
                    zones: HashMap::default(),
                    tellings: 0,
                });
                self.stores.len() - 1
            });
            let store = &mut self.stores[number].store;
            store.created = store.created.min(created);
            // No series has two samples of one time.
            store.is_doubled |= std::mem::replace(&mut store.seen[position], true);
            let place = self.places.entry(series.metric.clone()).or_default();
            place.entry(number).or_insert_with(|| vec![false; count])[position] = true;
        }
        Ok(())
    }

    fn add_counter(&mut self, name: &str, what: What, series: Sampled) -> Result<(), Strange> {
        let (labels, place) = series.metric.partition(is_ours);
        let Some(stores) = self.places.get(&place) else {
            self.strays_here += 1;
            return Ok(());
        };
        let mut samples = Vec::with_capacity(series.values.len());
        for sample in &series.values {
            let position = self.position(sample.at)?;
            let value = whole(sample.value);
            let value = value.ok_or_else(|| Strange::Value(name.to_owned(), sample.value))?;
            // A page has both, so that one is there.
            if let Some(store) = self.latest(stores, position) {
                samples.push((store, (position, value)));
            }
        }
        let mut identity = Identity {
            store: usize::MAX,
            labels,
        };
        // Labels are long, and looked up once for all samples of a store.
        for of_one in samples.chunk_by(|(one, _), (next, _)| one == next) {
            identity.store = of_one[0].0;
            self.show(&identity, what, of_one.iter().map(|(_, sample)| *sample))?;
        }
        Ok(())
    }

    fn show(
        &mut self,
        identity: &Identity,
        what: What,
        samples: impl Iterator<Item = (usize, u64)>,
    ) -> Result<(), Strange> {
        let counter = match self.counters.get_mut(identity) {
            Some(counter) => counter,
            None => self.counters.entry(identity.clone()).or_default(),
        };
        let shown = &mut counter.shown[what as usize];
        let is_first = |(position, value)| show(shown, position, value);
        self.samples += samples.map(is_first).filter(|is_first| *is_first).count();
        if self.samples > MOST_SAMPLES {
            return Err(Strange::TooMuch);
        }
        Ok(())
    }

    fn add_folded(&mut self, name: &str, mut series: Sampled) -> Result<(), Strange> {
        if &*own(&mut series.metric, "group") != "workloads" {
            return Ok(());
        }
        for sample in &series.values {
            let position = self.position(sample.at)?;
            let value = whole(sample.value);
            let value = value.ok_or_else(|| Strange::Value(name.to_owned(), sample.value))?;
            if let Some(store) = self.store_at(&series.metric, position) {
                show(&mut self.stores[store].folded, position, value);
            }
        }
        Ok(())
    }

    fn add_zone(&mut self, mut series: Sampled) -> Result<(), Strange> {
        let zone = own(&mut series.metric, "zone");
        // One of ours that is empty is not there, and one of that name says from where then.
        let ours = [[true, true], [true, false], [false, true], [false, false]];
        let mut readings = ours.into_iter().map(|[has_id, has_region]| {
            let mut place = series.metric.clone();
            let mut take = |is_ours: bool, name| {
                let told = is_ours.then(|| own(&mut place, name).to_string());
                told.unwrap_or_default()
            };
            let told = [take(has_id, "zone_id"), take(has_region, "region")];
            (place, told)
        });
        let Some((place, told)) = readings.find(|(place, _)| self.places.contains_key(place))
        else {
            return Ok(());
        };
        for sample in &series.values {
            let position = self.position(sample.at)?;
            if let Some(store) = self.store_at(&place, position) {
                let store = &mut self.stores[store];
                let known = store.zones.entry(zone.to_string()).or_default();
                // The same whatever comes first.
                if *known < told {
                    known.clone_from(&told);
                    store.tellings += 1;
                }
            }
        }
        Ok(())
    }

    /// Whose counters a place showed at a point in time.
    fn store_at(&self, place: &Labels, position: usize) -> Option<usize> {
        self.latest(self.places.get(place)?, position)
    }

    /// Whose counters are shown where all these stores were: of two the one that was made later has taken the
    /// place of the other.
    fn latest(&self, stores: &BTreeMap<usize, Vec<bool>>, position: usize) -> Option<usize> {
        let there = stores.iter().filter(|(_, seen)| seen[position]);
        let created = |store: &usize| self.stores[*store].store.created;
        there.map(|(store, _)| *store).max_by_key(created)
    }

    fn position(&self, at: Timestamp) -> Result<usize, Strange> {
        self.times.binary_search(&at).map_err(|_| Strange::Time)
    }
}

/// Takes what a counter shows; says whether it is the first of its time.
fn show(shown: &mut Shown, position: usize, value: u64) -> bool {
    // They come in order, mostly.
    let is_next = shown.last().is_none_or(|(last, _)| *last < position);
    let place = match shown.binary_search_by_key(&position, |(at, _)| *at) {
        _ if is_next => shown.len(),
        Err(place) => place,
        Ok(place) => {
            // Of two that show the same counter one was asked later.
            let known = &mut shown[place].1;
            *known = value.max(*known);
            return false;
        }
    };
    shown.insert(place, (position, value));
    true
}

/// Whether a label of a counter is one that we give it.
fn is_ours(name: &str) -> bool {
    name == "locality" || name.starts_with("src_") || name.starts_with("dst_")
}

/// Takes a label that is ours off, so that those are left that say from where.
fn own(labels: &mut Labels, name: &str) -> Arc<str> {
    let renamed = labels.remove(&format!("{EXPORTED}{name}"));
    renamed.or_else(|| labels.remove(name)).unwrap_or_default()
}

/// What a counter shows. Beyond 2^53 it was rounded already.
fn whole(value: f64) -> Option<u64> {
    /// 2^64.
    const END: f64 = 18_446_744_073_709_551_616.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative and below 2^64"
    )]
    let whole = || value as u64;
    (0.0..END).contains(&value).then(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_in_order_once_and_the_most_of_its_time_however_it_comes() {
        let mut shown = Shown::new();

        let are_first = [(5, 1), (9, 2), (0, 7), (5, 3), (5, 2), (7, 4)]
            .map(|(position, value)| show(&mut shown, position, value));

        assert_eq!(shown, [(0, 7), (5, 3), (7, 4), (9, 2)]);
        assert_eq!(are_first, [true, true, true, false, false, true]);
    }

    #[test]
    fn more_samples_than_there_is_room_for_are_refused() {
        let mut gathered = Gathered {
            samples: MOST_SAMPLES - 1,
            ..Gathered::default()
        };
        let identity = |store| Identity {
            store,
            labels: Labels::default(),
        };

        let mut show = |what, value| {
            let samples = std::iter::once((0, value));
            gathered.show(&identity(0), what, samples)
        };
        assert_eq!(show(What::Bytes, 1), Ok(()));
        assert_eq!(show(What::Bytes, 2), Ok(()));
        assert_eq!(show(What::Packets, 1), Err(Strange::TooMuch));
    }
}
