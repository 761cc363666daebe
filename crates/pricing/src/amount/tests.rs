use proptest::prelude::*;

use super::*;

/// An amount of whole nano-units and some of the next.
fn amount(nanos: u128, rest: u128) -> Amount {
    assert!(rest < PARTS, "a whole nano-unit more");
    Amount { nanos, rest }
}

fn any_amount() -> impl Strategy<Value = Amount> {
    (0..10_u128.pow(24), 0..PARTS).prop_map(|(nanos, rest)| amount(nanos, rest))
}

/// Amounts of a cent or two, where rounding matters most.
fn small_amount() -> impl Strategy<Value = Amount> {
    let halves = prop_oneof![Just(0), Just(1), Just(PARTS / 2), Just(PARTS - 1)];
    (0..30_000_000_u128, halves).prop_map(|(nanos, rest)| amount(nanos, rest))
}

#[test]
fn amounts_are_rounded_down_or_to_the_nearest() {
    let cases = [
        // nano-units, parts, digits, down, nearest
        (1_234_567_890, 0, 2, 123, 123),
        (1_235_000_000, 0, 2, 123, 124),
        (1_234_999_999, PARTS - 1, 2, 123, 123),
        (1_235_000_000, 1, 2, 123, 124),
        (1_500_000_000, 0, 0, 1, 2),
        (1, PARTS / 2, 9, 1, 2),
        (1, PARTS / 2 - 1, 9, 1, 1),
        (1, PARTS / 2, 200, 1, 2),
        (0, 0, 2, 0, 0),
    ];
    for (nanos, rest, digits, down, nearest) in cases {
        let amount = amount(nanos, rest);
        assert_eq!(amount.floor(digits), down, "{amount:?} to {digits}");
        assert_eq!(amount.round(digits), nearest, "{amount:?} to {digits}");
    }
}

#[test]
fn three_thirds_of_a_cent_are_a_cent() {
    let third = amount(3_333_333, PARTS / 3);

    let cents = apportion(&[third, third, third], 2);

    assert_eq!(cents, [1, 0, 0]);
}

#[test]
fn missing_units_go_to_the_largest_remainders() {
    let parts = [6_000_000, 23_000_000, 38_000_000, 0].map(|nanos| amount(nanos, 0));

    let cents = apportion(&parts, 2);

    // 0.067 is 7 cents; 0, 2 and 3 are 5 of them, 0.008 and 0.006 are the largest remainders.
    assert_eq!(cents, [1, 2, 4, 0]);
}

#[test]
fn nothing_is_apportioned_to_nobody() {
    assert!(apportion(&[], 2).is_empty());
    assert_eq!(apportion(&[Amount::ZERO; 3], 2), [0, 0, 0]);
}

#[test]
fn units_are_written_as_a_decimal() {
    let cases = [
        (0, 2, "0.00"),
        (5, 2, "0.05"),
        (1205, 2, "12.05"),
        (1205, 0, "1205"),
        (1, 9, "0.000000001"),
    ];
    for (units, digits, text) in cases {
        assert_eq!(decimal(units, digits), text);
    }
}

