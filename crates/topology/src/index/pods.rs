//! The pods that are remembered, each in a slot, found by uid and by name.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::HashMap;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use kubezonnet_model::{Labels, Pod, PodUid, Timestamp};

use super::address::Address;
use super::nodes::Slot;
use super::parts::Parts;
use super::slots::Slots;
use super::uid::Uid;

/// Where a pod is in [`Pods`], for as long as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PodSlot(u32);

/// How far a pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not ended, by what was told.
    Running,
    /// It has run to its end, and still exists.
    Completed,
    /// It was deleted.
    Gone,
}

/// A pod that runs, or that ended not long ago.
#[derive(Debug)]
pub(super) struct PodEntry {
    pub(super) pod: Arc<Pod>,
    /// What it names, or named when it ended; another may have taken one of them from it since.
    pub(super) addresses: Box<[Address]>,
    /// The values of its own labels, without its namespace's.
    pub(super) own: Labels,
    /// Its controller, if that may itself be owned.
    pub(super) controller: Option<Uid>,
    /// How the kubelet calls a static pod.
    pub(super) digest: Option<Box<PodUid>>,
    pub(super) created: Option<Timestamp>,
    /// When it ended; nothing while it runs.
    pub(super) ended: Timestamp,
    pub(super) slot: Slot,
    /// The list that last had it.
    pub(super) seen: u32,
    pub(super) phase: Phase,
    pub(super) leaving: bool,
}

impl PodEntry {
    pub(super) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }
}

/// The pods that are remembered.
#[derive(Debug, Default)]
pub(super) struct Pods {
    entries: Slots<PodEntry>,
    by_uid: Parts<Uid, PodSlot>,
    /// Static pods by what the kubelet calls them; several where nodes read one manifest.
    by_digest: HashMap<PodUid, Vec<PodSlot>>,
    /// Those that run, by name: half of the name's hash, so that to grow it reads no names.
    by_name: HashTable<(u32, PodSlot)>,
    hasher: RandomState,
    /// What pods that leave claim in the list being told, settled at its end.
    pub(super) claims: Vec<(Address, PodSlot)>,
    /// Pods that completed so long ago that all but this is forgotten, and still exist, with the
    /// list that last had them: what is told of them changes nothing.
    pub(super) completed: HashMap<Uid, u32>,
}

/// As the table wants it: the upper bits tell entries apart, the lower ones place them.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Pods {
    pub(super) fn find(&self, uid: &Uid) -> Option<PodSlot> {
        self.by_uid.get(uid).copied()
    }

    pub(super) fn find_entry(&self, uid: &Uid) -> Option<&PodEntry> {
        self.get(self.find(uid)?)
    }

    pub(super) fn get(&self, slot: PodSlot) -> Option<&PodEntry> {
        self.entries.get(slot.0)
    }

    pub(super) fn get_mut(&mut self, slot: PodSlot) -> Option<&mut PodEntry> {
        self.entries.get_mut(slot.0)
    }

    /// The pod at a place, if one is remembered there; `None` past the last.
    pub(super) fn at(&self, place: usize) -> Option<(PodSlot, Option<&PodEntry>)> {
        let number = u32::try_from(place).ok()?;
        let is_place = place < self.entries.places();
        is_place.then(|| (PodSlot(number), self.entries.get(number)))
    }

    /// How many run.
    pub(super) fn count_running(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn insert(&mut self, uid: Uid, entry: PodEntry) -> PodSlot {
        let (pod, is_running) = (Arc::clone(&entry.pod), entry.is_running());
        let digest = entry.digest.as_deref().copied();
        let slot = PodSlot(self.entries.insert(entry));
        if is_running {
            self.name(&pod, slot);
        }
        if let Some(digest) = digest {
            self.by_digest.entry(digest).or_default().push(slot);
        }
        self.by_uid.insert(uid, slot);
        slot
    }

    /// Forgets it.
    pub(super) fn remove(&mut self, slot: PodSlot) -> Option<(Uid, PodEntry)> {
        let entry = self.entries.remove(slot.0)?;
        let uid = Uid::of(&entry.pod.uid);
        self.by_uid.remove(&uid);
        if entry.is_running() {
            self.unname(&entry.pod, slot);
        }
        if let Some(digest) = &entry.digest
            && let Some(slots) = self.by_digest.get_mut(&**digest)
        {
            slots.retain(|each| *each != slot);
            if slots.is_empty() {
                self.by_digest.remove(&**digest);
            }
        }
        Some((uid, entry))
    }

    /// Puts another description in the place of the one there is.
    pub(super) fn replace(&mut self, slot: PodSlot, pod: &Arc<Pod>, node: Slot) {
        let Some(entry) = self.get_mut(slot) else {
            return;
        };
        let is_renamed = entry.pod.name != pod.name || entry.pod.namespace != pod.namespace;
        let is_running = entry.is_running();
        entry.slot = node;
        let before = std::mem::replace(&mut entry.pod, Arc::clone(pod));
        if is_renamed && is_running {
            self.unname(&before, slot);
            self.name(pod, slot);
        }
    }

    /// It ends, or runs again.
    pub(super) fn set_phase(&mut self, slot: PodSlot, phase: Phase, ended: Timestamp) {
        let Some(entry) = self.get_mut(slot) else {
            return;
        };
        let was_running = entry.is_running();
        entry.phase = phase;
        entry.ended = ended;
        let pod = Arc::clone(&entry.pod);
        match (was_running, phase == Phase::Running) {
            (true, false) => self.unname(&pod, slot),
            (false, true) => self.name(&pod, slot),
            _ => {}
        }
    }

    /// Whether one of that name runs.
    pub(super) fn runs(&self, namespace: &str, name: &str) -> bool {
        let hash = self.hash(namespace, name);
        let is_it = |(half, slot): &(u32, PodSlot)| {
            let entry = self.get(*slot).filter(|_| *half == hash);
            entry.is_some_and(|entry| {
                entry.pod.namespace.as_str() == namespace && entry.pod.name.as_str() == name
            })
        };
        self.by_name.find(spread(hash), is_it).is_some()
    }

    /// Static pods that the kubelet calls so.
    pub(super) fn of_digest(&self, digest: PodUid) -> impl Iterator<Item = &PodEntry> {
        let slots = self.by_digest.get(&digest).into_iter().flatten();
        slots.filter_map(|slot| self.get(*slot))
    }

    fn name(&mut self, pod: &Pod, slot: PodSlot) {
        let hash = self.hash(pod.namespace.as_str(), pod.name.as_str());
        let rehash = |(hash, _): &(u32, PodSlot)| spread(*hash);
        self.by_name
            .insert_unique(spread(hash), (hash, slot), rehash);
    }

    fn unname(&mut self, pod: &Pod, slot: PodSlot) {
        let hash = self.hash(pod.namespace.as_str(), pod.name.as_str());
        let is_it = |(_, each): &(u32, PodSlot)| *each == slot;
        if let Ok(found) = self.by_name.find_entry(spread(hash), is_it) {
            found.remove();
        }
    }

    fn hash(&self, namespace: &str, name: &str) -> u32 {
        let hash = self.hasher.hash_one((namespace, name));
        u32::try_from(hash >> 32).expect("cut to 32 bits")
    }
}
