//! Money: decimal text in, decimal text out, and whole millionths in between. No floating point.

use kubezonnet_api::Money;

use super::bytes::count;

/// Millionths of a unit of the currency: as fine as the server answers.
const UNIT: u128 = 1_000_000;

/// An amount, exactly as the server said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Micros(pub u128);

/// What should be money, and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no amount of money")]
pub struct BadMoney(String);

impl TryFrom<&Money> for Micros {
    type Error = BadMoney;

    fn try_from(money: &Money) -> Result<Self, BadMoney> {
        let bad = || BadMoney(money.0.clone());
        let (units, fraction) = money.0.split_once('.').unwrap_or((&money.0, ""));
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if units.is_empty() || fraction.len() > 6 || !are_digits(units) || !are_digits(fraction) {
            return Err(bad());
        }
        let units: u128 = units.parse().map_err(|_| bad())?;
        let fraction: u128 = format!("{fraction:0<6}").parse().map_err(|_| bad())?;
        let micros = units
            .checked_mul(UNIT)
            .and_then(|all| all.checked_add(fraction));
        micros.map(Self).ok_or_else(bad)
    }
}

/// How many places after the point amounts have that stand below each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Two, `1,234.56`.
    Cents,
    /// Four, `0.0123`: none of them is as much as one.
    Small,
    /// All six.
    Exact,
}

impl Scale {
    /// What suits them all: cents, unless none is as much as one.
    pub fn of(amounts: impl IntoIterator<Item = Micros>) -> Self {
        match amounts.into_iter().max() {
            Some(most) if most.0 >= UNIT => Self::Cents,
            _ => Self::Small,
        }
    }

    const fn places(self) -> u32 {
        match self {
            Self::Cents => 2,
            Self::Small => 4,
            Self::Exact => 6,
        }
    }

    /// An amount, rounded half up. What is there and too little for its places is `<0.01`.
    pub fn text(self, amount: Micros) -> String {
        let places = self.places();
        let step = 10_u128.pow(6 - places);
        let rounded = amount.0 / step + u128::from(step > 1 && amount.0 % step >= step / 2);
        let one = 10_u128.pow(places);
        let width = places as usize;
        if rounded == 0 && amount.0 > 0 {
            return format!("<0.{:0>width$}", 1);
        }
        format!("{}.{:0>width$}", count(rounded / one), rounded % one)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn micros(text: &str) -> Result<Micros, BadMoney> {
        Micros::try_from(&Money(text.to_owned()))
    }

    #[test]
    fn amounts_are_rounded_half_up_and_never_to_nothing() {
        for (amount, cents, small) in [
            ("0.000000", "0.00", "0.0000"),
            ("0.000001", "<0.01", "<0.0001"),
            ("0.005000", "0.01", "0.0050"),
            ("1234567.895000", "1,234,567.90", "1,234,567.8950"),
            ("0.999950", "1.00", "1.0000"),
        ] {
            let amount = micros(amount).unwrap();

            assert_eq!(Scale::Cents.text(amount), cents);
            assert_eq!(Scale::Small.text(amount), small);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_and_named() {
        for text in [
            "",
            ".5",
            "1.",
            "-1.000000",
            "1e3",
            "1.0000001",
            "NaN",
            "1.2.3",
            "١.0",
        ] {
            match micros(text) {
                Ok(amount) => assert_eq!((text, amount), ("1.", Micros(UNIT))),
                Err(error) => assert!(error.to_string().contains(text), "{error}"),
            }
        }
        assert!(micros(&"9".repeat(40)).is_err());
    }

    #[test]
    fn a_column_has_cents_once_something_in_it_is_worth_one_unit() {
        let (little, one) = (micros("0.999999").unwrap(), micros("1.000000").unwrap());

        assert_eq!(Scale::of([little, little]), Scale::Small);
        assert_eq!(Scale::of([little, one]), Scale::Cents);
        assert_eq!(Scale::of([]), Scale::Small);
    }

    proptest! {
        #[test]
        fn an_amount_is_written_exactly_as_it_was_read(units: u64, fraction in 0_u32..1_000_000) {
            let text = format!("{units}.{fraction:06}");

            let written = Scale::Exact.text(micros(&text).unwrap());

            prop_assert_eq!(written.replace(',', ""), text);
        }
    }
}
