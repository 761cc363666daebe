//! At which points in time counters are looked at, to tell what they had between them. Pure.

use std::time::Duration;

use kubezonnet_model::{Timestamp, Window};

use super::client::MOST_BYTES;

/// What an answer may have all together: some tens of megabytes of JSON.
const MOST_SAMPLES: u64 = 1_000_000;

/// What it may be long, of [`MOST_BYTES`] that are read of it; and what its parts are: the labels of a series,
/// and a sample.
const LONG: u64 = MOST_BYTES / 8 * 7;
const SERIES_BYTES: u64 = 480;
const SAMPLE_BYTES: u64 = 32;

/// What a server answers at once at most: Prometheus has 11,000.
const MOST_POINTS: u64 = 10_000;

/// The shortest time between two points.
const MINUTE: u64 = 60_000;

/// The time between two points, where it does not have to be another one: what is gone is shown for so
/// long (`--series-retention`), so that nothing comes and goes between two points.
const USUAL: u64 = 15 * MINUTE;

/// How long before a range a counter that is not there when it begins is looked for, and how often: a
/// point looks back for five minutes.
const BEFORE: Duration = Duration::from_hours(1);
const BEFORE_EVERY: u64 = 5 * MINUTE;

/// Points in time that are as far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// In milliseconds.
    pub(super) step: u64,
}

impl Grid {
    /// One point. Its step is no shorter than a minute: where it is, `VictoriaMetrics` leaves out what is not
    /// half a minute old.
    pub(super) const fn at(moment: Timestamp) -> Self {
        Self {
            first: moment,
            last: moment,
            step: MINUTE,
        }
    }

    /// A grid of multiples of its step, and by how much its points are later than those of this one: who
    /// asks others moves points to such ones by himself (Thanos, Mimir).
    pub(super) fn rounded(self) -> (Self, u64) {
        let later = self.first.0.next_multiple_of(self.step.max(1)) - self.first.0;
        let rounded = Self {
            first: Timestamp(self.first.0 + later),
            last: Timestamp(self.last.0 + later),
            ..self
        };
        (rounded, later)
    }

    fn points(self) -> impl Iterator<Item = Timestamp> {
        let step = usize::try_from(self.step).unwrap_or(usize::MAX);
        (self.first.0..=self.last.0).step_by(step).map(Timestamp)
    }
}

/// At which points in time counters are looked at for a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Before the range, for counters that are not there when it begins.
    pub(super) before: Grid,
    /// From the begin of the range on.
    pub(super) within: Grid,
    /// The end of the range, where that is none of the points within.
    pub(super) end: Option<Grid>,
    /// All of them.
    pub(super) times: Vec<Timestamp>,
    /// Which of them is the begin of the range.
    pub(super) begin: usize,
}

/// There is too much to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "too much for one answer: {series} series at {points} points in time; ask of a shorter time, by longer \
     steps, or of some zones or localities only"
)]
pub(super) struct TooMuch {
    series: u64,
    points: u64,
}

impl Plan {
    /// For a range that is answered in cells of that length (milliseconds), of about so many series.
    pub(super) fn of(
        range: Window,
        cell: Option<u64>,
        now: Timestamp,
        series: u64,
    ) -> Result<Self, TooMuch> {
        let end = range.end.min(now).max(range.start);
        let length = end.0 - range.start.0;
        let series = series.max(1);
        let most = most_points(series);
        let steps = match cell {
            Some(cell) => within(cell),
            None => whole(length.next_multiple_of(MINUTE).max(MINUTE)),
        };
        let fits = |step: &u64| length / step < most;
        let Some(step) = steps.iter().copied().find(fits) else {
            let step = steps.last().copied().unwrap_or(MINUTE);
            return Err(TooMuch {
                series,
                points: length / step + 1,
            });
        };
        let within = Grid {
            first: range.start,
            last: Timestamp(range.start.0 + length / step * step),
            step,
        };
        let before = Grid {
            first: range.start.minus(BEFORE),
            last: range.start.minus(Duration::from_millis(BEFORE_EVERY)),
            step: BEFORE_EVERY,
        };
        let end = (within.last < end).then_some(Grid::at(end));
        let mut times: Vec<_> = before.points().collect();
        let begin = times.len();
        times.extend(within.points());
        times.extend(end.map(|end| end.first));
        Ok(Self {
            before,
            within,
            end,
            times,
            begin,
        })
    }
}

