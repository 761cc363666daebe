//! What owns pods and may itself be owned: `ReplicaSets` and `Jobs`.

use std::sync::Arc;

use foldhash::HashMap;
use kubezonnet_model::{Timestamp, Workload};

use super::interned::Interned;
use super::parts::Parts;
use super::pods::PodSlot;
use super::uid::Uid;
use crate::OwnerKind;

/// Every owner that was told of, and the pods that wait for one that was not.
#[derive(Debug, Default)]
pub(super) struct Owners {
    known: Parts<Uid, OwnerEntry>,
    /// Pods by the uid of their owner, which nobody has told of yet.
    waiting: HashMap<Uid, Vec<PodSlot>>,
    workloads: Interned<Arc<Workload>>,
}

#[derive(Debug)]
struct OwnerEntry {
    /// What its pods belong to: its own owner, or itself.
    workload: Arc<Workload>,
    kind: OwnerKind,
    /// The list that last had it.
    seen: u32,
    live: bool,
    /// When it went.
    gone: Timestamp,
}

/// What the telling of an owner changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that pods show.
    Nothing,
    /// It was told of for the first time: these waited for it.
    New(Vec<PodSlot>),
    /// It has another owner: all its pods, whichever they are.
    Other,
}

impl Owners {
    /// What the pods of the owner belong to, if it was told of.
    pub(super) fn workload(&self, uid: &Uid) -> Option<&Arc<Workload>> {
        self.known.get(uid).map(|entry| &entry.workload)
    }

    /// The pod is renewed when its owner is told of.
    pub(super) fn wait(&mut self, uid: &Uid, pod: PodSlot) {
        let waiting = self.waiting.entry(uid.clone()).or_default();
        if !waiting.contains(&pod) {
            waiting.push(pod);
        }
    }

    /// The pod is forgotten, and waits no more.
    pub(super) fn wait_no_more(&mut self, uid: &Uid, pod: PodSlot) {
        if let Some(waiting) = self.waiting.get_mut(uid) {
            waiting.retain(|each| *each != pod);
            if waiting.is_empty() {
                self.waiting.remove(uid);
            }
        }
    }

    /// How many pods wait for their owner.
    pub(super) fn count_waiting(&self) -> usize {
        self.waiting.values().map(Vec::len).sum()
    }

    /// How many owners are known.
    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    /// Takes over what is told.
    pub(super) fn told(
        &mut self,
        uid: Uid,
        kind: OwnerKind,
        workload: Workload,
        list: u32,
    ) -> Change {
        let entry = self.known.get_mut(&uid);
        if let Some(entry) = entry {
            entry.seen = list;
            entry.live = true;
            if *entry.workload == workload {
                return Change::Nothing;
            }
            let workload = self.workloads.take(Arc::new(workload));
            let before = std::mem::replace(&mut entry.workload, workload);
            self.workloads.give_back(&before);
            return Change::Other;
        }
        let entry = OwnerEntry {
            workload: self.workloads.take(Arc::new(workload)),
            kind,
            seen: list,
            live: true,
            gone: Timestamp(0),
        };
        let waiting = self.waiting.remove(&uid).unwrap_or_default();
        self.known.insert(uid, entry);
        Change::New(waiting)
    }

    /// The owner is gone; it is remembered for the pods that are told of late. False if it was not
    /// known.
    pub(super) fn gone(&mut self, uid: &Uid, at: Timestamp) -> bool {
        let entry = self.known.get_mut(uid).filter(|entry| entry.live);
        if let Some(entry) = entry {
            entry.live = false;
            entry.gone = at;
            return true;
        }
        false
    }

    /// Forgets it, if it went before.
    pub(super) fn forget(&mut self, uid: &Uid, before: Timestamp) {
        let is_over = |entry: &OwnerEntry| !entry.live && entry.gone < before;
        if self.known.get(uid).is_some_and(is_over)
            && let Some(entry) = self.known.remove(uid)
        {
            self.workloads.give_back(&entry.workload);
        }
    }

    /// Those of the kind that the list did not have.
    pub(super) fn unseen(&self, kind: OwnerKind, list: u32) -> Vec<Uid> {
        let entries = self.known.iter();
        entries
            .filter(|(_, entry)| entry.live && entry.kind == kind && entry.seen != list)
            .map(|(uid, _)| uid.clone())
            .collect()
    }
}
