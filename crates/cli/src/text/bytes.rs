//! Numbers for people: three digits and a unit. Everything is counted in whole numbers.

/// Powers of a thousand, as bills and network interfaces count.
const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// A number of bytes in three digits, `1.23 MB`.
pub fn bytes(bytes: u64) -> String {
    let (digits, unit) = three_digits(bytes);
    format!("{digits} {}", UNITS[unit])
}

/// The same a second.
pub fn rate(bytes_per_second: u64) -> String {
    format!("{}/s", bytes(bytes_per_second))
}

/// A whole number with commas between thousands.
pub fn count(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A part of a whole in percent, `12.3%`; nothing of nothing is nothing.
pub fn share(part: u128, whole: u128) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let tenths = (part.saturating_mul(1000) + whole / 2) / whole;
    match tenths {
        0 if part > 0 => "<0.1%".to_owned(),
        1000.. => format!("{}%", tenths / 10),
        _ => format!("{}.{}%", tenths / 10, tenths % 10),
    }
}

/// How much more it is than before, `+12%`. Where there was nothing it is `new`.
pub fn change(now: u128, before: u128) -> String {
    if before == 0 {
        return if now == 0 { "=" } else { "new" }.to_owned();
    }
    let (sign, more) = if now >= before {
        ('+', now - before)
    } else {
        ('-', before - now)
    };
    match (more.saturating_mul(100) + before / 2) / before {
        0 => "=".to_owned(),
        1000.. => format!("{sign}>999%"),
        percent => format!("{sign}{percent}%"),
    }
}

/// Three digits, and the power of a thousand they are of.
fn three_digits(number: u64) -> (String, usize) {
    if number < 1000 {
        return (number.to_string(), 0);
    }
    let mut unit = 0;
    let mut size: u128 = 1;
    while u128::from(number) >= size * 1000 {
        size *= 1000;
        unit += 1;
    }
    // One place after the point less for each digit before it; rounding may need one digit more.
    for (parts, limit) in [(100, 1000), (10, 1000), (1, 1000)] {
        let scaled = (u128::from(number) * parts + size / 2) / size;
        if scaled < limit {
            let text = match parts {
                100 => format!("{}.{:02}", scaled / 100, scaled % 100),
                10 => format!("{}.{}", scaled / 10, scaled % 10),
                _ => scaled.to_string(),
            };
            return (text, unit);
        }
    }
    ("1.00".to_owned(), unit + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_have_three_digits_and_a_unit() {
        for (number, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (1234, "1.23 kB"),
            (12_345, "12.3 kB"),
            (123_456, "123 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (9_995_000, "10.0 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(bytes(number), expected, "{number}");
        }
    }

    #[test]
    fn a_change_is_told_against_before() {
        for (now, before, expected) in [
            (0, 0, "="),
            (5, 0, "new"),
            (112, 100, "+12%"),
            (88, 100, "-12%"),
            (1000, 1001, "="),
            (5000, 1, "+>999%"),
            (0, 5, "-100%"),
        ] {
            assert_eq!(change(now, before), expected, "{now} after {before}");
        }
    }

    #[test]
    fn a_share_is_told_in_tenths_of_a_percent() {
        for (part, whole, expected) in [
            (0, 0, "-"),
            (0, 9, "0.0%"),
            (1, 100_000, "<0.1%"),
            (1, 3, "33.3%"),
            (3, 3, "100%"),
        ] {
            assert_eq!(share(part, whole), expected, "{part} of {whole}");
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(count(7), "7");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(123_456), "123,456");
    }

    proptest! {
        #[test]
        fn no_number_of_bytes_is_wider_than_a_column(number: u64) {
            prop_assert!(bytes(number).len() <= 7, "{}", bytes(number));
        }
    }
}
