//! Whether what a window says of itself can be true.

use std::time::Duration;

use kubezonnet_model::FlowCounters;
use kubezonnet_wire::DecodedBatch;

/// The most windows of one epoch: at the shortest interval, a second, 136 years of them. A sequence
/// beyond would leave a gap that no agent makes.
const MAX_SEQUENCE: u64 = 1 << 32;

/// The longest window, and the highest age of one: a server that was away for a month. What is
/// older says nothing that could still be resolved.
pub(super) const MAX_TIME: Duration = Duration::from_hours(30 * 24);

/// Bytes a second that no node has: sixteen links of 100 Gbit/s, each busy to the full.
const MAX_RATE: u64 = 16 * 12_500_000_000;

/// What is counted while a window is closed belongs to it, though it is not in its length: seconds
/// at worst, on a node that is out of processors.
pub(super) const SLACK: Duration = Duration::from_secs(10);

/// The most bytes, or packets, of one window whatever its length: 72 PB, a month at 220 Gbit/s. The
/// ledger keeps a quarter of 64 bits for what is being applied while it gets full: 64 such windows, of
/// which no node has two (see [`super::claims`]).
const MAX_WINDOW: u64 = 1 << 56;

/// What of a window cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Implausible {
    /// More bytes or packets than a node's links carry in that time.
    #[error(
        "{bytes} bytes and {packets} packets in a window of {} ms cannot be: of each at most {most}",
        .window.as_millis()
    )]
    Traffic {
        /// Bytes of the batch.
        bytes: u64,
        /// Packets of the batch.
        packets: u64,
        /// The length of the window.
        window: Duration,
        /// The most of each in that time.
        most: u64,
    },
    /// No time passed in it, or far too much.
    #[error(
        "a window of {} ns cannot be: more than none and at most {} days",
        .0.as_nanos(),
        MAX_TIME.as_secs() / 86_400
    )]
    Length(Duration),
    /// With it the node's windows are longer than the time in which they came.
    #[error(
        "with this window the node's windows have lasted {} s, and no more than {} s have passed for \
         them",
        .claimed.as_secs(),
        .most.as_secs()
    )]
    Claimed {
        /// The length of all windows of the node, this one included.
        claimed: Duration,
        /// The most there can be.
        most: Duration,
    },
    /// It ended too long ago.
    #[error(
        "a window that ended {} ms ago is of no use: at most {} days",
        .0.as_millis(),
        MAX_TIME.as_secs() / 86_400
    )]
    Age(Duration),
    /// No epoch lasts for so many windows.
    #[error("sequence {0} cannot be: at most {MAX_SEQUENCE}")]
    Sequence(u64),
}

/// Refuses a batch that says what cannot be.
pub(super) fn plausible(batch: &DecodedBatch, age: Duration) -> Result<(), Implausible> {
    let window = batch.header.window;
    if window.is_zero() || window > MAX_TIME {
        return Err(Implausible::Length(window));
    }
    if age > MAX_TIME {
        return Err(Implausible::Age(age));
    }
    if batch.header.sequence > MAX_SEQUENCE {
        return Err(Implausible::Sequence(batch.header.sequence));
    }
    let FlowCounters { bytes, packets } = seen(batch);
    let most = most_in(window);
    // A packet has a byte at least.
    if bytes > most || packets > most {
        return Err(Implausible::Traffic {
            bytes,
            packets,
            window,
            most,
        });
    }
    Ok(())
}

/// All that the hooks saw, or the largest number if it is beyond all numbers.
fn seen(batch: &DecodedBatch) -> FlowCounters {
    let flows = FlowCounters {
        bytes: saturating_sum(&batch.flows.bytes),
        packets: saturating_sum(&batch.flows.packets),
    };
    let totals = batch.totals.iter().map(|total| total.counters);
    let skipped = batch.skipped.iter().map(|skipped| skipped.counters);
    totals.chain(skipped).chain([flows]).sum()
}

/// The most bytes, and packets, of a window of that length.
pub(super) fn most_in(window: Duration) -> u64 {
    // Rounded up; a month and the slack are far below what 64 bits hold at this rate.
    let seconds = (window + SLACK).as_secs() + 1;
    (MAX_RATE * seconds).min(MAX_WINDOW)
}

fn saturating_sum(column: &[u64]) -> u64 {
    column.iter().fold(0, |sum, each| sum.saturating_add(*each))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{OUT, Report, WINDOW, counters};

    fn judged(change: impl FnOnce(&mut Report)) -> Result<(), Implausible> {
        let mut report = Report::of("n1", 1).record("10.67.1.1", "10.67.2.1", OUT, 0);
        change(&mut report);
        plausible(&report.decoded(), Duration::ZERO)
    }

    fn with_bytes(window: Duration, bytes: u64) -> Result<(), Implausible> {
        judged(|report| {
            report.0.header.window = window;
            report.0.records[0].counters = counters(bytes);
        })
    }

    #[test]
    fn a_window_holds_what_its_length_carries_and_no_more() {
        let month = MAX_TIME;
        // (10 s + 10 s of slack + 1 s for rounding) at 200 GB/s.
        for (window, most) in [(WINDOW, 4_200_000_000_000), (month, MAX_WINDOW)] {
            assert_eq!(with_bytes(window, most), Ok(()));
            let refused = with_bytes(window, most + 1);
            let expected = Implausible::Traffic {
                bytes: most + 1,
                packets: counters(most + 1).packets,
                window,
                most,
            };
            assert_eq!(refused, Err(expected));
        }
    }

    #[test]
    fn packets_are_held_to_it_like_bytes() {
        let refused = judged(|report| report.0.records[0].counters.packets = u64::MAX);

        assert!(
            matches!(refused, Err(Implausible::Traffic { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn a_window_has_a_length_and_ends_within_a_month() {
        let longest = with_bytes(MAX_TIME, 1);
        let too_long = MAX_TIME + Duration::from_nanos(1);

        assert_eq!(with_bytes(Duration::from_nanos(1), 1), Ok(()));
        assert_eq!(longest, Ok(()));
        for length in [Duration::ZERO, too_long, Duration::from_nanos(u64::MAX)] {
            assert_eq!(with_bytes(length, 1), Err(Implausible::Length(length)));
        }
    }

    #[test]
    fn a_window_of_more_than_a_month_ago_is_of_no_use() {
        let batch = Report::of("n1", 1).decoded();
        let oldest = plausible(&batch, MAX_TIME);
        let beyond = MAX_TIME + Duration::from_millis(1);

        assert_eq!(oldest, Ok(()));
        assert_eq!(plausible(&batch, beyond), Err(Implausible::Age(beyond)));
    }

    #[test]
    fn a_sequence_that_no_agent_reaches_is_refused() {
        let at = |sequence| judged(|report| report.0.header.sequence = sequence);

        assert_eq!(at(MAX_SEQUENCE), Ok(()));
        for sequence in [MAX_SEQUENCE + 1, u64::MAX] {
            assert_eq!(at(sequence), Err(Implausible::Sequence(sequence)));
        }
    }
}
