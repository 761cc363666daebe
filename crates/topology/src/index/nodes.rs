//! The nodes, each in a slot that a holding points to.

use std::sync::Arc;

use foldhash::HashMap;
use kubezonnet_model::{Located, Node, NodeName, Site, Timestamp, Window};

use super::address::{Address, Block};
use super::holding::end_of;

/// Where a node is in [`Nodes`]; stays the same as long as anything points to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u32);

impl Slot {
    /// Of a pod that is on no node yet.
    pub(super) const NONE: Self = Self(u32::MAX);

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// Every node that exists, or that a pod or holding still names.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    by_name: HashMap<NodeName, Slot>,
    entries: Vec<NodeEntry>,
    /// Slots that can be given again.
    free: Vec<Slot>,
    /// Nodes that are not there and that nothing names any more.
    unused: Vec<Slot>,
    /// What the list being told claims, settled at its end.
    pub(super) claims: Vec<(Address, Slot)>,
    /// How many were elsewhere before: rarely any.
    moved: usize,
}

/// Where a node was before, and what it was there.
#[derive(Debug)]
struct Before {
    /// When it was told to be elsewhere.
    until: Timestamp,
    site: Site,
    node: Arc<Node>,
}

/// So many places of a node are remembered: one whose labels change all the time has no place.
const MOST_PLACES: usize = 16;

/// A node in a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Then<'a> {
    entry: &'a NodeEntry,
    before: Option<&'a Before>,
}

impl<'a> Then<'a> {
    /// Where it was.
    pub(super) fn site(self) -> &'a Site {
        self.before.map_or(&self.entry.site, |before| &before.site)
    }

    /// What it was, if that was told.
    pub(super) fn node(self) -> Option<&'a Arc<Node>> {
        let before = self.before.map(|before| &before.node);
        before.or(self.entry.node.as_ref())
    }
}

/// A node, as far as it is known.
#[derive(Debug)]
pub(super) struct NodeEntry {
    pub(super) name: NodeName,
    /// Its name, and the zone and region it has, or had when it went.
    pub(super) site: Site,
    /// What it is, or was when it went; `None` until it is told of.
    pub(super) node: Option<Arc<Node>>,
    pub(super) uid: String,
    pub(super) provider_id: Option<Box<str>>,
    pub(super) can_run_agent: bool,
    pub(super) addresses: Box<[Address]>,
    /// From where it gives addresses to its pods; empty once it went.
    pub(super) blocks: Box<[Block]>,
    /// Told of, and not gone.
    pub(super) live: bool,
    /// When it went.
    pub(super) gone: Timestamp,
    /// The list that last had it.
    pub(super) seen: u32,
    /// Where it was before, oldest first.
    past: Vec<Before>,
    /// How many pods and holdings name it.
    uses: u32,
}

impl NodeEntry {
    /// How many places are remembered that it has left.
    #[cfg(test)]
    pub(super) fn count_places(&self) -> usize {
        self.past.len()
    }

    fn new(name: NodeName) -> Self {
        Self {
            site: Site::from(Located {
                node: Some(name.clone()),
                zone: None,
                zone_id: None,
                region: None,
            }),
            name,
            node: None,
            uid: String::new(),
            provider_id: None,
            can_run_agent: true,
            addresses: Box::default(),
            blocks: Box::default(),
            live: false,
            gone: Timestamp(0),
            seen: 0,
            past: Vec::new(),
            uses: 0,
        }
    }
}

impl Nodes {
    /// The slot of the node of that name, made if it is the first time it is named.
    pub(super) fn slot(&mut self, name: &NodeName) -> Slot {
        if let Some(slot) = self.by_name.get(name) {
            return *slot;
        }
        let entry = NodeEntry::new(name.clone());
        let slot = if let Some(slot) = self.free.pop() {
            self.entries[slot.index()] = entry;
            slot
        } else {
            let next = u32::try_from(self.entries.len()).expect("fewer than 2^32 nodes in memory");
            self.entries.push(entry);
            Slot(next)
        };
        self.by_name.insert(name.clone(), slot);
        slot
    }

    /// The slot of the node of that name, if it has been named.
    pub(super) fn slot_of(&self, name: &NodeName) -> Option<Slot> {
        self.by_name.get(name).copied()
    }

    /// The node of that name, if it has been named.
    pub(super) fn find(&self, name: &NodeName) -> Option<&NodeEntry> {
        self.get(*self.by_name.get(name)?)
    }

