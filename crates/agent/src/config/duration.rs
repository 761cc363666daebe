//! Durations as people write them: `10s`, `1m30s`, `500ms`.

use std::time::Duration;

/// Units with their length in milliseconds, the longest first.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads numbers with units, each unit at most once, the longest first; `0` needs none.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let error = || "expected a duration like 10s, 500ms or 1m30s".to_owned();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut millis: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let (number, behind) = split(rest, |c| c.is_ascii_digit());
        let (unit, behind) = split(behind, |c| c.is_ascii_alphabetic());
        let number: u64 = number.parse().map_err(|_| error())?;
        // The search goes on behind the last unit, so that none comes twice or in the wrong order.
        let (_, length) = units.find(|(name, _)| *name == unit).ok_or_else(error)?;
        millis = number
            .checked_mul(*length)
            .and_then(|part| millis.checked_add(part))
            .ok_or_else(error)?;
        rest = behind;
    }
    if text.is_empty() {
        return Err(error());
    }
    Ok(Duration::from_millis(millis))
}

/// The shortest text that is read as this duration, in whole milliseconds.
pub(super) fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, length) in UNITS {
        if rest >= length {
            text = format!("{text}{}{unit}", rest / length);
            rest %= length;
        }
    }
    if text.is_empty() {
        "0s".clone_into(&mut text);
    }
    text
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let cases = [
            ("10s", 10_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("0", 0),
            ("0s", 0),
        ];
        for (text, millis) in cases {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        let cases = [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "10 s",
            "1s1s",
            "1s1m",
            "1d",
            "99999999999999999999h",
        ];
        for text in cases {
            assert!(parse_duration(text).is_err(), "{text:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(millis in 0_u64..1_000_000_000) {
            let duration = Duration::from_millis(millis);

            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }
    }
}
