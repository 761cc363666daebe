//! Sums by pod and minute. Pure.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use foldhash::{HashMap, HashSet};
use kubezonnet_history::spread;
use kubezonnet_model::{Direction, Endpoint, FlowCounters, Labels, Name, Timestamp, Window};
use kubezonnet_pricing::{Charges, Place, PriceBook};

use crate::costs::{Places, Prices, Way};
use crate::history::part::{Part, Role, charge, is_crossing, is_free};
use crate::history::{Measure, Unpriced};
use crate::ledger::{self, Side, Who};
use crate::resolve::{Outcome, ResolvedBatch};

/// How long they are kept: an hour, the minute in which it begins, and six for who reads it page by page.
const KEPT: Duration = Duration::from_mins(67);

/// How many sums of a pod and a minute there are at most, of some 200 bytes each: 3,000 pods that talk in
/// every minute. What is more is added up as other pods.
const MOST_SUMS: usize = 200_000;

/// A pod, and who and where that is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodSide {
    /// Its name; none of those that are too many.
    pub name: Option<Name>,
    /// Its workload, place and labels.
    pub side: Side,
}

/// What a pod had in a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Had {
    /// When the minute began.
    pub at: Timestamp,
    /// Who it is.
    pub pod: Arc<PodSide>,
    /// How much.
    pub measure: Measure,
}

/// Sums by pod and minute.
#[derive(Debug, Default)]
pub(super) struct Minutes {
    sums: BTreeMap<Timestamp, HashMap<Known, Measure>>,
    /// All pods that a minute has: each is in memory once.
    known: HashSet<Arc<PodSide>>,
    /// How many sums there are.
    count: usize,
    /// When the first window began.
    since: Option<Timestamp>,
}

/// One of the pods that are in memory once: which one it is, its address tells.
#[derive(Debug)]
struct Known(Arc<PodSide>);

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Known {}

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// What a window brought a pod: each minute once at most.
pub(super) type Brought = (PodSide, Vec<(Timestamp, Measure)>);

impl Minutes {
    pub(super) fn since(&self) -> Option<Timestamp> {
        let oldest = self.sums.keys().next()?;
        self.since.map(|since| since.max(*oldest))
    }

    /// Adds what a window brought, unless it is of long ago. Without a clock now is when the newest minute is.
    pub(super) fn add(&mut self, brought: Vec<Brought>, window: Window, now: Option<Timestamp>) {
        if let Some(now) = now {
            // Of a clock that was ahead: it would take the room of what is true.
            self.forget_from(now.plus(KEPT));
        }
        let newest = self.sums.keys().next_back().copied().unwrap_or_default();
        let oldest = now.unwrap_or(newest.max(window.end)).minus(KEPT);
        for (pod, minutes) in brought {
            if minutes.iter().all(|(at, _)| *at < oldest) {
                continue;
            }
            let pod = self.shared(pod);
            for (at, measure) in minutes {
                if at >= oldest {
                    self.add_to(at, &pod, measure);
                }
            }
        }
        let begin = self.since.unwrap_or(window.start);
        self.since = Some(begin.min(window.start).max(oldest));
        self.forget(oldest);
    }

    pub(super) fn had(&self, range: Window) -> Vec<Had> {
        let minutes = self.sums.range(range.start..range.end);
        let had = minutes.flat_map(|(at, pods)| {
            pods.iter().map(|(pod, measure)| Had {
                at: *at,
                pod: Arc::clone(&pod.0),
                measure: *measure,
            })
        });
        had.collect()
    }

    fn add_to(&mut self, at: Timestamp, pod: &Arc<PodSide>, measure: Measure) {
        let mut key = Known(Arc::clone(pod));
        let is_new = || !(self.sums.get(&at)).is_some_and(|minute| minute.contains_key(&key));
        if self.count >= MOST_SUMS && is_new() {
            key = Known(self.shared(PodSide::other()));
        }
        let minute = self.sums.entry(at).or_default();
        let before = minute.len();
        *minute.entry(key).or_default() += measure;
        self.count += minute.len() - before;
    }

