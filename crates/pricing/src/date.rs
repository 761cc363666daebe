//! How old a price is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::{Date, Duration, Month};

/// Prices older than this are to be looked at again.
const FRESH: Duration = Duration::days(365);

/// When prices were looked up: a day, or a month that counts from its first day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Retrieved {
    since: Date,
    day_is_known: bool,
}

impl Retrieved {
    /// Whether that is yet to come; the next day may have begun elsewhere.
    pub fn is_to_come(self, today: Date) -> bool {
        self.since - today > Duration::DAY
    }

    /// Says so if that was more than a year before `today`.
    pub fn stale(self, today: Date) -> Option<Stale> {
        (today - self.since > FRESH).then_some(Stale(self))
    }
}

/// Prices that are more than a year old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale(pub Retrieved);

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "prices are of {}, more than a year ago: compare them with a bill",
            self.0
        )
    }
}

impl FromStr for Retrieved {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let date = || {
            let mut parts = text.split('-');
            let mut number = |width: usize| {
                let part = parts.next()?;
                let is_number = part.len() == width && part.bytes().all(|b| b.is_ascii_digit());
                part.parse::<u16>().ok().filter(|_| is_number)
            };
            let year = number(4)?;
            let month = Month::try_from(u8::try_from(number(2)?).ok()?).ok()?;
            let day_is_known = text.len() > "2026-11".len();
            let day = if day_is_known { number(2)? } else { 1 };
            let day = u8::try_from(day).ok()?;
            let since = Date::from_calendar_date(i32::from(year), month, day).ok()?;
            parts.next().is_none().then_some(Self {
                since,
                day_is_known,
            })
        };
        date().ok_or_else(|| {
            format!("a date here is a day or a month like 2026-11-21 or 2026-11, got {text:?}")
        })
    }
}

impl TryFrom<String> for Retrieved {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Retrieved> for String {
    fn from(retrieved: Retrieved) -> Self {
        retrieved.to_string()
    }
}

impl fmt::Display for Retrieved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = (self.since.year(), u8::from(self.since.month()));
        write!(f, "{year:04}-{month:02}")?;
        if self.day_is_known {
            write!(f, "-{:02}", self.since.day())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(year: i32, month: Month, day: u8) -> Date {
        Date::from_calendar_date(year, month, day).unwrap()
    }

    #[test]
    fn prices_are_stale_after_a_year_and_not_before() {
        let retrieved: Retrieved = "2026-11".parse().unwrap();

        assert_eq!(retrieved.stale(day(2026, Month::October, 1)), None);
        assert_eq!(retrieved.stale(day(2027, Month::November, 1)), None);
        let stale = retrieved.stale(day(2027, Month::November, 2)).unwrap();
        assert_eq!(
            stale.to_string(),
            "prices are of 2026-11, more than a year ago: compare them with a bill"
        );
    }

    #[test]
    fn a_day_after_tomorrow_is_to_come() {
        let retrieved: Retrieved = "2026-11-21".parse().unwrap();

        assert!(retrieved.is_to_come(day(2026, Month::November, 19)));
        assert!(!retrieved.is_to_come(day(2026, Month::November, 20)));
        assert!(!retrieved.is_to_come(day(2027, Month::November, 20)));
    }

    #[test]
    fn a_date_is_a_day_or_a_month() {
        for text in ["2026-11", "2026-11-21", "2028-02-29"] {
            assert_eq!(text.parse::<Retrieved>().unwrap().to_string(), text);
        }
        let bad = [
            "",
            "2026",
            "2026-13",
            "2026-1",
            "2026-02-29",
            "2026-11-",
            "2026-11-1",
            "26-11-01",
            "2026-11-21-",
            "2026-11-21-1",
            "2026/11",
            "+026-11",
        ];
        for text in bad {
            assert!(text.parse::<Retrieved>().is_err(), "{text:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_date_or_refused(text in "[-0-9]{0,12}|.{0,12}") {
            if let Ok(retrieved) = text.parse::<Retrieved>() {
                prop_assert_eq!(retrieved.to_string(), text);
            }
        }
    }
}
