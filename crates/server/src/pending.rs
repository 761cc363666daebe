//! Records that wait: for the owner of an address, as a pod's packets are often here before the
//! watch tells of the pod, or for the first report of the other side's agent.
//!
//! Bounded by records, in all and a node; who finds no room is settled at once, and is counted as
//! such. What waits is on disk like what is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;
use kubezonnet_model::{FlowRecord, NodeName, Timestamp, Window};
use serde::{Deserialize, Serialize};

use crate::resolve::Wanted;

/// How many records may wait. One is about 120 bytes, so this is 63 MB, or a minute of 8,700 unknown
/// flows a second, where a cluster's new pods make tens.
pub const MAX_PENDING_RECORDS: usize = 2 * 262_144;

/// A node may take this part of the room that is free, so that however many take what they can, there
/// is some left for the next: 65,536 records for the first, 1,090 a second for a minute.
const SHARE: usize = 8;

/// Records of one window that wait together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Its number on disk. No two that wait at the same time have the same; after a restart a new
    /// one can have the number of one that was settled before.
    pub id: u64,
    /// Who reported them.
    pub node: NodeName,
    /// Their window.
    pub window: Window,
    /// The version of the views they were resolved with: while it is the same, so is what they are.
    /// `None` if they were kept on disk since: versions are of one run.
    #[serde(skip)]
    pub version: Option<u64>,
    /// Until when they wait.
    pub deadline: Timestamp,
    /// The records.
    pub records: Arc<[FlowRecord]>,
}

/// All that waits.
#[derive(Debug)]
pub struct Pending {
    /// Short: taken to add a group or to take all of them out, never while resolving.
    list: Mutex<List>,
    max_records: usize,
    /// The number of the next group.
    next: AtomicU64,
    /// Records that found no room, by what they wanted and why, in the order of the two `ALL`.
    turned_away: [[AtomicU64; NoRoom::ALL.len()]; Wanted::ALL.len()],
}

/// Why records find no room to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// There is some, but their node has its share of it.
    Share,
    /// There is none.
    Full,
}

impl NoRoom {
    /// Every reason.
    pub const ALL: [Self; 2] = [Self::Share, Self::Full];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Full => "full",
        }
    }
}

/// How many records found no room to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnedAway {
    /// What they wanted to wait for.
    pub wanted: Wanted,
    /// Why there was no room.
    pub reason: NoRoom,
    /// How many there were.
    pub records: u64,
}

#[derive(Debug, Default)]
struct List {
    groups: Vec<Waiting>,
    /// Records in `groups` and in the hands of who took them out: room is given back when they are
    /// settled, so that a look at them never lets in more than the bound.
    records: usize,
    /// The same by node, of those who have any.
    by_node: HashMap<NodeName, usize>,
}

impl List {
    fn add(&mut self, node: &NodeName, records: usize) {
        if records > 0 {
            self.records += records;
            *self.by_node.entry(node.clone()).or_default() += records;
        }
    }

    fn release(&mut self, node: &NodeName, records: usize) {
        self.records = self.records.saturating_sub(records);
        if let Some(own) = self.by_node.get_mut(node) {
            *own = own.saturating_sub(records);
            if *own == 0 {
                self.by_node.remove(node);
            }
        }
    }
}

impl Default for Pending {
    fn default() -> Self {
        Self::with_capacity(MAX_PENDING_RECORDS)
    }
}

impl Pending {
    /// Room for so many records.
    pub fn with_capacity(max_records: usize) -> Self {
        Self {
            list: Mutex::default(),
            max_records,
            next: AtomicU64::new(1),
            turned_away: Default::default(),
        }
    }

