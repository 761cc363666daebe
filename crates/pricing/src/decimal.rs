//! Decimals as they are written, without rounding.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Digits before the point that are taken: a price of a million for a gigabyte is a mistake.
const MOST_WHOLE_DIGITS: usize = 6;

/// A decimal that is not negative, as a whole number of 10^-`DECIMALS`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fixed<const DECIMALS: usize>(u64);

/// A price of a unit of bytes, in nano-units of its currency.
pub(crate) type Price = Fixed<9>;

/// A part of a hundred, at most all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Percent(Fixed<3>);

/// What an amount is multiplied by, at most a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Factor(Fixed<4>);

impl<const DECIMALS: usize> Fixed<DECIMALS> {
    /// In units of 10^-`DECIMALS`.
    pub(crate) const fn scaled(self) -> u64 {
        self.0
    }
}

impl Percent {
    pub(crate) const WHOLE: Self = Self(Fixed(100_000));

    /// In thousandths of a hundredth.
    pub(crate) const fn scaled(self) -> u64 {
        self.0.scaled()
    }
}

impl Factor {
    pub(crate) const ONE: Self = Self(Fixed(10_000));
    const MOST: Self = Self(Fixed(10_000_000));

    /// In ten-thousandths.
    pub(crate) const fn scaled(self) -> u64 {
        self.0.scaled()
    }
}

impl<const DECIMALS: usize> FromStr for Fixed<DECIMALS> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let scaled = scaled(text, MOST_WHOLE_DIGITS, DECIMALS)?;
        Ok(Self(
            scaled
                .try_into()
                .expect("fifteen digits are a number of 64 bits"),
        ))
    }
}

/// A plain decimal as a whole number of 10^-`decimals`, if it has no more digits than that.
pub(crate) fn scaled(text: &str, most_whole: usize, most_decimals: usize) -> Result<u128, String> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !are_digits(whole) || !are_digits(decimals) {
        return Err(format!(
            "a number here is digits with at most one point, like 0.02, got {text:?}"
        ));
    }
    if whole.len() > most_whole || decimals.len() > most_decimals {
        return Err(format!(
            "a number here has at most {most_whole} digits before the point and {most_decimals} after \
             it, got {text:?}"
        ));
    }
    let digits = format!("{whole}{decimals:0<most_decimals$}");
    Ok(digits
        .parse()
        .expect("a few dozen digits are a number of 128 bits"))
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent = Self(text.parse()?);
        if percent.0 > Self::WHOLE.0 {
            return Err(format!("a discount is at most 100 per cent, got {text}"));
        }
        Ok(percent)
    }
}

impl FromStr for Factor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor = Self(text.parse()?);
        if factor.0 > Self::MOST.0 {
            return Err(format!("a factor is at most {}, got {text}", Self::MOST.0));
        }
        Ok(factor)
    }
}

impl<const DECIMALS: usize> fmt::Display for Fixed<DECIMALS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = crate::amount::decimal(
            u128::from(self.0),
            u8::try_from(DECIMALS).expect("a handful of decimals"),
        );
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl<const DECIMALS: usize> fmt::Debug for Fixed<DECIMALS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const DECIMALS: usize> Serialize for Fixed<DECIMALS> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

macro_rules! deserialize_from_text {
    ($([$($generics:tt)*] $type:ty),+ $(,)?) => {$(
        impl<'de, $($generics)*> Deserialize<'de> for $type {
            /// From text only: a floating-point number is not what was written.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )+};
}

impl Default for Percent {
    fn default() -> Self {
        Self(Fixed(0))
    }
}

impl Default for Factor {
    fn default() -> Self {
        Self::ONE
    }
}

deserialize_from_text!([const DECIMALS: usize] Fixed<DECIMALS>, [] Percent, [] Factor);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_decimal_is_read_to_its_last_digit() {
        let cases = [
            ("0", 0),
            ("1", 1_000_000_000),
            ("0.01", 10_000_000),
            ("0.0085", 8_500_000),
            ("007.5", 7_500_000_000),
            ("0.000000001", 1),
            ("999999.999999999", 999_999_999_999_999),
        ];
        for (text, nanos) in cases {
            assert_eq!(text.parse::<Price>().unwrap().scaled(), nanos, "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_decimal_is_refused() {
        let bad = [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e-2",
            "1,5",
            "0x1",
            " 1",
            "1.2.3",
            "1_000",
            "inf",
            "1000000",
            "0.0000000001",
            "٣",
        ];
        for text in bad {
            assert!(text.parse::<Price>().is_err(), "{text:?} was taken");
        }
        assert!("100.001".parse::<Percent>().is_err());
        assert!("1000.1".parse::<Factor>().is_err());
    }

    #[test]
    fn a_decimal_is_written_as_short_as_it_can_be() {
        for (text, short) in [("0.0100", "0.01"), ("10", "10"), ("0", "0"), ("2.0", "2")] {
            assert_eq!(text.parse::<Price>().unwrap().to_string(), short);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = text.parse::<Price>();
            let _ = text.parse::<Percent>();
            let _ = text.parse::<Factor>();
        }

        #[test]
        fn what_is_written_is_read_again(scaled in 0_u64..1_000_000_000_000_000) {
            let price = Fixed::<9>(scaled);

            let again: Price = price.to_string().parse().unwrap();

            prop_assert_eq!(again, price);
        }
    }
}
