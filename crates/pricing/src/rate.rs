//! Prices in the words of those who list them, and as exact rates for a byte.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::amount::PARTS;
use crate::decimal::{Factor, Percent, Price};

/// How many bytes a price is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// 10⁹ bytes.
    #[serde(rename = "GB")]
    Gigabyte,
    /// 2³⁰ bytes.
    #[serde(rename = "GiB")]
    Gibibyte,
}

impl Unit {
    /// Its bytes.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Gigabyte => 1_000_000_000,
            Self::Gibibyte => 1 << 30,
        }
    }

    /// The name in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gigabyte => "GB",
            Self::Gibibyte => "GiB",
        }
    }
}

/// A currency, by its three capital letters (ISO 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// Its three letters.
    pub fn as_str(&self) -> &str {
        // Three capital letters are always text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self(letters)),
            _ => Err(format!(
                "a currency is three capital letters like USD, got {text:?}"
            )),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who is charged the price of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payer {
    /// The sender.
    Sender,
    /// The receiver.
    Receiver,
    /// Each of them, the whole price: a byte then costs twice that.
    Both,
}

impl Payer {
    /// Whether the sender pays.
    pub const fn sender(self) -> bool {
        matches!(self, Self::Sender | Self::Both)
    }

    /// Whether the receiver pays.
    pub const fn receiver(self) -> bool {
        matches!(self, Self::Receiver | Self::Both)
    }
}

/// What a byte costs, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Rate {
    /// Whole nano-units of the currency.
    nanos: u64,
    /// The rest in parts of a nano-unit; less than one.
    rest: u128,
}

impl Rate {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0, rest: 0 };

    /// A price for a unit of bytes, less a discount, times a factor.
    pub(crate) fn new(price: Price, unit: Unit, discount: Percent, factor: Factor) -> Self {
        // The largest price is 10^15 nano-units, the largest factor 10^7 of its own, and the parts in one
        // of all that are about 2 · 10^6: less than 10^34 in all.
        let share = Percent::WHOLE.scaled() - discount.scaled();
        let scales = u128::from(Percent::WHOLE.scaled()) * u128::from(Factor::ONE.scaled());
        let parts = u128::from(price.scaled())
            * u128::from(share)
            * u128::from(factor.scaled())
            * (PARTS / (scales * u128::from(unit.bytes())));
        Self {
            nanos: u64::try_from(parts / PARTS).expect("less than 10^10, see above"),
            rest: parts % PARTS,
        }
    }

    #[cfg(test)]
    pub(crate) fn from_parts(nanos: u64, rest: u128) -> Self {
        assert!(rest < PARTS, "a whole nano-unit more");
        Self { nanos, rest }
    }

    /// Whole nano-units, and the parts of one that are left.
    pub(crate) const fn parts(self) -> (u64, u128) {
        (self.nanos, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Amount;

    fn rate(price: &str, unit: Unit, discount: &str, factor: &str) -> Rate {
        Rate::new(
            price.parse().unwrap(),
            unit,
            discount.parse().unwrap(),
            factor.parse().unwrap(),
        )
    }

    #[test]
    fn the_parts_of_a_nano_unit_are_whole_for_every_price_and_unit() {
        for unit in [Unit::Gigabyte, Unit::Gibibyte] {
            let finest = 1_000_000_000 * u128::from(unit.bytes());

            assert_eq!(PARTS % finest, 0, "{unit:?}");
        }
    }

    #[test]
    fn a_unit_of_bytes_costs_its_price_to_the_last_digit() {
        for unit in [Unit::Gigabyte, Unit::Gibibyte] {
            let rate = rate("0.123456789", unit, "0", "1");

            let cost = Amount::of(unit.bytes(), rate);

            assert_eq!(cost.floor(9), 123_456_789, "{unit:?}");
            assert_eq!(cost.round(9), 123_456_789, "{unit:?}");
        }
    }

    #[test]
    fn discount_and_factor_multiply() {
        // 0.02 · 0.875 · 1.1 = 0.01925
        let rate = rate("0.02", Unit::Gigabyte, "12.5", "1.1");

        let cost = Amount::of(1_000_000_000_000, rate);

        assert_eq!(cost.floor(9), 19_250_000_000);
    }

    #[test]
    fn the_largest_price_of_the_most_bytes_is_a_number() {
        let rate = rate("999999.999999999", Unit::Gigabyte, "0", "1000");

        let cost = Amount::of(u64::MAX, rate);

        // 18446744073709551615 · 999999999.999999999 / 10^9, in nano-units, rounded down.
        assert_eq!(
            cost.floor(9),
            u128::from(u64::MAX) * 999_999_999_999_999 * 1_000 / 1_000_000_000
        );
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        assert_eq!("EUR".parse::<Currency>().unwrap().as_str(), "EUR");
        for bad in ["", "usd", "US", "USDT", "€"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad:?} was taken");
        }
    }
}
