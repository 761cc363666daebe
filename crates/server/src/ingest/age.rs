//! The headers that say how long ago a window ended, and what the agent's clock shows.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use kubezonnet_model::Timestamp;
use kubezonnet_wire::{AGE_HEADER, TIME_HEADER};

use super::Refusal;

/// Reads the age: decimal digits, nothing else, exactly once.
pub(super) fn of(headers: &HeaderMap) -> Result<Duration, Refusal> {
    let mut values = headers.get_all(AGE_HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Refusal::Age);
    };
    let millis = digits(value).ok_or(Refusal::Age)?;
    Ok(Duration::from_millis(millis))
}

/// What the agent's wall clock shows, where it says so: a window counts without it.
pub(super) fn clock_of(headers: &HeaderMap) -> Option<Timestamp> {
    headers.get(TIME_HEADER).and_then(digits).map(Timestamp)
}

fn digits(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    let are_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age_of(values: &[&[u8]]) -> Result<Duration, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AGE_HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        of(&headers)
    }

    #[test]
    fn digits_are_milliseconds() {
        assert_eq!(age_of(&[b"1500"]).unwrap(), Duration::from_millis(1500));
        assert_eq!(age_of(&[b"0"]).unwrap(), Duration::ZERO);
    }

    #[test]
    fn anything_else_is_no_age() {
        let bad: [&[&[u8]]; 9] = [
            &[],
            &[b""],
            &[b"-1"],
            &[b"+1"],
            &[b"1.5"],
            &[b"1 s"],
            &[b"\xff"],
            &[b"18446744073709551616"],
            &[b"1", b"2"],
        ];
        for values in bad {
            assert!(
                matches!(age_of(values), Err(Refusal::Age)),
                "{values:?} was taken"
            );
        }
    }

    #[test]
    fn a_clock_is_told_in_digits_or_not_at_all() {
        let clock_of = |value: &'static str| {
            let headers = [(
                TIME_HEADER.parse().unwrap(),
                HeaderValue::from_static(value),
            )];
            clock_of(&HeaderMap::from_iter(headers))
        };

        assert_eq!(
            clock_of("1800000000000"),
            Some(Timestamp(1_800_000_000_000))
        );
        assert_eq!(clock_of("yesterday"), None);
        assert_eq!(super::clock_of(&HeaderMap::new()), None);
    }
}
