//! Names by number: who is charged, and who is at a side of an edge, in a few bytes.
//!
//! Whoever resolves a window asks for the ids of its names ([`Names::ids`]); what a name has no id
//! for gets one, that is never given again. With a store the names are on disk before, or with, the
//! first change that uses them.
//!
//! A name that nobody uses any more is retired: it is not found from then on, and one that comes back
//! gets another id. A window that is on its way then may still have the old id: it holds a [`Lease`],
//! and the committer asks for the current id before it writes ([`Names::current`]). So what is on
//! disk never has an id after it was retired.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use foldhash::HashMap;
use kubezonnet_model::{Pod, Service, Site};
use serde::{Deserialize, Serialize};

pub use self::pods::PodIds;
use self::pods::Pods;
pub use self::sides::Sides;
use crate::ledger::{Side, Subject, Who};

mod pods;
mod sides;

/// The number of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id(NonZeroU64);

impl Id {
    /// The id of that number; `None` for zero.
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// What has an id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    /// Who is charged.
    Subject(Subject),
    /// Who is at a side of an edge.
    Side(Side),
    /// By what pods were reached.
    Service(Service),
}

/// Keeps the ids of a window understood while it is on its way.
#[derive(Debug, Clone)]
pub struct Lease(Arc<Turn>);

/// From one retirement to the next: their number.
#[derive(Debug)]
struct Turn(u64);

/// All names there are.
#[derive(Debug)]
pub struct Names(RwLock<Table>);

#[derive(Debug)]
struct Table {
    ids: HashMap<Arc<Key>, Id>,
    names: HashMap<Id, Name>,
    /// The number of the next id.
    next: u64,
    turn: Arc<Turn>,
    /// What is not on disk yet, in the order of ids; `None` without a store.
    unwritten: Option<VecDeque<(Id, Arc<Key>)>>,
    /// Retired, and perhaps in a window that is on its way: by the turn that ended then, oldest first.
    retired: VecDeque<(Weak<Turn>, Vec<Id>)>,
    /// What `retired` was called.
    former: HashMap<Id, Arc<Key>>,
    /// Retired since it was last asked, with a store: still on disk.
    unused: Vec<Id>,
    /// What pods have, within the turn.
    pods: Pods,
    /// Which sides others stand for, within the turn.
    others: HashMap<Id, Id>,
}

#[derive(Debug)]
struct Name {
    key: Arc<Key>,
    /// The turn it came in.
    since: u64,
}

impl Default for Names {
    fn default() -> Self {
        Self(RwLock::new(Table {
            ids: HashMap::default(),
            names: HashMap::default(),
            next: 1,
            turn: Arc::new(Turn(0)),
            unwritten: None,
            retired: VecDeque::new(),
            former: HashMap::default(),
            unused: Vec::new(),
            pods: Pods::default(),
            others: HashMap::default(),
        }))
    }
}

impl Names {
    /// The ids of names, which stay what they are for as long as the lease is held or there is a
    /// series or an edge of them.
    pub fn ids(&self, keys: &[Key]) -> (Vec<Id>, Lease) {
        let table = self.read();
        let lease = Lease(Arc::clone(&table.turn));
        let known: Vec<_> = keys.iter().map(|key| table.ids.get(key).copied()).collect();
        drop(table);
        if let Some(ids) = known.iter().copied().collect() {
            return (ids, lease);
        }
        let mut table = self.write();
        let known = known.into_iter().zip(keys);
        let ids = known.map(|(id, key)| id.unwrap_or_else(|| table.id(key)));
        (ids.collect(), lease)
    }