    fn shared(&mut self, pod: PodSide) -> Arc<PodSide> {
        if let Some(known) = self.known.get(&pod) {
            return Arc::clone(known);
        }
        let pod = Arc::new(pod);
        self.known.insert(Arc::clone(&pod));
        pod
    }

    fn forget(&mut self, before: Timestamp) {
        let kept = self.sums.split_off(&before);
        let gone = std::mem::replace(&mut self.sums, kept);
        self.let_go(gone);
    }

    fn forget_from(&mut self, end: Timestamp) {
        let gone = self.sums.split_off(&end);
        self.let_go(gone);
    }

    fn let_go(&mut self, gone: BTreeMap<Timestamp, HashMap<Known, Measure>>) {
        if gone.is_empty() {
            return;
        }
        self.count -= gone.values().map(HashMap::len).sum::<usize>();
        drop(gone);
        self.known.retain(|pod| Arc::strong_count(pod) > 1);
    }
}

impl PodSide {
    fn other() -> Self {
        Self {
            name: None,
            side: Side {
                who: Who::Other,
                place: ledger::Place::default(),
                labels: Labels::default(),
            },
        }
    }
}

/// What a batch brought each pod in each minute; a pod with two addresses comes twice.
pub(super) fn of(batch: &ResolvedBatch, book: Option<&PriceBook>) -> Vec<Brought> {
    let mut places = Places::default();
    let reporter = &batch.reporter;
    let node = Endpoint::Node(Arc::clone(&reporter.node));
    // What a node forwards it sends itself.
    let forwarder = places.id(Place::of(&node, &reporter.site));
    let ends = batch.parties.iter();
    let at: Vec<_> = ends
        .map(|party| places.id(Place::of(&party.endpoint, &party.site)))
        .collect();
    // Of each party by how it has part: few, as there are few zones.
    let mut sums: Vec<Vec<(Kind, FlowCounters)>> = vec![Vec::new(); batch.parties.len()];
    let mut add = |end: u32, kind: Kind, counters: FlowCounters| {
        if !matches!(batch.parties[end as usize].endpoint, Endpoint::Pod(_)) {
            return;
        }
        let of_end = &mut sums[end as usize];
        match of_end.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, sum)) => *sum += counters,
            None => of_end.push((kind, counters)),
        }
    };
    for flow in &batch.flows {
        let Outcome::Counted(direction, locality) = flow.outcome else {
            continue;
        };
        let destination = at[flow.destination as usize];
        let source = if direction == Direction::Transit {
            forwarder
        } else {
            let source = at[flow.source as usize];
            let way = (source, destination, locality);
            add(flow.source, (Role::Sender, way), flow.counters);
            source
        };
        let way = (source, destination, locality);
        add(flow.destination, (Role::Receiver, way), flow.counters);
    }
    let mut prices = book.map(Prices::of);
    let with_pods = batch.parties.iter().zip(sums);
    let brought = with_pods.filter_map(|(party, sums)| {
        let Endpoint::Pod(pod) = &party.endpoint else {
            return None;
        };
        if sums.is_empty() {
            return None;
        }
        let pod = PodSide {
            name: Some(pod.name.clone()),
            side: Side::of(&party.endpoint, &party.site),
        };
        let mut minutes: Vec<(Timestamp, Measure)> = Vec::new();
        for ((role, way), counters) in sums {
            let (.., locality) = way;
            let part = Part {
                role,
                is_crossing: is_crossing(locality),
                charge: match &mut prices {
                    _ if is_free(locality) => Ok(Charges::FREE),
                    Some(prices) => charge(prices.charges(&places, way)),
                    None => Err(Unpriced::NoPrices),
                },
            };
            for (at, share) in spread(batch.window, counters) {
                let measure = part.measure(share);
                match minutes.iter_mut().find(|(other, _)| *other == at) {
                    Some((_, sum)) => *sum += measure,
                    None => minutes.push((at, measure)),
                }
            }
        }
        Some((pod, minutes))
    });
    brought.collect()
}

/// How a pod has part in bytes: as who, and between which places they went.
type Kind = (Role, Way);
