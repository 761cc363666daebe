//! Calendar months, as bills have them: in UTC.

use std::fmt;

use kubezonnet_model::Timestamp;
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime, UtcDateTime};

/// A calendar month in UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Month {
    year: u16,
    /// From 1.
    month: u8,
}

impl Month {
    /// The month of a point in time; far beyond any, the last there is.
    pub fn of(now: Timestamp) -> Self {
        let seconds = i64::try_from(now.0 / 1000).ok();
        let date = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        let date = date.map_or(Date::MAX, OffsetDateTime::date);
        Self {
            // From 1970 on, and four digits.
            year: u16::try_from(date.year()).unwrap_or_default(),
            month: date.month().into(),
        }
    }

    /// When it begins.
    pub fn begin(self) -> Timestamp {
        let month = self.month.try_into();
        let first = month.and_then(|month| Date::from_calendar_date(self.year.into(), month, 1));
        let first = first.map_or(UtcDateTime::UNIX_EPOCH, |first| first.midnight().as_utc());
        let seconds = u64::try_from(first.unix_timestamp()).unwrap_or_default();
        Timestamp(seconds * 1000)
    }

    /// When it ends, and the next begins.
    pub fn end(self) -> Timestamp {
        self.next().begin()
    }

    /// The one after.
    #[must_use]
    pub fn next(self) -> Self {
        match self.month {
            12 => Self {
                year: self.year + 1,
                month: 1,
            },
            month => Self {
                month: month + 1,
                ..self
            },
        }
    }
}

impl fmt::Display for Month {
    /// As 2026-11.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_in_time_is_in_the_month_that_utc_has_there() {
        let cases = [
            (0, "1970-01", 0, 2_678_400),
            (1_795_219_199, "2026-11", 1_793_491_200, 1_796_083_200),
            (1_796_083_199, "2026-11", 1_793_491_200, 1_796_083_200),
            (1_796_083_200, "2026-12", 1_796_083_200, 1_798_761_600),
            (1_709_164_800, "2024-02", 1_706_745_600, 1_709_251_200),
        ];
        for (now, name, begin, end) in cases {
            let month = Month::of(Timestamp(now * 1000 + 999));

            assert_eq!(month.to_string(), name);
            assert_eq!(month.begin(), Timestamp(begin * 1000), "{name}");
            assert_eq!(month.end(), Timestamp(end * 1000), "{name}");
            assert_eq!(Month::of(month.end()), month.next());
        }
    }

    #[test]
    fn a_clock_that_is_beyond_all_months_is_in_the_last() {
        assert_eq!(Month::of(Timestamp(u64::MAX)).to_string(), "9999-12");
    }
}
