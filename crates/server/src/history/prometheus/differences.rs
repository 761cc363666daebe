//! From what a counter shows at points in time to what it had between them. Pure.
//!
//! A page of metrics is all of the counters of a store at one instant. So a counter that is not there
//! while its store is has nothing, and begins at zero when it comes; while its store is not there either,
//! nothing is known, and what was known before still holds.

use std::time::Duration;

use kubezonnet_model::Timestamp;

/// A store that is first seen so long after it was made was not looked at before. Until then it was on its
/// way to whoever looks, and all it shows is new.
const GRACE: Duration = Duration::from_mins(10);

/// What a counter shows, by the positions of the points in time where it is there, in order: most are there
/// for a short while only.
pub(super) type Shown = Vec<(usize, u64)>;

/// The counters of one server, and of those that go on with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Store {
    /// When they began at zero.
    pub(super) created: Timestamp,
    /// At which points in time of this stretch they are there.
    pub(super) seen: Vec<bool>,
    /// They were there in a stretch before.
    pub(super) is_known: bool,
    /// Two showed them at once.
    pub(super) is_doubled: bool,
}

/// What is held of a counter from one stretch to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// Up to where it is counted; nothing before its store was seen.
    pub(super) counted: Option<u64>,
    /// What it showed where its store was seen last, if it was there.
    pub(super) shown: Option<u64>,
}

impl Held {
    /// What is held of one that was not there where its store was seen last.
    pub(super) fn nothing(store: &Store) -> Self {
        Self {
            counted: store.is_known.then_some(0),
            shown: None,
        }
    }

    /// Notes what it showed last in a stretch.
    pub(super) fn show(&mut self, shown: &[(usize, u64)], store: &Store) {
        if let Some((_, last)) = points(shown, store).last() {
            self.shown = last;
        }
    }
}

/// By how much a counter rose up to each point in time, where it did; what is held of it goes on.
///
/// Before its store is seen nothing is known of it. What it shows first is new if its store is: made after
/// the point before, or [not long](GRACE) before that. Otherwise nobody looked until then, and when it rose
/// is not known.
///
/// What fell began anew, but where two show the same and one of them is gone. Even then it did where pairs
/// were folded meanwhile (`has_folds`): who shows more of these than before is not late.
pub(super) fn rises(
    shown: &[(usize, u64)],
    store: &Store,
    times: &[Timestamp],
    has_folds: impl Fn(usize) -> bool,
    held: &mut Held,
) -> impl Iterator<Item = (usize, u64)> {
    points(shown, store).filter_map(move |(position, shown)| {
        let now = shown.unwrap_or(0);
        let before = held.counted.replace(now);
        let rise = match before {
            Some(before) if before <= now => now - before,
            Some(before) if store.is_doubled && is_late(before, now) && !has_folds(position) => {
                held.counted = Some(before);
                0
            }
            // It began anew.
            Some(_) => now,
            None if is_new(store, position, times) => now,
            None => 0,
        };
        (rise > 0).then_some((position, rise))
    })
}

/// Whether what fell is what was shown somewhat earlier: of two who look at the same counters, only one
/// was there now. What begins anew begins at zero, and has most of the way before it.
const fn is_late(before: u64, now: u64) -> bool {
    now > before / 2
}

fn is_new(store: &Store, position: usize, times: &[Timestamp]) -> bool {
    let before = position.checked_sub(1).and_then(|before| times.get(before));
    before.is_some_and(|before| store.created >= before.minus(GRACE))
}

/// What counters showed before they went or began anew, by when that was seen; nothing of those of which
/// nothing is known.
pub(super) fn endings(
    shown: &[(usize, u64)],
    store: &Store,
    held: Held,
) -> impl Iterator<Item = (usize, u64)> {
    steps(shown, store, held).filter_map(|(position, before, shown)| match (before, shown) {
        (Some(before), None) => Some((position, before)),
        // It went, and came again.
        (Some(before), Some(now)) if now < before => Some((position, before)),
        _ => None,
    })
}

/// What counters show that were there before and did not fall.
pub(super) fn stays(
    shown: &[(usize, u64)],
    store: &Store,
    held: Held,
) -> impl Iterator<Item = (usize, u64)> {
    steps(shown, store, held).filter_map(|(position, before, shown)| {
        let now = shown?;
        (before? <= now).then_some((position, now))
    })
}

/// What a counter showed before, and shows, at the points where its store is there.
fn steps(
    shown: &[(usize, u64)],
    store: &Store,
    held: Held,
) -> impl Iterator<Item = (usize, Option<u64>, Option<u64>)> {
    let mut last = held.shown;
    points(shown, store)
        .map(move |(position, shown)| (position, std::mem::replace(&mut last, shown), shown))
}

