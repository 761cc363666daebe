//! How long to wait before the next attempt.

use std::time::Duration;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;

/// The shortest wait: a server that just restarts is back after about this long.
const FLOOR: Duration = Duration::from_millis(500);

/// The longest wait without the server's word: an agent is back within this of its server.
const CEILING: Duration = Duration::from_secs(30);

/// The longest wait a server can ask for: beyond it, a mistaken `Retry-After` would silence a node.
const LONGEST_ASKED: Duration = Duration::from_mins(5);

/// Waits that double with every failure, with full jitter, so that a fleet of agents does not come
/// back in step.
#[derive(Debug)]
pub struct Backoff {
    failures: u32,
    random: SmallRng,
}

impl Backoff {
    /// A row of waits; the same seed gives the same row.
    pub fn new(seed: u64) -> Self {
        Self {
            failures: 0,
            random: SmallRng::seed_from_u64(seed),
        }
    }

    /// Begins again at the shortest wait.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next wait: between half a second and a bound that doubles from one to thirty seconds.
    /// What the server asked for is waited first, and the jitter added to it.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let bound = FLOOR
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(CEILING);
        let jittered = self.random.random_range(FLOOR..=bound);
        asked.map_or(jittered, |asked| asked.min(LONGEST_ASKED) + jittered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_between_half_a_second_and_a_bound_that_doubles_to_thirty() {
        for seed in 0..50 {
            let mut backoff = Backoff::new(seed);
            for bound in [1, 2, 4, 8, 16, 30, 30, 30] {
                let wait = backoff.next(None);

                assert!(wait >= FLOOR, "{wait:?}");
                assert!(wait <= Duration::from_secs(bound), "{wait:?} over {bound}");
            }
        }
    }

    #[test]
    fn agents_do_not_come_back_in_step() {
        let waits: std::collections::BTreeSet<Duration> =
            (0..100).map(|seed| Backoff::new(seed).next(None)).collect();

        assert!(waits.len() > 90, "{} different waits of 100", waits.len());
    }

    #[test]
    fn the_server_is_asked_no_earlier_than_it_said_but_within_five_minutes() {
        let mut backoff = Backoff::new(1);

        assert!(backoff.next(Some(Duration::from_mins(1))) >= Duration::from_mins(1));
        assert!(backoff.next(Some(Duration::from_hours(24))) < Duration::from_secs(331));
    }

    #[test]
    fn after_a_reset_it_begins_again() {
        let mut backoff = Backoff::new(1);
        for _ in 0..10 {
            backoff.next(None);
        }

        backoff.reset();

        assert!(backoff.next(None) <= Duration::from_secs(1));
    }
}