proptest! {
    #[test]
    fn bytes_in_two_steps_cost_what_they_cost_in_one(
        one in 0..u64::MAX / 2,
        other in 0..u64::MAX / 2,
        nanos in 0..10_u128.pow(6),
        rest in 0..PARTS,
    ) {
        let rate = Rate::from_parts(u64::try_from(nanos).unwrap(), rest);

        let apart = Amount::of(one, rate) + Amount::of(other, rate);

        prop_assert_eq!(apart, Amount::of(one + other, rate));
    }

    #[test]
    fn more_bytes_never_cost_less(
        fewer in any::<u64>(),
        more in any::<u64>(),
        rest in 0..PARTS,
        digits in 0_u8..12,
    ) {
        let rate = Rate::from_parts(0, rest);
        let (fewer, more) = (fewer.min(more), fewer.max(more));

        let (less, larger) = (Amount::of(fewer, rate), Amount::of(more, rate));

        prop_assert!(less <= larger);
        prop_assert!(less.floor(digits) <= larger.floor(digits));
        prop_assert!(less.round(digits) <= larger.round(digits));
    }

    #[test]
    fn parts_sum_to_their_whole_and_each_is_less_than_a_unit_off(
        parts in proptest::collection::vec(
            prop_oneof![any_amount(), small_amount(), Just(Amount::ZERO)], 0..40),
        digits in 0_u8..12,
    ) {
        let units = apportion(&parts, digits);

        let whole: Amount = parts.iter().copied().sum();
        prop_assert_eq!(units.len(), parts.len());
        prop_assert_eq!(units.iter().sum::<u128>(), whole.round(digits));
        for (part, units) in parts.iter().zip(units) {
            let down = part.floor(digits);
            prop_assert!(units == down || units == down + 1, "{:?} became {}", part, units);
            prop_assert!(*part != Amount::ZERO || units == 0);
        }
    }

    #[test]
    fn a_larger_part_never_gets_less(
        parts in proptest::collection::vec(small_amount(), 2..20),
    ) {
        let units = apportion(&parts, 2);

        for (one, other) in (0..parts.len()).flat_map(|one| (0..one).map(move |other| (one, other))) {
            if parts[one] > parts[other] {
                prop_assert!(units[one] >= units[other]);
            }
        }
    }
}

/// Parts, and a whole that is less than a unit away from their sum.
fn parts_of_a_given_whole() -> impl Strategy<Value = (Vec<Amount>, u128, u8)> {
    let parts = proptest::collection::vec(prop_oneof![small_amount(), Just(Amount::ZERO)], 0..30);
    (parts, 0_u8..10, any::<bool>()).prop_map(|(parts, digits, is_up)| {
        let whole: Amount = parts.iter().copied().sum();
        let (down, left) = whole.units(digits);
        let is_up = is_up && left != Amount::ZERO;
        (parts, down + u128::from(is_up), digits)
    })
}

/// What a part has beyond whole units, and how many more it got.
fn more(part: Amount, units: u128, digits: u8) -> (Amount, u128) {
    let (down, left) = part.units(digits);
    (left, units - down)
}

proptest! {
    #[test]
    fn parts_sum_to_the_whole_that_is_given_and_each_is_less_than_a_unit_off(
        (parts, whole, digits) in parts_of_a_given_whole(),
    ) {
        let units = apportion_to(&parts, whole, digits);

        prop_assert_eq!(units.iter().sum::<u128>(), whole);
        for (part, units) in parts.iter().zip(units) {
            let (down, left) = part.units(digits);
            prop_assert!(units == down || units == down + 1 && left != Amount::ZERO);
        }
    }

    #[test]
    fn who_gets_what_is_missing_does_not_depend_on_the_order(
        (parts, whole, digits) in parts_of_a_given_whole(),
        turn in any::<proptest::sample::Index>(),
    ) {
        let mut turned = parts.clone();
        turned.reverse();
        let places = turn.index(parts.len() + 1);
        turned.rotate_left(places);

        let all = |parts: &[Amount]| {
            let units = apportion_to(parts, whole, digits);
            let mut all: Vec<_> = parts.iter().zip(units).map(|(part, units)| more(*part, units, digits)).collect();
            all.sort_unstable();
            all
        };

        // Of those with as much beyond whole units as many get one more.
        prop_assert_eq!(all(&parts), all(&turned));
    }

    #[test]
    fn a_whole_out_of_reach_is_met_as_nearly_as_can_be(
        parts in proptest::collection::vec(small_amount(), 0..20),
        whole in 0..1_000_000_u128,
    ) {
        let units = apportion_to(&parts, whole, 2);

        let down: u128 = parts.iter().map(|part| part.floor(2)).sum();
        let most = down + parts.len() as u128;
        prop_assert_eq!(units.iter().sum::<u128>(), whole.clamp(down, most));
        prop_assert!(parts.iter().zip(units).all(|(part, units)| units - part.floor(2) <= 1));
    }
}
