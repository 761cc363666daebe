//! The sides that ids stand for, taken out of the names: for work that takes long.

use std::sync::Arc;

use foldhash::{HashMap, HashSet};

use super::{Id, Key, Names};
use crate::ledger::Side;

/// Names that are looked at before others may give new ones: some tens of microseconds.
const PORTION: usize = 1000;

/// Sides by their ids, as they were called when they were asked for.
#[derive(Debug)]
pub struct Sides(HashMap<Id, Arc<Key>>);

impl Names {
    /// The sides of these ids, looked at in portions, so that who gives names waits for moments only.
    pub fn sides(&self, ids: impl Iterator<Item = Id>) -> Sides {
        let ids: HashSet<Id> = ids.collect();
        let ids: Vec<Id> = ids.into_iter().collect();
        let mut sides = HashMap::default();
        for portion in ids.chunks(PORTION) {
            let names = self.look_up();
            let known = portion.iter().filter_map(|id| Some((*id, names.key(*id)?)));
            sides.extend(known.map(|(id, key)| (id, Arc::clone(key))));
        }
        Sides(sides)
    }
}

impl Sides {
    /// The side; `None` if it was retired.
    pub fn get(&self, id: Id) -> Option<&Side> {
        match &**self.0.get(&id)? {
            Key::Side(side) => Some(side),
            Key::Subject(_) | Key::Service(_) => None,
        }
    }
}