/// At how many points in time so many series can be looked at.
fn most_points(series: u64) -> u64 {
    let series = series.max(1);
    let in_bytes = (LONG / series).saturating_sub(SERIES_BYTES) / SAMPLE_BYTES;
    let in_samples = MOST_SAMPLES / series;
    // The begin and the end there always are.
    in_samples.min(in_bytes).clamp(2, MOST_POINTS)
}

/// The shortest cells for which a range of about so many series has a plan.
pub(super) fn shortest_step(length: Duration, series: u64) -> Duration {
    // Some series more may have come until it is asked for.
    let most = most_points(series.saturating_add(series / 8));
    let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let step = (length / most).saturating_add(1);
    Duration::from_millis(step.checked_next_multiple_of(MINUTE).unwrap_or(step))
}

/// Steps that a cell is whole ones of, from the best one to the longest.
fn within(cell: u64) -> Vec<u64> {
    let minutes = cell / MINUTE;
    let mut divisors: Vec<u64> = (1..=minutes.isqrt())
        .filter(|each| minutes.is_multiple_of(*each))
        .flat_map(|each| [each, minutes / each])
        .map(|each| each * MINUTE)
        .collect();
    divisors.sort_unstable();
    divisors.dedup();
    let best = divisors.partition_point(|each| *each <= USUAL);
    divisors.split_off(best.saturating_sub(1))
}

