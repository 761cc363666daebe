//! Each name once in memory, however many pods have it.

use std::hash::Hash;

use foldhash::HashSet;

/// Names that are shared by those who have them.
#[derive(Debug)]
pub(super) struct Names<T> {
    known: HashSet<T>,
    /// How many there were when it was last rebuilt: names nobody has any more cannot be seen, so
    /// they go when the set has doubled.
    rebuilt: usize,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            known: HashSet::default(),
            rebuilt: 0,
        }
    }
}

impl<T: Clone + Eq + Hash> Names<T> {
    /// Below this many a rebuild is not worth its time.
    const FEW: usize = 1024;

    /// The shared one that equals `name`.
    pub(super) fn shared(&mut self, name: T) -> T {
        if let Some(shared) = self.known.get(&name) {
            return shared.clone();
        }
        self.known.insert(name.clone());
        name
    }

    /// Whether so many were added since the last rebuild that it is worth another.
    pub(super) fn is_due(&self) -> bool {
        self.known.len() > Self::FEW.max(2 * self.rebuilt)
    }

    /// Keeps only those still in use.
    pub(super) fn rebuild<'a>(&mut self, in_use: impl Iterator<Item = &'a T>)
    where
        T: 'a,
    {
        self.known = in_use.cloned().collect();
        self.rebuilt = self.known.len();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_name_is_in_memory_once() {
        let mut names = Names::<Arc<str>>::default();

        let first = names.shared("web".into());
        let second = names.shared("web".into());

        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn names_out_of_use_go_when_there_are_twice_as_many() {
        let mut names = Names::<Arc<str>>::default();
        let all: Vec<Arc<str>> = (0..1025)
            .map(|number| names.shared(format!("job-{number}").into()))
            .collect();
        assert!(names.is_due());

        names.rebuild(all[..10].iter());

        assert_eq!(names.known.len(), 10);
        assert!(!names.is_due());
        assert!(Arc::ptr_eq(&all[3], &names.shared("job-3".into())));
    }
}
