//! At which points in time counters are looked at, to tell what they had between them. Pure.
//!
//! Points are never further apart than what is gone is shown, so that nothing comes and goes between two of
//! them. A range that has many is looked at in stretches, one after the other.

use std::time::Duration;

use kubezonnet_model::{Timestamp, Window};

use super::client::MOST_BYTES;

/// What a stretch may have all together: some tens of megabytes of JSON.
const AT_ONCE: u64 = 1_000_000;

/// What all stretches may have: it takes half a minute to read.
const MOST_SAMPLES: u64 = 40_000_000;

/// How long its answer may be, of [`MOST_BYTES`] that are read of it; and what its parts are: the labels of a series,
/// and a sample.
const LONG: u64 = MOST_BYTES / 8 * 7;
const SERIES_BYTES: u64 = 480;
const SAMPLE_BYTES: u64 = 32;

/// What a server answers at once at most: Prometheus has 11,000.
const MOST_POINTS: u64 = 10_000;

/// The shortest time between two points.
const MINUTE: u64 = 60_000;

/// The longest time between two points: what is gone is shown for so long (`--series-retention`).
const LONGEST: u64 = 15 * MINUTE;

/// Ranges that are shorter are looked at each minute, where these points can be asked at once.
const SHORT: u64 = 4 * LONGEST;

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

    pub(super) fn points(self) -> impl Iterator<Item = Timestamp> {
        let step = usize::try_from(self.step).unwrap_or(usize::MAX);
        (self.first.0..=self.last.0).step_by(step).map(Timestamp)
    }

    /// How many points it has.
    pub(super) const fn count(self) -> u64 {
        (self.last.0 - self.first.0) / self.step + 1
    }

    /// As many of its first points, one at least, and what is left.
    pub(super) fn split(self, most: u64) -> (Self, Option<Self>) {
        let most = most.max(1);
        if self.count() <= most {
            return (self, None);
        }
        let at = |position: u64| Timestamp(self.first.0 + position * self.step);
        let first = Self {
            last: at(most - 1),
            ..self
        };
        let rest = Self {
            first: at(most),
            ..self
        };
        (first, Some(rest))
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
    /// How many points are a stretch.
    pub(super) at_once: u64,
}

/// There is too much to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "too much for one answer: {series} series at {points} points in time; ask of a shorter time{}",
    if *step < LONGEST { ", or by longer steps" } else { "" }
)]
pub(super) struct TooMuch {
    series: u64,
    points: u64,
    /// The time between two points.
    step: u64,
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
        // How much shorter points are apart for whole ones to make a cell does not matter.
        let usual = cell.map_or(LONGEST, |cell| cell.clamp(1, LONGEST));
        let points = length / usual + 1;
        if points.saturating_mul(series) > MOST_SAMPLES {
            return Err(TooMuch {
                series,
                points,
                step: usual,
            });
        }
        let at_once = most_at_once(series);
        let step = match cell {
            Some(cell) => within(cell),
            None if length < SHORT && length / MINUTE < at_once => MINUTE,
            None => LONGEST,
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
        Ok(Self {
            before,
            within,
            end: (within.last < end).then_some(Grid::at(end)),
            at_once,
        })
    }
}

/// At how many points in time so many series can be looked at at once.
fn most_at_once(series: u64) -> u64 {
    let series = series.max(1);
    let in_bytes = (LONG / series).saturating_sub(SERIES_BYTES) / SAMPLE_BYTES;
    let in_samples = AT_ONCE / series;
    in_samples.min(in_bytes).clamp(1, MOST_POINTS)
}

/// The shortest cells for which a range of about so many series has a plan, if any has.
pub(super) fn shortest_step(length: Duration, series: u64) -> Option<Duration> {
    // Some series more may have come until it is asked for.
    let most = MOST_SAMPLES / series.saturating_add(series / 8).max(1);
    let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let step = length.checked_div(most)?.saturating_add(1);
    let step = step.checked_next_multiple_of(MINUTE)?;
    (step <= LONGEST).then_some(Duration::from_millis(step))
}

