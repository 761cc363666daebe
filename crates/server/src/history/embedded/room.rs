//! The memory that windows take on their way to the keeper, and while it holds them because it cannot write.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Windows that are under way together, at most.
pub(super) const WINDOWS: usize = 4096;

/// What they take: as much as changes on their way to the disk.
const BYTES: usize = 32 << 20;

/// How long one waits for room. Who comes after it does not wait, until there is room again: a window in
/// this time would be no counting either.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often who waits looks whether it is worth it.
const LOOK: Duration = Duration::from_millis(50);

/// Room for windows.
#[derive(Debug, Default)]
pub(super) struct Room {
    taken: Mutex<Taken>,
    /// Told whenever room is given back.
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Taken {
    windows: usize,
    bytes: usize,
    /// One waited in vain, and there was no room since.
    in_vain: bool,
}

/// Room that a window has; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    bytes: usize,
}

/// How one waits for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Not at all.
    None,
    /// Not for long.
    Some,
    /// As long as it takes.
    All,
}

impl Room {
    /// Waits until there is room for so much; `None` if patience ends before. What is larger than all of it
    /// has it for itself.
    pub(super) fn take(
        self: &Arc<Self>,
        bytes: usize,
        patience: impl Fn() -> Patience,
    ) -> Option<Place> {
        let begun = Instant::now();
        let mut taken = self.taken();
        while taken.windows >= WINDOWS
            || (taken.bytes > 0 && taken.bytes.saturating_add(bytes) > BYTES)
        {
            match patience() {
                Patience::All => {}
                Patience::Some if !taken.in_vain && begun.elapsed() < PATIENCE => {}
                Patience::Some => {
                    if !std::mem::replace(&mut taken.in_vain, true) {
                        tracing::warn!(
                            "the history cannot keep up: it lacks what it has no room for, and counting \
                             goes on"
                        );
                    }
                    return None;
                }
                Patience::None => return None,
            }
            let waited = self.freed.wait_timeout(taken, LOOK);
            (taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        taken.in_vain = false;
        taken.windows += 1;
        taken.bytes += bytes;
        Some(Place {
            room: Arc::clone(self),
            bytes,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        taken.windows -= 1;
        taken.bytes -= self.bytes;
        drop(taken);
        self.room.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_no_room_waits_once_and_not_again_until_there_is_some() {
        let room = Arc::<Room>::default();
        let place = room.take(BYTES, || Patience::None).unwrap();
        let begun = Instant::now();

        assert!(room.take(1, || Patience::Some).is_none());
        let first = begun.elapsed();
        let begun = Instant::now();
        assert!(room.take(1, || Patience::Some).is_none());
        let second = begun.elapsed();
        drop(place);
        let again = room.take(1, || Patience::None);

        assert!(
            first >= PATIENCE && second < PATIENCE,
            "{first:?} {second:?}"
        );
        assert!(again.is_some() && !room.taken().in_vain);
    }

    #[test]
    fn windows_are_bounded_by_their_number_and_by_their_bytes() {
        let room = Arc::<Room>::default();
        let large = room.take(2 * BYTES, || Patience::None);

        assert!(room.take(1, || Patience::None).is_none());
        drop(large);
        let many: Vec<_> = (0..WINDOWS)
            .map(|_| room.take(0, || Patience::None))
            .collect();

        assert!(many.iter().all(Option::is_some));
        assert!(room.take(0, || Patience::None).is_none());
    }
}