/// What a counter shows at the points where its store is there.
fn points(shown: &[(usize, u64)], store: &Store) -> impl Iterator<Item = (usize, Option<u64>)> {
    let mut shown = shown.iter().copied().peekable();
    let seen = store.seen.iter().enumerate().filter(|(_, seen)| **seen);
    seen.map(move |(position, _)| {
        while shown.next_if(|(at, _)| *at < position).is_some() {}
        let here = shown.next_if(|(at, _)| *at == position);
        (position, here.map(|(_, value)| value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: u64 = 60_000;

    /// A point a minute.
    fn times(count: usize) -> Vec<Timestamp> {
        (100..)
            .take(count)
            .map(|minute| Timestamp(minute * MINUTE))
            .collect()
    }

    /// A store that is as old as the counters, and is seen wherever there is no `?`.
    fn rises_of(created: u64, shown: &[&str]) -> Vec<(usize, u64)> {
        rises_where(false, &[], created, shown)
    }

    fn rises_where(
        is_doubled: bool,
        folds: &[usize],
        created: u64,
        shown: &[&str],
    ) -> Vec<(usize, u64)> {
        let store = Store {
            created: Timestamp(created * MINUTE),
            seen: shown.iter().map(|shown| *shown != "?").collect(),
            is_known: false,
            is_doubled,
        };
        let times = times(shown.len());
        let shown = at(shown.iter().map(|shown| shown.parse().ok()));
        let has_folds = |position| folds.contains(&position);
        let mut held = Held::nothing(&store);
        rises(&shown, &store, &times, has_folds, &mut held).collect()
    }

    fn at(shown: impl IntoIterator<Item = Option<u64>>) -> Shown {
        let shown = shown.into_iter().enumerate();
        shown
            .filter_map(|(position, shown)| Some((position, shown?)))
            .collect()
    }

    #[test]
    fn what_a_counter_has_is_what_it_rose_by() {
        assert_eq!(rises_of(0, &["5", "7", "7", "10"]), [(1, 2), (3, 3)]);
    }

    #[test]
    fn one_that_falls_began_anew() {
        assert_eq!(rises_of(0, &["50", "7", "9"]), [(1, 7), (2, 2)]);
        assert_eq!(rises_of(0, &["50", "49", "52"]), [(1, 49), (2, 3)]);
    }

    #[test]
    fn one_that_one_of_two_shows_as_it_was_a_moment_earlier_did_not_fall() {
        let of_two = |folds, shown: &[&str]| rises_where(true, folds, 0, shown);

        assert_eq!(of_two(&[], &["50", "49", "52"]), [(2, 2)]);
        assert_eq!(of_two(&[], &["50", "24", "25"]), [(1, 24), (2, 1)]);
        // Who shows that pairs were folded since is not late.
        assert_eq!(of_two(&[1], &["50", "49", "52"]), [(1, 49), (2, 3)]);
        assert_eq!(of_two(&[2], &["50", "49", "52"]), [(2, 2)]);
    }

    #[test]
    fn one_that_comes_while_its_store_was_there_began_at_zero() {
        assert_eq!(rises_of(0, &["-", "7", "-", "9"]), [(1, 7), (3, 9)]);
    }

    #[test]
    fn while_a_store_is_away_what_was_known_holds() {
        assert_eq!(rises_of(0, &["5", "?", "?", "9"]), [(3, 4)]);
        assert_eq!(rises_of(0, &["-", "?", "9"]), [(2, 9)]);
    }

    #[test]
    fn all_of_a_new_store_is_new_and_nothing_of_one_that_nobody_looked_at() {
        assert_eq!(rises_of(101, &["?", "?", "9", "10"]), [(2, 9), (3, 1)]);
        assert_eq!(rises_of(95, &["?", "?", "9", "10"]), [(2, 9), (3, 1)]);
        assert_eq!(rises_of(0, &["?", "?", "9", "10"]), [(3, 1)]);
        // Of before the first point nothing is asked.
        assert_eq!(rises_of(101, &["9", "10"]), [(1, 1)]);
    }

    #[test]
    fn what_ends_is_told_with_what_it_had() {
        let store = Store {
            created: Timestamp(0),
            seen: vec![true, true, false, true, true, true],
            is_known: false,
            is_doubled: false,
        };

        let nothing = Held::nothing(&store);
        let ends =
            |shown: [Option<u64>; 6]| endings(&at(shown), &store, nothing).collect::<Vec<_>>();

        assert_eq!(
            ends([Some(1), Some(3), None, None, Some(2), None]),
            [(3, 3), (5, 2)]
        );
        assert_eq!(ends([None, Some(3), None, Some(4), Some(5), Some(6)]), []);
        assert_eq!(
            ends([Some(9), Some(8), None, Some(8), Some(5), Some(6)]),
            [(1, 9), (4, 8)]
        );
    }

    proptest! {
        /// However often it is looked, and whoever is away meanwhile.
        #[test]
        fn the_rises_of_a_counter_that_only_rises_sum_to_what_it_rose_by(
            steps in proptest::collection::vec((0..1_000_u64, any::<bool>()), 1..50),
        ) {
            let mut value = 0;
            let values: Vec<_> = steps.iter().map(|(rise, _)| { value += rise; value }).collect();
            let seen: Vec<_> = steps.iter().map(|(_, seen)| *seen).collect();
            let shown: Vec<_> = values.iter().zip(&seen).map(|(value, seen)| seen.then_some(*value)).collect();
            let times = times(shown.len());
            let known: Vec<_> = shown.iter().copied().flatten().collect();
            let expected = match known[..] {
                [first, .., last] => last - first,
                _ => 0,
            };
            let store = Store { created: Timestamp(0), seen, is_known: false, is_doubled: false };
            let mut held = Held::nothing(&store);

            let sum: u64 = rises(&at(shown), &store, &times, |_| false, &mut held).map(|(_, rise)| rise).sum();

            prop_assert_eq!(sum, expected);
        }
    }
}
