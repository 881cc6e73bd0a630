"""rate() against exact fractions, and its one rounding."""

from dataclasses import astuple
from fractions import Fraction
from typing import Final

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from core.rounding import half_even
from usage.errors import CostOutOfRange
from usage.models.price_book import PRICE_MAX_NANOS
from usage.rating import MAX_EVENT_COST_NANOS, FailedPolicy, Prices, Quantities, chargeable, rate, rate_call

QUANTITY_MAX: Final = 2**31
MULTIPLIER_MAX: Final = 1_000_000

small_or_any_price = st.integers(0, 10**10) | st.integers(0, PRICE_MAX_NANOS)
small_or_any_quantity = st.integers(0, 10_000) | st.integers(0, QUANTITY_MAX)
prices = st.builds(Prices, *[small_or_any_price] * 8, st.sampled_from((0, 1, 9_999, 10_000, 12_345)) | st.integers(0, MULTIPLIER_MAX))
quantities = st.builds(Quantities, *[small_or_any_quantity] * 8)


multipliers = st.sampled_from((0, 1, 9_999, 10_000, 12_345, MULTIPLIER_MAX)) | st.integers(0, MULTIPLIER_MAX)

CHARGED_OF_A_FAILED_CALL: Final = {
    FailedPolicy.NEVER: (0, 0, 0, 0, 0, 0, 0, 0),
    FailedPolicy.INPUT_ONLY: (1, 0, 1, 1, 0, 0, 0, 0),
    FailedPolicy.REPORTED: (1, 1, 1, 1, 1, 0, 1, 1),
    FailedPolicy.ALWAYS: (1, 1, 1, 1, 1, 1, 1, 1),
}
"""Which of input, output, cache reads and writes, reasoning, requests, images and seconds count."""


def in_fractions(price: Prices, used: Quantities, multiplier_bp: int = 10_000) -> Fraction:
    """The cost before rounding, written down independently."""
    per_million, per_unit = astuple(price)[:5], astuple(price)[5:8]
    tokens, units = astuple(used)[:5], astuple(used)[5:]
    exact = sum((Fraction(n * p, 10**6) for n, p in zip(tokens, per_million, strict=True)), Fraction(0))
    exact += sum(n * p for n, p in zip(units, per_unit, strict=True))
    scaled: Fraction = exact * Fraction(price.multiplier_bp, 10**4) * Fraction(multiplier_bp, 10**4)
    return scaled


def rated(price: Prices, used: Quantities, multiplier_bp: int, *, failed: bool = False, policy: FailedPolicy | None = None) -> int | None:
    """What `rate_call` says; None where it refuses."""
    try:
        return rate_call(price, used, failed=failed, policy=policy or FailedPolicy.ALWAYS, multiplier_bp=multiplier_bp)
    except CostOutOfRange:
        return None


def fair(price: Prices, used: Quantities, multiplier_bp: int) -> int | None:
    """The exact fraction, rounded once by Python's own rule (ties to even); None above a million dollars."""
    cost = round(in_fractions(price, used, multiplier_bp))
    return None if cost > MAX_EVENT_COST_NANOS else cost


@settings(max_examples=500, deadline=None)
@given(prices, quantities)
def test_the_cost_is_the_exact_fraction_rounded_once_or_refused(price: Prices, used: Quantities) -> None:
    expected = round(in_fractions(price, used))
    if expected > MAX_EVENT_COST_NANOS:
        with pytest.raises(CostOutOfRange):
            rate(price, used)
    else:
        assert rate(price, used) == expected


@settings(max_examples=1_000, deadline=None)
@given(prices, quantities, multipliers)
def test_both_multipliers_apply_within_the_one_rounding_up_to_their_bounds(price: Prices, used: Quantities, multiplier_bp: int) -> None:
    assert rated(price, used, multiplier_bp) == fair(price, used, multiplier_bp)


@settings(max_examples=500, deadline=None)
@given(price=prices, used=quantities, multiplier_bp=multipliers, policy=st.sampled_from(FailedPolicy), is_failed=st.booleans())
def test_a_failed_call_costs_the_exact_fraction_of_what_its_policy_counts(
    price: Prices, used: Quantities, multiplier_bp: int, policy: FailedPolicy, *, is_failed: bool
) -> None:  # fmt: skip
    counts = CHARGED_OF_A_FAILED_CALL[policy if is_failed else FailedPolicy.ALWAYS]
    counted = Quantities(*(quantity * counts for quantity, counts in zip(astuple(used), counts, strict=True)))
    assert rated(price, used, multiplier_bp, failed=is_failed, policy=policy) == fair(price, counted, multiplier_bp)