    /// How many records wait.
    pub fn len(&self) -> usize {
        self.list().records
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many records found no room, by what they wanted and why.
    pub fn turned_away(&self) -> Vec<TurnedAway> {
        let each = |wanted: Wanted| {
            NoRoom::ALL.map(|reason| TurnedAway {
                wanted,
                reason,
                records: self.turned_away[wanted as usize][reason as usize].load(Ordering::Relaxed),
            })
        };
        Wanted::ALL.into_iter().flat_map(each).collect()
    }

    /// Keeps room for as many of a node's records as find some; says for how many. The others are
    /// counted.
    pub fn reserve(&self, node: &NodeName, wanted: Wanted, records: usize) -> usize {
        let mut list = self.list();
        let free = self.max_records.saturating_sub(list.records);
        let own = list.by_node.get(node).copied().unwrap_or(0);
        let share = free.div_ceil(SHARE).saturating_sub(own);
        let kept = records.min(share);
        list.add(node, kept);
        drop(list);
        let full = records.saturating_sub(free);
        for (reason, turned) in [(NoRoom::Share, records - kept - full), (NoRoom::Full, full)] {
            let turned = u64::try_from(turned).unwrap_or(u64::MAX);
            self.turned_away[wanted as usize][reason as usize].fetch_add(turned, Ordering::Relaxed);
        }
        kept
    }

    /// A number for a new group.
    pub fn next_id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes over a group as it was kept, whether or not there is room.
    pub fn restore(&self, waiting: Waiting) {
        self.next
            .fetch_max(waiting.id.saturating_add(1), Ordering::Relaxed);
        let mut list = self.list();
        list.add(&waiting.node, waiting.records.len());
        list.groups.push(waiting);
    }

    /// Takes out a group by its number, with its room.
    pub fn remove(&self, id: u64) -> Option<Window> {
        let mut list = self.list();
        let position = list.groups.iter().position(|waiting| waiting.id == id)?;
        let waiting = list.groups.swap_remove(position);
        list.release(&waiting.node, waiting.records.len());
        Some(waiting.window)
    }

    /// Puts records into the room that was kept for them.
    pub fn put(&self, waiting: Waiting) {
        self.list().groups.push(waiting);
    }

    /// Gives back the room of a node's records that wait no longer.
    pub fn release(&self, node: &NodeName, records: usize) {
        self.list().release(node, records);
    }

    /// Takes out the groups that are due; their room stays kept.
    pub fn take(&self, due: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        self.list()
            .groups
            .extract_if(.., |waiting| due(waiting))
            .collect()
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::node_name;

    /// What a node that takes all it can is given.
    fn take(pending: &Pending, node: &str) -> usize {
        pending.reserve(&node_name(node), Wanted::Owner, usize::MAX)
    }

    #[test]
    fn however_many_nodes_take_what_they_can_there_is_room_for_one_more() {
        let pending = Pending::default();

        let first = take(&pending, "n0");
        for number in 0..1000 {
            take(&pending, &format!("n{}", number % 30));
        }
        let late = take(&pending, "late");

        assert_eq!(first, 65_536);
        assert!(late > 1000, "{late}");
        assert!(pending.len() <= MAX_PENDING_RECORDS);
    }

    #[test]
    fn a_node_has_its_share_once_and_again_when_its_records_are_settled() {
        let pending = Pending::with_capacity(800);
        let n1 = node_name("n1");

        let taken = [take(&pending, "n1"), take(&pending, "n1")];
        pending.release(&n1, 100);
        let again = take(&pending, "n1");

        assert_eq!((taken, again), ([100, 0], 100));
    }

    #[test]
    fn who_is_turned_away_is_told_why() {
        let pending = Pending::with_capacity(8);
        let n1 = node_name("n1");

        assert_eq!(pending.reserve(&n1, Wanted::Owner, 10), 1);
        for number in 2..20 {
            pending.reserve(&node_name(&format!("n{number}")), Wanted::Owner, 1);
        }
        assert_eq!(pending.reserve(&n1, Wanted::Report, 3), 0);

        let counts = pending.turned_away().into_iter();
        let counts = counts.map(|each| (each.wanted, each.reason, each.records));
        assert_eq!(
            counts.collect::<Vec<_>>(),
            [
                // Of ten records two find no room in eight, whoever's they are.
                (Wanted::Owner, NoRoom::Share, 7),
                (Wanted::Owner, NoRoom::Full, 2 + 11),
                (Wanted::Report, NoRoom::Share, 0),
                (Wanted::Report, NoRoom::Full, 3),
            ]
        );
        assert_eq!(pending.len(), 8);
    }
}
