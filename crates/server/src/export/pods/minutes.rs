//! Sums by pod and minute. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::{HashMap, HashSet};
use kubezonnet_history::spread;
use kubezonnet_model::{
    Direction, Endpoint, FlowCounters, Labels, Locality, Name, Timestamp, Window,
};
use kubezonnet_pricing::{Charges, Cost, Edge, PriceBook};

use crate::costs::place;
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
    sums: BTreeMap<Timestamp, HashMap<Arc<PodSide>, Measure>>,
    /// All pods that a minute has: each is in memory once.
    known: HashSet<Arc<PodSide>>,
    /// How many sums there are.
    count: usize,
    /// When the first window began.
    since: Option<Timestamp>,
}

impl Minutes {
    pub(super) fn since(&self) -> Option<Timestamp> {
        let oldest = self.sums.keys().next()?;
        self.since.map(|since| since.max(*oldest))
    }

    /// Adds what a window brought, unless it is of long ago. Without a clock now is when the newest minute is.
    pub(super) fn add(
        &mut self,
        brought: HashMap<(Timestamp, PodSide), Measure>,
        window: Window,
        now: Option<Timestamp>,
    ) {
        if let Some(now) = now {
            // Of a clock that was ahead: it would take the room of what is true.
            self.forget_from(now.plus(KEPT));
        }
        let newest = self.sums.keys().next_back().copied().unwrap_or_default();
        let oldest = now.unwrap_or(newest.max(window.end)).minus(KEPT);
        for ((at, pod), measure) in brought {
            if at < oldest {
                continue;
            }
            let pod = self.shared(pod);
            let minute = self.sums.entry(at).or_default();
            let is_new = !minute.contains_key(&pod);
            let pod = if is_new && self.count >= MOST_SUMS {
                Arc::new(PodSide::other())
            } else {
                pod
            };
            let before = minute.len();
            *minute.entry(pod).or_default() += measure;
            self.count += minute.len() - before;
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
                pod: Arc::clone(pod),
                measure: *measure,
            })
        });
        had.collect()
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

    fn let_go(&mut self, gone: BTreeMap<Timestamp, HashMap<Arc<PodSide>, Measure>>) {
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

/// What a batch brought each pod in each minute.
pub(super) fn of(
    batch: &ResolvedBatch,
    book: Option<&PriceBook>,
) -> HashMap<(Timestamp, PodSide), Measure> {
    let ends = batch.parties.iter();
    let sides: Vec<Side> = ends.map(|end| Side::of(&end.endpoint, &end.site)).collect();
    let reporter = Endpoint::Node(Arc::clone(&batch.reporter.node));
    let reporter = Side::of(&reporter, &batch.reporter.site);
    let mut prices = Prices::of(book);
    let mut sums: HashMap<(Timestamp, u32), Measure> = HashMap::default();
    let is_pod = |end: u32| matches!(batch.parties[end as usize].endpoint, Endpoint::Pod(_));
    for flow in &batch.flows {
        let Outcome::Counted(direction, locality) = flow.outcome else {
            continue;
        };
        let sender = (direction != Direction::Transit).then_some(flow.source);
        let [sends, receives] =
            [sender, Some(flow.destination)].map(|end| end.filter(|end| is_pod(*end)));
        if sends.is_none() && receives.is_none() {
            continue;
        }
        // What a node forwards it sends itself.
        let source = sender.map_or(&reporter, |sender| &sides[sender as usize]);
        let destination = &sides[flow.destination as usize];
        let ends = (sender, flow.destination, locality);
        let charge = prices.charge(ends, source, destination);
        for (at, share) in spread(batch.window, flow.counters) {
            let both = Part {
                share,
                locality,
                charge,
            };
            if let Some(end) = sends {
                *sums.entry((at, end)).or_default() += both.sent();
            }
            if let Some(end) = receives {
                *sums.entry((at, end)).or_default() += both.received();
            }
        }
    }
    let mut pods: HashMap<(Timestamp, PodSide), Measure> = HashMap::default();
    for ((at, end), measure) in sums {
        if let Endpoint::Pod(pod) = &batch.parties[end as usize].endpoint {
            let pod = PodSide {
                name: Some(pod.name.clone()),
                side: sides[end as usize].clone(),
            };
            *pods.entry((at, pod)).or_default() += measure;
        }
    }
    pods
}

/// What went between two within a minute.
#[derive(Clone, Copy)]
struct Part {
    share: FlowCounters,
    locality: Locality,
    charge: Charge,
}

/// What a byte costs, or why nobody can say.
type Charge = Result<Charges, Unpriced>;

impl Part {
    fn sent(self) -> Measure {
        Measure {
            sent: self.share,
            cost: Cost {
                sender: self.cost().sender,
                ..Cost::default()
            },
            crossing: self.crossing(),
            unpriced: self.unpriced(),
            ..Measure::default()
        }
    }

    fn received(self) -> Measure {
        Measure {
            received: self.share,
            cost: Cost {
                receiver: self.cost().receiver,
                ..Cost::default()
            },
            crossing: self.crossing(),
            unpriced: self.unpriced(),
            ..Measure::default()
        }
    }

    fn cost(self) -> Cost {
        let charges = self.charge.unwrap_or(Charges::FREE);
        charges.cost(self.share.bytes)
    }

    fn unpriced(self) -> [u64; Unpriced::ALL.len()] {
        let mut unpriced = [0; Unpriced::ALL.len()];
        if let Err(why) = self.charge {
            unpriced[why.position()] = self.share.bytes;
        }
        unpriced
    }

    fn crossing(self) -> u64 {
        match self.locality {
            Locality::CrossZone | Locality::CrossRegion | Locality::Internet => self.share.bytes,
            Locality::SameNode | Locality::SameZone | Locality::Unknown(_) => 0,
        }
    }
}

/// Prices that were looked up for a batch.
struct Prices<'a> {
    book: Option<&'a PriceBook>,
    known: HashMap<(Option<u32>, u32, Locality), Charge>,
}

impl<'a> Prices<'a> {
    fn of(book: Option<&'a PriceBook>) -> Self {
        Self {
            book,
            known: HashMap::default(),
        }
    }

    fn charge(
        &mut self,
        ends: (Option<u32>, u32, Locality),
        source: &Side,
        destination: &Side,
    ) -> Charge {
        let (.., locality) = ends;
        if matches!(locality, Locality::SameNode | Locality::SameZone) {
            return Ok(Charges::FREE);
        }
        let book = self.book.ok_or(Unpriced::NoPrices)?;
        *self.known.entry(ends).or_insert_with(|| {
            let charges = book.charges(&Edge {
                source: place(source),
                destination: place(destination),
                locality,
            });
            match charges.gap {
                Some(gap) => Err(Unpriced::Gap(gap)),
                None => Ok(charges),
            }
        })
    }
}
