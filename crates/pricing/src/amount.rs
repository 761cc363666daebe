//! Exact money, and the one place where it is rounded.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::Rate;

#[cfg(test)]
mod tests;

/// Parts of a nano-unit of the currency that an [`Amount`] counts: 2³⁹ · 5¹⁸, about 2 · 10²⁴.
///
/// A rate is a price in nano-units, times a discount (5 decimals), times a calibration factor (4
/// decimals), over 10⁹ or 2³⁰ bytes. 10⁹ · 10⁹ and 10⁹ · 2³⁰ both divide this number, so that amounts of
/// every book are whole numbers of these parts and add up without rounding.
pub(crate) const PARTS: u128 = (1 << 39) * 5_u128.pow(18);

/// Digits after the point that an amount can be rounded to.
const MOST_DIGITS: u8 = 9;

/// An exact amount of money that is not negative; in which currency, its book knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize)]
pub struct Amount {
    /// Whole nano-units (10⁻⁹ of the currency).
    nanos: u128,
    /// The rest in [`PARTS`] of a nano-unit; less than one.
    rest: u128,
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Parts {
            nanos: u128,
            rest: u128,
        }
        let Parts { nanos, rest } = Parts::deserialize(deserializer)?;
        if rest >= PARTS {
            return Err(de::Error::custom(
                "an amount with more than one in its rest",
            ));
        }
        Ok(Self { nanos, rest })
    }
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0, rest: 0 };

    /// Whole nano-units.
    pub(crate) const fn from_nanos(nanos: u128) -> Self {
        Self { nanos, rest: 0 }
    }

    /// What so many bytes cost at that rate, exactly.
    pub fn of(bytes: u64, rate: Rate) -> Self {
        const HALF: u32 = 32;
        let (whole, rest) = rate.parts();
        // In two halves, as `bytes * rest` can have more than 128 bits; each of these has less than 114.
        let high = u128::from(bytes >> HALF) * rest;
        let low = ((high % PARTS) << HALF) + u128::from(bytes & u64::from(u32::MAX)) * rest;
        Self {
            nanos: u128::from(bytes) * u128::from(whole) + ((high / PARTS) << HALF) + low / PARTS,
            rest: low % PARTS,
        }
    }

    /// The amount in units of 10^-`digits` of the currency, and what is left over.
    ///
    /// More than nine digits are nine.
    fn units(self, digits: u8) -> (u128, Self) {
        let step = 10_u128.pow(u32::from(MOST_DIGITS - digits.min(MOST_DIGITS)));
        let left = Self {
            nanos: self.nanos % step,
            rest: self.rest,
        };
        (self.nanos / step, left)
    }

    /// Rounds down to units of 10^-`digits` of the currency, at most nine digits.
    ///
    /// An amount that rises never falls when it is rounded down: this is for counters, each of which is
    /// less than a unit below what is exact. For figures that must sum to a whole, see [`apportion`].
    pub fn floor(self, digits: u8) -> u128 {
        self.units(digits).0
    }

    /// Rounds to the nearest unit of 10^-`digits` of the currency, a half up; at most nine digits.
    pub fn round(self, digits: u8) -> u128 {
        let (units, left) = self.units(digits);
        let one = 10_u128.pow(u32::from(MOST_DIGITS - digits.min(MOST_DIGITS)));
        let is_half = left + left
            >= Self {
                nanos: one,
                rest: 0,
            };
        units + u128::from(is_half)
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let rest = self.rest + other.rest;
        let nanos = self.nanos.checked_add(other.nanos);
        let nanos = nanos.and_then(|nanos| nanos.checked_add(rest / PARTS));
        Self {
            nanos: nanos.expect("a sum of more than 10^28 of a currency is not of bytes"),
            rest: rest % PARTS,
        }
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// What bytes cost those who sent them and those who received them.
///
/// A pod's, workload's or team's cost is its own side of each of its edges. The cost of a pair, of two
/// zones or of everything is both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// What the sender is charged.
    pub sender: Amount,
    /// What the receiver is charged.
    pub receiver: Amount,
}

impl Cost {
    /// Both sides.
    pub fn total(self) -> Amount {
        self.sender + self.receiver
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sender: self.sender + other.sender,
            receiver: self.receiver + other.receiver,
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// Rounds the parts of a whole so that they sum to the whole, rounded: in units of 10^-`digits` of the
/// currency (at most nine digits), in the order of `parts`.
///
/// The whole is rounded to the nearest unit. Each part is rounded down, and the units that are then
/// missing go to the parts with the largest remainders, of equal ones to the first. So each part is less
/// than a unit away from what is exact, and a part of nothing stays nothing.
pub fn apportion(parts: &[Amount], digits: u8) -> Vec<u128> {
    let whole = parts.iter().copied().sum::<Amount>().round(digits);
    apportion_to(parts, whole, digits)
}

/// The same where it is given to what the parts sum: of a whole that is itself a part of another, and
/// was rounded with it. It has to be less than a unit away from the sum of the parts; of another one,
/// the parts sum to the nearest that they can.
pub fn apportion_to(parts: &[Amount], whole: u128, digits: u8) -> Vec<u128> {
    let (mut units, mut left): (Vec<_>, Vec<_>) = parts
        .iter()
        .enumerate()
        .map(|(place, part)| {
            let (units, left) = part.units(digits);
            (units, (left, place))
        })
        .unzip();
    let missing = whole.saturating_sub(units.iter().sum::<u128>());
    // The whole is less than a unit above the sum of all parts, so that fewer are missing than parts
    // have a remainder, or as many.
    left.sort_unstable_by(|(one, first), (other, second)| other.cmp(one).then(first.cmp(second)));
    for ((_, place), _) in left.into_iter().zip(0..missing) {
        units[place] += 1;
    }
    units
}

/// Writes units of 10^-`digits` of a currency as a decimal: 1205 with two digits is `12.05`.
pub fn decimal(units: u128, digits: u8) -> String {
    let digits = usize::from(digits);
    if digits == 0 {
        return units.to_string();
    }
    let mut text = format!("{units:0>width$}", width = digits + 1);
    text.insert(text.len() - digits, '.');
    text
}
