//! The nodes, each in a slot that a holding points to.

use std::sync::Arc;

use foldhash::HashMap;
use kubezonnet_model::{Located, Node, NodeName, Site, Timestamp};

use super::address::{Address, Block};

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
    pub(super) addresses: Box<[Address]>,
    /// From where it gives addresses to its pods; empty once it went.
    pub(super) blocks: Box<[Block]>,
    /// Told of, and not gone.
    pub(super) live: bool,
    /// When it went.
    pub(super) gone: Timestamp,
    /// The list that last had it.
    pub(super) seen: u32,
    /// How many pods and holdings name it.
    uses: u32,
}

impl NodeEntry {
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
            addresses: Box::default(),
            blocks: Box::default(),
            live: false,
            gone: Timestamp(0),
            seen: 0,
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
            self.free.push(slot);
        }
    }
}
