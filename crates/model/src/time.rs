//! Points and stretches of time, as the server's clock has them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time by the server's clock, in milliseconds since 1970-01-01T00:00:00Z.
///
/// Agents report durations only; the server places them by the time of receipt.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The point `duration` later, or the last there is.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// The point `duration` earlier, or the first there is.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// In seconds, as metrics have it.
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds have far fewer bits"
    )]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A stretch of time: from `start` up to, and without, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Window {
    /// When it began.
    pub start: Timestamp,
    /// When it ended; never before `start`.
    pub end: Timestamp,
}

impl Window {
    /// The window of no length at a point.
    pub fn moment(at: Timestamp) -> Self {
        Self { start: at, end: at }
    }

    /// The window of that length which ended `age` before `received`.
    pub fn placed(received: Timestamp, age: Duration, length: Duration) -> Self {
        let end = received.minus(age);
        Self {
            start: end.minus(length),
            end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_placed_by_the_time_of_receipt() {
        let received = Timestamp(100_000);

        let window = Window::placed(
            received,
            Duration::from_secs(2),
            Duration::from_millis(10_500),
        );

        assert_eq!(
            window,
            Window {
                start: Timestamp(87_500),
                end: Timestamp(98_000)
            }
        );
    }

    #[test]
    fn an_absurd_length_begins_at_the_first_point_in_time() {
        let window = Window::placed(Timestamp(5), Duration::from_secs(1), Duration::MAX);

        assert_eq!(
            window,
            Window {
                start: Timestamp(0),
                end: Timestamp(0)
            }
        );
    }
}
