//! Times as the server tells them, and how long something was.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The time of the day, in UTC, of a time of the server: `12:34:56`. What is none is left as it is.
pub fn clock(text: &str) -> String {
    OffsetDateTime::parse(text, &Rfc3339).map_or_else(
        |_| super::printable(text).into_owned(),
        |time| {
            format!(
                "{:02}:{:02}:{:02}",
                time.hour(),
                time.minute(),
                time.second()
            )
        },
    )
}

/// Seconds from one time of the server to another; none if either is no time.
pub fn seconds(from: &str, to: &str) -> Option<u64> {
    let parse = |text| OffsetDateTime::parse(text, &Rfc3339).ok();
    u64::try_from((parse(to)? - parse(from)?).whole_seconds()).ok()
}

/// How long that is, in its two largest units: `2m 5s`.
pub fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units {
        if rest >= size && parts.len() < 2 {
            parts.push(format!("{}{unit}", rest / size));
            rest %= size;
        } else if !parts.is_empty() {
            break;
        }
    }
    if parts.is_empty() {
        return "0s".to_owned();
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_its_two_largest_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3605, "1h"),
            (3665, "1h 1m"),
            (90_061, "1d 1h"),
        ] {
            assert_eq!(span(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn times_are_read_as_the_server_writes_them() {
        let (from, to) = ("2026-11-21T09:56:38.743Z", "2026-11-21T10:56:40Z");

        assert_eq!(clock(from), "09:56:38");
        assert_eq!(seconds(from, to), Some(3601));
        assert_eq!(seconds(to, from), None);
        assert_eq!(clock("soon"), "soon");
    }
}
