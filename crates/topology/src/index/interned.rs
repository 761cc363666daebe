//! Each value once in memory, however many have it, for as long as one has it.

use std::borrow::Borrow;
use std::hash::Hash;

use foldhash::HashMap;

/// Values that are shared by those who have them, with how many these are.
#[derive(Debug)]
pub(super) struct Interned<T>(HashMap<T, u32>);

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<T: Clone + Eq + Hash> Interned<T> {
    /// One more has it: the shared one that equals `value`.
    pub(super) fn take(&mut self, value: T) -> T {
        if let Some((shared, _)) = self.0.get_key_value(&value) {
            let shared = shared.clone();
            *self.0.entry(shared.clone()).or_default() += 1;
            return shared;
        }
        self.0.insert(value.clone(), 1);
        value
    }

    /// Each that somebody has, once.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.keys()
    }

    /// One fewer has it.
    pub(super) fn give_back<Q>(&mut self, value: &Q)
    where
        T: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some(count) = self.0.get_mut(value) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_value_is_in_memory_once() {
        let mut interned = Interned::<Arc<str>>::default();

        let first = interned.take("web".into());
        let second = interned.take("web".into());

        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn a_value_goes_with_the_last_that_has_it() {
        let mut interned = Interned::<Arc<str>>::default();
        interned.take("web".into());
        interned.take("web".into());

        interned.give_back("web");
        assert_eq!(interned.0.len(), 1);
        interned.give_back("web");

        assert_eq!(interned.0.len(), 0);
    }
}
