//! Who comes first.

use std::cmp::{Ordering, Reverse};

use kubezonnet_api::{Key, Rank};
use kubezonnet_pricing::Amount;

use crate::history::Measure;

/// One that is put in order.
#[derive(Debug, Clone)]
pub(super) struct Ranked<T> {
    pub(super) key: Key,
    pub(super) now: Measure,
    pub(super) before: Measure,
    pub(super) what: T,
}

/// By what they are put in order where there are no prices.
pub(super) fn rank(asked: Rank, has_prices: bool) -> By {
    match (asked, has_prices) {
        (Rank::Cost, true) => By::Cost,
        (Rank::Cost, false) | (Rank::Bytes, _) => By::Bytes,
        (Rank::Growth, true) => By::Growth,
        (Rank::Growth, false) => By::GrowthOfBytes,
    }
}

/// By what they are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Cost,
    Bytes,
    Growth,
    GrowthOfBytes,
}

/// Puts the largest first; of those that are as large, that with more bytes, then by name.
pub(super) fn sort<T>(all: &mut [Ranked<T>], by: By) {
    all.sort_by(|one, other| compare(one, other, by));
}

fn compare<T>(one: &Ranked<T>, other: &Ranked<T>, by: By) -> Ordering {
    let cost = |measure: &Measure| -> Amount { measure.cost.total() };
    let bytes =
        |measure: &Measure| i128::from(measure.sent.bytes) + i128::from(measure.received.bytes);
    let first = match by {
        By::Cost => cost(&other.now).cmp(&cost(&one.now)),
        By::Bytes => Ordering::Equal,
        // Both sides and what was before of the other: amounts are not negative.
        By::Growth => {
            let of = |now: &Ranked<T>, before: &Ranked<T>| cost(&now.now) + cost(&before.before);
            of(other, one).cmp(&of(one, other))
        }
        By::GrowthOfBytes => {
            let growth = |of: &Ranked<T>| bytes(&of.now) - bytes(&of.before);
            growth(other).cmp(&growth(one))
        }
    };
    first
        .then_with(|| Reverse(bytes(&one.now)).cmp(&Reverse(bytes(&other.now))))
        .then_with(|| one.key.cmp(&other.key))
}
