//! Records that wait: for the owner of an address, as a pod's packets are often here before the
//! watch tells of the pod, or for the first report of the other side's agent.
//!
//! Bounded by records; who finds no room is settled at once as if it had waited in vain, and is
//! counted as such. What waits is on disk like what is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kubezonnet_model::{FlowRecord, NodeName, Timestamp, Window};
use serde::{Deserialize, Serialize};

use crate::resolve::Wanted;

/// How many records may wait: two windows of the most records, so that one whole window of unknown
/// addresses finds room. One is about 120 bytes, so this is 63 MB, or a minute of 8,700 unknown flows a
/// second, where a cluster's new pods make tens.
pub const MAX_PENDING_RECORDS: usize = 2 * 262_144;

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
    /// Records that found no room, by what they wanted, in the order of [`Wanted::ALL`].
    turned_away: [AtomicU64; Wanted::ALL.len()],
}

#[derive(Debug, Default)]
struct List {
    groups: Vec<Waiting>,
    /// Records in `groups` and in the hands of who took them out: room is given back when they are
    /// settled, so that a look at them never lets in more than the bound.
    records: usize,
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

    /// How many records found no room, by what they wanted.
    pub fn turned_away(&self) -> [(Wanted, u64); Wanted::ALL.len()] {
        Wanted::ALL.map(|wanted| {
            let records = self.turned_away[wanted as usize].load(Ordering::Relaxed);
            (wanted, records)
        })
    }

    /// Keeps room for so many records; `false` if there is none, and they are counted then.
    pub fn reserve(&self, wanted: Wanted, records: usize) -> bool {
        let mut list = self.list();
        let fits = records <= self.max_records - list.records.min(self.max_records);
        if fits {
            list.records += records;
        } else {
            let records = u64::try_from(records).unwrap_or(u64::MAX);
            self.turned_away[wanted as usize].fetch_add(records, Ordering::Relaxed);
        }
        fits
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
        list.records += waiting.records.len();
        list.groups.push(waiting);
    }

    /// Takes out a group by its number, with its room.
    pub fn remove(&self, id: u64) {
        let mut list = self.list();
        if let Some(position) = list.groups.iter().position(|waiting| waiting.id == id) {
            let waiting = list.groups.swap_remove(position);
            list.records = list.records.saturating_sub(waiting.records.len());
        }
    }

    /// Puts records into the room that was kept for them.
    pub fn put(&self, waiting: Waiting) {
        self.list().groups.push(waiting);
    }

    /// Gives back the room of records that wait no longer.
    pub fn release(&self, records: usize) {
        let mut list = self.list();
        list.records = list.records.saturating_sub(records);
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
    use kubezonnet_wire::Limits;

    use super::*;

    #[test]
    fn the_largest_window_finds_room_whole() {
        let pending = Pending::default();
        let most = Limits::default().max_records;

        assert!(pending.reserve(Wanted::Owner, most));
        assert!(pending.reserve(Wanted::Report, most));
        assert!(!pending.reserve(Wanted::Report, 1));
    }
}