    /// The node of that name and its slot, if it has been named.
    pub(super) fn find_mut(&mut self, name: &NodeName) -> Option<(Slot, &mut NodeEntry)> {
        let slot = *self.by_name.get(name)?;
        Some((slot, &mut self.entries[slot.index()]))
    }

    /// The node of that name and its slot, made if it is the first time it is named.
    pub(super) fn named(&mut self, name: &NodeName) -> (Slot, &mut NodeEntry) {
        let slot = self.slot(name);
        (slot, &mut self.entries[slot.index()])
    }

    /// The node in the slot; `None` for [`Slot::NONE`].
    pub(super) fn get(&self, slot: Slot) -> Option<&NodeEntry> {
        self.entries.get(slot.index())
    }

    /// The node in the slot as it was in the window; `None` for [`Slot::NONE`].
    pub(super) fn then(&self, slot: Slot, window: Window) -> Option<Then<'_>> {
        let entry = self.get(slot)?;
        let end = end_of(window);
        let past = if self.moved == 0 { &[] } else { &*entry.past };
        let before = past.iter().find(|before| before.until >= end);
        Some(Then { entry, before })
    }

    /// The node is told to be there. Where that is another place than before, or another machine, it was
    /// as told before until then; but what was missing and comes, of the same machine, was so all the time.
    /// True if one more place is remembered now.
    pub(super) fn place(
        &mut self,
        slot: Slot,
        (site, node): (Site, Arc<Node>),
        is_same_machine: bool,
        at: Timestamp,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(slot.index()) else {
            return false;
        };
        let site = std::mem::replace(&mut entry.site, site);
        let Some(before) = entry.node.replace(Arc::clone(&node)) else {
            return false;
        };
        if is_same_machine && is_completed_by(&before, &node) {
            return false;
        }
        if entry.past.is_empty() {
            self.moved += 1;
        }
        if entry.past.len() == MOST_PLACES {
            entry.past.remove(0);
        }
        // A clock that was set back must not make places overlap.
        let last = entry.past.last().map_or(at, |last| last.until);
        entry.past.push(Before {
            until: at.max(last),
            site,
            node: before,
        });
        true
    }

    /// Forgets where the node was that left there before.
    pub(super) fn forget_places(&mut self, slot: Slot, before: Timestamp) {
        if let Some(entry) = self.entries.get_mut(slot.index()) {
            let had = !entry.past.is_empty();
            entry.past.retain(|place| place.until >= before);
            self.moved -= usize::from(had && entry.past.is_empty());
        }
    }

    /// The nodes there are.
    pub(super) fn live(&self) -> impl Iterator<Item = &NodeEntry> {
        let entries = self
            .by_name
            .values()
            .map(|slot| &self.entries[slot.index()]);
        entries.filter(|entry| entry.live)
    }

    /// One more pod or holding names it.
    pub(super) fn take(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.get_mut(slot.index()) {
            entry.uses += 1;
        }
    }

    /// One fewer names it.
    pub(super) fn give_back(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.get_mut(slot.index()) {
            entry.uses -= 1;
            if entry.uses == 0 && !entry.live {
                self.unused.push(slot);
            }
        }
    }

    /// Those that nothing names any more since this was last asked, with when they went.
    pub(super) fn drain_unused(&mut self) -> impl Iterator<Item = (Timestamp, Slot)> {
        let entries = &self.entries;
        let unused = self.unused.drain(..);
        unused.filter_map(|slot| Some((entries.get(slot.index())?.gone, slot)))
    }

    /// Forgets the node if it went before and nothing names it.
    pub(super) fn forget(&mut self, slot: Slot, before: Timestamp) {
        let Some(entry) = self.entries.get(slot.index()) else {
            return;
        };
        let is_over = !entry.live && entry.uses == 0 && entry.gone < before;
        // It may be forgotten already, and the slot wait for another.
        if is_over && self.by_name.get(&entry.name) == Some(&slot) {
            self.by_name.remove(&entry.name);
            self.forget_places(slot, Timestamp(u64::MAX));
            self.free.push(slot);
        }
    }
}

/// Whether one says all that the other says, and perhaps more.
fn is_completed_by(before: &Node, now: &Node) -> bool {
    fn is_so<T: PartialEq>(before: Option<&T>, now: Option<&T>) -> bool {
        before.is_none() || before == now
    }
    is_so(before.zone.as_ref(), now.zone.as_ref())
        && is_so(before.zone_id.as_ref(), now.zone_id.as_ref())
        && is_so(before.region.as_ref(), now.region.as_ref())
}