@st.composite
def ties(draw: st.DrawFn) -> tuple[Prices, Quantities, int]:
    """
    Prices, tokens and multipliers whose product is an odd multiple of half the divisor: 5·10¹³ = 2¹³·5¹⁴, shared out among the four.
    """
    twos = sorted(draw(st.integers(0, 13)) for _ in range(3))
    fives = sorted(draw(st.integers(0, 14)) for _ in range(3))
    parts = [
        2 ** (high - low) * 5 ** (up - down) for low, high, down, up in zip([0, *twos], [*twos, 13], [0, *fives], [*fives, 14], strict=True)
    ]
    tokens, price, own, customers = (part * draw(st.integers(0, 40).map(lambda half: 2 * half + 1)) for part in parts)
    assume(tokens <= QUANTITY_MAX and price <= PRICE_MAX_NANOS and own <= MULTIPLIER_MAX and customers <= MULTIPLIER_MAX)
    return Prices(0, 0, 0, 0, price, 0, 0, 0, own), Quantities(reasoning_tokens=tokens), customers


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(ties())
def test_an_exact_tie_goes_to_the_even_nano_whatever_it_was_made_of(tie: tuple[Prices, Quantities, int]) -> None:
    price, used, multiplier_bp = tie
    exact = in_fractions(price, used, multiplier_bp)
    assert exact.denominator == 2
    cost = rated(price, used, multiplier_bp)
    if cost is not None:
        assert (cost % 2, abs(cost - exact)) == (0, Fraction(1, 2))


def test_both_multipliers_at_their_bounds_are_exact_and_not_rounded_twice() -> None:
    cheap = Prices(1, 0, 0, 0, 0, 0, 0, 0, MULTIPLIER_MAX)
    assert rate(cheap, Quantities(50), multiplier_bp=MULTIPLIER_MAX) == 0
    assert rate(cheap, Quantities(150), multiplier_bp=MULTIPLIER_MAX) == 2
    assert rate(Prices(500_000, 0, 0, 0, 0, 0, 0, 0, 5_000), Quantities(5), multiplier_bp=30_000) == 4
    assert rate(cheap, Quantities(QUANTITY_MAX), multiplier_bp=0) == 0


@pytest.mark.parametrize("policy", FailedPolicy)
def test_a_call_that_succeeded_is_charged_whole_whatever_the_policy_of_failed_ones(policy: FailedPolicy) -> None:
    used = Quantities(1, 2, 3, 4, 5, 6, 7, 8)
    assert chargeable(used, failed=False, policy=policy) is used


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**40), st.integers(1, 10**20))
def test_half_even_is_the_rounding_of_fractions(numerator: int, denominator: int) -> None:
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**30), st.integers(1, 10**12))
def test_ties_go_to_the_even_neighbour(quotient: int, half: int) -> None:
    assert half_even((2 * quotient + 1) * half, 2 * half) == quotient + quotient % 2


@pytest.mark.parametrize(("tokens", "cost"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 2), (6, 3), (7, 4)])
def test_half_a_nano_a_token_rounds_ties_to_even(tokens: int, cost: int) -> None:
    half = Prices(500_000, 0, 0, 0, 0, 0, 0, 0, 10_000)
    assert rate(half, Quantities(input_tokens=tokens)) == cost


def test_classes_are_added_before_the_one_rounding() -> None:
    third = Prices(333_333, 333_333, 333_333, 333_333, 333_333, 0, 0, 0, 10_000)
    assert rate(third, Quantities(1, 1, 1, 1, 1)) == 2


def test_a_request_is_counted_where_none_is_said() -> None:
    assert rate(Prices(0, 0, 0, 0, 0, 7, 0, 0, 10_000), Quantities()) == 7


def test_the_multiplier_is_in_basis_points() -> None:
    prices = [Prices(10**6, 0, 0, 0, 0, 0, 0, 0, bp) for bp in (0, 1, 5_000, 10_000, 15_000, MULTIPLIER_MAX)]
    assert [rate(price, Quantities(10_000)) for price in prices] == [0, 1, 5_000, 10_000, 15_000, 1_000_000]


def test_a_million_dollars_is_the_most_that_one_event_costs() -> None:
    dear = Prices(0, 0, 0, 0, 0, 0, MAX_EVENT_COST_NANOS, 1, 10_000)
    assert rate(dear, Quantities(images=1)) == MAX_EVENT_COST_NANOS
    with pytest.raises(CostOutOfRange):
        rate(dear, Quantities(images=1, seconds=1))


def test_the_dearest_prices_and_longest_calls_do_not_overflow() -> None:
    top = PRICE_MAX_NANOS
    dearest = Prices(top, top, top, top, top, top, top, top, MULTIPLIER_MAX)
    with pytest.raises(CostOutOfRange):
        rate(dearest, Quantities(*[QUANTITY_MAX] * 8))