/// Steps for one cell that is as long as the range, likewise: whatever is left at its end is no matter.
fn whole(length: u64) -> Vec<u64> {
    /// In minutes.
    const STEPS: [u64; 9] = [15, 30, 60, 120, 240, 480, 720, 1_440, 10_080];
    let short = (length < 4 * USUAL).then_some(MINUTE);
    let longer = STEPS.map(|step| step * MINUTE);
    let longer = longer.into_iter().filter(|step| *step < length);
    short.into_iter().chain(longer).chain([length]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    const START: u64 = 20_000 * DAY;

    fn range(length: u64) -> Window {
        Window {
            start: Timestamp(START),
            end: Timestamp(START + length),
        }
    }

    fn step(length: u64, cell: Option<u64>, series: u64) -> Result<u64, TooMuch> {
        let now = Timestamp(START + 1000 * DAY);
        Plan::of(range(length), cell, now, series).map(|plan| plan.within.step / MINUTE)
    }

    #[test]
    fn points_are_as_far_apart_as_the_cells_and_no_further_than_what_is_gone_is_shown() {
        assert_eq!(step(HOUR, Some(MINUTE), 100), Ok(1));
        assert_eq!(step(HOUR, Some(7 * MINUTE), 100), Ok(7));
        assert_eq!(step(DAY, Some(HOUR), 100), Ok(15));
        assert_eq!(step(DAY, None, 100), Ok(15));
        assert_eq!(step(30 * DAY, Some(DAY), 100), Ok(15));
        assert_eq!(step(17 * MINUTE, None, 100), Ok(1));
        assert_eq!(step(7_919 * MINUTE, None, 100), Ok(15));
    }

    #[test]
    fn many_series_are_looked_at_less_often_and_too_many_not_at_all() {
        assert_eq!(step(30 * DAY, Some(DAY), 2_000), Ok(90));
        assert_eq!(step(30 * DAY, Some(DAY), 20_000), Ok(24 * 60));
        assert_eq!(step(30 * DAY, None, 500_000), Ok(30 * 24 * 60));
        // All that a server has by default: what its labels take is most of the answer.
        assert_eq!(most_points(100_000), 10);
        assert_eq!(most_points(200_000), 3);
        assert_eq!(most_points(2_000_000), 2);
        let error = step(30 * DAY, Some(HOUR), 20_000).unwrap_err();
        assert!(error.to_string().contains("20000 series at 721 points"));
    }

    #[test]
    fn a_rounded_grid_has_as_many_points_and_each_is_a_multiple_of_its_step() {
        let first = Timestamp(START + 7 * MINUTE);
        let grid = Grid {
            first,
            last: Timestamp(first.0 + HOUR),
            step: 15 * MINUTE,
        };

        let (rounded, later) = grid.rounded();

        assert_eq!(later, 8 * MINUTE);
        assert!(rounded.points().all(|at| at.0 % rounded.step == 0));
        let back = rounded.points().map(|at| Timestamp(at.0 - later));
        assert!(back.eq(grid.points()));
        assert_eq!(rounded.rounded(), (rounded, 0));
        let one = Grid::at(Timestamp(START + 1));
        let next = Grid::at(Timestamp(START + MINUTE));
        assert_eq!(one.rounded(), (next, MINUTE - 1));
    }

    #[test]
    fn nothing_is_looked_at_that_is_yet_to_come() {
        let now = Timestamp(START + 90 * MINUTE + 1);

        let plan = Plan::of(range(DAY), Some(HOUR), now, 1).unwrap();

        assert_eq!(plan.within.last, Timestamp(START + 90 * MINUTE));
        assert_eq!(plan.end, Some(Grid::at(now)));
        assert_eq!(plan.times.last(), Some(&now));
        let plan = Plan::of(range(DAY), Some(HOUR), Timestamp(START - 1), 1).unwrap();
        assert_eq!(plan.times.last(), Some(&Timestamp(START)));
    }

    #[test]
    fn a_step_that_is_chosen_is_no_longer_than_many_series_need() {
        let hours = |hours| Duration::from_hours(hours);

        assert_eq!(shortest_step(hours(48), 5_000), Duration::from_mins(17));
        assert_eq!(shortest_step(hours(48), 0), Duration::from_mins(1));
        assert_eq!(shortest_step(hours(24), 20_000), Duration::from_mins(33));
    }

    proptest! {
        #[test]
        fn there_is_a_plan_for_the_shortest_step_and_for_all_that_are_longer(
            minutes in 1..2_000_000_u64,
            longer in 0..2_000_u64,
            series in 0..300_000_u64,
            more in 0..=8_u64,
        ) {
            let length = minutes * MINUTE;
            let shortest = shortest_step(Duration::from_millis(length), series);
            let step = u64::try_from(shortest.as_millis()).unwrap() + longer * MINUTE;
            let now = Timestamp(START + length);

            let plan = Plan::of(range(length), Some(step), now, series + series / 8 * more / 8);

            prop_assert!(plan.is_ok(), "{plan:?}");
        }

        #[test]
        fn every_cell_begins_at_a_point_and_the_last_point_is_the_end(
            minutes in 1..100_000_u64,
            cell in proptest::option::of(1..2_000_u64),
            series in 1..5_000_u64,
            past in 0..3 * MINUTE,
        ) {
            let range = range(minutes * MINUTE);
            let now = Timestamp(range.end.0 - MINUTE + past);
            let Ok(plan) = Plan::of(range, cell.map(|cell| cell * MINUTE), now, series) else {
                return Ok(());
            };

            let times = &plan.times[plan.begin..];
            prop_assert_eq!(times[0], range.start);
            prop_assert_eq!(*times.last().unwrap(), range.end.min(now));
            prop_assert!(plan.times.is_sorted_by(|one, next| one < next));
            prop_assert!(times.len() as u64 <= MOST_POINTS + 1);
            if let Some(cell) = cell {
                let begins = (range.start.0..times.last().unwrap().0).step_by(usize::try_from(cell * MINUTE).unwrap());
                for begin in begins {
                    prop_assert!(times.binary_search(&Timestamp(begin)).is_ok());
                }
            }
        }
    }
}
