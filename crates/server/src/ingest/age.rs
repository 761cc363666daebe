//! The header that says how long ago a window ended.

use std::time::Duration;

use axum::http::HeaderMap;
use kubezonnet_wire::AGE_HEADER;

use super::Refusal;

/// Reads the age: decimal digits, nothing else, exactly once.
pub(super) fn of(headers: &HeaderMap) -> Result<Duration, Refusal> {
    let mut values = headers.get_all(AGE_HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Refusal::Age);
    };
    let text = value.to_str().map_err(|_| Refusal::Age)?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::Age);
    }
    let millis = text.parse().map_err(|_| Refusal::Age)?;
    Ok(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age_of(values: &[&[u8]]) -> Result<Duration, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                AGE_HEADER,
                axum::http::HeaderValue::from_bytes(value).unwrap(),
            );
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
}
