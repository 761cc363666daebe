//! Exact sums as they are shown: money to six digits, so that parts sum to their whole.

use kubezonnet_api::{Gap, Measure, Measures, Money, Unpriced};
use kubezonnet_pricing::{Amount, Currency, apportion, decimal};

use crate::history::{self, Answer};

/// Digits after the point.
pub(super) const DIGITS: u8 = 6;

/// Whether there is money, and in what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purse(Option<Currency>);

impl Purse {
    /// That of an answer.
    pub(super) fn of(answer: &Answer) -> Self {
        Self(answer.currency)
    }

    /// With prices in that currency, or without.
    pub(super) fn of_currency(currency: Option<Currency>) -> Self {
        Self(currency)
    }

    /// Whether there are prices.
    pub(super) fn is_there(self) -> bool {
        self.0.is_some()
    }

    /// The three letters.
    pub(super) fn currency(self) -> Option<String> {
        self.0.map(|currency| currency.to_string())
    }

    /// Money as text; none without prices.
    pub(super) fn money(self, units: u128) -> Option<Money> {
        self.0.map(|_| Money(decimal(units, DIGITS)))
    }

    /// What went between two.
    pub(super) fn between(self, measure: &history::Measure, units: u128) -> Measure {
        Measure {
            bytes: measure.bytes(),
            packets: measure
                .sent
                .packets
                .saturating_add(measure.received.packets),
            cost: self.money(units),
            unpriced_bytes: measure.unpriced_bytes(),
        }
    }

    /// What somebody sent and received.
    pub(super) fn party(self, measure: &history::Measure, units: u128) -> Measures {
        Measures {
            sent_bytes: measure.sent.bytes,
            sent_packets: measure.sent.packets,
            received_bytes: measure.received.bytes,
            received_packets: measure.received.packets,
            crossing_bytes: measure.crossing,
            cost: self.money(units),
            unpriced_bytes: measure.unpriced_bytes(),
        }
    }

    /// One by itself.
    pub(super) fn whole(self, measure: &history::Measure) -> Measure {
        self.between(measure, measure.cost.total().round(DIGITS))
    }
}

/// Units of money of each, which sum to those of all.
pub(super) fn units<'a>(parts: impl IntoIterator<Item = &'a history::Measure>) -> Vec<u128> {
    let amounts: Vec<Amount> = parts.into_iter().map(|part| part.cost.total()).collect();
    apportion(&amounts, DIGITS)
}

/// All of it.
pub(super) fn sum<'a>(parts: impl IntoIterator<Item = &'a history::Measure>) -> history::Measure {
    let mut sum = history::Measure::default();
    for part in parts {
        sum += *part;
    }
    sum
}

/// Bytes without a price, by why.
pub(super) fn unpriced(measure: &history::Measure) -> Vec<Unpriced> {
    let all = history::Unpriced::ALL.into_iter().zip(measure.unpriced);
    let some = all.filter(|(_, bytes)| *bytes > 0);
    some.map(|(why, bytes)| Unpriced {
        reason: gap(why),
        bytes,
    })
    .collect()
}

fn gap(why: history::Unpriced) -> Gap {
    use kubezonnet_pricing::Gap as Missing;
    match why {
        history::Unpriced::Gap(Missing::UnknownPlace) => Gap::UnknownPlace,
        history::Unpriced::Gap(Missing::UnlistedRate) => Gap::UnlistedRate,
        history::Unpriced::Gap(Missing::InternetOff) => Gap::InternetOff,
        history::Unpriced::NoPrices => Gap::NoPrices,
    }
}
