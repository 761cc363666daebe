//! What a window brought, by the minutes it lay in.

use std::time::Duration;

use kubezonnet_model::{FlowCounters, Timestamp, Window};

use crate::Resolution;

/// The longest that a window is spread over: an agent that was away for longer has its bytes in the
/// hours at the window's end, so that one window does not touch a chunk without end.
const MOST: Duration = Duration::from_hours(24);

/// Shares of a window's counters among the minutes it lay in, by how much of it lay in each; they sum to
/// the counters exactly. Each is told by when its minute begins. What happened when within a window nobody
/// knows.
pub fn spread(
    window: Window,
    counters: FlowCounters,
) -> impl Iterator<Item = (Timestamp, FlowCounters)> {
    let minute = Resolution::Minute.slot();
    let start = window.start.max(window.end.minus(MOST));
    let length = window.end.since(start).as_millis();
    // A window's end is not in it; one without length is in the minute it is at.
    let last = if length == 0 {
        window.end
    } else {
        Timestamp(window.end.0 - 1)
    };
    let begin = |at: Timestamp| {
        let (chunk, slot) = Resolution::Minute.place(at);
        chunk.slot(Resolution::Minute, slot)
    };
    let mut next = Some(begin(start));
    let mut given = FlowCounters::ZERO;
    std::iter::from_fn(move || {
        let at = next?;
        let end = at.plus(minute);
        next = (end <= last).then_some(end);
        // So much until the end of this minute, less what the ones before have: what rounding takes from
        // one the next has.
        let passed = end.min(window.end).since(start).as_millis();
        let due = |all| part(all, passed, length);
        let due = FlowCounters {
            bytes: due(counters.bytes),
            packets: due(counters.packets),
        };
        let share = FlowCounters {
            bytes: due.bytes - given.bytes,
            packets: due.packets - given.packets,
        };
        given = due;
        Some((at, share))
    })
    .filter(|(_, share)| *share != FlowCounters::ZERO)
}

/// So many parts of a whole.
fn part(all: u64, parts: u128, whole: u128) -> u64 {
    // Most windows lie in one minute.
    if parts == whole {
        return all;
    }
    u64::try_from(u128::from(all) * parts / whole).expect("a part is not more than all")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn window(start: u64, end: u64) -> Window {
        Window {
            start: Timestamp(start),
            end: Timestamp(end),
        }
    }

    fn shares(start: u64, end: u64, bytes: u64) -> Vec<(u64, u64)> {
        let counters = FlowCounters { bytes, packets: 1 };
        let shares = spread(window(start, end), counters);
        shares.map(|(at, share)| (at.0, share.bytes)).collect()
    }

    #[test]
    fn a_window_within_a_minute_is_in_it() {
        assert_eq!(shares(60_000, 70_000, 7), [(60_000, 7)]);
        assert_eq!(shares(110_000, 120_000, 7), [(60_000, 7)]);
        assert_eq!(shares(120_000, 120_000, 7), [(120_000, 7)]);
    }

    #[test]
    fn a_window_over_minutes_is_shared_by_how_much_of_it_is_in_each() {
        assert_eq!(shares(115_000, 125_000, 10), [(60_000, 5), (120_000, 5)]);
        assert_eq!(
            shares(30_000, 210_000, 1_800),
            [(0, 300), (60_000, 600), (120_000, 600), (180_000, 300)]
        );
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_window_and_lie_in_it(
            start in 0..1_u64 << 42,
            length in 0..1_u64 << 30,
            bytes: u64,
            packets: u64,
        ) {
            let window = window(start, start + length);

            let shares: Vec<_> = spread(window, FlowCounters { bytes, packets }).collect();

            let bytes_of = shares.iter().map(|(_, share)| u128::from(share.bytes)).sum::<u128>();
            let packets_of = shares.iter().map(|(_, share)| u128::from(share.packets)).sum::<u128>();
            prop_assert_eq!((bytes_of, packets_of), (bytes.into(), packets.into()));
            prop_assert!(shares.iter().all(|(at, _)| at.0 % 60_000 == 0));
            let touches = |at: Timestamp| at.plus(MINUTE) > window.start && at <= window.end;
            prop_assert!(shares.iter().all(|(at, _)| touches(*at)));
            prop_assert!(shares.is_sorted_by(|one, other| one.0 < other.0));
        }
    }
}
