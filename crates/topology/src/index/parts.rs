//! A map that grows a part at a time. To move some hundred thousand entries in one go takes tens of
//! milliseconds, for which whoever reads the index would wait.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// So many parts: one of a map with 300,000 entries moves in a fraction of a millisecond.
const PARTS: usize = 64;

/// The bits of a hash that say which part: the table takes its highest and its lowest ones.
const SHIFT: u32 = 48;

/// A map in parts.
#[derive(Debug)]
pub(super) struct Parts<K, V> {
    parts: Box<[HashTable<(K, V)>; PARTS]>,
    hasher: RandomState,
}

impl<K, V> Default for Parts<K, V> {
    fn default() -> Self {
        Self {
            parts: Box::new([const { HashTable::new() }; PARTS]),
            hasher: RandomState::default(),
        }
    }
}

fn part(hash: u64) -> usize {
    usize::from(hash.to_le_bytes()[(SHIFT / 8) as usize]) % PARTS
}

impl<K: Eq + Hash, V> Parts<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let hash = self.hasher.hash_one(key);
        let found = self.parts[part(hash)].find(hash, |(own, _)| own == key);
        found.map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let hash = self.hasher.hash_one(key);
        let found = self.parts[part(hash)].find_mut(hash, |(own, _)| own == key);
        found.map(|(_, value)| value)
    }

    /// Puts the value in the place of the one there is.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let Self { parts, hasher } = self;
        let hash = hasher.hash_one(&key);
        let part = &mut parts[part(hash)];
        if let Some((_, known)) = part.find_mut(hash, |(own, _)| *own == key) {
            *known = value;
        } else {
            part.insert_unique(hash, (key, value), |(own, _)| hasher.hash_one(own));
        }
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let found = self.parts[part(hash)].find_entry(hash, |(own, _)| own == key);
        let ((_, value), _) = found.ok()?.remove();
        Some(value)
    }

    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(HashTable::len).sum()
    }

    /// The entries of one part, in no order; `None` past the last part.
    pub(super) fn part(&self, number: usize) -> Option<impl Iterator<Item = (&K, &V)>> {
        let entries = self.parts.get(number)?.iter();
        Some(entries.map(|(key, value)| (key, value)))
    }

    /// Every entry, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let entries = self.parts.iter().flatten();
        entries.map(|(key, value)| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_parts_are_one_map(
            changes in prop::collection::vec((any::<u8>(), prop::option::of(any::<u32>())), 0..400),
        ) {
            let mut parts = Parts::default();
            let mut map = BTreeMap::new();

            for (key, value) in changes {
                if let Some(value) = value {
                    parts.insert(key, value);
                    map.insert(key, value);
                } else {
                    prop_assert_eq!(parts.remove(&key), map.remove(&key));
                }
            }

            prop_assert_eq!(parts.len(), map.len());
            for key in 0..=u8::MAX {
                prop_assert_eq!(parts.get(&key), map.get(&key));
            }
            let all: BTreeMap<u8, u32> = parts.iter().map(|(key, value)| (*key, *value)).collect();
            prop_assert_eq!(all, map);
        }
    }

    #[test]
    fn no_part_has_much_more_than_its_share() {
        let mut parts = Parts::default();
        for key in 0..64_000_u32 {
            parts.insert(key, ());
        }

        let largest = parts.parts.iter().map(HashTable::len).max();

        assert!(largest < Some(1_300), "{largest:?}");
    }
}