/// How far points are apart of which whole ones make a cell: no further than they may.
fn within(cell: u64) -> u64 {
    let cell = cell.max(1);
    let parts = (cell.div_ceil(LONGEST)..=cell).find(|parts| cell.is_multiple_of(*parts));
    cell / parts.unwrap_or(cell)
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
        Plan::of(range(length), cell, now, series).map(|plan| plan.within.step)
    }

    #[test]
    fn points_are_as_far_apart_as_the_cells_and_no_further_than_what_is_gone_is_shown() {
        assert_eq!(step(HOUR, Some(MINUTE), 100), Ok(MINUTE));
        assert_eq!(step(HOUR, Some(7 * MINUTE), 100), Ok(7 * MINUTE));
        assert_eq!(step(DAY, Some(HOUR), 100), Ok(15 * MINUTE));
        assert_eq!(step(DAY, Some(100 * MINUTE), 100), Ok(750_000));
        assert_eq!(step(DAY, Some(17 * MINUTE), 100), Ok(510_000));
        assert_eq!(step(DAY, None, 100), Ok(15 * MINUTE));
        assert_eq!(step(30 * DAY, Some(DAY), 100), Ok(15 * MINUTE));
        assert_eq!(step(17 * MINUTE, None, 100), Ok(MINUTE));
        assert_eq!(step(17 * MINUTE, None, 100_000), Ok(15 * MINUTE));
        assert_eq!(step(7_919 * MINUTE, None, 100), Ok(15 * MINUTE));
    }

    #[test]
    fn many_series_are_looked_at_in_stretches_and_too_many_not_at_all() {
        let now = Timestamp(START + 1000 * DAY);
        let plan = |series| Plan::of(range(30 * DAY), Some(DAY), now, series);

        assert_eq!(plan(100).unwrap().at_once, 10_000);
        assert_eq!(plan(10_000).unwrap().at_once, 100);
        assert_eq!(plan(10_000).unwrap().within.step, 15 * MINUTE);
        // All that a server has by default: what its labels take is most of the answer.
        assert_eq!(most_at_once(100_000), 10);
        assert_eq!(most_at_once(200_000), 3);
        assert_eq!(most_at_once(2_000_000), 1);
        let error = plan(20_000).unwrap_err().to_string();
        let expected = "20000 series at 2881 points in time; ask of a shorter time";
        assert!(error.ends_with(expected), "{error}");
        let error = Plan::of(range(30 * DAY), Some(MINUTE), now, 1_000);
        let error = error.unwrap_err().to_string();
        assert!(
            error.ends_with("a shorter time, or by longer steps"),
            "{error}"
        );
    }

    #[test]
    fn a_grid_is_split_into_parts_that_have_all_of_its_points() {
        let grid = Grid {
            first: Timestamp(START),
            last: Timestamp(START + DAY),
            step: HOUR,
        };
        for most in [0, 1, 7, 24, 25, 26] {
            let mut parts = Vec::new();
            let mut left = Some(grid);
            while let Some(grid) = left {
                let (part, rest) = grid.split(most);
                assert!(part.count() <= most.max(1));
                assert_eq!(part.count(), part.points().count() as u64);
                parts.extend(part.points());
                left = rest;
            }

            assert!(parts.into_iter().eq(grid.points()), "{most}");
        }
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
        let plan = Plan::of(range(DAY), Some(HOUR), Timestamp(START - 1), 1).unwrap();
        assert_eq!((plan.within.last, plan.end), (Timestamp(START), None));
    }

    #[test]
    fn a_step_that_is_chosen_is_no_longer_than_many_series_need() {
        let hours = |hours| Duration::from_hours(hours);

        assert_eq!(
            shortest_step(hours(48), 5_000),
            Some(Duration::from_mins(1))
        );
        assert_eq!(
            shortest_step(hours(48), 100_000),
            Some(Duration::from_mins(9))
        );
        assert_eq!(shortest_step(hours(48), 0), Some(Duration::from_mins(1)));
        assert_eq!(shortest_step(hours(30 * 24), 100_000), None);
    }

    proptest! {
        #[test]
        fn there_is_a_plan_for_the_shortest_step_and_for_all_that_are_longer(
            minutes in 1..200_000_u64,
            longer in 0..2_000_u64,
            series in 0..300_000_u64,
            more in 0..=8_u64,
        ) {
            let length = minutes * MINUTE;
            let now = Timestamp(START + length);
            let Some(shortest) = shortest_step(Duration::from_millis(length), series) else {
                // But for those that may come.
                prop_assert!(Plan::of(range(length), None, now, series + series / 4).is_err());
                return Ok(());
            };
            let step = u64::try_from(shortest.as_millis()).unwrap() + longer * MINUTE;

            let plan = Plan::of(range(length), Some(step), now, series + series / 8 * more / 8);

            prop_assert!(plan.is_ok(), "{plan:?}");
        }

        #[test]
        fn every_cell_begins_at_a_point_none_is_far_from_the_next_and_the_last_is_the_end(
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

            let end = plan.end.into_iter().flat_map(Grid::points);
            let times: Vec<_> = plan.within.points().chain(end).collect();
            prop_assert_eq!(times[0], range.start);
            prop_assert_eq!(*times.last().unwrap(), range.end.min(now));
            prop_assert!(times.is_sorted_by(|one, next| one < next && next.0 - one.0 <= LONGEST));
            prop_assert!(plan.at_once <= MOST_POINTS);
            if let Some(cell) = cell {
                let begins = (range.start.0..times.last().unwrap().0).step_by(usize::try_from(cell * MINUTE).unwrap());
                for begin in begins {
                    prop_assert!(times.binary_search(&Timestamp(begin)).is_ok());
                }
            }
        }
    }
}
