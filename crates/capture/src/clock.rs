//! The monotonic clock in nanoseconds: what an [`Instant`] is, written down for a successor.

#![expect(
    unsafe_code,
    reason = "an Instant does not tell the nanoseconds it is made of"
)]

use std::time::{Duration, Instant};

/// One moment by both names. `CLOCK_MONOTONIC` is the same for all processes until the next reboot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    instant: Instant,
    nanos: u64,
}

impl Clock {
    /// The present moment.
    pub(crate) fn new() -> Self {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is a timespec and outlives the call.
        let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
        assert_eq!(result, 0, "every Linux has CLOCK_MONOTONIC");
        let seconds = u64::try_from(time.tv_sec).expect("the clock begins at 0");
        let nanos = u64::try_from(time.tv_nsec).expect("nanoseconds are not negative");
        Self {
            instant: Instant::now(),
            nanos: seconds * 1_000_000_000 + nanos,
        }
    }

    /// A moment in nanoseconds.
    pub(crate) fn nanos(&self, at: Instant) -> u64 {
        let length = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        match at.checked_duration_since(self.instant) {
            Some(after) => self.nanos.saturating_add(length(after)),
            None => self.nanos.saturating_sub(length(self.instant - at)),
        }
    }

    /// The moment of these nanoseconds; the earliest that can be told if there is none such.
    pub(crate) fn instant(&self, nanos: u64) -> Instant {
        if nanos >= self.nanos {
            return self.instant + Duration::from_nanos(nanos - self.nanos);
        }
        let before = Duration::from_nanos(self.nanos - nanos);
        self.instant.checked_sub(before).unwrap_or(self.instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_same_for_every_process() {
        let (one, other) = (Clock::new(), Clock::new());
        let moment = Instant::now();

        let read = other.instant(one.nanos(moment));

        let apart = read.max(moment) - read.min(moment);
        assert!(apart < Duration::from_secs(1), "{apart:?}");
    }

    #[test]
    fn moments_before_and_after_are_read_back_exactly() {
        let clock = Clock::new();
        let minute = Duration::from_mins(1);
        let before = clock.instant.checked_sub(minute).unwrap();

        for moment in [before, clock.instant, clock.instant + minute] {
            assert_eq!(clock.instant(clock.nanos(moment)), moment);
        }
    }
}