    /// The ids of pods at their sites, as far as they were remembered; `None` for the others, and for
    /// what is no pod. The lease is as that of [`Self::ids`].
    pub fn of_pods<'a>(
        &self,
        pods: impl Iterator<Item = Option<(&'a Arc<Pod>, &'a Site)>>,
    ) -> (Vec<Option<PodIds>>, Lease) {
        let table = self.read();
        let lease = Lease(Arc::clone(&table.turn));
        let ids = pods.map(|pod| pod.and_then(|(pod, site)| table.pods.find(pod, site)));
        (ids.collect(), lease)
    }

    /// Remembers the ids of pods, which were asked for under the lease; not if names were retired
    /// since.
    pub fn remember<'a>(
        &self,
        pods: impl Iterator<Item = (&'a Arc<Pod>, &'a Site, PodIds)>,
        lease: &Lease,
    ) {
        let mut pods = pods.peekable();
        if pods.peek().is_none() {
            return;
        }
        let mut table = self.write();
        if table.turn.0 == lease.0.0 {
            for (pod, site, ids) in pods {
                table.pods.remember(pod, site, ids);
            }
        }
    }

    /// The id of a name at this moment.
    pub fn id(&self, key: &Key) -> Id {
        self.write().id(key)
    }

    /// The id of the side that a side is folded into; the same if there is nothing to fold.
    pub fn folded(&self, id: Id, into: &Who) -> Id {
        let table = self.read();
        if *into == Who::Other
            && let Some(folded) = table.others.get(&id)
        {
            return *folded;
        }
        let Some(Key::Side(side)) = table.names.get(&id).map(|name| &*name.key) else {
            // A window under way may have one that was retired since: it gets its id of today when it
            // is its turn, and stays what it is. Those of the ledger's edges are in use.
            return id;
        };
        let folded = Key::Side(side.folded(into.clone()));
        drop(table);
        let mut table = self.write();
        let folded = table.id(&folded);
        if *into == Who::Other {
            table.others.insert(id, folded);
        }
        folded
    }

    /// Whether nothing was retired since the lease began.
    pub fn are_current(&self, lease: &Lease) -> bool {
        self.read().turn.0 == lease.0.0
    }

    /// The id that a name has now which had this one when a lease began.
    pub fn current(&self, id: Id) -> Id {
        let mut table = self.write();
        match table.former.get(&id).cloned() {
            Some(key) => table.id(&key),
            None => id,
        }
    }

    /// What an id stands for, or stood for when a lease began; `None` if there was none.
    pub fn known(&self, id: Id) -> Option<Arc<Key>> {
        let table = self.read();
        let name = table.names.get(&id).map(|name| &name.key);
        name.or_else(|| table.former.get(&id)).cloned()
    }

    /// Keeps ids that are asked for from now on understood.
    pub fn lease(&self) -> Lease {
        Lease(Arc::clone(&self.read().turn))
    }

    /// The names that ids stand for, as long as this lives. To be asked for before the ledger is.
    pub fn look_up(&self) -> LookUp<'_> {
        LookUp(self.read())
    }

    /// Retires all names that came before the last turn and are not used, and begins another turn.
    /// Only who makes changes may do so.
    pub fn retire(&self, is_used: impl Fn(Id) -> bool) {
        let mut table = self.write();
        let now = table.turn.0;
        let unused = table.names.iter().filter(|(id, name)| {
            // Who asked for it may not have come to use it yet.
            name.since < now && !is_used(**id)
        });
        let unused: Vec<Id> = unused.map(|(id, _)| *id).collect();
        for id in &unused {
            if let Some(Name { key, .. }) = table.names.remove(id) {
                if table.ids.get(&key) == Some(id) {
                    table.ids.remove(&key);
                }
                table.former.insert(*id, key);
            }
        }
        if table.unwritten.is_some() {
            table.unused.extend(&unused);
        }
        table.pods.forget_all();
        table.others = HashMap::default();
        let ended = std::mem::replace(&mut table.turn, Arc::new(Turn(now + 1)));
        table.retired.push_back((Arc::downgrade(&ended), unused));
        drop(ended);
        while let Some((turn, _)) = table.retired.front()
            && turn.strong_count() == 0
        {
            let (_, ids) = table.retired.pop_front().unwrap_or_default();
            for id in ids {
                table.former.remove(&id);
            }
        }
    }

    /// Begins to note which names are not on disk, for [`Self::unwritten`].
    pub fn note_unwritten(&self) {
        self.write().unwritten.get_or_insert_default();
    }

    /// Takes over a name as it was kept.
    pub fn restore(&self, id: Id, key: Key) {
        let mut table = self.write();
        let key = Arc::new(key);
        table.next = table.next.max(id.get() + 1);
        // Of two the older was retired, and nothing has it any more that comes after.
        let newest = table.ids.get(&key).is_none_or(|known| *known < id);
        if newest {
            table.ids.insert(Arc::clone(&key), id);
        }
        let since = table.turn.0;
        table.names.insert(id, Name { key, since });
    }

    /// Takes over how many ids there were.
    pub fn restore_next(&self, next: u64) {
        let mut table = self.write();
        table.next = table.next.max(next);
    }

    /// The number of the next id.
    pub fn next(&self) -> u64 {
        self.read().next
    }

    /// The names that are not on disk.
    pub fn unwritten(&self) -> Vec<(Id, Arc<Key>)> {
        let table = self.read();
        table.unwritten.iter().flatten().cloned().collect()
    }

    /// The names up to that one are on disk.
    pub fn written(&self, last: Id) {
        if let Some(unwritten) = &mut self.write().unwritten {
            while unwritten.front().is_some_and(|(id, _)| *id <= last) {
                unwritten.pop_front();
            }
        }
    }

    /// The names that were retired since this was last asked, and are on disk.
    pub fn take_unused(&self) -> Vec<Id> {
        std::mem::take(&mut self.write().unused)
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn id(&mut self, key: &Key) -> Id {
        if let Some(id) = self.ids.get(key) {
            return *id;
        }
        let id =
            Id::new(self.next).expect("ids begin at one, and 64 bits do not come to their end");
        self.next += 1;
        let key = Arc::new(key.clone());
        if let Some(unwritten) = &mut self.unwritten {
            unwritten.push_back((id, Arc::clone(&key)));
        }
        self.ids.insert(Arc::clone(&key), id);
        let since = self.turn.0;
        self.names.insert(id, Name { key, since });
        id
    }
}

/// The names that ids stand for.
#[derive(Debug)]
pub struct LookUp<'a>(RwLockReadGuard<'a, Table>);

impl LookUp<'_> {
    /// What the id stands for; `None` if it was retired.
    pub fn key(&self, id: Id) -> Option<&Arc<Key>> {
        self.0.names.get(&id).map(|name| &name.key)
    }

    /// Every name there is, in no order.
    pub fn all(&self) -> impl Iterator<Item = (Id, &Arc<Key>)> {
        self.0.names.iter().map(|(id, name)| (*id, &name.key))
    }
}

#[cfg(test)]
mod tests;
